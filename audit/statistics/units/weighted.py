"""Images that count by weights, such as those of a survey: sums of weights stand where numbers of images do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.intervals import wilson
from audit.statistics.units.clusters import ClusterTable

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_PARTS = 1 << 40
"""Scaled weights are rounded to so many parts of the next power of 2: what is equal but for rounding is one kind."""
CLASS = 4.0
"""Weights that differ by less than this factor are one class."""
_ROUNDING = 1e-9
_MOST_KINDS, _FEW_PARTS = 2000, 32


@dataclass(frozen=True)
class WeightedTable:
    """Clusters, or single images, by their weights as they were given."""

    table: ClusterTable
    squares: Float[np.ndarray, "g"]
    """Squared weights of each group's images, summed."""
    images: Int[np.ndarray, "g"]

    @property
    def effective_n(self) -> Float[np.ndarray, "g"]:
        """Images of one weight that would tell as much: ``(sum w)^2 / sum w^2``.

        References
        ----------
        Kish 1965, Survey Sampling, section 11.7
        """
        return np.asarray(self.table.totals[1] ** 2 / np.where(self.squares > 0, self.squares, 1.0))

    def scaled(self) -> ClusterTable:
        """Return the table with weights that add up to each group's effective number of images.

        So weights count by their ratios within a group alone, equal ones are 1, and images that were chosen by chance to have large
        weights never look like more of them.
        """
        known = self.squares > 0
        scale = np.where(known, self.table.totals[1] / np.where(known, self.squares, 1.0), 1.0)
        n, events = (_rounded(part * scale) for part in (self.table.n, self.table.events))
        return ClusterTable(np.minimum(events, n), n, self.table.count)

    def class_limits(self, alpha: float) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
        """Return the limits of each group's rate of independent images, from Wilson's within classes of weights.

        Kish's number forgets that the few heavy images may hold events that none of them happened to show. Here a class, of weights that
        differ by less than `CLASS`, has the uncertainty of its own images; squared distances to the limits are added, each times the
        squared share of the class in all weights (MOVER).

        References
        ----------
        Zou, Huang and Zhang 2009, https://doi.org/10.1016/j.csda.2008.09.033
        """
        low, high = np.zeros((2, self.table.n.shape[1]))
        for group in range(len(low)):
            here = self.table.n[:, group] > 0
            weight, often = self.table.n[here, group], self.table.count[here]
            share = self.table.events[here, group] / weight
            place = np.floor(np.log(weight.max(initial=1.0) / weight) / np.log(CLASS) + _ROUNDING).astype(np.int64)
            total, squares, events = (np.bincount(place, often * each) for each in (weight, weight**2, weight * share))
            total, squares, events = (each[total > 0] for each in (total, squares, events))
            n, rates = total**2 / squares, events / total
            down, up = (np.abs(rates - end) * total / total.sum() for end in wilson(rates * n, n, alpha))
            rate = float(events.sum() / total.sum())
            low[group], high[group] = rate - np.linalg.norm(down), rate + np.linalg.norm(up)
        return low, high

    def of(self, groups: Int[np.ndarray, "h"]) -> WeightedTable:
        """Return some of the groups."""
        return WeightedTable(self.table.of(groups), self.squares[groups], self.images[groups])

    def with_rest(self) -> WeightedTable:
        """Return the groups and, after them, for each group all others together, by the weights that they have among each other."""
        return WeightedTable(self.table.with_rest(), *(np.concatenate([part, part.sum() - part]) for part in (self.squares, self.images)))

    def together(self) -> WeightedTable:
        """Return all images as one group."""
        return WeightedTable(self.table.together(), self.squares.sum(keepdims=True), self.images.sum(keepdims=True))


def coarse(table: ClusterTable) -> ClusterTable:
    """Return what is shuffled: of more than 2,000 kinds of weights, these within 3 %, so that nearly equal ones are dealt together.

    Ten thousand different weights take a quarter of the time, more an even smaller part. A shuffle is divided by its own standard errors,
    which take the rounding in.
    """
    if len(table.count) <= _MOST_KINDS:
        return table
    return ClusterTable(_rounded(table.events, _FEW_PARTS), _rounded(table.n, _FEW_PARTS), table.count)


def _rounded(values: Float[np.ndarray, "c g"], parts: int = _PARTS) -> Float[np.ndarray, "c g"]:
    fraction, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(fraction * parts) / parts, exponent))
