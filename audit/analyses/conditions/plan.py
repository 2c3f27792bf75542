"""Plans for the same images under several conditions: other prompts, changed images or attacked pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from audit.plans import AnalysisPlan, Group

IMAGENET_C = (
    "Gaussian noise", "shot noise", "impulse noise", "defocus blur", "glass blur", "motion blur", "zoom blur", "snow", "frost (procedural)",
    "fog", "brightness", "contrast", "elastic transform", "pixelate", "JPEG",
)  # fmt: skip
"""The kinds of ImageNet-C. Frost is not as published: the photographs of frost that it blends may not be distributed."""
HARMLESS = ("Gaussian noise", "shot noise", "defocus blur", "motion blur", "brightness", "contrast", "JPEG", "pixelate")
"""The kinds of our own, milder set."""
Parameters = Literal["ImageNet-C", "harmless"]


@dataclass(frozen=True, kw_only=True)
class ConditionsPlan(AnalysisPlan):
    """A measurement under several conditions: each group's change from the first condition, on the same images."""

    measurement: str
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    outcome: str | None = None
    """The name, in the measurement's outcomes, of the outcome whose rate is compared; None: accuracy."""


@dataclass(frozen=True, kw_only=True)
class PromptConditionsPlan(ConditionsPlan):
    """The same labels with other prompts: what an ensemble gains, or a word that disambiguates a label."""

    conditions: Mapping[str, Mapping[str, Group]]
    """Name -> label -> its prompts; the first is the baseline."""
    preset: str
    """Name and version of the prompts."""


@dataclass(frozen=True, kw_only=True)
class ImageConditionsPlan(ConditionsPlan):
    """The same images, corrupted or with a word printed on them, compared with the unchanged ones."""

    corruptions: Group
    """Names in `IMAGENET_C` (or `HARMLESS`), each at five strengths."""
    parameters: Parameters = "ImageNet-C"
    """Published parameters, on images whose shorter side is 224 pixels, or our own milder ones at the size of the image."""
    normalized_by: Literal["AlexNet"] | None = None
    """Whose published errors the mean corruption error is divided by; None: it is not normalised."""
    words: Mapping[str, str] | None = None
    """Answer -> its word; a wrong answer's word is printed on every image. None: nothing is printed."""

    @property
    def resized(self) -> bool:
        """Whether images get the published size first; those of the baseline and with printed words, too."""
        return self.parameters == "ImageNet-C" and bool(self.corruptions)


@dataclass(frozen=True, kw_only=True)
class AttackPlan(ConditionsPlan):
    """The same images with their pixels moved against the right answer along the model's gradients, under an L-infinity budget.

    Goodfellow et al. 2015 (FGSM: one step of the whole budget), Madry et al. 2018 (PGD, here without a random start).
    """

    budgets: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Largest change of a pixel's channel, in units of 1/255."""
    steps: int = 10
    """Steps of PGD, each a quarter of the budget."""
