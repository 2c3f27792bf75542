"""The page of a bias profile, as `page.html` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.formats.profile import ChangeOfQuestion, ProfileRow, changes_of, question_rows
from audit.extensions.formats.statements import Statements
from audit.records.comparison import Comparisons
from audit.results import AuditResult, Finding, Results
from reports.context import audit_contexts
from reports.environment import draw
from reports.provenance import About, written_date
from reports.read import RESULTS
from reports.section import Page, ShownSection
from reports.table import Row, Table
from reports.text import phrases, sentences
from reports.text.detail.found import appendix_note
from reports.text.numbers import NOT_ESTIMABLE, count, difference, in_words, p_phrase, short_hashes, times

_HEAD = ("Group", "n", "Events", "Rate", "Against the others, points", "Labelled", "Hazard", "Mitigation", "Owner", "Review", "Signature")
_EXPLORATORY = "formats/exploratory.html"
NOTE = (
    "Numbers come from results.json. Columns and lines marked with * are stated by the responsible people, and were not checked. A profile "
    "is material for their decision; it decides nothing."
)


@dataclass(frozen=True)
class ProfileQuestion:
    """One question with its groups."""

    key: str
    title: str
    verdict: str
    facts: Sequence[tuple[str, str]]
    table: Table


@dataclass(frozen=True)
class ProfileAudit:
    """The planned questions of one audit."""

    name: str
    facts: Sequence[tuple[str, str]]
    limits: Sequence[str]
    planned: Sequence[ProfileQuestion]


@dataclass(frozen=True, kw_only=True)
class ProfilePage(Page):
    """The page of a profile."""

    about: About
    note: str
    sha256: str
    audits: Sequence[ProfileAudit]


def profile_page(results: Results, sha256: str, statements: Statements, compared: Comparisons | None = None) -> str:
    """The profile as HTML; `sha256` is that of results.json."""
    audits, exploratory = [], []
    for context in audit_contexts(results):
        changes = changes_of(context.audit, compared)
        settings, questions = results.settings, []
        for placed in (*context.primary, *context.exploratory):
            rows = question_rows(placed.finding, context.audit, settings, statements)
            questions.append(_question(placed.key, placed.title, rows, changes.get(placed.finding.id)))
        planned = len(context.primary)
        facts = _about_audit(context.audit)
        limits = (*context.audit.probe.limits, *(f"Not tested: {what}" for what in context.audit.probe.not_tested))
        audits.append(ProfileAudit(phrases.audit_name(context.audit), facts, limits, questions[:planned]))
        exploratory += [(f"{context.key}-exploratory", phrases.audit_name(context.audit), questions[planned:])]
    about = About(
        title=f"Bias profile: {sentences.audits_title(results)}", tool=results.tool, created=written_date(results.timing.created),
        short_hashes=short_hashes([audit.model.sha256 for audit in results.audits]),
    )  # fmt: skip
    page = ProfilePage(
        what="profile", about=about, note=NOTE, sha256=sha256, audits=audits, appendix=_appendix(exploratory),
        appendix_note=appendix_note(RESULTS, has_tables=False),
        contents=[
            *(entry for audit in audits for entry in [(audit.name, "", "contents-audit"), *_entries(audit)]),
            *([("Appendix", "appendix", "")] if any(questions for _, _, questions in exploratory) else []),
        ],
    )  # fmt: skip
    return draw("formats/profile.html", page=page)


def _appendix(groups: Sequence[tuple[str, str, Sequence[ProfileQuestion]]]) -> tuple[ShownSection, ...]:
    """The exploratory comparisons of each audit, collapsed."""
    return tuple(
        ShownSection("exploratory", key, f"{in_words(len(questions), 'exploratory comparison')} · {name}", _EXPLORATORY, questions)
        for key, name, questions in groups
        if questions
    )


def _entries(audit: ProfileAudit) -> list[tuple[str, str, str]]:
    return [(question.title, question.key, "") for question in audit.planned]


def _about_audit(audit: AuditResult) -> list[tuple[str, str]]:
    data = audit.data
    return [
        ("Data", sentences.images(audit)), ("Source", data.source), ("Licence", data.licence), ("Fingerprint", data.fingerprint),
        ("Model", f"{audit.model.name}, sha256 {audit.model.sha256}"),
    ]  # fmt: skip


def _question(key: str, title: str, rows: Sequence[ProfileRow], change: ChangeOfQuestion | None) -> ProfileQuestion:
    return ProfileQuestion(key, title, rows[0].finding.verdict, _facts(rows[0], change), _table(title, rows))


def _facts(row: ProfileRow, change: ChangeOfQuestion | None) -> list[tuple[str, str]]:
    finding, gap = row.finding, row.finding.gap
    tolerance = f"{phrases.tolerances(finding)}, {row.origin}"
    facts = [
        ("Question", f"{finding.id} ({row.kind})"),
        ("Better", finding.better),
        ("Gap", _gap(finding)),
        ("Tolerance", tolerance),
        ("Reason for the tolerance *", row.stated["tolerance_reason"]),
    ]
    if gap is not None:
        facts.append(("Adjusted p", f"{p_phrase(gap.p_adjusted)}, for {row.family}"))
        facts.append(("Detectable difference", f"about {phrases.detectable_text(finding)} in four of five audits"))
        if gap.ratio is not None:
            facts.append(("Lowest rate over highest", times(gap.ratio)))
    if change is not None and change.change.gap is not None:
        changed = change.change.gap
        facts.append(("Change", f"{difference(changed.difference, changed.low, changed.high)} points since {change.before}"))
    return facts


def _gap(finding: Finding) -> str:
    pair = phrases.leading_pair(finding)
    if pair is None:
        return NOT_ESTIMABLE
    named = finding.verdict in ("disparity", "signal") and not finding.diffuse
    groups = f", {phrases.group(pair.higher)} above {phrases.group(pair.lower)}" if named else ""
    return f"{phrases.gap_text(finding)}{groups}"


def _table(title: str, rows: Sequence[ProfileRow]) -> Table:
    cells = tuple(
        Row(
            (
                phrases.group(row.rate.group), count(row.rate.n), count(row.rate.events), phrases.cell_rate(row.rate),
                difference(row.contrast.difference, row.contrast.low_adjusted, row.contrast.high_adjusted) if row.contrast
                else sentences.STATUSES[row.rate.status],
                *(row.stated[name] for name in ("labelled", "hazard", "mitigation", "owner", "review_date", "signature")),
            ),
            faint=row.rate.status != "ok",
        )
        for row in rows
    )  # fmt: skip
    head = (*_HEAD[:5], *(f"{name} *" for name in _HEAD[5:]))
    return Table(title, title, head, cells, unseen=True)
