"""The rows of a bias profile: every number is one of `results.json`, or of the comparison that is named beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.errors import DataError
from audit.extensions.formats.statements import Statements
from audit.records.comparison import Change, Comparison, Comparisons
from audit.records.finding import Contrast, Rate
from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from audit.version import __version__
from reports.exports.tables import csv_text
from reports.text.headline.choices import tolerance_origin
from reports.text.numbers import in_words
from reports.tidy import AUDIT, Columns, tidy

PROFILE = "profile.csv"
PLANNED, EXPLORATORY = "planned", "exploratory"
_QUESTION: Columns = {
    "question": "finding.id", "measurement": "finding.measurement", "metric": "finding.metric", "outcome": "finding.outcome",
    "better": "finding.better", "planned": "kind", "attributes": "finding.attributes", "group": "rate.group",
    "stated_labelled": "stated.labelled", "stated_hazard": "stated.hazard",
}  # fmt: skip
_MEASURED: Columns = {
    **{name: f"rate.{name}" for name in ("n", "events", "clusters")}, "rate": "rate.value", "low": "rate.low", "high": "rate.high",
    "status": "rate.status", "reference": "reference", "difference": "contrast.difference",
    "difference_low": "contrast.low_adjusted", "difference_high": "contrast.high_adjusted",
    "gap_higher": "finding.gap.leading.higher", "gap_lower": "finding.gap.leading.lower", "gap": "finding.gap.leading.difference",
    "gap_low": "finding.gap.leading.low", "gap_high": "finding.gap.leading.high", "largest_gap": "finding.gap.value",
    "ratio": "finding.gap.ratio", "ratio_differs_at_least": "finding.gap.ratio_low", "level": "level",
    "p": "finding.gap.p", "p_adjusted": "finding.gap.p_adjusted", "adjusted_for": "family",
    "tolerance": "finding.tolerance", "ratio_tolerance": "finding.ratio_tolerance", "tolerance_set_by": "origin",
    "stated_tolerance_reason": "stated.tolerance_reason", "verdict": "finding.verdict",
    "not_estimable_because": "finding.unresponsive",
    "exceeds_tolerance": "finding.exceeds_tolerance", "minimum_detectable": "finding.gap.minimum_detectable",
}  # fmt: skip
_DATA: Columns = {
    "data": "name", "fingerprint": "fingerprint", "source": "source", "licence": "licence", "cluster": "cluster", "weights": "weights",
}  # fmt: skip
_PROBE: Columns = {"limits": "limits", "not_tested": "not_tested"}
_CHANGE: Columns = {
    "compared_with": "before", "gap_before": "change.gap.before.value", "change": "change.gap.difference",
    "change_low": "change.gap.low", "change_high": "change.gap.high", "change_verdict": "change.verdict", "direction": "change.direction",
}  # fmt: skip
_PEOPLE: Columns = {f"stated_{name}": name for name in ("mitigation", "owner", "review_date", "signature")}


@dataclass(frozen=True)
class ProfileRow:
    """One question and one group."""

    finding: Finding
    rate: Rate
    contrast: Contrast | None
    """The group against the other estimable groups, pooled; None if it is not compared."""
    stated: dict[str, str]
    kind: str
    origin: str
    """Who set the tolerance."""
    family: str
    """What p is adjusted for."""
    level: float
    """Of every interval in the row."""

    @property
    def reference(self) -> str | None:
        return None if self.contrast is None else "the other compared groups"


@dataclass(frozen=True)
class ChangeOfQuestion:
    """A question in another audit, with which it was compared."""

    before: str
    change: Change


def question_rows(finding: Finding, audit: AuditResult, settings: Settings, statements: Statements) -> list[ProfileRow]:
    """The rows of one question, one per group, the unjudged ones included."""
    contrasts = {contrast.first: contrast for contrast in finding.contrasts}
    return [
        ProfileRow(
            finding, rate, contrasts.get(rate.group), statements.about(finding, rate.group), PLANNED if finding.primary else EXPLORATORY,
            tolerance_origin(finding, audit, settings), family(finding, audit), round(1 - settings.alpha, 6),
        )
        for rate in finding.by_group
    ]  # fmt: skip


def family(finding: Finding, audit: AuditResult) -> str:
    """Say what the p of a question is adjusted for; empty if it was not tested."""
    if finding.gap is None:
        return ""
    tested = [other for other in audit.findings if other.gap is not None]
    planned = sum(other.primary for other in tested) if audit.suite is None else audit.suite.planned
    exploratory = sum(not other.primary for other in tested) if audit.suite is None else audit.suite.exploratory
    of = "" if audit.suite is None else f" of the suite {audit.suite.name}"
    if finding.primary:
        return f"{in_words(planned, 'planned question')}{of} (Holm)"
    return f"{in_words(exploratory, 'exploratory comparison')}{of} (Benjamini-Hochberg)"


def profile_csv(results: Results, statements: Statements, compared: Comparisons | None = None) -> str:
    """The profile as CSV: fractions from 0 to 1, unrounded; an empty cell is not estimable, or does not apply."""
    header, rows = tidy((AUDIT, _QUESTION, _MEASURED, _DATA, _PROBE, _CHANGE, _PEOPLE), _items(results, statements, compared))
    return csv_text(header, rows)


def _items(results: Results, statements: Statements, compared: Comparisons | None) -> Iterator[Sequence[object]]:
    for audit in results.audits:
        changes = changes_of(audit, compared)
        texts = {name: "; ".join(getattr(audit.probe, name)) for name in _PROBE}
        for finding in audit.findings:
            for row in question_rows(finding, audit, results.settings, statements):
                yield audit, row, row, audit.data, texts, changes.get(finding.id), row.stated


def changes_of(audit: AuditResult, compared: Comparisons | None) -> dict[str, ChangeOfQuestion]:
    """Question -> its change from the first side of a comparison to this audit's model."""
    if compared is None:
        return {}
    return {change.id: ChangeOfQuestion(one.before, change) for one in _against(audit, compared) for change in one.changes}


def _against(audit: AuditResult, compared: Comparisons) -> Iterator[Comparison]:
    sides = {side.name: side.model.fingerprint for side in compared.sides}
    return (one for one in compared.comparisons if one.probe == audit.probe.name and sides.get(one.after) == audit.model.fingerprint)


def check_compared(results: Results, compared: Comparisons) -> None:
    """Raise `DataError` if a comparison is about other models or probes: its changes would be missing without a word."""
    if not any(changes_of(audit, compared) for audit in results.audits):
        why = f"it compares {', '.join(side.name for side in compared.sides)} with {compared.sides[0].name}"
        raise DataError(
            "the comparison has no change to the audited model", why=why, fix="name a comparison whose later side is this audit"
        )


def profile_problems(content: bytes, results: Results) -> Iterator[str]:
    """Yield each cell of a bias profile that does not follow from the results, with its row; what people state is not compared."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        yield f"{PROFILE}: it is not a table ({type(error).__name__})"
        return
    expected = list(csv.DictReader(io.StringIO(profile_csv(results, Statements()), newline="")))
    if len(rows) != len(expected):
        yield f"{PROFILE}: {len(rows):,} rows; results.json has {len(expected):,} groups of questions"
        return
    ours = results.tool == f"vlm-audit {__version__}"  # another version may have fewer columns
    for number, (row, cells) in enumerate(zip(rows, expected, strict=True), 1):
        for column, value in cells.items():
            if not column.startswith("stated_") and row.get(column) != value and (ours or column in row):
                yield f"{PROFILE}: row {number}, {column}: {ascii(row.get(column))[:40]}, in results.json {ascii(value)[:40]}"
