"""The section "Step by step": each gap over the checkpoints of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Comparisons, Point, Series, Trajectory
from reports.charts.curves import Curve, gap_curve, rate_curve
from reports.comparison.context import MANY_GROUPS
from reports.table import Row, Table
from reports.text import changes, phrases, sentences
from reports.text import comparison as text
from reports.text.numbers import lower_first, p_value, upper_first


@dataclass(frozen=True)
class TrajectoryView:
    """One question over the checkpoints."""

    key: str
    trajectory: Trajectory
    title: str
    reason: str
    alt: str
    table: Table
    gap: Curve | None
    rates: Curve | None


@dataclass(frozen=True)
class SeriesView:
    """All questions of one probe over the checkpoints."""

    key: str
    series: Series
    primary: tuple[TrajectoryView, ...]
    exploratory: tuple[TrajectoryView, ...]
    title: str
    """Heading of the exploratory questions."""


def series_views(comparisons: Comparisons) -> tuple[SeriesView, ...]:
    """Return every series."""
    return tuple(_series(f"s{i}", series) for i, series in enumerate(comparisons.series, 1))


def _series(key: str, series: Series) -> SeriesView:
    views = [_trajectory(f"{key}-t{i}", trajectory, series) for i, trajectory in enumerate(series.trajectories, 1)]
    primary, exploratory = (tuple(view for view in views if view.trajectory.primary is wanted) for wanted in (True, False))
    title = sentences.exploratory_title([view.title for view in exploratory])
    return SeriesView(key, series, primary, exploratory, title)


def _trajectory(key: str, trajectory: Trajectory, series: Series) -> TrajectoryView:
    reason, title = changes.trajectory_reason(trajectory, series), text.title(trajectory)
    return TrajectoryView(
        key=key,
        trajectory=trajectory,
        title=title,
        reason=reason,
        alt=f"{text.curve_alt(trajectory, series)} {reason}",
        table=_table(title, trajectory, series),
        gap=gap_curve(trajectory),
        rates=rate_curve(trajectory) if trajectory.primary else None,
    )


def _table(title: str, trajectory: Trajectory, series: Series) -> Table:
    groups = [phrases.group(rate.group) for rate in trajectory.points[0].rates][:MANY_GROUPS] if trajectory.points else []
    rows = tuple(_row(point, groups) for point in trajectory.points)
    columns = (upper_first(series.axis or "step"), "Gap [band]", "p", "From lowest to highest", *groups)
    label = f"{title}, {lower_first(text.series_name(series))}"
    return Table(label, f"{title}: every {text.models_noun(series)}", columns, rows, unseen=True)


def _row(point: Point, groups: Sequence[str]) -> Row:
    extremes = f"{phrases.group(point.gap.lowest)} to {phrases.group(point.gap.highest)}" if point.gap else ""
    p = p_value(point.p) if point.p is not None else ""
    return Row((text.step_number(point.step), phrases.size(point.gap), p, extremes, *map(phrases.cell_rate, point.rates[: len(groups)])))
