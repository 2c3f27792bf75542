"""Images of several conditions of nature: each group's accuracy in the standard one and in another, and what other models predict."""

from __future__ import annotations

from audit.analyses.base.records import Signal
from audit.records.base import record
from audit.records.finding import Rate
from audit.types import Group, Note


@record
class EffectiveRobustness:
    """Accuracy under the shift less what the line through other models predicts from the accuracy without it (Taori et al. 2020)."""

    value: float
    low: float
    high: float
    """Of another model like the others, at level 1 - alpha."""
    predicted: float
    models: int
    """Other models that the line goes through."""
    slope: float
    intercept: float
    """Of the line, in logits."""


@record
class ShiftedRate:
    """A group's accuracy in both conditions; other images in each."""

    group: Group
    """Empty: all images."""
    standard: Rate
    shifted: Rate
    difference: float | None
    """Shifted minus standard; None where a condition has no image of the group."""
    low: float | None
    high: float | None
    """Newcombe's interval at level 1 - alpha, of this group alone; with clusters Zou and Donner's."""
    effective: EffectiveRobustness | None = None
    not_estimable: Note | None = None
    """Why `effective` is None."""


@record
class ShiftPair:
    """Two groups whose drops differ."""

    first: Group
    second: Group
    difference: float
    """Change of the first less that of the second."""
    low: float
    high: float
    """Simultaneous over all pairs: from the intervals of the two changes, as Newcombe's is from Wilson's."""


@record
class ShiftResult:
    """One condition against the standard one."""

    condition: str
    overall: ShiftedRate
    by_group: tuple[ShiftedRate, ...]
    pair: ShiftPair | None
    """The most significant one; None where fewer than two groups are compared."""
    p: float | None
    """Of "accuracy changes alike in every group": groups are exchanged between images of the same condition."""
    p_adjusted: float | None
    """Benjamini-Hochberg over all natural shifts of the audit."""
    verdict: Signal


@record
class NaturalShift:
    """One question by one attribute (or of all images alone), in every condition that the data know."""

    question: str
    measurement: str
    column: str
    """The attribute that holds the conditions."""
    standard: str
    """Its level that the others are compared with."""
    attribute: str | None
    """By which groups are compared; None: all images alone."""
    results: tuple[ShiftResult, ...]
    reason: Note | None
    """Why nothing is judged; None where it is."""
    draws: int = 0
    tests: int = 0
    """Of the whole audit, over which p is adjusted."""
