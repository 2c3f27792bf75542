"""How often words occur in the captions of a group, compared with all other groups: log ratios of rates, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.extensions.words.record import WordRatio
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.sampling_unit import ImageUnits

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True)
class CaptionedGroups:
    """The images of at least two groups, with their numbers of captions."""

    names: Sequence[str]
    group_m: Int[np.ndarray, "m"]
    """Group of each image; below 0: in no group, or in several, and therefore left out."""
    captions_m: Int[np.ndarray, "m"]

    @cached_property
    def counted(self) -> np.ndarray:
        """Whether an image is counted: it has a group, and captions."""
        return np.asarray((self.group_m >= 0) & (self.captions_m > 0))

    @cached_property
    def captions(self) -> Int[np.ndarray, "g"]:
        """Number of captions of each group."""
        return self._sums(self.captions_m)

    @cached_property
    def images(self) -> Int[np.ndarray, "g"]:
        """Number of images of each group."""
        return self._sums(np.ones_like(self.captions_m))

    @property
    def clustered(self) -> bool:
        """Whether any image has several captions."""
        return bool(self.captions_m[self.counted].max(initial=0) > 1)

    @cached_property
    def _kinds(self) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "m"], Int[np.ndarray, "k"]]:
        """Kinds of images with equal group and number of captions: a key of both, the kind of each image, and how often it occurs."""
        key = np.where(self.counted, self.group_m * self._base + self.captions_m, -1)
        kinds, kind, often = np.unique(key, return_inverse=True, return_counts=True)
        return kinds, kind, np.where(kinds < 0, 0, often)

    @cached_property
    def _base(self) -> int:
        return int(self.captions_m.max(initial=0)) + 1

    def _sums(self, values: Int[np.ndarray, "m"]) -> Int[np.ndarray, "g"]:
        chosen = self.counted
        return np.bincount(self.group_m[chosen], values[chosen], minlength=len(self.names)).astype(np.int64)

    def table(self, image_h: Int[np.ndarray, "h"], events_h: Int[np.ndarray, "h"]) -> ClusterTable:
        """Return the captions of each image (one cluster) and those with a word, from the images in whose captions it stands.

        Images without the word are counted by kind, so that the cost depends on the images with it.
        """
        kinds, kind, often = self._kinds
        with_word = np.stack([kind[image_h], events_h])[:, self.counted[image_h]]
        rows, count = np.unique(with_word, axis=1, return_counts=True)
        without = often - np.bincount(with_word[0], minlength=len(kinds))
        of_kind = np.concatenate([rows[0], np.arange(len(kinds))[without > 0]])
        events = np.concatenate([rows[1], np.zeros(int((without > 0).sum()), np.int64)])
        group, n = np.divmod(kinds[of_kind], self._base)
        both = np.zeros((2, len(of_kind), len(self.names)), np.int64)
        both[:, np.arange(len(of_kind)), group] = events, n
        return ClusterTable(both[0], both[1], np.concatenate([count, without[without > 0]]))


def word_ratios(
    words: Sequence[str],
    word_h: Int[np.ndarray, "h"],
    image_h: Int[np.ndarray, "h"],
    events_h: Int[np.ndarray, "h"],
    groups: CaptionedGroups,
    alpha: float,
) -> Iterator[WordRatio]:
    """Yield one ratio per word and group.

    Parameters
    ----------
    words : str[w]
        Names of the words.
    word_h, image_h, events_h : int[h]
        Every word with every image in whose captions it stands, and the number of these captions; by ascending word.
    groups : CaptionedGroups
        The images.
    alpha : float
        One minus the level, two-sided.

    Notes
    -----
    The rate of a word in a group is the share of the group's captions in which it stands, however often; the ratio is that to its rate in
    the captions of all other groups. If every image has one caption, the interval is the score interval of a ratio of two independent rates
    with a correction for skewness; else captions of an image are a cluster, and the limits of the two rates, Wilson's at the effective
    number of captions, are combined on the log scale. A word that one side lacks has no ratio and one limit; a word that both lack has
    neither.

    References
    ----------
    Koopman 1984, https://doi.org/10.2307/2531405; Gart and Nam 1988, https://doi.org/10.2307/2531848; clusters: Korn and Graubard 1998,
    Survey Methodology 24, 193-201, and Zou and Donner 2008, https://doi.org/10.1002/sim.3095
    """
    starts = np.searchsorted(word_h, np.arange(len(words) + 1))
    level = alpha / comparisons(len(words), len(groups.names))
    for number, word in enumerate(words):
        own = slice(starts[number], starts[number + 1])
        table = groups.table(image_h[own], events_h[own])
        images = table.count @ (table.events > 0)
        rates, rates_of_others = _rates(table)
        ratios = np.divide(rates, rates_of_others, out=np.zeros_like(rates), where=rates_of_others > 0)
        ends = [ratios, *(end for share in (alpha, level) for end in _limits(table, share, clustered=groups.clustered))]
        with np.errstate(divide="ignore"):
            logs = np.log(ends).T.tolist()
        for group, name in enumerate(groups.names):
            finite = (value if np.isfinite(value) else None for value in logs[group])
            yield WordRatio(
                word, name, int(table.totals[0][group]), int(images[group]), float(rates[group]), float(rates_of_others[group]), *finite
            )


def comparisons(words: int, groups: int) -> int:
    """Number of ratios over which intervals are adjusted; with two groups, the ratios of a word are inverse to each other.

    >>> comparisons(10, 2), comparisons(10, 3)
    (10, 30)
    """
    return words if groups == 2 else words * groups


def _rates(table: ClusterTable) -> Float[np.ndarray, "2 g"]:
    events, n = table.with_rest().totals
    rates: np.ndarray = (events / n).reshape(2, -1)
    return rates


def _limits(table: ClusterTable, alpha: float, *, clustered: bool) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
    """Both limits of the ratio of each group's rate to that of all others."""
    groups, both = table.n.shape[1], table.with_rest()
    if clustered:
        zero, one = np.array([0]), np.array([1])
        units = [ClusterUnits(both.of(np.array([group, groups + group]))) for group in range(groups)]
        low, high = np.concatenate([unit.ratios(zero, one, alpha) for unit in units], axis=1)
        return low, high
    return ImageUnits(*both.totals).ratios(np.arange(groups), groups + np.arange(groups), alpha)
