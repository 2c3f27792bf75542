"""Which texts are near to which words for a text tower, without an image. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.records import ChanceBand
from audit.records.base import record


@record
class TextAssociation:
    """Two sets of texts and two lists of words."""

    question: str
    targets: tuple[str, str]
    """Names of the sets; a positive effect means that the first is nearer to the first words."""
    words: tuple[str, str]
    sizes: tuple[int, int]
    """Number of texts in each set."""
    effect_size: float | None
    """d of WEAT; None if all texts are equally near."""
    permuted: ChanceBand | None
    """Range of d when the texts are partitioned in other ways."""
    concepts: ChanceBand
    """Range of d for random sets of neutral texts."""
    p_permuted: float
    exact: bool
    """Whether all partitions of the texts were enumerated."""
    p_concepts: float
    p: float
    """The larger of the two p values."""
    p_adjusted: float
    """Benjamini-Hochberg over all text associations of the audit."""
    verdict: Literal["signal", "no signal"]
    draws: int
    """Random sets of concepts."""
    detectable: float | None = None
    """Smallest d that it alone shows with a power of 80 %, before correction; None if no d up to 2 does."""
