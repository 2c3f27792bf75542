"""Several conditions: other prompts, changed pictures or attacked pixels of the same images; and images of several conditions of nature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans.base import AnalysisPlan, Group


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


@dataclass(frozen=True, kw_only=True)
class NaturalShiftPlan(AnalysisPlan):
    """Other images in each condition, as nature or a camera made them: accuracy under a shift against the standard condition.

    Beside it stands the effective robustness (Taori et al. 2020) where enough other models are known: those of the same run, or of
    ``--baseline-models``.
    """

    measurement: str
    """Its truth decides what is right."""
    column: str
    """The attribute that says in which condition, or from which source, an image is."""
    standard: str
    """Its level that the others are compared with."""
    by: Group = ()
    """Attributes whose groups are compared, each by itself; none: all images together."""
