"""Counterfactual captions: captions with two words swapped, such as man and woman, so that the word says less about the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contrastive.data.intervention import ChangedCaptions, intervene
from contrastive.data.source import CaptionedImages, printable
from contrastive.settings import CounterfactualConfig, InterventionConfig

_NAMED = 6
"""Number of pairs of words listed in the data card."""


def with_counterfactuals(source: CaptionedImages, config: CounterfactualConfig) -> ChangedCaptions:
    """Give a share of the pairs whose captions have one of the words each caption a second time, with the words swapped.

    Their own captions come first, so that evaluation uses these. Raises `UsageError` if no caption has one of the words.
    """
    words = swapped_words(config.swap)
    changed = intervene(source, InterventionConfig("add", config.share, words=words, seed=config.seed), "data.counterfactual")
    # `intervene` puts the changed captions first.
    own_first = {row: (*captions[len(captions) // 2 :], *captions[: len(captions) // 2]) for row, captions in changed.replaced.items()}
    return replace(changed, replaced=own_first, sentence=_sentence(changed, config))


def swapped_words(pairs: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return word -> the other one of its pair, as written, with a capital first letter, and in capitals.

    >>> swapped_words([["man", "woman"]])
    {'man': 'woman', 'woman': 'man', 'Man': 'Woman', 'Woman': 'Man', 'MAN': 'WOMAN', 'WOMAN': 'MAN'}
    """
    both = [order for one, other in pairs for order in ((one, other), (other, one))]
    capital = [(old[:1].upper() + old[1:], new[:1].upper() + new[1:]) for old, new in both]
    words: dict[str, str] = {}
    for old, new in (*both, *capital, *((old.upper(), new.upper()) for old, new in both)):
        words.setdefault(old, new)
    return words


def _sentence(changed: ChangedCaptions, config: CounterfactualConfig) -> str:
    named = [" and ".join(printable(word) for word in pair) for pair in config.swap[:_NAMED]]
    more = f", and {len(config.swap) - _NAMED} more" if len(config.swap) > _NAMED else ""
    drawn = f", drawn at random with seed {config.seed}," if 0 < len(changed.replaced) < changed.eligible else ""
    return (
        f"Counterfactual captions: {len(changed.replaced)} of the {changed.eligible} pairs whose captions have one of the words{drawn} "
        f"also have their captions with these words swapped: {', '.join(named)}{more}."
    )
