"""Replicates: joint results of several checkpoints or seeds of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.base import Estimate
from audit.records.replicates import ReplicatedGap, Replicates
from audit.results import Results
from reports.charts.forest import Forest, replicates_forest
from reports.text import phrases, replicates

MOST_DRAWN = 12
"""The most questions in a chart; the table has all."""


@dataclass(frozen=True)
class ReplicatesChart:
    """The gaps of the replicates."""

    forest: Forest
    alt: str


@dataclass(frozen=True)
class ReplicatedRow:
    """The gap of one question over the replicates."""

    title: str
    gaps: str
    deviation: str
    mean: str
    lowest: str
    highest: str
    turned: str
    """In how many replicates the order of the two groups is reversed."""
    verdicts: str
    needed: str
    """For two replicates: how many would be needed for an interval as narrow as the tolerance."""


@dataclass(frozen=True)
class ReplicatesView:
    """Joint results of the replicates of one model under one probe."""

    probe: str
    lead: str
    rows: Sequence[ReplicatedRow]
    figure: ReplicatesChart | None


def view(results: Results) -> tuple[ReplicatesView, ...] | None:
    """Return one part per probe that audited replicates."""
    return tuple(_part(replicate, results) for replicate in results.replicates) or None


def _part(replicate: Replicates, results: Results) -> ReplicatesView:
    questions = replicates.ordered(replicate, results)
    rows = [_row(question, title) for question, title in questions]
    return ReplicatesView(replicate.probe, replicates.introduction(replicate, results), rows, _figure(questions, results))


def _figure(questions: Sequence[tuple[ReplicatedGap, str]], results: Results) -> ReplicatesChart | None:
    """Return the chart of the questions with its alt text; None if no gap can be estimated."""
    marks: list[tuple[str, Estimate, list[float]]] = []
    descriptions: list[str] = []
    for question, title in questions:
        if question.mean and len(marks) < MOST_DRAWN:
            mean, known = question.mean, [gap for gap in question.gaps if gap is not None]
            marks.append((title, Estimate(mean.value, mean.low, mean.high), known))
            descriptions.append(f"{title}: {phrases.size(mean)}, replicates {replicates.gaps_text(question)}")
    return ReplicatesChart(replicates_forest(marks, results.settings.tolerance), "; ".join(descriptions)) if marks else None


def _row(question: ReplicatedGap, title: str) -> ReplicatedRow:
    mean = question.mean
    return ReplicatedRow(
        title=title,
        gaps=replicates.gaps_text(question),
        deviation=replicates.deviation_text(question),
        mean=phrases.size(mean),
        lowest=phrases.group(mean.lowest) if mean else "",
        highest=phrases.group(mean.highest) if mean else "",
        turned=replicates.turned_text(question),
        verdicts=replicates.verdicts_text(question),
        needed=replicates.needed_text(question),
    )
