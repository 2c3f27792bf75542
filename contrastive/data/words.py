"""Words in captions, counted in one pass: which of a list of words occur in the captions of which image.

A caption is split into tokens, runs of letters, marks and digits, after NFC normalisation and case folding. So "Nurse's" has the tokens
``nurse`` and ``s``, "police-officer" has ``police`` and ``officer``. Chinese, Japanese, Thai, Lao, Burmese and Khmer have no spaces between
words: each of their letters is a token, so that a word is found inside a longer one; a run of katakana is one token. A word occurs in a
caption if the caption has its tokens one after another. Nothing else is understood: neither plurals nor synonyms, which can be listed as
forms of a word, nor negation.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contrastive.config import read_config
from contrastive.data import open_source
from contrastive.data.groups import NO_VALUE, read_groups
from contrastive.data.source import CaptionedImages
from strictio.errors import UsageError

MOST_WORDS = 5000
"""Maximum number of words that are counted."""
_NAMES_AT_ONCE = 65_536
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|[\u30a0-\u30ff]+"
)
"""Runs of letters and marks of scripts that put no spaces between words, or of katakana."""


@dataclass(frozen=True)
class Term:
    """A word or phrase, or several forms that count as one."""

    name: str
    forms: tuple[tuple[str, ...], ...]
    """The tokens of each form."""


def tokens_of(text: str) -> list[str]:
    """Split a text into tokens.

    >>> tokens_of("A NURSE's café, in the 1990s")
    ['a', 'nurse', 's', 'café', 'in', 'the', '1990s']
    >>> tokens_of("一名女医生")
    ['一', '名', '女', '医', '生']
    """
    if not text.isascii():
        text = _UNSPACED.sub(_letters_apart, unicodedata.normalize("NFC", text))
    return text.casefold().translate(_SPACED).split()


def _letters_apart(run: re.Match[str]) -> str:
    """Put spaces around every letter, or a run of katakana; marks stay with their letters."""
    if "\u30a0" <= run[0][0] <= "\u30ff":
        return f" {run[0]} "
    return f"{''.join(one if unicodedata.category(one)[0] == 'M' else f' {one}' for one in run[0])} "


class _Spaced(dict[int, int]):
    """Maps the code of a character to itself, or to a space unless it is part of a token."""

    def __missing__(self, code: int) -> int:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else ord(" ")
        return self[code]


_SPACED = _Spaced()


def read_terms(entries: Iterable[str], where: str) -> tuple[Term, ...]:
    """Parse words, such as ``nurse`` or, with all forms that count, ``nurse = nurse | nurses``; words with equal forms are merged.

    Raises `UsageError` if an entry has no letter or digit, or there are no words, or too many.

    >>> read_terms(["Police Officer", "child = child | children", "police-officer"], "here")[:2]
    (Term(name='Police Officer', forms=(('police', 'officer'),)), Term(name='child', forms=(('child',), ('children',))))
    """
    terms: dict[frozenset[tuple[str, ...]], Term] = {}
    for entry in filter(str.strip, entries):
        name, equals, listed = (part.strip() for part in entry.partition("="))
        forms = tuple(dict.fromkeys(tuple(tokens_of(form)) for form in (listed.split("|") if equals else [name])))
        if not name or not all(forms):
            raise UsageError(f"{entry[:80]!r} is not a word", where=where, fix="for example nurse, or nurse = nurse | nurses")
        terms.setdefault(frozenset(forms), Term(name, forms))
    if not terms:
        raise UsageError("no words to count", where=where, fix="name at least one, for example nurse")
    if len(terms) > MOST_WORDS:
        raise UsageError(f"{len(terms):,} words to count", where=where, why=f"at most {MOST_WORDS:,} are counted", fix="shorten the list")
    if len({term.name for term in terms.values()}) < len(terms):
        names = [term.name for term in terms.values()]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the word {twice[:80]!r} has two lists of forms", where=where, fix="put all of its forms in one entry")
    return tuple(terms.values())


class Finder:
    """Finds terms in captions: one set intersection per caption, however many terms there are."""

    def __init__(self, terms: Sequence[Term]):
        self._by_first: dict[str, list[tuple[str, int]]] = {}
        for number, form in ((number, form) for number, term in enumerate(terms) for form in term.forms):
            self._by_first.setdefault(form[0], []).append((" ".join(form) if len(form) > 1 else "", number))

    def numbers(self, caption: str) -> Collection[int]:
        """Return the positions of the terms that occur in a caption, each once.

        >>> finder = Finder(read_terms(["nurse", "police officer", "officer"], "here"))
        >>> sorted(finder.numbers("A police officer and a nurse.")), sorted(finder.numbers("an officer of the police, nurses"))
        ([0, 1, 2], [2])
        """
        tokens = tokens_of(caption)
        firsts = self._by_first.keys() & tokens
        if not firsts:
            return ()
        spaced = f" {' '.join(tokens)} "
        return {number for first in firsts for form, number in self._by_first[first] if not form or f" {form} " in spaced}


@dataclass(frozen=True)
class CountedWords:
    """The captions of m images, and which words stand in them."""

    captions_m: NDArray[np.int64]
    """Number of captions of each image."""
    image_n: NDArray[np.int64]
    """Image of each pair: several rows of a table may name one file."""
    word_h: NDArray[np.int64]
    image_h: NDArray[np.int64]
    """Pairs of a word and an image in whose captions it stands."""
    events_h: NDArray[np.int64]
    """Number of captions of that image in which it stands."""


def count_words(source: CaptionedImages, terms: Sequence[Term]) -> CountedWords:
    """Count in how many captions of each image each term stands. Every caption is read once; memory grows by 16 bytes per hit.

    Pairs with one name are of one image: rows of a table that name one file.
    """
    image_n = _images_by_name(source)
    finder, words, images = Finder(terms), array("l"), array("l")
    captions_n = np.zeros(len(source), np.int64)
    for pair, captions in enumerate(_captions_of_pairs(source)):
        captions_n[pair] = len(captions)
        for caption in captions:
            if numbers := finder.numbers(caption):
                words.extend(numbers)
                images.extend([image_n[pair]] * len(numbers))
    m = int(image_n.max(initial=-1)) + 1
    keys = np.frombuffer(words, np.int64) * m + np.frombuffer(images, np.int64) if words else np.zeros(0, np.int64)
    hits, events = np.unique(keys, return_counts=True)
    word_h, image_h = np.divmod(hits, max(m, 1))
    return CountedWords(np.bincount(image_n, captions_n, minlength=m).astype(np.int64), image_n, word_h, image_h, events)


def _images_by_name(source: CaptionedImages) -> NDArray[np.int64]:
    """Return int[n]: the number of each pair's image."""
    names = map(source.name, range(len(source)))
    blocks = [pa.array(block, pa.large_string()) for block in iter(lambda: list(islice(names, _NAMES_AT_ONCE)), [])]
    coded = pa.chunked_array(blocks, pa.large_string()).dictionary_encode().combine_chunks()
    numbers: NDArray[np.int64] = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _captions_of_pairs(source: CaptionedImages) -> Iterator[tuple[str, ...]]:
    """Yield the captions of every pair in order, in blocks where the source can read them so: single rows take ten times as long."""
    if blocks := getattr(source, "caption_blocks", None):
        for block in blocks():
            yield from block
    else:
        yield from (source.captions(index) for index in range(len(source)))


SEVERAL, NEITHER = -2, -1
"""Instead of the number of its group: an image that belongs to more than one, and one without a group."""


def groups_of_images(image_n: NDArray[np.int64], group_n: NDArray[np.int64], images: int) -> NDArray[np.int64]:
    """Return int[images]: the group of all pairs of an image (below 0: unknown), or `SEVERAL`, or `NEITHER`.

    >>> groups_of_images(np.array([0, 0, 1, 1, 2]), np.array([1, -1, 0, 1, -1]), 3).tolist()
    [1, -2, -1]
    """
    known = group_n >= 0
    highest, lowest = np.full(images, -1), np.full(images, np.iinfo(np.int64).max)
    np.maximum.at(highest, image_n[known], group_n[known])
    np.minimum.at(lowest, image_n[known], group_n[known])
    return np.where(highest < 0, NEITHER, np.where(highest == lowest, highest, SEVERAL))


GROUP_WORDS = {
    "woman": "woman women girl girls lady ladies female females she her hers herself mother mothers daughter daughters wife wives "
    "sister sisters",
    "man": "man men boy boys gentleman gentlemen male males he him his himself father fathers son sons husband husbands brother brothers",
}
"""English words by which an image without a group is assigned to one. Words with other common meanings, such as guys, are left out."""


def usual_group_terms() -> tuple[Term, ...]:
    """Return `GROUP_WORDS` as terms."""
    return read_terms((f"{name} = {' | '.join(words.split())}" for name, words in GROUP_WORDS.items()), "the usual words for groups")


@dataclass(frozen=True)
class WordsOfRun:
    """The words in the captions of a run's training data, and the group of each image."""

    source: str
    columns: tuple[str, ...]
    """The columns of the groups; empty if the groups are those of `group_terms`."""
    group_terms: tuple[Term, ...]
    groups: tuple[str, ...]
    group_m: NDArray[np.int64]
    """Group of each image, or `SEVERAL`, or `NEITHER`."""
    counts: CountedWords


def count_words_of_run(run: str, overrides: Sequence[str], terms: Sequence[Term], group_terms: Sequence[Term]) -> WordsOfRun:
    """Count words in the training captions of a configuration, by the groups of ``data.groups`` or, without any, by words for groups.

    `group_terms`: those words; empty: ``data.groups`` if it is set, else `usual_group_terms`. Raises like `read_config`, `open_source` and
    `read_groups`.
    """
    data = read_config(run, overrides).data
    source, name = open_source(data), Path(data.train).name
    groups = None if group_terms else read_groups(source, data)
    if groups is not None:
        counts = count_words(source, terms)
        known = np.array([NO_VALUE not in name.split(" × ") for name in groups.names])
        group_m = groups_of_images(counts.image_n, np.where(known[groups.group_n], groups.group_n, -1), len(counts.captions_m))
        return WordsOfRun(name, groups.columns, (), groups.names, group_m, counts)
    group_terms = tuple(group_terms) or usual_group_terms()
    counts = count_words(source, (*terms, *group_terms))  # words for groups are counted in the same pass
    start = int(np.searchsorted(counts.word_h, len(terms)))
    group_m = groups_of_images(counts.image_h[start:], counts.word_h[start:] - len(terms), len(counts.captions_m))
    own = replace(counts, word_h=counts.word_h[:start], image_h=counts.image_h[:start], events_h=counts.events_h[:start])
    return WordsOfRun(name, (), group_terms, tuple(term.name for term in group_terms), group_m, own)
