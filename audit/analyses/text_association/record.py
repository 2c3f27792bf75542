"""Which texts a text tower puts near to which words, without an image. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.base.records import ChanceBand
from audit.records.base import record


@record
class TextAssociation:
    """Two sets of texts and two lists of words."""

    question: str
    targets: tuple[str, str]
    """Names of the sets; a positive effect says that the first is nearer to the first words."""
    words: tuple[str, str]
    sizes: tuple[int, int]
    """Texts of each set."""
    effect_size: float | None
    """d of WEAT; None where all texts are as near."""
    permuted: ChanceBand | None
    """Of d when the texts are dealt out otherwise."""
    concepts: ChanceBand
    """Of d of random sets of neutral texts."""
    p_permuted: float
    exact: bool
    """Whether every way to deal out the texts was tried."""
    p_concepts: float
    p: float
    """The larger of both."""
    p_adjusted: float
    """Benjamini-Hochberg over all text associations of the audit."""
    verdict: Literal["signal", "no signal"]
    draws: int
    """Random sets of concepts."""
