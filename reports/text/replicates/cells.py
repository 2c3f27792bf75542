"""Cells of a table of replicates: a question in, texts out."""

from __future__ import annotations

from collections import Counter

from audit.records.replicates import ReplicatedGap
from reports.text.numbers import NOT_ESTIMABLE, decimals, number

_MOST_GAPS = 10
"""Replicates up to which each gap is printed; of more the smallest and the largest."""


def places(each: ReplicatedGap) -> int:
    """Return how many decimals the gaps of a question carry."""
    return decimals(each.mean.low, each.mean.high) if each.mean else 1


def verdicts_text(each: ReplicatedGap) -> str:
    """Return how many replicates reach each verdict: ``disparity in 2, inconclusive in 1 of 3``."""
    counted = ", ".join(f"{verdict} in {many}" for verdict, many in Counter(each.verdicts).most_common())
    return f"{counted} of {len(each.verdicts)}"


def gaps_text(each: ReplicatedGap) -> str:
    """Return the gap of every replicate, in points: ``16, 15, 9``."""
    known, digits = [gap for gap in each.gaps if gap is not None], places(each)
    if len(each.gaps) > _MOST_GAPS and known:
        return f"{number(min(known), digits)} to {number(max(known), digits)}"
    return ", ".join("–" if gap is None else number(gap, digits) for gap in each.gaps)


def deviation_text(each: ReplicatedGap) -> str:
    """Return the standard deviation between replicates, in points."""
    return NOT_ESTIMABLE if each.standard_deviation is None else number(each.standard_deviation, max(places(each), 1))


def turned_text(each: ReplicatedGap) -> str:
    """Return in how many replicates the two groups that lie farthest apart on average change places; empty where in none."""
    turned = sum(difference < 0 for difference in each.mean.differences) if each.mean else 0
    return f"the other way round in {turned} of {len(each.gaps)}" if turned else ""
