"""Records that several analyses share: values expected by chance, and rates under several conditions. No verdict depends on them."""

from __future__ import annotations

from typing import Literal

from audit.records.base import Estimate, record
from audit.records.comparison import GapEnds, PairChange, RateChange
from audit.records.finding import CellStatus, Rate
from audit.types import Group, Note

Signal = Literal["signal", "no signal"] | None
"""None: shown with its n, but not judged."""


@record
class ChanceBand:
    """Mean and range under random rankings of the same gallery, or under shuffles of its groups."""

    mean: float
    low: float
    """2.5 % percentile for a share, Bias and d; 5 % for other metrics."""
    high: float
    """97.5 % or 95 % percentile."""


ConditionKind = Literal["prompts", "images", "attack", "shots"]


@record
class Condition:
    """A change of the images, of the prompts, or of the model's knowledge of a task."""

    name: str
    series: str = ""
    """The series in which it is one strength, such as ``"Gaussian noise"``; empty for a condition that is not in a series."""
    strength: float | None = None
    """Its position in the series."""


@record
class ConditionResult:
    """One condition compared with the baseline."""

    condition: Condition
    overall: RateChange
    by_group: tuple[RateChange, ...]
    """In the order of the groups; a group that is too small is shown but not compared."""
    gap: GapEnds | None
    """Best and worst compared group under this condition; None if fewer than two are compared."""
    pair: PairChange | None
    """The two groups whose changes differ most significantly; intervals simultaneous over all pairs."""
    p: float | None
    """Of "the change is the same in every group", by exchanging groups between images or between whole clusters."""
    p_adjusted: float | None
    """Benjamini-Hochberg over every condition of every question of the audit."""
    verdict: Signal


@record
class KindError:
    """Share of wrong answers under one kind of corruption, the mean over its severities."""

    kind: str
    overall: float
    by_group: tuple[float | None, ...]
    """In the order of the groups; None without images."""
    baseline: float | None
    """The published error that this one is divided by; None if the mean is not normalised, or the kind is not part of it."""
    in_mean: bool
    """Whether the kind is as published, and part of the mean."""


@record
class GroupError:
    """Mean corruption error of one group."""

    group: Group
    n: int
    value: float | None
    low: float | None
    high: float | None
    """Student's interval over images (or clusters); Wilson's if all images have the same error."""
    status: CellStatus


@record
class ErrorGap:
    """The compared groups with the highest and the lowest mean corruption error."""

    highest: Group
    lowest: Group
    difference: Estimate
    """Interval from those of the two groups (Zou and Donner 2008), simultaneous over all pairs (Bonferroni)."""


@record
class CorruptionError:
    """Mean corruption error (Hendrycks and Dietterich 2019) over the kinds that are as published.

    The mean over kinds of the error over all severities, divided by that of `normalized_by` if there is one. It is a mean over images, too.
    """

    normalized_by: str | None
    overall: GroupError
    by_group: tuple[GroupError, ...]
    gap: ErrorGap | None
    """None if fewer than two groups are compared."""
    kinds: tuple[KindError, ...]


@record
class Conditions:
    """One question for one attribute, under every condition."""

    question: str
    kind: ConditionKind
    """What differs between the conditions."""
    measurement: str
    metric: str
    outcome: str | None
    attributes: Group
    images: int
    """Number compared: the same under every condition."""
    baseline: Condition
    baseline_overall: Rate
    baseline_by_group: tuple[Rate, ...]
    baseline_gap: GapEnds | None
    results: tuple[ConditionResult, ...]
    reason: Note | None
    """Why nothing is judged; None if it is."""
    notes: tuple[Note, ...] = ()
    draws: int = 0
    tests: int = 0
    """Tests of the whole audit, over which p is adjusted."""
    corruption_error: CorruptionError | None = None
    """None unless the conditions are all kinds of ImageNet-C, accuracy is measured, and images have no weights."""
