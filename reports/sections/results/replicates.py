"""Replicates: what several checkpoints or seeds of one model say together."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.evidence import Estimate
from audit.records.replicates import ReplicatedGap, Replicates
from audit.results import Results
from reports.charts.forest import replicates_forest
from reports.text import phrases, replicates

MOST_DRAWN = 12
"""Questions of a chart; the table has all."""


def view(results: Results) -> SimpleNamespace | None:
    """Return a table for each probe whose audits are of replicates."""
    return SimpleNamespace(parts=[_part(replicate, results) for replicate in results.replicates]) if results.replicates else None


def _part(found: Replicates, results: Results) -> SimpleNamespace:
    asked = replicates.ordered(found, results)
    rows = [_row(each, title) for each, title in asked]
    return SimpleNamespace(probe=found.probe, lead=replicates.introduction(found, results), rows=rows, figure=_figure(asked, results))


def _figure(asked: Sequence[tuple[ReplicatedGap, str]], results: Results) -> SimpleNamespace | None:
    """Return the chart of the questions, and in words what it shows; None where no gap can be estimated."""
    marks: list[tuple[str, Estimate, list[float]]] = []
    said: list[str] = []
    for each, title in asked:
        if each.mean and len(marks) < MOST_DRAWN:
            mean, known = each.mean, [gap for gap in each.gaps if gap is not None]
            marks.append((title, Estimate(mean.value, mean.low, mean.high), known))
            said.append(f"{title}: {phrases.size(mean)}, replicates {replicates.gaps_text(each)}")
    return SimpleNamespace(forest=replicates_forest(marks, results.settings.tolerance), alt="; ".join(said)) if marks else None


def _row(each: ReplicatedGap, title: str) -> SimpleNamespace:
    mean = each.mean
    return SimpleNamespace(
        title=title,
        gaps=replicates.gaps_text(each),
        deviation=replicates.deviation_text(each),
        mean=phrases.size(mean),
        lowest=phrases.group(mean.lowest) if mean else "",
        highest=phrases.group(mean.highest) if mean else "",
        turned=replicates.turned_text(each),
        verdicts=replicates.verdicts_text(each),
    )
