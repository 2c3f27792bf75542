"""Cells of the table of replicates."""

from __future__ import annotations

from collections import Counter

from audit.records.replicates import ReplicatedGap, ReplicatesNeeded
from audit.replicates import MOST_REPLICATES
from reports.text.numbers import NOT_ESTIMABLE, count, decimals, exact_points, number, points

_MOST_GAPS = 10
"""Up to this many replicates, every gap is printed; with more, only the smallest and the largest."""


def places(question: ReplicatedGap) -> int:
    """Return how many decimals the gaps of a question are printed with."""
    return decimals(question.mean.low, question.mean.high) if question.mean else 1


def verdicts_text(question: ReplicatedGap) -> str:
    """Return how many replicates reach each verdict: ``disparity in 2, inconclusive in 1 of 3``."""
    counted = ", ".join(f"{verdict} in {many}" for verdict, many in Counter(question.verdicts).most_common())
    return f"{counted} of {len(question.verdicts)}"


def gaps_text(question: ReplicatedGap) -> str:
    """Return the gaps of the replicates, in points: ``16, 15, 9``, or their range if there are many."""
    known, digits = [gap for gap in question.gaps if gap is not None], places(question)
    if len(question.gaps) > _MOST_GAPS and known:
        return f"{number(min(known), digits)} to {number(max(known), digits)}"
    return ", ".join("–" if gap is None else number(gap, digits) for gap in question.gaps)


def deviation_text(question: ReplicatedGap) -> str:
    """Return the standard deviation between replicates, in points."""
    return NOT_ESTIMABLE if question.standard_deviation is None else number(question.standard_deviation, max(places(question), 1))


def turned_text(question: ReplicatedGap) -> str:
    """Say in how many replicates the order of the two groups that differ most on average is reversed; empty if in none."""
    turned = sum(difference < 0 for difference in question.mean.differences) if question.mean else 0
    return f"reversed in {turned} of {len(question.gaps)}" if turned else ""


def models_needed(needed: ReplicatesNeeded) -> str:
    """Return how many models would make the interval narrow enough: ``about 9 models``."""
    if needed.replicates is None:
        return f"not by more models alone (the images leave ±{points(needed.images, 1)})"
    return f"{'more than' if needed.replicates >= MOST_REPLICATES else 'about'} {count(needed.replicates)} models"


def needed_text(question: ReplicatedGap) -> str:
    """Return the same for a cell of a table, with the half-width to reach; empty for more than two replicates."""
    needed = question.mean.needed if question.mean else None
    if needed is None:
        return ""
    return f"±{exact_points(needed.half_width)}: {models_needed(needed)}"
