"""The verdict on the change of a claim. "Undecided" never becomes "repaired"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from audit.records.base import Verdict
from audit.records.comparison import Change, Direction, GapChange, RateChange
from audit.statistics.multiplicity import holm
from audit.statistics.paired.changes import change_bound
from audit.statistics.paired.joint import JointCounts
from audit.statistics.verdict import can_change, verdicts, within, worst
from audit.types import Settings


@dataclass(frozen=True)
class Circumstances:
    """Facts on which the verdicts of a comparison depend besides its counts."""

    settings: Settings
    limited: bool
    excluded: int
    """Images that one of the two audits itself left out: the larger of the two numbers."""
    same_model: bool
    """Whether both sides are the same weights, read the same way, with the same answers."""


def of_whole(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes whose rate over all images is a finding of its own: of each measurement accuracy, or else each planned rate once."""
    planned: dict[str, dict[tuple[str, str | None], Change]] = {}
    for change in sorted(changes, key=lambda change: not change.primary):
        if change.primary or change.metric == "accuracy":
            planned.setdefault(change.measurement, {}).setdefault((change.metric, change.outcome), change)
    return tuple(
        change
        for rates in planned.values()
        for change in ([rates["accuracy", None]] if ("accuracy", None) in rates else rates.values())
        if any(each.primary and each.measurement == change.measurement for each in changes)
    )


def whole_adjusted(changes: Sequence[Sequence[Change]]) -> list[list[Change]]:
    """Adjust the p of the rates over all images (Holm) over those of several comparisons that are findings of their own."""
    chosen = [(i, change) for i, group in enumerate(changes) for change in of_whole(group)]
    p = holm(np.array([change.overall.p for _, change in chosen]))
    adjusted_p = {(i, _rate(change)): value for (i, change), value in zip(chosen, p.tolist(), strict=True)}
    return [
        [
            replace(change, overall=replace(change.overall, p_adjusted=adjusted_p.get((i, _rate(change)), change.overall.p)))
            for change in group
        ]
        for i, group in enumerate(changes)
    ]


def _rate(change: Change) -> tuple[str, str, str | None]:
    return (change.measurement, change.metric, change.outcome)


def adjusted(changes: Sequence[Sequence[Change]]) -> tuple[list[list[Change]], int]:
    """Adjust p (Holm) over all primary changes of several comparisons; also returns their number."""
    flat = [(i, j, change.gap) for i, group in enumerate(changes) for j, change in enumerate(group) if change.primary and change.gap]
    p = holm(np.array([gap.p for _, _, gap in flat]))
    done = whole_adjusted(changes)
    for (i, j, gap), value in zip(flat, p.tolist(), strict=True):
        done[i][j] = replace(done[i][j], gap=replace(gap, p_adjusted=value))
    return done, len(flat)


def with_verdict(change: Change, joint: JointCounts, circumstances: Circumstances) -> Change:
    """Add the verdict to a change whose p is adjusted; `joint` has all groups of the claim.

    The rules are those of an audit (`verdicts`), applied to the change of the gap; a swap of their order is a disparity for any p. A gap
    did not shrink if groups can be compared and the second audit has no verdict on it: answers that do not depend on the images have none.
    A verdict that missing true answers could change is withheld.
    """
    settings, gap = circumstances.settings, change.gap
    compared = joint.compared(settings.min_group_size)
    bound = np.inf if gap is None else 0.0 if circumstances.same_model else change_bound(compared, settings.alpha)
    turned = any(pair.reversed for pair in change.pairs)
    p = np.nan if gap is None else 0.0 if turned else gap.p_adjusted if gap.difference else 1.0
    limited = circumstances.limited
    verdict: Verdict = verdicts(within(bound, change.tolerance), p, settings.alpha, len(compared.groups), limited=limited).item()
    direction = _direction(gap, turned=turned) if verdict == "disparity" and gap is not None else None
    if direction == "shrank" and change.verdict_after == "not estimable":
        return replace(change, verdict="inconclusive", direction=None)
    filled = None if change.missing_truth is None or circumstances.same_model else change.missing_truth.filled
    if filled is not None and can_change(verdict, filled, change.tolerance):
        return replace(change, verdict="inconclusive", direction=None, withheld=verdict)
    beyond = direction is not None and _beyond(change) and (filled is None or filled.low > change.tolerance)
    levelled = direction == "shrank" and _levelled_down(change, settings.alpha)
    return replace(change, verdict=verdict, direction=direction, beyond_tolerance=beyond, levelled_down=levelled)


def _direction(gap: GapChange, *, turned: bool) -> Direction:
    return "reversed" if turned else "grew" if gap.difference > 0 else "shrank"


def _beyond(change: Change) -> bool:
    """Whether the change exceeds the tolerance; for a reversal, whether one of the reversed differences does."""
    if any(pair.reversed for pair in change.pairs):
        return any(pair.reversed and _outside(pair.low_adjusted, pair.high_adjusted, change.tolerance) for pair in change.pairs)
    return change.gap is not None and _outside(change.gap.low, change.gap.high, change.tolerance)


def _outside(low: float, high: float, tolerance: float) -> bool:
    return low > tolerance or high < -tolerance


def _levelled_down(change: Change, alpha: float) -> bool:
    """Whether the best group got worse and the worst did not detectably improve; False if no direction is better."""
    if change.gap is None or change.better == "neither":
        return False
    before = change.gap.before
    best, worst = (before.highest, before.lowest) if change.better == "high" else (before.lowest, before.highest)
    cells = {cell.before.group: cell for cell in change.by_group}
    sign = 1 if change.better == "high" else -1
    return _moved(cells[best], alpha) * sign < 0 and _moved(cells[worst], alpha) * sign <= 0


def _moved(cell: RateChange, alpha: float) -> int:
    """+1 for a rate that rose, -1 for one that fell, 0 if neither is detected."""
    return 0 if cell.p_adjusted > alpha else int(np.sign(cell.difference or 0))


def overall(changes: Sequence[Change]) -> tuple[Verdict, Direction | Literal["mixed"] | None]:
    """The verdict of a comparison over its primary changes, and how their gaps changed."""
    primary = [change for change in changes if change.primary]
    directions = {change.direction for change in primary if change.direction}
    mixed = {"grew", "shrank"} <= directions
    direction = "reversed" if "reversed" in directions else "mixed" if mixed else next(iter(directions), None)
    return worst([change.verdict for change in primary]), direction
