"""Images from several natural conditions: each group's accuracy in the standard one and in another, and what other models predict."""

from __future__ import annotations

from audit.analyses.records import Signal
from audit.records.base import record
from audit.records.finding import Rate
from audit.types import Group, Note


@record
class EffectiveRobustness:
    """Accuracy under the shift minus the prediction, from accuracy without it, of a line through other models (Taori et al. 2020)."""

    value: float
    low: float
    high: float
    """Upper end of the prediction interval for another model of this kind, at level 1 - alpha."""
    predicted: float
    models: int
    """Number of other models used to fit the line."""
    slope: float
    intercept: float
    """Intercept of the line, in logits."""


@record
class ShiftedRate:
    """A group's accuracy in both conditions, which have different images."""

    group: Group
    """Empty: all images."""
    standard: Rate
    shifted: Rate
    difference: float | None
    """Shifted minus standard; None if a condition has no image of the group."""
    low: float | None
    high: float | None
    """Newcombe's interval at level 1 - alpha, for this group alone; with clusters, that of Zou and Donner."""
    effective: EffectiveRobustness | None = None
    not_estimable: Note | None = None
    """Why `effective` is None."""


@record
class ShiftPair:
    """Two groups whose accuracy changes by different amounts."""

    first: Group
    second: Group
    difference: float
    """Change of the first minus change of the second."""
    low: float
    high: float
    """Simultaneous over all pairs: built from the intervals of the two changes, as Newcombe's is from Wilson's."""


@record
class ShiftResult:
    """One condition compared with the standard one."""

    condition: str
    overall: ShiftedRate
    by_group: tuple[ShiftedRate, ...]
    pair: ShiftPair | None
    """The most significant one; None if fewer than two groups are compared."""
    p: float | None
    """Of "accuracy changes equally in every group", by exchanging groups between images of the same condition."""
    p_adjusted: float | None
    """Benjamini-Hochberg over all natural shifts of the audit."""
    verdict: Signal


@record
class NaturalShift:
    """One question for one attribute (or for all images together), in every condition in the data."""

    question: str
    measurement: str
    column: str
    """The attribute that holds the conditions."""
    standard: str
    """The level that the others are compared with."""
    attribute: str | None
    """The attribute whose groups are compared; None: all images together."""
    results: tuple[ShiftResult, ...]
    reason: Note | None
    """Why nothing is judged; None if it is."""
    draws: int = 0
    tests: int = 0
    """Tests of the whole audit, over which p is adjusted."""
