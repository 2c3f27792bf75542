"""Labels above a threshold, like those of a vision service, by group. No verdict depends on them."""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.types import Group, Note


@record
class TaggedLabel:
    """How often each group gets one label."""

    label: str
    counts: tuple[int, ...]
    """Images of each group, in the order of `Tagging.groups`."""
    chi2: float | None
    """None if no image or every image has the label."""
    exact: bool
    """Whether an expected count is under 5, so that p is Fisher's or from shuffled groups."""
    most: str
    """The group that gets it most often."""
    least: str
    difference: float
    """Difference of the two shares."""
    low: float
    """Newcombe's interval of the difference; the two groups were chosen from the data."""
    high: float
    p: float
    """Probability of shares that differ this much, or more, by chance."""
    p_adjusted: float
    """Benjamini-Hochberg over all labels, thresholds and attributes of the audit."""
    verdict: Literal["signal", "no signal"]


@record
class SweptThreshold:
    """One threshold of the sweep between .1 % and 10 %."""

    threshold: float
    given: int
    """Labels that at least one image gets."""
    per_image: tuple[float, ...]
    """Mean number of labels per image, for each group."""
    signals: int
    """Labels that groups get unequally often; Benjamini-Hochberg over the labels of this threshold and attribute alone."""


@record
class Tagging:
    """The labels at one threshold, and the images of the groups of one attribute."""

    question: str
    attribute: str
    threshold: float | None
    """Lower bound on a label's probability; None for the labels of external predictions."""
    rule: Literal["softmax", "sigmoid", "given"]
    """Whether the labels share one probability distribution, each label has its own probability, or the labels were read from a file."""
    logit_scale: float | None
    """Factor on the cosines; None for the labels of an image classifier, or from a file."""
    offered: int
    """Number of labels in the set."""
    groups: Group
    """Groups compared, in display order."""
    sizes: tuple[int, ...]
    left_out: tuple[tuple[str, int], ...]
    """Groups that are too small to compare, or unknown, with their numbers of images."""
    reason: Note | None
    """Why nothing is estimable; None if it is."""
    per_image: tuple[float, ...] = ()
    """Mean number of labels per image, for each group."""
    labels: tuple[TaggedLabel, ...] = ()
    """Every label, the most skewed by chi-square first."""
    sweep: tuple[SweptThreshold, ...] = ()
    """The same for other thresholds; only with the first threshold of a question."""
    draws: int = 0
    """Shuffles behind p if more than two groups are compared and an expected count is under 5."""
