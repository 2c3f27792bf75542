"""From a compared claim to a verdict on the change, with the sentence that says why. "Not shown to differ" never becomes "repaired"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.comparison.change import all_changes_within
from audit.records.comparison import Change, ChangeVerdict, GapChange, GapEnds, Overall, RateChange
from audit.statistics.multiplicity import holm
from audit.statistics.paired.joint import JointCounts
from audit.statistics.units.sampling_unit import FEWEST_CLUSTERS
from audit.statistics.verdict import LIMITED

if TYPE_CHECKING:
    from audit.types import Group, Settings

_NAMED = 5
"""Groups that a sentence names; it counts the others."""
_PHRASES: tuple[tuple[ChangeVerdict, str, str], ...] = (
    ("gap reversed", "1 is reversed", "{} are reversed"),
    ("gap grew", "1 grew", "{} grew"),
    ("gap shrank", "1 shrank", "{} shrank"),
    ("cannot tell", "1 is undecided", "{} are undecided"),
    ("no change that matters", "1 did not change by more than its tolerance", "{} did not change by more than their tolerance"),
    ("not estimable", "1 cannot be estimated", "{} cannot be estimated"),
)


@dataclass(frozen=True)
class Circumstances:
    """What the verdicts of a comparison must own up to."""

    settings: Settings
    limited: bool
    not_covered: str | None
    """Images outside the comparison, in words: ``"3 images that only one audit has"``."""
    same_model: bool
    """Whether both sides are the same weights, read the same way, with the same answers."""


def adjusted(changes: Sequence[Sequence[Change]]) -> tuple[list[list[Change]], int]:
    """Return the changes of several comparisons with p adjusted (Holm) over all their primary ones, and how many those are."""
    flat = [(i, j) for i, group in enumerate(changes) for j, change in enumerate(group) if change.primary and change.gap]
    p = holm(np.array([_gap(changes[i][j]).p for i, j in flat]))
    done = [list(group) for group in changes]
    for (i, j), value in zip(flat, p.tolist(), strict=True):
        done[i][j] = replace(done[i][j], gap=replace(_gap(done[i][j]), p_adjusted=value))
    return done, len(flat)


def _gap(change: Change) -> GapChange:
    if change.gap is None:
        raise ValueError(f"{change.id} has no gap")
    return change.gap


def with_verdict(change: Change, joint: JointCounts, circumstances: Circumstances) -> Change:
    """Return the change with its verdict: not estimable, no change that matters, reversed, grew or shrank, cannot tell; in this order.

    Parameters
    ----------
    change : Change
        With adjusted p.
    joint : JointCounts
        All groups of the claim.
    circumstances : Circumstances
        A limited comparison can be nothing but "cannot tell".
    """
    verdict, sentences = _ruled(change, joint, circumstances)
    levelled = verdict == "gap shrank" and _levelled_down(change, circumstances.settings.alpha)
    if levelled:
        sentences.append("Levelled down: the gap shrank because the best group got worse, without a gain shown for the worst.")
    sentences += _moved(change, circumstances.settings.alpha) + _not_compared(change)
    if circumstances.not_covered and verdict == "no change that matters":
        sentences.append(f"Not covered: {circumstances.not_covered}.")
    beyond = verdict in ("gap grew", "gap shrank", "gap reversed") and _beyond(change)
    if circumstances.limited:
        verdict, sentences, levelled, beyond = "cannot tell", [LIMITED, *sentences], False, False
    return replace(change, verdict=verdict, beyond_tolerance=beyond, levelled_down=levelled, reason=" ".join(sentences))


def _ruled(change: Change, joint: JointCounts, circumstances: Circumstances) -> tuple[ChangeVerdict, list[str]]:
    gap, settings = change.gap, circumstances.settings
    if gap is None:
        return "not estimable", [_why_not_estimable(change, settings)]
    measured = _measured(change, gap)
    turned = [pair for pair in change.pairs if pair.reversed]
    rejected = gap.p_adjusted <= settings.alpha
    if circumstances.same_model:
        return "no change that matters", [measured, "Both sides are the same model with the same answers: nothing can have changed."]
    if all_changes_within(joint.compared(settings.min_group_size), change.tolerance, settings.alpha):
        return "no change that matters", [measured, *_why_unchanged(change, rejected, bool(turned), settings.alpha)]
    if turned:
        pairs = "; ".join(f"{_name(pair.first)} and {_name(pair.second)}" for pair in turned[:_NAMED])
        return "gap reversed", [measured, f"Shown to have changed places, after correction: {pairs}."]
    if rejected and gap.difference != 0:
        verdict: ChangeVerdict = "gap grew" if gap.difference > 0 else "gap shrank"
        return verdict, [measured, _how_far(change, gap)]
    return "cannot tell", [measured, _why_unknown(change, gap), *_apart(change)]


def _beyond(change: Change) -> bool:
    """Whether the change is shown to exceed the tolerance; a reversal where one of the turned differences did."""
    if any(pair.reversed for pair in change.pairs):
        return any(pair.reversed and _outside(pair.low_adjusted, pair.high_adjusted, change.tolerance) for pair in change.pairs)
    return change.gap is not None and _outside(change.gap.low, change.gap.high, change.tolerance)


def _outside(low: float, high: float, tolerance: float) -> bool:
    return low > tolerance or high < -tolerance


def _levelled_down(change: Change, alpha: float) -> bool:
    """Whether the best group is shown to be worse and the worst is not shown to be better; where no direction is better nobody can be."""
    if change.gap is None or change.better == "neither":
        return False
    before = change.gap.before
    best, worst = (before.highest, before.lowest) if change.better == "high" else (before.lowest, before.highest)
    cells = {each.before.group: each for each in change.by_group}
    sign = 1 if change.better == "high" else -1
    return _shown(cells[best], alpha) * sign < 0 and _shown(cells[worst], alpha) * sign <= 0


def _shown(cell: RateChange, alpha: float) -> int:
    """Return +1 for a rate that is shown to have risen, -1 for one that fell, 0 for neither."""
    if cell.p_adjusted > alpha or not cell.difference:
        return 0
    return 1 if cell.difference > 0 else -1


def overall(changes: Sequence[Change], circumstances: Circumstances) -> tuple[Overall, str]:
    """Return the verdict of a comparison over its primary changes, and a sentence that counts them."""
    verdicts = [change.verdict for change in changes if change.primary]
    if not verdicts:
        return "cannot tell", "No question of this comparison takes part in its verdict, so nothing is concluded."
    parts: list[str] = []
    for verdict, one, many in _PHRASES:
        if count := verdicts.count(verdict):
            parts.append(one if count == 1 else many.format(count))
    levelled = sum(change.levelled_down for change in changes if change.primary)
    gaps = f"Of {len(verdicts)} gap{'s' if len(verdicts) > 1 else ''} that count{'' if len(verdicts) > 1 else 's'}"
    sentences = [LIMITED] * circumstances.limited + [f"{gaps}, {', '.join(parts)}."]
    sentences += [f"{levelled} of those that shrank {'is' if levelled == 1 else 'are'} levelled down."] if levelled else []
    sentences += [f"Not covered: {circumstances.not_covered}."] if circumstances.not_covered else []
    return _of_all(verdicts), " ".join(sentences)


def _of_all(verdicts: Sequence[ChangeVerdict]) -> Overall:
    present = set(verdicts)
    if "gap reversed" in present:
        return "gap reversed"
    if {"gap grew", "gap shrank"} <= present:
        return "mixed"
    for verdict in ("gap grew", "gap shrank"):
        if verdict in present:
            return verdict
    return verdicts[0] if len(present) == 1 else "cannot tell"


# ---- sentences -----------------------------------------------------------------------------------------------------------------------


def _measured(change: Change, gap: GapChange) -> str:
    corrected = "adjusted " if change.primary else "uncorrected "
    subject = change.metric.replace("_", " ") + (f" of '{change.outcome}'" if change.outcome is not None else "")
    return (
        f"The gap of {subject} went from {_ends(change, gap.before, after=False)} to {_ends(change, gap.after, after=True)}: "
        f"{_signed(gap.difference)} [{_signed(gap.low, '')}, {_signed(gap.high, '')}] ({corrected}{_p(gap.p_adjusted)})."
    )


def _ends(change: Change, ends: GapEnds, *, after: bool) -> str:
    cells = {each.before.group: each.after if after else each.before for each in change.by_group}
    named = " to ".join(f"{_name(group)} {100 * (cells[group].value or 0.0):.1f} %" for group in (ends.lowest, ends.highest))
    return f"{_points(ends.value)} ({named})"


def _how_far(change: Change, gap: GapChange) -> str:
    if _outside(gap.low, gap.high, change.tolerance):
        return f"That it changed by more than the tolerance of {_points(change.tolerance)} is shown."
    return f"That it changed by more than the tolerance of {_points(change.tolerance)} is not shown."


def _why_unchanged(change: Change, rejected: bool, turned: bool, alpha: float) -> list[str]:
    groups = sum(cell.before.status == "ok" for cell in change.by_group)
    pairs = groups * (groups - 1) // 2
    every = f"every one of the {pairs} pairs" if pairs > 1 else "the pair"
    sentences = [
        f"No change that matters: for {every}, the {100 * (1 - 2 * alpha):g} % interval of the change of their difference lies inside "
        f"±{_points(change.tolerance)}."
    ]
    sentences += ["A change is detectable but smaller than the tolerance."] * rejected
    sentences += ["Groups changed places, within the tolerance."] * turned
    return sentences


def _why_unknown(change: Change, gap: GapChange) -> str:
    return (
        f"Neither a change of the gap nor its absence within {_points(change.tolerance)} is shown; between any two groups these images "
        f"would find a change of {_points(gap.minimum_detectable)} with power 0.8."
    )


def _apart(change: Change) -> list[str]:
    """Name the pairs that are shown to have moved apart or together, where the gap as a whole is not shown to have changed."""
    shown = [pair for pair in change.pairs if _outside(pair.low_adjusted, pair.high_adjusted, 0.0)]
    if not shown:
        return []
    named = "; ".join(f"{_name(pair.first)} minus {_name(pair.second)} {_signed(pair.difference)}" for pair in shown[:_NAMED])
    return [f"Some groups did not change alike, after correction for the pairs: {named}."]


def _why_not_estimable(change: Change, settings: Settings) -> str:
    ok = sum(cell.before.status == "ok" for cell in change.by_group)
    clusters = f" in at least {FEWEST_CLUSTERS} clusters" if change.overall.before.clusters is not None else ""
    return (
        f"A comparison needs two groups with at least {max(settings.min_group_size, 2)} images that count{clusters}; "
        f"{ok or 'none'} of {len(change.by_group)} has."
    )


def _moved(change: Change, alpha: float) -> list[str]:
    """Name the groups whose own rate is shown to have changed: a gap may stay where everybody moved."""
    moved = [cell for cell in change.by_group if cell.before.status == "ok" and _shown(cell, alpha)]
    if change.gap is None or not moved:
        return []
    moved.sort(key=lambda cell: -abs(cell.difference or 0.0))
    named = ", ".join(f"{_name(cell.before.group)} {_signed(cell.difference or 0.0)}" for cell in moved[:_NAMED])
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    return [f"Rates shown to have changed: {named}{more}."]


def _not_compared(change: Change) -> list[str]:
    others = [cell.before for cell in change.by_group if cell.before.status != "ok"]
    if not others:
        return []
    named = ", ".join(f"{_name(rate.group)} (n = {rate.n:,})" for rate in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return [f"Not compared: {named}{more}."]


def _name(group: Group) -> str:
    return " × ".join(group)


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f} points"


def _signed(fraction: float, unit: str = " points") -> str:
    text = f"{abs(100 * fraction):.1f}"
    sign = "" if text == "0.0" else "−" if fraction < 0 else "+"
    return f"{sign}{text}{unit}"


def _p(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.2g}".replace("0.", ".")
