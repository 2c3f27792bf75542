"""What stands on the page, in which order: results turned into texts and placed marks, for templates that only print."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import fields

from audit.records.results import (
    AuditResult,
    DataRecord,
    Finding,
    MeasurementRecord,
    PairedFinding,
    Rate,
    Results,
    SpecificationCurve,
    SpecificationPoint,
    to_json,
)
from audit.types import CellReference, PublishedTable, Settings
from reports.charts.forest import Forest, signed_forest
from reports.charts.grids import curve_figure, in_order, share_bar
from reports.charts.panels import strip
from reports.sections.answers import answers
from reports.sections.confidence import confidence
from reports.sections.evidence import evidence
from reports.sections.finding import finding_view
from reports.sections.scores import scores
from reports.sections.views import (
    AuditView,
    CountTable,
    CurveRow,
    CurveView,
    FindingView,
    MeasurementView,
    Page,
    PublishedRowView,
    PublishedView,
    Top,
)
from reports.text import phrases
from reports.text import sentences as words
from reports.text.notes import sentence
from reports.text.numbers import count, difference, exact_points, in_words, p_value, short_hashes
from reports.text.reasons import audit_reason

ROOM = 900
"""Groups of all findings on a page up to which each finding is shown whole. FairFace has 640; the page must stay under one megabyte."""
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""Not strftime's: those follow the locale."""
_BY_RULE = "predictions"
"""The probe of a file about which no probe was named."""
_ORDER = {"disparity": 0, "inconclusive": 1, "equivalent": 2, "not estimable": 3}


def page(results: Results) -> Page:
    """Return the page of `results`."""
    return Page(
        results=results,
        audits=_audits(results),
        title=page_title(results),
        short_hashes=short_hashes([audit.model.sha256 for audit in results.audits]),
        created=written_date(results.timing.created),
        command=" ".join([results.command[0], shlex.join(results.command[1:])]) if results.command else "",
        thresholds=thresholds(results.settings),
        environment=tuple((part, results.environment[part]) for part in natural(results.environment)),
        has_clusters=any(audit.data.clusters is not None for audit in results.audits),
        counts_images=any(audit.data.clusters is None for audit in results.audits),
        has_examples=any(audit.examples for audit in results.audits),
        equivalence_level=round(100 * (1 - 2 * results.settings.alpha), 6),
        sha256=hashlib.sha256(to_json(results).encode("utf-8", "surrogatepass")).hexdigest(),
    )


def page_title(results: Results) -> str:
    """Return which models were audited, and with which probes."""
    models = tuple(dict.fromkeys(audit.model.name for audit in results.audits))
    probes = tuple(dict.fromkeys(audit.probe.name for audit in results.audits))
    model = models[0] if len(models) == 1 else in_words(len(models), "model")
    if results.audits and all(phrases.answers_only(audit.model) for audit in results.audits):
        model = f"the answers in {model}"
    probe = f"the {probes[0]} probe" if len(probes) == 1 else in_words(len(probes), "probe")
    return f"Audit of {model}" if probes == (_BY_RULE,) else f"Audit of {model} with {probe}"


def written_date(created: str) -> str:
    """Return an ISO time as a date in words; another text as it is.

    Examples
    --------
    >>> written_date("2026-01-02T12:00:00+00:00")
    '2 January 2026, 12:00 UTC'
    """
    try:
        moment = dt.datetime.fromisoformat(created).astimezone(dt.UTC)
    except ValueError:
        return created
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment:%Y, %H:%M} UTC"


def thresholds(settings: Settings) -> tuple[tuple[str, str, str, str], ...]:
    """Return every setting: flag, value, meaning, and who chose it."""
    limit = "all images" if settings.limit is None else in_words(settings.limit, "image")
    meaning = {
        "alpha": (f"{settings.alpha:g}", "error rate of every test, and of the intervals"),
        "tolerance": (exact_points(settings.tolerance), "a difference below this would not matter; a probe may set its own for a question"),
        "min_group_size": (in_words(settings.min_group_size, "image"), "smaller groups are shown, not judged"),
        "draws": (count(settings.draws), "shuffles of a permutation test; the smallest p it can give is 1 / (draws + 1)"),
        "seed": (str(settings.seed), "of the random draws: the same seed gives the same numbers"),
        "limit": (limit, "a sample of the images instead of all"),
        "max_skip": (f"{100 * settings.max_skip:g} %", "unreadable images that are tolerated before the audit stops"),
    }
    default = Settings()
    chosen = {
        name: "the program's default" if getattr(settings, name) == getattr(default, name) else "set for this run" for name in meaning
    }
    return tuple((name.replace("_", "-"), *meaning[name], chosen[name]) for name in (f.name for f in fields(Settings)) if name in meaning)


def by_severity(finding: Finding) -> tuple[int, float, float]:
    """Sort key: disparities first, then by adjusted p, then by the size of the gap."""
    gap = finding.gap
    return (_ORDER[finding.verdict], gap.p_adjusted if gap else 1.0, -gap.value if gap else 0.0)


# ---- one audit -----------------------------------------------------------------------------------------------------------------------


def _audits(results: Results) -> tuple[AuditView, ...]:
    """Return the audits; where there are many findings, context is brief; prompts that stand on the page already are not printed again."""
    printed: dict[str, str] = {}
    roomy = sum(len(finding.by_group) for audit in results.audits for finding in audit.findings) <= ROOM
    return tuple(_audit(f"a{i}", audit, roomy, printed, results.settings) for i, audit in enumerate(results.audits, 1))


def _audit(key: str, audit: AuditResult, roomy: bool, printed: dict[str, str], settings: Settings) -> AuditView:
    views = {
        finding.id: finding_view(f"{key}-f{i}", finding, audit, settings, brief=not (roomy or finding.primary))
        for i, finding in enumerate(audit.findings, 1)
    }
    keys = {name: view.key for name, view in views.items()}
    ordered = [views[finding.id] for finding in sorted(audit.findings, key=by_severity)]
    primary, context = (tuple(view for view in ordered if view.finding.primary is wanted) for wanted in (True, False))
    top = _top(key, audit, (*primary, *context))
    curves = tuple(_curve(f"{key}-s{i}", curve) for i, curve in enumerate(audit.specifications, 1))
    return AuditView(
        key=key,
        audit=audit,
        top=top,
        left_out=words.left_out(audit),
        primary=primary,
        context=context,
        measurements=tuple(_measurement(f"{key}-m{i}", record, ordered, printed) for i, record in enumerate(audit.measurements, 1)),
        published=tuple(_published(f"{key}-t{i}", table, audit) for i, table in enumerate(audit.published, 1)),
        paired=_paired_forest(audit.paired),
        curves=curves,
        counts=_counts(audit),
        reason=audit_reason(audit),
        warnings=tuple(map(sentence, audit.warnings)),
        depends=tuple(view for view in curves if words.depends_on_wording(view.curve)),
        evidence=evidence(keys, [view.finding for view in primary], audit),
        confidence=confidence(keys, audit, brief=not roomy),
        answers=answers(audit, settings, brief=not roomy),
        scores=scores(key, audit),
        clearest=next((view for view in (*primary, *context) if view.finding.gap), None),
        has_strips=any(each.strip for each in top),
    )


def _top(key: str, audit: AuditResult, ordered: Sequence[FindingView]) -> tuple[Top, ...]:
    """Three to five sentences: the clearest primary findings, and the clearest pair."""
    pairs = sorted(audit.paired, key=words.by_clarity)[:1]
    primary = sum(view.finding.primary for view in ordered)
    room = max(min(primary, 4), 3 - len(pairs))
    tops = [
        Top(words.headline(view.finding, audit), view.title, view.key, view.finding.verdict, strip(view.finding)) for view in ordered[:room]
    ]
    return (*tops, *(Top(words.paired_headline(paired), "Counterfactual pairs", f"{key}-paired", "", None) for paired in pairs))


def _measurement(key: str, record: MeasurementRecord, ordered: Sequence[FindingView], printed: dict[str, str]) -> MeasurementView:
    own = [view for view in ordered if view.finding.measurement == record.name]
    same_as = printed.setdefault(repr((record.name, record.labels, record.prompts, record.answers, record.combine, record.asked)), key)
    return MeasurementView(
        key=key,
        record=record,
        primary=tuple(view for view in own if view.finding.primary),
        context=tuple(view for view in own if not view.finding.primary),
        prompts=tuple((label, record.prompts[label], record.answers.get(label, label)) for label in record.labels),
        has_prompts=any(record.prompts.values()),
        outcomes=tuple((outcome, record.outcomes[outcome]) for outcome in natural(record.outcomes)),
        answers=tuple(
            sorted(((answer, record.answer_counts[answer]) for answer in natural(record.answer_counts)), key=lambda each: -each[1])
        ),
        same_as="" if same_as == key else same_as,
    )


def _paired_forest(paired: Sequence[PairedFinding]) -> Forest | None:
    rows = [(phrases.paired_title(each), each.difference, each.low, each.high) for each in paired]
    return signed_forest(rows) if rows else None


def _published(key: str, table: PublishedTable, audit: AuditResult) -> PublishedView:
    cells = {(finding.id, cell.group): cell for finding in audit.findings for cell in finding.by_group}

    def ours(reference: CellReference | None) -> Rate | None:
        return cells.get((reference.finding, reference.group)) if reference else None

    return PublishedView(key, table, tuple(PublishedRowView(row.label, row.published, tuple(map(ours, row.ours))) for row in table.rows))


def _counts(audit: AuditResult) -> tuple[CountTable, ...]:
    """Count images by level; a level that only excluded images have is a row too."""
    order = _declared(audit.findings)
    known = [name for name in order if name in audit.data.groups]
    return tuple(_count_table(name, order.get(name, ()), audit.data) for name in (*known, *natural(set(audit.data.groups) - set(known))))


def _count_table(attribute: str, order: Sequence[str], data: DataRecord) -> CountTable:
    left_out = {f"left out: {sentence(exclusion.reason)}": exclusion.by_group.get(attribute, {}) for exclusion in data.exclusions}
    converted = {f"converted: {kind}": data.conversions[kind].get(attribute, {}) for kind in natural(data.conversions)}
    columns = {"used": data.groups[attribute], **left_out, **converted}
    present = {level for counts in columns.values() for level in counts}
    levels = [*(level for level in order if level in present), *natural(present - set(order))]
    rows = tuple((level, tuple(count(counts.get(level, 0)) for counts in columns.values())) for level in levels)
    return CountTable(attribute, tuple(columns), rows)


def _declared(findings: Sequence[Finding]) -> dict[str, tuple[str, ...]]:
    """Return attribute -> its levels in declared order, which findings keep and a mapping in results.json does not."""
    order: dict[str, dict[str, None]] = {}
    for finding in findings:
        for place, attribute in enumerate(finding.attributes):
            order.setdefault(attribute, {}).update(dict.fromkeys(cell.group[place] for cell in finding.by_group))
    return {attribute: tuple(levels) for attribute, levels in order.items()}


def natural(names: Iterable[str]) -> list[str]:
    """Sort names with the numbers in them by size: equal mappings are printed alike, whatever their order.

    Examples
    --------
    >>> natural(["20-29", "3-9", "100"])
    ['3-9', '20-29', '100']
    """
    return sorted(
        names, key=lambda name: ([(len(part), part) if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)], name)
    )


def _curve(key: str, curve: SpecificationCurve) -> CurveView:
    has_numbers = any(point.gap is not None or point.difference is not None for point in curve.points)
    return CurveView(key, curve, share_bar(curve), curve_figure(curve), tuple(map(_curve_row, in_order(curve))), has_numbers)


def _curve_row(point: SpecificationPoint) -> CurveRow:
    return CurveRow(
        point.preset,
        point.variant,
        difference(point.difference, point.low, point.high),
        phrases.plain_points(point.gap, point.low, point.high),
        p_value(point.p),
        point.default,
    )
