"""One question asked in several ways: prompts and label sets that were chosen before the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.plans.base import Group

if TYPE_CHECKING:
    from audit.types import Claim, Measurement


@dataclass(frozen=True)
class Specification:
    """One way to ask the same question."""

    preset: str
    variant: str
    measurement: Measurement


@dataclass(frozen=True)
class SpecificationPlan:
    """The same claim under every preset and label-set variant; `default` was chosen before the run."""

    question: str
    claim: Claim
    specifications: tuple[Specification, ...]
    default: int
    """Index of the default in `specifications`."""
    embedded_only: Group = ()
    """Presets that a generative model is not asked: each would cost it a pass over every image, and an encoder some lines of text."""
