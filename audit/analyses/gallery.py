"""The images that rankings, taggings and associations use: those of the groups of one attribute that can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
import pandas as pd

from audit.data.cells.votes import SEPARATOR, votes
from audit.errors import UsageError, nearest
from audit.statistics.multiplicity import benjamini_hochberg
from audit.statistics.null import generator
from audit.types import UNKNOWN, Dataset, Group, Note, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Int


class Tested(Protocol):
    """A record with `p`, `p_adjusted` and a `verdict` of "signal" or "no signal"."""

    @property
    def p(self) -> float: ...


T = TypeVar("T", bound=Tested)


@dataclass(frozen=True)
class Gallery:
    """Images with their groups."""

    groups: Group
    rows: Int[np.ndarray, "n"]
    """Their positions among all images."""
    codes: Int[np.ndarray, "n"]
    sizes: Int[np.ndarray, "g"]
    left_out: tuple[tuple[str, int], ...]
    """Groups that are too small, or unknown, with their numbers of images."""
    shared: bool = False
    """Whether images count in several groups."""
    small: int = 0
    """How many of the groups (the last ones) have too few images to be judged."""

    @property
    def judged(self) -> int:
        """How many of the groups (the first ones) have enough images."""
        return len(self.groups) - self.small

    def not_estimable(self, probe: Probe, settings: Settings) -> Note | None:
        """Why nothing about the gallery can be estimated; None if it can."""
        if self.shared:
            return Note("gallery_of_shares")
        if probe.cluster or probe.weights:
            return Note("gallery_of_units", {"column": probe.cluster or probe.weights or ""})
        return Note("gallery_few_groups", {"images": settings.min_group_size}) if self.judged < 2 else None


def gallery_of(column: pd.Series, levels: Group, settings: Settings, *, with_small: bool = False) -> Gallery:
    """The gallery of an attribute: the images of its groups that have enough images, in the order of the column.

    `with_small` adds those of smaller groups, which come last: a search may retrieve their images like any others.
    """
    counted = column.value_counts()
    if any(SEPARATOR in text and text not in levels and set(votes(text)) <= set(levels) for text in map(str, counted.index)):
        return Gallery((), np.arange(len(column)), np.zeros(len(column), np.int64), np.zeros(0, np.int64), (), shared=True)
    sizes = {level: int(counted[level]) for level in dict.fromkeys((*levels, *map(str, counted.index))) if level in counted.index}
    known = [level for level in sizes if level in levels and level != UNKNOWN]
    small = tuple(level for level in known if sizes[level] < settings.min_group_size) if with_small else ()
    kept = (*(level for level in known if sizes[level] >= settings.min_group_size), *small)
    codes = pd.Index(kept).get_indexer(pd.Index(column)) if kept else np.full(len(column), -1)
    rows = np.flatnonzero(codes >= 0)
    left_out = tuple((level, n) for level, n in sizes.items() if level not in kept)
    return Gallery(kept, rows, codes[rows], np.array([sizes[level] for level in kept], np.int64), left_out, small=len(small))


def seeded_order(index: pd.Index, seed: int) -> Int[np.ndarray, "n"]:
    """An order of the images that depends on their identifiers and the seed, not on the order of the table.

    Otherwise, in a table sorted by group, one group would come first among tied scores.
    """
    by_name = np.argsort(index.to_numpy().astype(str), kind="stable")
    return np.asarray(by_name[generator(seed, "gallery/order").permutation(len(by_name))])


def with_signals(tested: Sequence[tuple[T, ...]], alpha: float, *, limited: bool) -> Iterator[tuple[T, ...]]:
    """Yield the tested records with p adjusted over all of them together; in a limited run nothing is a signal."""
    p = [test.p for part in tested for test in part]
    by_rate = iter(benjamini_hochberg(np.array(p)).tolist() if p else ())

    def decided(test: T) -> T:
        p_adjusted = next(by_rate)
        verdict = "signal" if p_adjusted <= alpha and not limited else "no signal"
        judged: T = replace(cast(Any, test), p_adjusted=p_adjusted, verdict=verdict)
        return judged

    for part in tested:
        yield tuple(map(decided, part))


def check_attributes(question: str, by: Group, dataset: Dataset) -> None:
    """Raise UsageError for a question without attributes, or with one that the data do not have."""
    if not by:
        raise UsageError(f"{question!r} has no attribute to compare by", fix="name one in the probe")
    for attribute in by:
        if attribute not in dataset.levels:
            raise UsageError(f"{question!r} compares by {attribute!r}, which the data do not have", fix=nearest(attribute, dataset.levels))
