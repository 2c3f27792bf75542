"""Several audits of a page at a glance: small multiples of the questions that models share, and a grid of questions and audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.results import AuditResult, Finding
from audit.statistics.severity import by_severity
from reports.charts.multiples import MOST_COLUMNS, ModelsChart, ModelVerdict, RateRange, multiple_column
from reports.context import AuditContext, PlacedFinding
from reports.sections.results.questions import gap_end
from reports.text import phrases, several
from reports.text.errors import as_errors
from reports.text.headline import captions, headline_of, interval_level, question


@dataclass(frozen=True)
class AuditColumn(ModelVerdict):
    """An audit and its verdict."""

    model: str
    sentence: str


@dataclass(frozen=True)
class QuestionCell:
    """One question of one audit; the gap is empty if it cannot be estimated."""

    key: str
    verdict: str
    gap: str
    interval: str


@dataclass(frozen=True)
class GapRow:
    """One question; None stands for an audit without it."""

    question: str
    cells: tuple[QuestionCell | None, ...]


@dataclass(frozen=True)
class Overview:
    """Audits as columns, pre-specified questions as rows."""

    counts: Sequence[tuple[str, str]]
    headline: str
    details: Sequence[str]
    chart: ModelsChart | None
    """None if no two models share a question that can be estimated."""
    limited: bool
    audits: tuple[AuditColumn, ...]
    rows: tuple[GapRow, ...]
    without: int
    """Questions that no audit can estimate."""
    level: str
    """Level of the intervals, in percent."""


_Asked = Mapping[str, PlacedFinding]
"""The findings of one question, by the key of the audit."""


def overview(contexts: Sequence[AuditContext]) -> Overview:
    """Return the audits as columns, and every pre-specified question of any of them as a row, worst first."""
    questions: dict[tuple[str, str], dict[str, PlacedFinding]] = {}
    for context in contexts:
        for placed in context.primary:
            questions.setdefault((context.audit.probe.name, placed.finding.id), {})[context.key] = placed
    ordered = sorted(questions.values(), key=lambda findings: min(by_severity(placed.finding) for placed in findings.values()))
    judged = [findings for findings in ordered if any(captions.is_judged(placed.finding) for placed in findings.values())]
    by_key, settings = {context.key: context for context in contexts}, contexts[0].results.settings
    audits, models = [context.audit for context in contexts], _worst_first(contexts)
    shared = [findings for findings in judged if len({by_key[key].audit.model.name for key in findings}) > 1]
    chart, worst = _chart(_of_several_attributes(shared), models, by_key), models[0][0].audit
    asked = [(by_key[key].audit, placed.finding) for key, placed in shared[0].items()] if shared else []
    return Overview(
        counts=several.verdict_counts(audits, settings),
        headline=several.models_sentence(asked),
        details=[several.worst_sentence(worst, settings)] if chart and worst.verdict == "disparity" else [],
        chart=chart,
        limited=any(audit.data.limited for audit in audits),
        audits=tuple(_column(context) for context in contexts),
        rows=tuple(_row(findings, by_key) for findings in judged),
        without=len(ordered) - len(judged),
        level=interval_level(settings),
    )


def _worst_first(contexts: Sequence[AuditContext]) -> list[list[AuditContext]]:
    """Return the audits of each model, those of the model with the worst finding first."""
    of: dict[str, list[AuditContext]] = {}
    for context in contexts:
        of.setdefault(context.audit.model.name, []).append(context)
    last = (float("inf"),)
    for own in of.values():
        own.sort(key=lambda context: min((by_severity(placed.finding) for placed in context.primary), default=last))
    return sorted(of.values(), key=lambda own: min((by_severity(placed.finding) for placed in own[0].primary), default=last))


def _of_several_attributes(shared: Sequence[_Asked]) -> list[_Asked]:
    """Return the questions to draw: the worst of each attribute first, then the worst of the rest."""
    first: dict[tuple[str, ...], _Asked] = {}
    for findings in shared:
        first.setdefault(next(iter(findings.values())).finding.attributes, findings)
    return [*first.values(), *(findings for findings in shared if findings not in first.values())][:MOST_COLUMNS]


def _chart(drawn: Sequence[_Asked], models: Sequence[Sequence[AuditContext]], contexts: Mapping[str, AuditContext]) -> ModelsChart | None:
    if not drawn:
        return None
    rows = [own[0].audit.model.name for own in models]
    columns = []
    for findings in drawn:
        judged = {contexts[key].audit.model.name: placed for key, placed in findings.items() if captions.is_judged(placed.finding)}
        audit, finding = contexts[next(iter(findings))].audit, next(iter(findings.values())).finding
        ranges = {name: _range(placed, audit) for name, placed in judged.items()}
        columns.append(multiple_column(captions.groups_title(finding, audit), ranges, rows))
    results = models[0][0].results
    paired = results.paired_models is not None and bool(results.paired_models.comparisons)
    named = [(own[0].audit.model.name, [_column(context) for context in own]) for own in models]
    return ModelsChart(named, columns, several.models_caption(results.settings, paired=paired))


def _range(placed: PlacedFinding, audit: AuditResult) -> RateRange:
    """Return the leading pair of a finding as a range."""
    finding = as_errors(placed.finding, audit)
    pair = phrases.leading_pair(finding)
    assert pair is not None  # noqa: S101  (the finding is judged)
    lower, higher = (phrases.rate_of(finding, group) for group in (pair.lower, pair.higher))
    gap, interval = phrases.gap_and_interval(finding)
    ends = (gap_end(finding, pair.lower), gap_end(finding, pair.higher))
    return RateRange(
        kind=finding.verdict,
        lower=lower.value or 0.0,
        higher=higher.value or 0.0,
        affected=(ends[0].worse, ends[1].worse),
        gap=gap,
        interval=interval,
        groups=" → ".join(f"{end.group} {end.rate}" for end in ends),
        key=placed.key,
    )


def _column(context: AuditContext) -> AuditColumn:
    headline = headline_of(context.audit, context.results.settings)
    return AuditColumn(
        key=context.key,
        model=context.audit.model.name,
        probe=context.audit.probe.name,
        verdict=context.audit.verdict,
        word=headline.word,
        sentence=headline.sentence,
    )


def _row(findings: dict[str, PlacedFinding], contexts: dict[str, AuditContext]) -> GapRow:
    first = next(iter(findings))
    return GapRow(
        question=question(findings[first].finding, contexts[first].audit),
        cells=tuple(_cell(findings[key]) if key in findings else None for key in contexts),
    )


def _cell(placed: PlacedFinding) -> QuestionCell:
    finding: Finding = placed.finding
    gap = phrases.gap_and_interval(finding) if captions.is_judged(finding) else ("", "")
    return QuestionCell(placed.key, finding.verdict, *gap)
