"""What linear probes on frozen embeddings answer after a few images of each class, by group."""

from __future__ import annotations

from audit.analyses.base.records import Conditions
from audit.records.base import record
from audit.types import Note


@record
class DrawnRate:
    """Accuracy over several draws of what is learned from, on the same test images."""

    group: str
    n: int
    """Test images, the same in every draw."""
    mean: float
    lowest: float
    """Of the draws; that of one draw where all images are learned from."""
    highest: float
    low: float | None = None
    """Of the mean, over draws: Student's t at level 1 - alpha, within 0 and 1; None of one draw. It holds for these test images."""
    high: float | None = None


@record
class Shots:
    """So many images of each class learned from."""

    shots: int | None
    """None: all images of the training part."""
    strength: float
    """C of the L2 penalty, chosen on held-out images."""
    images: int
    """Learned from, in each draw."""
    fewer: tuple[tuple[str, int], ...]
    """Classes that have fewer images than `shots`, with how many they have."""
    overall: DrawnRate
    by_group: tuple[DrawnRate, ...]


@record
class FewShot:
    """Labels learned from images, against their zero-shot answers, by one attribute."""

    question: str
    measurement: str
    attribute: str
    classes: int
    train: int
    """Images to learn from."""
    held_out: int
    test: int
    draws: int
    reason: Note | None
    """Why nothing can be learned; None where it can."""
    shots: tuple[Shots, ...] = ()
    """Means over draws, in ascending order; all images last."""
    conditions: Conditions | None = None
    """The first draw against zero-shot answers on the same images, tested; the baseline is zero-shot."""
