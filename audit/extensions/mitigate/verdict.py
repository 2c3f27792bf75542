"""The verdict on a mitigation, a function of the numbers of the shown half. Worse is looked for first; "not shown" stays "not shown"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.extensions.mitigate.record import Capability, CapabilityCode, MapControl, Outcome
from audit.records.comparison import Change
from audit.statistics.multiplicity import holm
from audit.types import Note

CONTROL_RATE = 0.05
"""A change is more than a random one of its kind if at most this share of them, itself included, leaves a gap as small."""
AS_SMALL = {"random directions": "random_as_small", "shuffled groups": "shuffled_as_small", "uncorrected captions": "uncorrected_as_small"}
"""Kind of control -> the reason if too many of them do."""


def decide_outcome(
    question: str, changes: Sequence[Change], capability: Capability | None, controls: Sequence[MapControl], margin: float, alpha: float
) -> tuple[Outcome, tuple[Note, ...]]:
    """The outcome, and the reasons for it.

    `changes` are those of all planned questions, with p adjusted over them; `question` is the one whose gap was to become smaller. A
    mitigation is worse if any planned gap grew, two groups changed places, a question was levelled down, or capability was lost, each
    shown; better if the gap of the question became smaller, by more than random maps make it, and capability is shown not to be lost.
    A gap that is shown to change by less than the tolerance did not grow in this sense, however many images show the change: that is said.
    """
    if harms := [*(note for change in changes for note in _harms(change, alpha)), *_levelled(changes, margin, alpha), *_lost(capability)]:
        return "worse", tuple(harms)
    target = next((change for change in changes if change.id == question), None)
    small = [Note("changed_within_tolerance", _sizes(change)) for change in changes if _changed(change, alpha) and _is_negligible(change)]
    if missing := list(_missing(question, target, capability, controls, alpha)):
        return "no change shown", (*missing, *small)
    uncontrolled = {control.kind for control in controls} == {"random directions"}
    return "better", (*((Note("no_shuffled_control"),) if uncontrolled else ()), *small)


def capability_code(low: float, high: float, margin: float) -> CapabilityCode:
    """What the 90 % interval of a change of accuracy shows.

    Examples
    --------
    >>> [capability_code(*ends, 0.02) for ends in ((-0.01, 0.01), (0.005, 0.04), (-0.01, 0.04), (-0.05, -0.03), (-0.03, 0.01))]
    ['equivalent', 'higher', 'not lower', 'lower', 'not shown']
    """
    if high < -margin:
        return "lower"
    if low <= -margin:
        return "not shown"
    return "equivalent" if high < margin else "higher" if low > 0 else "not lower"


def _changed(change: Change, alpha: float) -> bool:
    return change.gap is not None and change.gap.p_adjusted <= alpha


def _is_negligible(change: Change) -> bool:
    """Whether the difference of any two groups is shown to have changed by less than the tolerance."""
    return change.verdict == "equivalent"


def _sizes(change: Change) -> Mapping[str, str | float]:
    assert change.gap is not None  # noqa: S101  (`_changed`)
    return {"finding": change.id, "before": change.gap.before.value, "after": change.gap.after.value, "tolerance": change.tolerance}


def _harms(change: Change, alpha: float) -> Iterator[Note]:
    gap, named = change.gap, {"finding": change.id}
    if gap is not None and gap.difference > 0 and gap.p_adjusted <= alpha and not _is_negligible(change):
        yield Note("gap_grew", {**named, "before": gap.before.value, "after": gap.after.value})
    for pair in change.pairs:
        if pair.reversed:
            yield Note("order_reversed", {**named, "first": " × ".join(pair.first), "second": " × ".join(pair.second)})


def _levelled(changes: Sequence[Change], margin: float, alpha: float) -> Iterator[Note]:
    """The questions in which a group's rate is shown to be worse, by more than the margin, and no group's to be better.

    A fall is shown after correction (Holm) over the groups of all questions: with twenty questions, one group in one of them is soon worse.
    """
    judged = [change for change in changes if change.better != "neither"]
    groups = [[group for group in change.by_group if group.before.status == "ok"] for change in judged]
    adjusted = iter(holm(np.array([group.p for rows in groups for group in rows])).tolist())
    for change, rows in zip(judged, groups, strict=True):
        gains = [(group.difference or 0.0) * (1 if change.better == "high" else -1) for group in rows]
        fell = [next(adjusted) <= alpha and gain < -margin for gain in gains]
        if any(fell) and not any(gain > 0 and group.p_adjusted <= alpha for gain, group in zip(gains, rows, strict=True)):
            yield Note("levelled_down", {"finding": change.id})


def _lost(capability: Capability | None) -> Iterator[Note]:
    if capability is not None and capability.code == "lower":
        yield Note("capability_lost", {"measurement": capability.measurement, "before": capability.before, "after": capability.after})


def _missing(
    question: str, target: Change | None, capability: Capability | None, controls: Sequence[MapControl], alpha: float
) -> Iterator[Note]:
    """What a better model would have to show and this one does not."""
    if target is None or target.gap is None:
        yield Note("gap_not_estimable", {"finding": question})
    elif target.gap.difference >= 0 or target.gap.p_adjusted > alpha:
        yield Note("gap_not_smaller", {"finding": question, "p": target.gap.p_adjusted})
    for control in controls:
        if control.p > CONTROL_RATE:
            yield Note(AS_SMALL[control.kind], {"p": control.p, "draws": len(control.gaps)})
    if capability is None:
        yield Note("capability_unknown")
    elif capability.code == "not shown":
        yield Note("capability_not_shown", {"measurement": capability.measurement, "margin": capability.margin})
