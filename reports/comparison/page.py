"""What stands on the page of a comparison, in which order: results turned into texts and placed marks."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence

from audit.records.comparison import Change, Comparison, Comparisons, PairChange, Point, RateChange, Series, Side, Trajectory, to_json
from audit.types import Settings
from reports.charts.curves import gap_curve, rate_curve
from reports.charts.dumbbells import changes_forest, dumbbell
from reports.comparison.views import (
    ChangedGroupRow,
    ChangedPairRow,
    ChangeView,
    ComparisonPage,
    ComparisonView,
    PointRow,
    SeriesView,
    SideRow,
    TrajectoryView,
)
from reports.sections.page import natural, thresholds, written_date
from reports.text import changes, phrases
from reports.text import comparison as words
from reports.text.numbers import count, p_value, short_hashes
from reports.text.sentences import STATUSES

MOST_TOP, MANY_GROUPS = 5, 18
"""Sentences of the first screen; groups from which on a chart is folded away and a table over steps cut."""


def page(comparisons: Comparisons) -> ComparisonPage:
    """Return the page of `comparisons`."""
    settings = comparisons.settings
    return ComparisonPage(
        comparisons=comparisons,
        title=words.page_title(comparisons),
        deck=_deck(comparisons),
        short_hashes=short_hashes([side.model.sha256 for side in comparisons.sides]),
        views=tuple(_comparison(f"c{i}", each, comparisons) for i, each in enumerate(comparisons.comparisons, 1)),
        series=tuple(_series(f"s{i}", each) for i, each in enumerate(comparisons.series, 1)),
        sides=tuple(_side(side, place, comparisons) for place, side in enumerate(comparisons.sides)),
        created=written_date(comparisons.timing.created),
        command=" ".join([comparisons.command[0], shlex.join(comparisons.command[1:])]) if comparisons.command else "",
        thresholds=thresholds(settings),
        environment=tuple((part, comparisons.environment[part]) for part in natural(comparisons.environment)),
        equivalence_level=round(100 * (1 - 2 * settings.alpha), 6),
        sha256=hashlib.sha256(to_json(comparisons).encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _deck(comparisons: Comparisons) -> str:
    probes = ", ".join(probe.name for probe in comparisons.probes)
    if comparisons.series:
        return f"When does a gap appear? The checkpoints answered the same images ({probes}); the last is compared with the first, paired."
    return (
        f"What changed? The models answered the same images ({probes}), so every change is paired: no two separate intervals are compared."
    )


def _side(side: Side, place: int, comparisons: Comparisons) -> SideRow:
    return SideRow(
        side=side,
        role="before" if place == 0 else "after" if not comparisons.series or place == len(comparisons.sides) - 1 else "between",
        step="not stated" if side.model.step is None else count(side.model.step),
        created=written_date(side.created),
        verdicts="; ".join(f"{probe}: {side.verdicts[probe]}" for probe in natural(side.verdicts)),
    )


# ---- changes -------------------------------------------------------------------------------------------------------------------------


def _comparison(key: str, comparison: Comparison, comparisons: Comparisons) -> ComparisonView:
    views = [_change(f"{key}-f{i}", change, comparison, comparisons.settings) for i, change in enumerate(comparison.changes, 1)]
    views.sort(key=lambda view: words.by_weight(view.change))
    primary, context = (tuple(view for view in views if view.change.primary is wanted) for wanted in (True, False))
    return ComparisonView(
        key=key,
        comparison=comparison,
        probe=next(probe for probe in comparisons.probes if probe.name == comparison.probe),
        reason=changes.comparison_reason(comparison),
        images=words.images_sentence(comparison),
        top=(*primary, *context)[: max(min(len(primary), MOST_TOP), 3)],
        primary=primary,
        context=context,
    )


def _change(key: str, change: Change, comparison: Comparison, settings: Settings) -> ChangeView:
    gap, many = change.gap, len(change.by_group)
    compared = sum(cell.before.status == "ok" for cell in change.by_group)
    return ChangeView(
        key=key,
        change=change,
        title=words.title(change),
        reason=changes.reason(change, comparison, settings),
        headline=words.headline(change),
        before=words.extremes_text(change, gap.before, after=False) if gap else "not estimable",
        after=words.extremes_text(change, gap.after, after=True) if gap else "not estimable",
        gap=words.gap_change_text(change),
        p=p_value(gap.p_adjusted) if gap else "",
        facts=words.facts(change),
        rows=tuple(map(_group_row, change.by_group)),
        pairs=tuple(map(_pair_row, change.pairs)) if change.primary else (),
        of_pairs=compared * (compared - 1) // 2,
        dumbbell=dumbbell(change) if change.primary else None,
        forest=changes_forest(change) if change.primary and gap else None,
        folded=many > MANY_GROUPS,
    )


def _group_row(cell: RateChange) -> ChangedGroupRow:
    return ChangedGroupRow(
        name=phrases.group(cell.before.group),
        n=count(cell.before.n),
        before=phrases.cell_rate(cell.before),
        after=phrases.cell_rate(cell.after),
        gained=count(cell.gained),
        lost=count(cell.lost),
        change=words.change_text(cell),
        corrected=words.corrected_text(cell) if cell.before.status == "ok" else "",
        p=p_value(cell.p_adjusted) if cell.before.status == "ok" else "",
        status=STATUSES[cell.before.status],
        compared=cell.before.status == "ok",
    )


def _pair_row(pair: PairChange) -> ChangedPairRow:
    return ChangedPairRow(phrases.group(pair.first), phrases.group(pair.second), *words.pair_text(pair), reversed=pair.reversed)


# ---- a series ------------------------------------------------------------------------------------------------------------------------


def _series(key: str, series: Series) -> SeriesView:
    views = [_trajectory(f"{key}-t{i}", each, series) for i, each in enumerate(series.trajectories, 1)]
    primary, context = (tuple(view for view in views if view.trajectory.primary is wanted) for wanted in (True, False))
    return SeriesView(key, series, primary, context)


def _trajectory(key: str, trajectory: Trajectory, series: Series) -> TrajectoryView:
    groups = [rate.group for rate in trajectory.points[0].rates] if trajectory.points else []
    shown = groups[:MANY_GROUPS]
    return TrajectoryView(
        key=key,
        trajectory=trajectory,
        title=words.title(trajectory),
        reason=changes.trajectory_reason(trajectory, series),
        groups=tuple(map(phrases.group, shown)),
        rows=tuple(_point_row(point, len(shown)) for point in trajectory.points),
        gap=gap_curve(trajectory),
        rates=rate_curve(trajectory) if trajectory.primary else None,
    )


def _point_row(point: Point, shown: int) -> PointRow:
    extremes: Sequence[str] = (phrases.group(point.gap.lowest), phrases.group(point.gap.highest)) if point.gap else ()
    return PointRow(
        step=count(point.step),
        gap=words.ends_text(point.gap) if point.gap else "not estimable",
        p=p_value(point.p) if point.p is not None else "",
        extremes=" to ".join(extremes),
        rates=tuple(map(phrases.cell_rate, point.rates[:shown])),
    )
