"""Captions with templates, and how much of them fits into a model's context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contrastive.data.source import CaptionedImages
from contrastive.model.pieces import AnyTokenizer

MOST = 20_000
"""Number of images whose captions are measured, spread evenly over larger datasets."""


@dataclass(frozen=True)
class TextLengths:
    """Lengths of texts in tokens, including start and end, and how many are truncated to the model's context."""

    texts: int
    context: int
    median: float
    longest: int
    cut: int

    @property
    def sentence(self) -> str:
        """A sentence on how many texts are truncated; "" if none is.

        >>> TextLengths(8, context=12, median=270.0, longest=301, cut=6).sentence
        '75 % of 8 texts (captions under templates) are longer than the 12 tokens that the model reads and were cut there; their median \
length is 270 tokens, the longest has 301.'
        """
        if not self.cut:
            return ""
        share = f"{_percent(self.cut, self.texts)} of {self.texts:,} texts (captions under templates)"
        lengths = f"their median length is {self.median:g} tokens, the longest has {self.longest:,}"
        return f"{share} are longer than the {self.context} tokens that the model reads and were cut there; {lengths}."


def _percent(part: int, whole: int) -> str:
    """Format a share, with two digits; neither all nor none unless it is.

    >>> [_percent(cut, 100_000) for cut in (100_000, 99_999, 99_400, 12_340, 1_234, 4)]
    ['all', 'over 99 %', '99 %', '12 %', '1.2 %', 'under 0.01 %']
    """
    percent = 100 * part / whole
    if part == whole:
        return "all"
    if percent > 99.4:  # 99.5 would be rounded to 100
        return "over 99 %"
    return f"{percent:.2g} %" if percent >= 0.01 else "under 0.01 %"


def text_lengths(source: CaptionedImages, tokenizer: AnyTokenizer, templates: Sequence[str]) -> TextLengths:
    """Measure the texts of a source, for at most 20,000 images spread evenly over it."""
    indices = np.unique(np.linspace(0, len(source) - 1, min(len(source), MOST)).astype(int))
    lengths = [tokenizer.length(text) for index in indices for text in texts_of(source, int(index), templates)] or [2]
    context = tokenizer.context
    return TextLengths(len(lengths), context, float(np.median(lengths)), max(lengths), sum(length > context for length in lengths))


def texts_of(source: CaptionedImages, index: int, templates: Sequence[str]) -> list[str]:
    """Return all captions of an image with all templates; the first caption with the first template comes first."""
    return [fill(template, caption) for caption in source.captions(index) for template in templates]


def fill(template: str, caption: str) -> str:
    """Insert a caption into a template.

    >>> fill("an image of {a caption}", "orange"), fill("{caption}!", "judge")
    ('an image of an orange', 'judge!')
    """
    article = "an" if caption[:1].lower() in set("aeiou") else "a"
    return template.replace("{a caption}", f"{article} {caption}").replace("{caption}", caption)
