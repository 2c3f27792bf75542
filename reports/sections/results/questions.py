"""All planned questions, one row each on a shared axis; those that cannot be estimated share one row per reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results import Finding
from audit.types import Group
from reports.charts.forest import Scale
from reports.charts.gaps import GapMark, gap_marks, gaps_axis
from reports.charts.groups import share
from reports.context import AuditContext, PlacedFinding
from reports.text import phrases
from reports.text.error_rates import with_error_rates
from reports.text.evidence import shift_tag
from reports.text.headline import affected, captions, question
from reports.text.order import reversed_at_equal
from reports.text.reasons import needs_tag, undecided_tag

MOST_WITH_NEEDS = 7


@dataclass(frozen=True)
class GapEnd:
    """One end of a gap; the affected group is bold."""

    group: str
    rate: str
    worse: bool


@dataclass(frozen=True)
class QuestionRow:
    """A question that can be estimated."""

    key: str
    finding: Finding
    question: str
    tags: tuple[str, ...]
    gap: str
    interval: str
    marks: GapMark | None
    ends: tuple[GapEnd, ...]


@dataclass(frozen=True)
class Questions:
    """All planned questions."""

    rows: tuple[QuestionRow, ...]
    rest: tuple[tuple[str, str], ...]
    """Why some questions cannot be estimated, and the names of the first few."""
    ticks: tuple[tuple[str, str], ...]
    tolerance_x: str
    """Where the band of the tolerance has its label; empty without questions that can be estimated."""
    caption: str
    legend: captions.Legend
    title: str


def view(context: AuditContext) -> Questions | None:
    """Return the questions; None if nothing was planned."""
    if not context.primary:
        return None
    settings, judged = context.results.settings, [finding for finding in context.primary if captions.is_judged(finding.finding)]
    findings = [finding.finding for finding in judged]
    scale, ticks = gaps_axis(findings)
    return Questions(
        rows=tuple(_row(finding, context, scale, few=len(judged) <= MOST_WITH_NEEDS) for finding in judged),
        rest=_rest(context),
        ticks=ticks,
        tolerance_x=share(scale(0.0)) if judged else "",
        caption=captions.questions_caption(findings, context.audit, ticks[-1][1]),
        legend=captions.questions_legend(findings, settings),
        title=captions.questions_title(len(context.primary), sum(effect.primary for effect in context.audit.effects)),
    )


def _row(placed: PlacedFinding, context: AuditContext, scale: Scale, *, few: bool) -> QuestionRow:
    """Return a row; it says which images it needs if there are `few` rows, else only its card does."""
    finding, shown = placed.finding, with_error_rates(placed.finding, context.audit)
    pair = phrases.leading_pair(shown)
    value, interval = phrases.gap_and_interval(finding)
    needs = needs_tag(finding) if few else ""
    undecided = undecided_tag(finding, context.audit, context.results.settings)
    return QuestionRow(
        key=placed.key,
        finding=finding,
        question=question(finding, context.audit),
        tags=tuple(filter(None, (*captions.tags(finding, shift_tag(finding)), undecided, needs))),
        gap=value,
        interval=interval,
        marks=gap_marks(finding, scale),
        ends=tuple(gap_end(shown, levels) for levels in (pair.lower, pair.higher)) if pair else (),
    )


def gap_end(finding: Finding, levels: Group) -> GapEnd:
    """Return one end of a gap; the affected group is bold, unless no side is worse or another attribute reverses the order."""
    one_sided = finding.better != "neither" and not finding.diffuse and finding.verdict == "disparity" and not reversed_at_equal(finding)
    worse = one_sided and levels in affected(finding)
    return GapEnd(phrases.group(levels), phrases.cell_value(phrases.rate_of(finding, levels)), worse)


def _rest(context: AuditContext) -> tuple[tuple[str, str], ...]:
    """Say how many questions cannot be estimated and why, and name the first few."""
    without = [finding for finding in context.primary if not captions.is_judged(finding.finding)]
    blind, few = ([finding for finding in without if bool(finding.finding.unresponsive) is wanted] for wanted in (True, False))
    rows = []
    if few:
        rows.append((captions.few_sentence(_findings(few), context.results.settings), _named(few)))
    if blind:
        rows.append((captions.blind_sentence(_findings(blind)), _named(blind)))
    return tuple(rows)


def _findings(placed: Sequence[PlacedFinding]) -> list[Finding]:
    return [finding.finding for finding in placed]


def _named(placed: Sequence[PlacedFinding]) -> str:
    return phrases.some([finding.title for finding in placed])
