"""Texts written about images in, which words stand in more of the texts about one group than chance explains out. NumPy only.

No model judges a text: words are counted. A word is a run of Unicode letters (and their marks) without regard to case, of two letters at
least; it counts once a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float64, Int

_BLOCK = 1 << 22
_SLACK = 1e-9


def distinct_words(text: str) -> frozenset[str]:
    """Return the words of a text, each once.

    Examples
    --------
    >>> sorted(distinct_words("A NURSE, a nurse's café in the 1990s"))
    ['café', 'in', 'nurse', 'the']
    """
    return frozenset(word for word in _spelled(text) if len(word) > 1)


def word_count(text: str) -> int:
    """Return how many words a text has, repeated ones and those of one letter too.

    Examples
    --------
    >>> word_count("A nurse, and a nurse."), word_count("…")
    (5, 0)
    """
    return len(_spelled(text))


def common_words(texts: Sequence[str], least: float) -> tuple[tuple[str, ...], Bool[np.ndarray, "n w"]]:
    """Return the words that at least this share of the texts use, in alphabetical order, and which text uses which.

    A word that every text uses is left out: it tells no group from another.

    Examples
    --------
    >>> words, used = common_words(["a tall man", "a tall woman", "a man"], 0.5)
    >>> words, used.tolist()
    (('man', 'tall'), [[True, True], [False, True], [True, False]])
    """
    spoken = [distinct_words(text) for text in texts]
    counts: dict[str, int] = {}
    for words in spoken:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    kept = tuple(sorted(word for word, n in counts.items() if least * len(texts) <= n < len(texts)))
    used = np.array([[word in words for word in kept] for words in spoken], dtype=bool)
    return kept, used.reshape(len(texts), len(kept))


@dataclass(frozen=True)
class GroupDifferences:
    """Of each column the group that stands out most from the others, and what that is worth."""

    group: Int[np.ndarray, "w"]
    standard_errors: Float64[np.ndarray, "w"]
    """How far the group's mean is from that of the others; signed."""
    p: Float64[np.ndarray, "w"]
    """Of a group that stands out so far or farther in shuffles of the groups."""
    p_adjusted: Float64[np.ndarray, "w"]
    """The same, of any column."""
    chance: Float64[np.ndarray, "w 2"]
    """2.5 and 97.5 % points of that group's mean when groups are shuffled."""


def group_differences(
    columns: Float[np.ndarray, "n w"], codes: Int[np.ndarray, "n"], rng: np.random.Generator, *, draws: int = 9999
) -> GroupDifferences:
    """Find in each column the group whose mean is farthest from that of all others, against shuffles of the groups over the images.

    All columns are shuffled together, so that p is adjusted by the largest difference of any of them (Westfall and Young): words of one
    text go together, and a correction that takes them for independent would lose what is there.

    Parameters
    ----------
    columns : float[n, w]
        A row for each image; of words 1 where its text has the word, else 0.
    codes : int[n]
        The group of each image; every number from 0 on at least once, two groups at least.
    rng : Generator
        Source of the shuffles.
    draws : int
        Shuffles; the smallest possible p is ``1 / (draws + 1)``.

    Returns
    -------
    GroupDifferences
        The difference of means is in standard errors of the pooled column: ``sd * sqrt(1/n_group + 1/n_others)``; 0 where nothing varies.

    Raises
    ------
    ValueError
        If there are fewer than two groups.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing, ISBN 978-0-471-55761-6

    Examples
    --------
    The first word is in every text about the first group and in none about the second: 1 in a standard error of √(.25 · (¼ + ¼)) is 2.83.

    >>> columns = np.array([[1, 1], [1, 0], [1, 1], [1, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    >>> found = group_differences(columns, np.repeat([0, 1], 4), np.random.default_rng(0), draws=999)
    >>> found.standard_errors.round(2).tolist(), bool(found.p[0] < 0.05), float(found.p[1])
    ([2.83, 0.0], True, 1.0)
    """
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise ValueError(f"{len(sizes)} groups: two at least can be compared")
    n, means = len(codes), columns.mean(axis=0)
    centred = np.ascontiguousarray(columns - means, dtype=np.float64)
    deviation = centred.std(axis=0)
    unit = centred / np.where(deviation > 0, deviation, 1.0)
    # Of centred values, the others' sum is the group's with the other sign: its difference of means is its sum times 1/n + 1/rest.
    scale = np.sqrt(1 / sizes + 1 / (n - sizes))
    observed = (np.eye(len(sizes))[:, codes] @ unit) * scale[:, None]
    # Of two groups both stand out as far: the one that is ahead is named.
    group = (np.abs(observed) + _SLACK * (observed > 0)).argmax(axis=0)
    farthest = np.take_along_axis(observed, group[None], axis=0)[0]
    reached, mine, largest = np.zeros(columns.shape[1]), [], []
    for drawn in _shuffled(unit, codes, sizes, rng, draws):
        standardized = drawn * scale[:, None]
        extremes = np.abs(standardized).max(axis=1)
        reached += (extremes >= np.abs(farthest) - _SLACK).sum(axis=0)
        largest.append(extremes.max(axis=1, initial=0.0))
        mine.append(standardized[:, group, np.arange(len(group))])
    above = np.concatenate(largest)[:, None] >= np.abs(farthest) - _SLACK
    # The group's mean is that of all and, of its difference from the others, their share.
    spread = deviation * scale[group] * ((n - sizes) / n)[group]
    chance = means[:, None] + np.percentile(np.concatenate(mine), (2.5, 97.5), axis=0).T * spread[:, None]
    return GroupDifferences(group, farthest, (1 + reached) / (draws + 1), (1 + above.sum(axis=0)) / (draws + 1), chance)


def _shuffled(
    unit: Float64[np.ndarray, "n w"], codes: Int[np.ndarray, "n"], sizes: Int[np.ndarray, "g"], rng: np.random.Generator, draws: int
) -> Iterator[Float64[np.ndarray, "b g w"]]:
    """Give the sums of each group in blocks of shuffles: float[b, g, w]."""
    members = np.eye(len(sizes))
    step = max(1, _BLOCK // (len(codes) * len(sizes)))
    for start in range(0, draws, step):
        shuffled = rng.permuted(np.tile(codes, (min(step, draws - start), 1)), axis=1)
        inside = members[:, shuffled].transpose(1, 0, 2).reshape(-1, len(codes))
        yield (inside @ unit).reshape(len(shuffled), len(sizes), -1)


def _spelled(text: str) -> list[str]:
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(letter if _is_letter(letter) else " " for letter in folded).split()


@cache
def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM"
