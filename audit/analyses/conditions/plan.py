"""The same images under several conditions: other prompts, changed pictures or attacked pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True, kw_only=True)
class ConditionsPlan(AnalysisPlan):
    """A measurement that is answered under several conditions; each group's change from the first, on the same images."""

    measurement: str
    by: Group
    """Attributes whose groups are compared, each by itself."""
    outcome: str | None = None
    """A name in the measurement's outcomes, whose rate is compared; None: accuracy."""


@dataclass(frozen=True, kw_only=True)
class PromptConditionsPlan(ConditionsPlan):
    """The same labels under other prompts: what is gained by an ensemble, or by a word that says which sense is meant."""

    conditions: Mapping[str, Mapping[str, Group]]
    """Name -> label -> its prompts; the first is the baseline."""
    preset: str
    """Name and version of the prompts."""


@dataclass(frozen=True, kw_only=True)
class ImageConditionsPlan(ConditionsPlan):
    """The same pictures, corrupted or with a word printed on them, against the unchanged ones."""

    corruptions: Group
    """Names in `audit.data.changed.corruptions.CORRUPTIONS`, each at five strengths."""
    words: Mapping[str, str] | None = None
    """Answer -> the word for it, of which a wrong one is printed on every picture; None: nothing is printed."""


@dataclass(frozen=True, kw_only=True)
class AttackPlan(ConditionsPlan):
    """The same pictures with their pixels moved against the right answer, as far as the model's gradients say; L-infinity.

    Goodfellow et al. 2015 (FGSM: one step of the whole budget), Madry et al. 2018 (PGD, here without a random start).
    """

    budgets: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Largest change of a channel of a pixel, in 255ths."""
    steps: int = 10
    """Of PGD, each a quarter of the budget."""
