"""What changed as tidy data frames, for a notebook; fractions between 0 and 1, NaN where not estimable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from audit.records.comparison import Change, Comparison, Comparisons, Series, Trajectory
from reports.exports.frames import frame

if TYPE_CHECKING:
    import pandas as pd

_QUESTION = ("finding", "measurement", "metric", "outcome", "attributes")
_CHANGES = ("probe", "before", "after", *_QUESTION, "primary", "verdict", "direction", "tolerance", "beyond_tolerance", "levelled_down",
            "gap_before", "gap_after", "difference", "low", "high", "p", "p_adjusted", "minimum_detectable", "verdict_before",
            "verdict_after")  # fmt: skip
_RATES = ("probe", "before", "after", *_QUESTION, "group", "n", "rate_before", "rate_after", "gained", "lost", "difference", "low", "high",
          "p", "p_adjusted", "status")  # fmt: skip
_STEPS = ("probe", *_QUESTION, "primary", "tolerance", "step", "side", "gap", "low", "high", "p", "highest", "lowest")
_STEP_RATES = ("probe", *_QUESTION, "step", "side", "group", "n", "events", "rate", "low", "high", "status")


def changes(facts: Comparisons) -> pd.DataFrame:
    """Return one row a question and comparison: both gaps, after minus before with its interval, and the verdict."""
    return frame(_CHANGES, (_change(each, change) for each in facts.comparisons for change in each.changes))


def _change(compared: Comparison, change: Change) -> Sequence[object]:
    judged = change.primary, change.verdict, change.direction, change.tolerance, change.beyond_tolerance, change.levelled_down
    gap = change.gap
    numbers = (
        (None,) * 8
        if gap is None
        else (gap.before.value, gap.after.value, gap.difference, gap.low, gap.high, gap.p, gap.p_adjusted, gap.minimum_detectable)
    )
    return (*_sides(compared), *_question(change), *judged, *numbers, change.verdict_before, change.verdict_after)


def rate_changes(facts: Comparisons) -> pd.DataFrame:
    """Return one row a question, comparison and group, all images last; `gained` images are an event only after."""
    return frame(_RATES, (row for each in facts.comparisons for change in each.changes for row in _rate_changes(each, change)))


def _rate_changes(compared: Comparison, change: Change) -> Iterable[Sequence[object]]:
    for cell in (*change.by_group, change.overall):
        group = " x ".join(cell.before.group) or "all images"
        yield (*_sides(compared), *_question(change), group, cell.before.n, cell.before.value, cell.after.value, cell.gained, cell.lost,
               cell.difference, cell.low, cell.high, cell.p, cell.p_adjusted, cell.before.status)  # fmt: skip


def gaps_by_step(facts: Comparisons) -> pd.DataFrame:
    """Return one row a question and checkpoint: the gap with its simultaneous interval; empty unless a series was compared."""
    return frame(_STEPS, (row for series in facts.series for followed in series.trajectories for row in _gaps(series, followed)))


def _gaps(series: Series, followed: Trajectory) -> Iterable[Sequence[object]]:
    for point in followed.points:
        gap = point.gap
        numbers = (None, None, None) if gap is None else (gap.value, gap.low, gap.high)
        ends = (None, None) if gap is None else (" x ".join(gap.highest), " x ".join(gap.lowest))
        asked = series.probe, *_question(followed), followed.primary, followed.tolerance
        yield *asked, point.step, point.side, *numbers, point.p, *ends


def rates_by_step(facts: Comparisons) -> pd.DataFrame:
    """Return one row a question, checkpoint and group, all images last; empty unless a series was compared."""
    return frame(_STEP_RATES, (row for series in facts.series for followed in series.trajectories for row in _rates(series, followed)))


def _rates(series: Series, followed: Trajectory) -> Iterable[Sequence[object]]:
    for point in followed.points:
        for cell in (*point.rates, point.overall):
            group = " x ".join(cell.group) or "all images"
            yield (series.probe, *_question(followed), point.step, point.side, group, cell.n, cell.events, cell.value, cell.low, cell.high,
                   cell.status)  # fmt: skip


def _sides(compared: Comparison) -> Sequence[str]:
    return compared.probe, compared.before, compared.after


def _question(asked: Change | Trajectory) -> Sequence[str | None]:
    return asked.id, asked.measurement, asked.metric, asked.outcome, " x ".join(asked.attributes)
