"""Which words occur in the captions of which group: the facts that the page and the table of `vlm-audit words` show."""

from __future__ import annotations

from audit.records.base import record


@record
class CaptionGroup:
    """A group, or images outside all groups."""

    name: str
    images: int
    captions: int


@record
class WordRatio:
    """A word in the captions of one group, compared with those of all other groups."""

    word: str
    group: str
    events: int
    """Captions of the group with the word."""
    images: int
    """Images of the group with such a caption."""
    rate: float
    """Share of the group's captions with the word."""
    rate_others: float
    """The same for the captions of all other groups together."""
    log_ratio: float | None
    """``ln(rate / rate_others)``; None if one of the two is 0."""
    low: float | None
    high: float | None
    """Interval of `log_ratio` at level 1 - alpha for this row alone. None: without a limit, since a rate may be 0."""
    low_adjusted: float | None
    high_adjusted: float | None
    """At level 1 - alpha / comparisons: all intervals together hold at level 1 - alpha (Bonferroni)."""

    @property
    def direction(self) -> int:
        """1 or -1 if the adjusted interval shows that the word is more, or less, frequent in the group; else 0."""
        return (self.low_adjusted is not None and self.low_adjusted > 0) - (self.high_adjusted is not None and self.high_adjusted < 0)


@record
class CaptionWords:
    """Every word with every group."""

    source: str
    """Name of the training data."""
    attribute: str
    """The columns of the groups; empty if groups were taken from the captions."""
    group_words: tuple[tuple[str, tuple[str, ...]], ...]
    """Group and the words in captions by which images were assigned to it; empty for groups from columns."""
    words: tuple[tuple[str, tuple[str, ...]], ...]
    """Word and its forms."""
    groups: tuple[CaptionGroup, ...]
    left_out: tuple[CaptionGroup, ...]
    """Images without a group, and with several."""
    clustered: bool
    """Whether an image has several captions, so that images and not captions are independent."""
    alpha: float
    comparisons: int
    """Rows over which intervals are adjusted: with two groups, one per word, since the ratios of the two are inverse to each other."""
    ratios: tuple[WordRatio, ...]
    """By word, then by group."""
