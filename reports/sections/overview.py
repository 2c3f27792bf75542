"""Several audits of a page at a glance: small multiples of the questions that models share, and a grid of questions and audits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from audit.results import AuditResult, Finding
from audit.statistics.severity import by_severity
from reports.charts.forest import Scale, short
from reports.charts.gaps import gap_marks, gaps_axis
from reports.charts.multiples import MOST_COLUMNS, ChartedModel, ModelGap, ModelsChart, ModelVerdict, QuestionColumn
from reports.context import AuditContext, PlacedFinding
from reports.text import phrases, several
from reports.text.error_rates import with_error_rates
from reports.text.headline import captions, headline_of, interval_level, question
from reports.text.next_steps import models_steps
from reports.text.plan_lock import lock_sentences_of_run


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
    """Audits as columns, planned questions as rows."""

    counts: Sequence[tuple[str, str]]
    headline: str
    details: Sequence[str]
    lock: tuple[str, ...]
    """Under which plan lock they were run, then each deviation."""
    steps: Sequence[str]
    """What to do next."""
    chart: ModelsChart | None
    """None if no two models share a question that can be estimated."""
    limited: bool
    audits: tuple[AuditColumn, ...]
    rows: tuple[GapRow, ...]
    without: int
    """Questions that no audit can estimate."""
    level: str
    """Level of the intervals, in percent."""


@dataclass(frozen=True)
class _Question:
    """One question of one or several audits."""

    asked: Sequence[tuple[AuditContext, PlacedFinding]]
    apart: str
    """What distinguishes it from questions with the same title: its answers or its probe, if several have it; else empty."""

    @property
    def first(self) -> tuple[AuditResult, Finding]:
        return self.pairs[0]

    @property
    def pairs(self) -> list[tuple[AuditResult, Finding]]:
        return [(context.audit, placed.finding) for context, placed in self.asked]

    @property
    def findings(self) -> list[Finding]:
        return [finding for _, finding in self.pairs]

    @property
    def severity(self) -> tuple[float, ...]:
        return min(map(by_severity, self.findings))

    @property
    def is_judged(self) -> bool:
        return any(map(captions.is_judged, self.findings))

    def named(self, title: str) -> str:
        return f"{title} ({self.apart})" if self.apart else title


def overview(contexts: Sequence[AuditContext]) -> Overview:
    """Return the audits as columns, and every planned question of any of them as a row, worst first."""
    questions, settings = sorted(_questions(contexts), key=lambda one: one.severity), contexts[0].results.settings
    audits, judged = [context.audit for context in contexts], [one for one in questions if one.is_judged]
    shared = [one for one in judged if len({audit.model.name for audit, _ in one.pairs}) > 1]
    leading = sorted(shared[0].pairs, key=lambda pair: by_severity(pair[1])) if shared else []
    worst = leading[:1] if leading and leading[0][1].verdict == "disparity" else []
    return Overview(
        counts=several.verdict_counts(audits, settings),
        headline=several.models_sentence(leading, len({audit.model.name for audit in audits})),
        details=[*map(several.worst_sentence, worst), *filter(None, [several.task_sentence(leading)])],
        lock=lock_sentences_of_run(contexts[0].results),
        steps=models_steps(leading, contexts[0].results),
        chart=_chart(_of_several_attributes(shared), contexts) if shared else None,
        limited=any(audit.data.limited for audit in audits),
        audits=tuple(_column(context) for context in contexts),
        rows=tuple(_row(one, contexts) for one in judged),
        without=len(questions) - len(judged),
        level=interval_level(settings),
    )


def _questions(contexts: Sequence[AuditContext]) -> list[_Question]:
    """Return the planned questions; audits of one probe share them if they choose between the same answers."""
    alike: dict[tuple[str, str], list[tuple[AuditContext, PlacedFinding]]] = {}
    for context in contexts:
        for placed in context.primary:
            alike.setdefault((context.audit.probe.name, placed.finding.id), []).append((context, placed))
    probes = Counter(finding for _, finding in alike)
    by_task = [
        (probe if probes[finding] > 1 else "", several.by_task(pairs, lambda one: one[0].audit))
        for (probe, finding), pairs in alike.items()
    ]
    return [
        _Question(asked, several.task_name(asked[0][0].audit) if len(tasks) > 1 else probe) for probe, tasks in by_task for asked in tasks
    ]


def _of_several_attributes(shared: Sequence[_Question]) -> list[_Question]:
    """Return the questions to draw: the worst of each attribute first, then the worst of the rest."""
    first = {one.first[1].attributes: one for one in reversed(shared)}
    apart = [one for one in shared if one in first.values()]
    return [*apart, *(one for one in shared if one not in apart)][:MOST_COLUMNS]


def _chart(drawn: Sequence[_Question], contexts: Sequence[AuditContext]) -> ModelsChart:
    results, findings = contexts[0].results, [finding for one in drawn for finding in one.findings if captions.is_judged(finding)]
    scale, ticks = gaps_axis(findings)
    models, alike = _worst_first(drawn[0], contexts), len({one.apart for one in drawn}) == 1
    paired = results.paired_models is not None and bool(results.paired_models.comparisons)
    return ModelsChart(
        models=[_charted(own, drawn) for own in models],
        columns=[_drawn_column(one, [own[0].audit.model.name for own in models], scale, alike=alike) for one in drawn],
        ticks=ticks,
        caption=several.models_caption(paired=paired),
        legend=several.models_legend(findings, results.settings),
    )


def _worst_first(question: _Question, contexts: Sequence[AuditContext]) -> list[list[AuditContext]]:
    """Return the audits of each model, those of the model that is worst in a question first, those without it last."""
    of: dict[str, list[AuditContext]] = {}
    for context in contexts:
        of.setdefault(context.audit.model.name, []).append(context)
    severity = {audit.model.name: by_severity(finding) for audit, finding in question.pairs}
    return sorted(of.values(), key=lambda own: severity.get(own[0].audit.model.name, (float("inf"),)))


def _charted(own: Sequence[AuditContext], drawn: Sequence[_Question]) -> ChartedModel:
    """Return a row; a model with a gap in no column has its own headline instead."""
    name, settings = own[0].audit.model.name, own[0].results.settings
    gaps = any(captions.is_judged(finding) for one in drawn for audit, finding in one.pairs if audit.model.name == name)
    instead = "" if gaps else " ".join(headline_of(context.audit, settings).text for context in own)
    if instead and not any(audit.model.name == name for one in drawn for audit, _ in one.pairs):
        instead = f"Other questions ({several.task_name(own[0].audit)}). {instead}"
    return ChartedModel(name, [_column(context) for context in own], instead)


def _drawn_column(one: _Question, models: Sequence[str], scale: Scale, *, alike: bool) -> QuestionColumn:
    judged, places = [finding for finding in one.findings if captions.is_judged(finding)], several.fewest_places(one.findings)
    gaps = {context.audit.model.name: _gap(placed, context.audit, scale, places) for context, placed in one.asked}
    audit, finding = one.first
    title = captions.groups_title(finding, audit)
    return QuestionColumn(
        title=title if alike else one.named(title),
        images=several.images_that_count(judged),
        cells=tuple(gaps.get(name) for name in models),
    )


def _gap(placed: PlacedFinding, audit: AuditResult, scale: Scale, places: int) -> ModelGap:
    finding, shown = placed.finding, with_error_rates(placed.finding, audit)
    pair = phrases.leading_pair(shown)
    if pair is None or not captions.is_judged(finding):
        return ModelGap("not estimable", None, "", "", "", placed.key)
    lower, higher = (phrases.rate_of(shown, group) for group in (pair.lower, pair.higher))
    named = (f"{short(phrases.group(cell.group))} {phrases.cell_value(cell, lower, higher)}" for cell in (lower, higher))
    gap, interval = phrases.gap_and_interval(finding, places)
    return ModelGap(finding.verdict, gap_marks(finding, scale), gap, interval, " → ".join(named), placed.key)


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


def _row(one: _Question, contexts: Sequence[AuditContext]) -> GapRow:
    placed, places = {context.key: placed for context, placed in one.asked}, several.fewest_places(one.findings)
    audit, finding = one.first
    return GapRow(
        question=one.named(question(finding, audit)),
        cells=tuple(_cell(placed[context.key], places) if context.key in placed else None for context in contexts),
    )


def _cell(placed: PlacedFinding, places: int) -> QuestionCell:
    finding = placed.finding
    gap = phrases.gap_and_interval(finding, places) if captions.is_judged(finding) else ("", "")
    return QuestionCell(placed.key, finding.verdict, *gap)
