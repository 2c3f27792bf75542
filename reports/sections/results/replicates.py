"""Replicates: what several checkpoints or seeds of one model say together."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.base import Estimate
from audit.records.replicates import ReplicatedGap, Replicates
from audit.results import Results
from reports.charts.forest import replicates_forest
from reports.text import phrases, replicates

MOST_DRAWN = 12
"""Questions of a chart; the table has all."""


def view(results: Results) -> SimpleNamespace | None:
    """Return a table for each probe whose audits are of replicates."""
    return SimpleNamespace(parts=[_part(replicate, results) for replicate in results.replicates]) if results.replicates else None


def _part(replicate: Replicates, results: Results) -> SimpleNamespace:
    questions = replicates.ordered(replicate, results)
    rows = [_row(question, title) for question, title in questions]
    return SimpleNamespace(
        probe=replicate.probe, lead=replicates.introduction(replicate, results), rows=rows, figure=_figure(questions, results)
    )


def _figure(questions: Sequence[tuple[ReplicatedGap, str]], results: Results) -> SimpleNamespace | None:
    """Return the chart of the questions, and in words what it shows; None where no gap can be estimated."""
    marks: list[tuple[str, Estimate, list[float]]] = []
    descriptions: list[str] = []
    for question, title in questions:
        if question.mean and len(marks) < MOST_DRAWN:
            mean, known = question.mean, [gap for gap in question.gaps if gap is not None]
            marks.append((title, Estimate(mean.value, mean.low, mean.high), known))
            descriptions.append(f"{title}: {phrases.size(mean)}, replicates {replicates.gaps_text(question)}")
    return SimpleNamespace(forest=replicates_forest(marks, results.settings.tolerance), alt="; ".join(descriptions)) if marks else None


def _row(question: ReplicatedGap, title: str) -> SimpleNamespace:
    mean = question.mean
    return SimpleNamespace(
        title=title,
        gaps=replicates.gaps_text(question),
        deviation=replicates.deviation_text(question),
        mean=phrases.size(mean),
        lowest=phrases.group(mean.lowest) if mean else "",
        highest=phrases.group(mean.highest) if mean else "",
        turned=replicates.turned_text(question),
        verdicts=replicates.verdicts_text(question),
    )
