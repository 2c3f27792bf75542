"""Labels above a threshold, as a vision service gives them, by group. No verdict depends on them."""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.types import Group, Note


@record
class TaggedLabel:
    """How often each group is given one label."""

    label: str
    counts: tuple[int, ...]
    """Images of each group, in the order of `Tagging.groups`."""
    chi2: float | None
    """None where no image or every image has the label."""
    exact: bool
    """Whether an expected count is under 5, so that p is Fisher's, or drawn."""
    most: str
    """The group that is given it most often."""
    least: str
    difference: float
    """Of their shares."""
    low: float
    """Newcombe's interval of the difference; the two groups were chosen by what was seen."""
    high: float
    p: float
    """Of shares that differ so much, or more, by chance."""
    p_adjusted: float
    """Benjamini-Hochberg over all labels, thresholds and attributes of the audit."""
    verdict: Literal["signal", "no signal"]


@record
class SweptThreshold:
    """One step of a threshold between .1 % and 10 %."""

    threshold: float
    given: int
    """Labels that some image gets."""
    per_image: tuple[float, ...]
    """Labels that an image of each group gets on average."""
    signals: int
    """Labels that groups get unequally often; Benjamini-Hochberg over the labels of this threshold and attribute alone."""


@record
class Tagging:
    """The labels of one threshold, and the images of the groups of one attribute."""

    question: str
    attribute: str
    threshold: float | None
    """That a probability must exceed; None where the labels are those of external predictions."""
    rule: Literal["softmax", "sigmoid", "given"]
    """Whether the label set shares one probability, or each label has its own; or the labels were read from a file."""
    logit_scale: float | None
    """By which the cosines were multiplied; None of labels from a file."""
    offered: int
    """Labels of the set."""
    groups: Group
    """That are compared, in the order in which they are shown."""
    sizes: tuple[int, ...]
    left_out: tuple[tuple[str, int], ...]
    """Groups too small to be compared, or not known, with their images."""
    reason: Note | None
    """Why nothing is estimable; None where it is."""
    per_image: tuple[float, ...] = ()
    """Labels that an image of each group gets on average."""
    labels: tuple[TaggedLabel, ...] = ()
    """Every label, the most skewed by chi-square first."""
    sweep: tuple[SweptThreshold, ...] = ()
    """The same for other thresholds; with the first threshold of a question only."""
    draws: int = 0
    """Shuffles behind p where more than two groups are compared and an expected count is under 5."""
