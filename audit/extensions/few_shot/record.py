"""Accuracy by group of linear probes on frozen embeddings, trained on a few images of each class."""

from __future__ import annotations

from audit.analyses.records import Conditions
from audit.records.base import record
from audit.types import Note


@record
class DrawnRate:
    """Accuracy over several draws of the training images, on the same test images."""

    group: str
    n: int
    """Test images, the same in every draw."""
    mean: float
    lowest: float
    """Over draws; there is only one draw if the classifier is trained on all images."""
    highest: float
    low: float | None = None
    """Interval of the mean over draws for these test images: Student's t at level 1 - alpha, clipped to [0, 1]; None for one draw, or if
    all draws have one rate."""
    high: float | None = None


@record
class Shots:
    """Results for one number of training images per class."""

    shots: int | None
    """None: all images of the training part."""
    strength: float
    """C of the L2 penalty, chosen on held-out images."""
    images: int
    """Training images in each draw."""
    fewer: tuple[tuple[str, int], ...]
    """Classes that have fewer images than `shots`, with their numbers of images."""
    overall: DrawnRate
    by_group: tuple[DrawnRate, ...]


@record
class FewShot:
    """Labels learned from images, compared with zero-shot answers, for one attribute."""

    question: str
    measurement: str
    attribute: str
    classes: int
    train: int
    """Images to train on."""
    held_out: int
    test: int
    draws: int
    reason: Note | None
    """Why nothing can be learned; None if it can."""
    shots: tuple[Shots, ...] = ()
    """Means over draws, in ascending order; all images come last."""
    conditions: Conditions | None = None
    """The first draw compared with zero-shot answers (the baseline) on the same images, with tests."""
