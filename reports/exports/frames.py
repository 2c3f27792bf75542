"""Tidy data frames for a notebook. Rates are fractions between 0 and 1, NaN if not estimable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from audit.records.comparison import Change, Comparison, Comparisons, Point, Series, Trajectory
from audit.results import Results
from reports.exports.tables import FINDING, QUESTION, RATE, SIDES, changes_table, gaps_table, rates_table, replicates_table
from reports.tidy import AUDIT, Columns, TidyTable, tidy

if TYPE_CHECKING:
    import pandas as pd

    from reports.exports.latex import RatesFrame

_NOT_FRACTIONS = frozenset({
    "model", "probe", "finding", "measurement", "metric", "outcome", "attributes", "group", "status", "primary", "verdict",
    "exceeds_tolerance", "highest", "lowest", "leading_higher", "leading_lower", "question", "first", "second", "preset",
    "variant", "default", "method", "setting", "standardised_to",
    "target", "efficient", "ending", "before", "after", "verdict_before", "verdict_after", "direction",
    "beyond_tolerance", "levelled_down", "side", "replicates",
    "n", "events", "gained", "lost", "step",
})  # fmt: skip
"""Texts, integers and booleans. All other columns are floats, even if nothing in them can be estimated."""
_CURVE: Columns = {
    "question": "question",
    **{name: name for name in QUESTION if name != "measurement"},
    "first": "first",
    "second": "second",
}
_POINT: Columns = {name: name for name in ("preset", "variant", "default", "difference", "low", "high", "p", "gap")}
_RATE_CHANGE: Columns = {
    "group": "before.group or all images", "n": "before.n", "rate_before": "before.value", "rate_after": "after.value",
    **{name: name for name in ("gained", "lost", "difference", "low", "high", "p", "p_adjusted")}, "status": "before.status",
}  # fmt: skip
_STEP: Columns = {"step": "step", "side": "side"}
_STEP_GAP: Columns = {
    **_STEP, "gap": "gap.value", "low": "gap.low", "high": "gap.high", "p": "p", "highest": "gap.highest", "lowest": "gap.lowest",
}  # fmt: skip


def frame(table: TidyTable) -> pd.DataFrame:
    """Return a data frame whose fractions are floats, even in columns without estimable values."""
    import pandas as pd

    header, values = table
    made = pd.DataFrame([tuple(row) for row in values], columns=list(header))
    return made.astype({name: float for name in header if name not in _NOT_FRACTIONS})


# ---- audits --------------------------------------------------------------------------------------------------------------------------


def gaps(results: Results) -> pd.DataFrame:
    """Return one row per finding."""
    return frame(gaps_table(results))


def rates(results: Results) -> RatesFrame:
    """Return one row per finding and group, all images included; its `to_latex` is a table for a paper."""
    from reports.exports.latex import RatesFrame

    return RatesFrame(frame(rates_table(results)))


def prompt_sensitivity(results: Results) -> pd.DataFrame:
    """Return one row per question, prompt template and variant: the difference between the same two groups, first minus second."""
    points = ((audit, curve, point) for audit in results.audits for curve in audit.specifications for point in curve.points)
    return frame(tidy((AUDIT, _CURVE, _POINT), points))


def replicate_gaps(results: Results) -> pd.DataFrame:
    """Return one row per planned question and replicate: its own gap and verdict, and the joint result of all replicates."""
    return frame(replicates_table(results))


# ---- comparisons ---------------------------------------------------------------------------------------------------------------------


def changes(facts: Comparisons) -> pd.DataFrame:
    """Return one row per question and comparison: both gaps, after minus before with its interval, and the verdict."""
    return frame(changes_table(facts))


def group_changes(facts: Comparisons) -> pd.DataFrame:
    """Return one row per question, comparison and group, all images last; `gained` images are an event only after."""
    cells = ((comparison, change, cell) for comparison, change in _changes(facts) for cell in (*change.by_group, change.overall))
    return frame(tidy((SIDES, FINDING, _RATE_CHANGE), cells))


def gaps_by_step(facts: Comparisons) -> pd.DataFrame:
    """Return one row per question and checkpoint: the gap with its simultaneous interval; empty unless a series was compared."""
    columns = {**FINDING, "primary": "primary", "tolerance": "tolerance"}
    return frame(tidy(({"probe": "probe"}, columns, _STEP_GAP), _points(facts)))


def rates_by_step(facts: Comparisons) -> pd.DataFrame:
    """Return one row per question, checkpoint and group, all images last; empty unless a series was compared."""
    rows = ((series, followed, point, cell) for series, followed, point in _points(facts) for cell in (*point.rates, point.overall))
    return frame(tidy(({"probe": "probe"}, FINDING, _STEP, RATE), rows))


def _changes(facts: Comparisons) -> Iterable[tuple[Comparison, Change]]:
    return ((comparison, change) for comparison in facts.comparisons for change in comparison.changes)


def _points(facts: Comparisons) -> Iterable[tuple[Series, Trajectory, Point]]:
    return ((series, followed, point) for series in facts.series for followed in series.trajectories for point in followed.points)
