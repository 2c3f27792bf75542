"""Records of several analyses: what chance gives, and rates under several conditions. No verdict depends on them."""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.records.comparison import GapEnds, PairChange, RateChange
from audit.records.finding import Rate
from audit.types import Group, Note

Signal = Literal["signal", "no signal"] | None
"""None: shown with its n, and not judged."""


@record
class ChanceBand:
    """What random rankings, or shuffles of the groups, of the same gallery give."""

    mean: float
    low: float
    """Of a share, of Bias and of d: 2.5 % lie below; of other metrics 5 %."""
    high: float
    """2.5 % or 5 % lie above."""


ConditionKind = Literal["prompts", "images", "attack", "shots"]


@record
class Condition:
    """What is done to the images, the prompts, or the model's knowledge of a task."""

    name: str
    series: str = ""
    """What it is a strength of, such as ``"Gaussian noise"``; empty for a condition of its own."""
    strength: float | None = None
    """Its place in the series."""


@record
class ConditionResult:
    """One condition against the baseline."""

    condition: Condition
    overall: RateChange
    by_group: tuple[RateChange, ...]
    """In the order of the groups; a group that is too small is shown and not compared."""
    gap: GapEnds | None
    """Best and worst compared group under this condition; None where fewer than two are compared."""
    pair: PairChange | None
    """The two groups whose changes differ most significantly; intervals simultaneous over all pairs."""
    p: float | None
    """Of "the change is the same in every group": groups are exchanged between images, or whole clusters."""
    p_adjusted: float | None
    """Benjamini-Hochberg over every condition of every question of the audit."""
    verdict: Signal


@record
class Conditions:
    """One question by one attribute, under every condition."""

    question: str
    kind: ConditionKind
    """What differs between the conditions."""
    measurement: str
    metric: str
    outcome: str | None
    attributes: Group
    images: int
    """Compared: the same under every condition."""
    baseline: Condition
    baseline_overall: Rate
    baseline_by_group: tuple[Rate, ...]
    baseline_gap: GapEnds | None
    results: tuple[ConditionResult, ...]
    reason: Note | None
    """Why nothing is judged; None where it is."""
    notes: tuple[Note, ...] = ()
    draws: int = 0
    tests: int = 0
    """Of the whole audit, over which p is adjusted."""
