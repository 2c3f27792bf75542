"""Images that count by weights, such as those of a survey: sums of weights replace numbers of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.units.clusters import ClusterTable

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_PARTS = 1 << 40
"""Resolution to which scaled weights are rounded, in parts of the next power of 2: values equal but for rounding are one kind."""
GAP, SPAN = 3.0, 10.0
"""A stratum of weights ends at the next gap of this factor, and its weights never differ by more than the second."""
_ROUNDING = 1e-9
_MOST_KINDS, _FEW_PARTS = 2000, 32


@dataclass(frozen=True)
class WeightedTable:
    """Clusters, or single images, by their original weights."""

    table: ClusterTable
    squares: Float[np.ndarray, "g"]
    """Sum of squared weights of each group's images."""
    images: Int[np.ndarray, "g"]

    @property
    def effective_n(self) -> Float[np.ndarray, "g"]:
        """Number of equally weighted images with the same information: ``(sum w)^2 / sum w^2``.

        References
        ----------
        Kish 1965, Survey Sampling, section 11.7
        """
        return np.asarray(self.table.totals[1] ** 2 / np.where(self.squares > 0, self.squares, 1.0))

    def scaled(self) -> ClusterTable:
        """The table with weights that sum to each group's effective number of images.

        So only ratios of weights within a group matter, equal weights become 1, and images that by chance have large
        weights never look like more of them.
        """
        known = self.squares > 0
        scale = np.where(known, self.table.totals[1] / np.where(known, self.squares, 1.0), 1.0)
        n, events = (_rounded(part * scale) for part in (self.table.n, self.table.events))
        return ClusterTable(np.minimum(events, n), n, self.table.count)

    def unseen(self, alpha: float) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
        """By how much each group's rate may be lower, or higher, without showing in its independent images.

        Kish's number ignores that the few heavy images may often have events that this sample happened to miss. Images of one
        stratum of weights (`weight_strata`) have one rate; a higher one is ruled out if fewer than `alpha` of samples would show none of
        the additional events (`unseen_weight`). The lower rate is the same for images without the event.
        """
        lower, higher = np.zeros((2, self.table.n.shape[1]))
        for group in range(len(lower)):
            here = self.table.n[:, group] > 0
            weight, often = self.table.n[here, group], self.table.count[here]
            event = self.table.events[here, group] > 0
            stratum, total = weight_strata(weight), float(often @ weight)
            mean = np.bincount(stratum, often * weight) / np.bincount(stratum, often)
            events, others = (np.bincount(stratum, often * kind, minlength=len(mean)) for kind in (event, ~event))
            lower[group], higher[group] = (unseen_weight(mean, images, alpha) / total for images in (events, others))
        return lower, higher

    def of(self, groups: Int[np.ndarray, "h"]) -> WeightedTable:
        """Only some of the groups."""
        return WeightedTable(self.table.of(groups), self.squares[groups], self.images[groups])

    def rest(self) -> WeightedTable:
        """The table with the weights of the images that are not events."""
        return replace(self, table=self.table.rest())

    def with_rest(self) -> WeightedTable:
        """The groups and, after them, for each group all others together, with their weights relative to each other."""
        return WeightedTable(self.table.with_rest(), *(np.concatenate([part, part.sum() - part]) for part in (self.squares, self.images)))

    def together(self) -> WeightedTable:
        """All images as one group."""
        return WeightedTable(self.table.together(), self.squares.sum(keepdims=True), self.images.sum(keepdims=True))


def weight_strata(weight: Float[np.ndarray, "k"]) -> Int[np.ndarray, "k"]:
    """Number the strata of weights, the heaviest 0: a new one starts below every gap of `GAP`, and if weights differ by `SPAN`.

    Continuous weights, such as lognormal ones, have few gaps, and their errors spread over many images.

    Examples
    --------
    >>> weight_strata(np.array([1.0, 100.0, 2.0, 30.0, 40.0])).tolist(), weight_strata(np.array([1.0, 2.0, 4.0, 8.0, 16.0])).tolist()
    ([1, 0, 1, 0, 0], [1, 0, 0, 0, 0])
    """
    order = np.argsort(-weight, kind="stable")
    falling = weight[order]
    starts = np.append(True, falling[:-1] * (1 + _ROUNDING) >= GAP * falling[1:])
    run = starts.cumsum() - 1
    below = np.log(falling[starts][run] / falling) / np.log(SPAN)
    numbers = np.unique(np.column_stack([run, np.floor(below + _ROUNDING)]), axis=0, return_inverse=True)[1]
    strata = np.empty(len(weight), np.int64)
    strata[order] = numbers.ravel()
    return strata


def unseen_weight(weight: Float[np.ndarray, "s"], images: Float[np.ndarray, "s"], alpha: float) -> float:
    """The largest expected weight of events such that these images show none of them with probability `alpha`.

    The probability is the product of ``1 - q`` over all images; the sum of ``w q`` is largest for ``q = max(0, 1 - c / w)``. For n equal
    images q is ``1 - alpha^(1/n)``, Clopper and Pearson's limit without an event, about 3 in n.

    Examples
    --------
    Three images of weight 8: a rate of ``1 - .05^(1/3)`` = 63 %, 15.2 of 24. Sixteen of weight 1 in addition change nothing: c is 2.9.

    >>> [round(unseen_weight(np.array([8.0, 1.0]), np.array([3, light]), 0.05), 1) for light in (0, 16)]
    [15.2, 15.2]
    """
    order = np.argsort(-weight[images > 0], kind="stable")
    weight, images = weight[images > 0][order], images[images > 0][order]
    if not len(weight):
        return 0.0
    least = (np.cumsum(images * np.log(weight)) + np.log(alpha)) / np.cumsum(images)  # log c, if only the first strata may have events
    many = int(np.flatnonzero(np.log(weight) > least)[-1]) + 1
    return float(images[:many] @ (weight[:many] - np.exp(least[many - 1])))


def coarse(table: ClusterTable) -> ClusterTable:
    """The table to shuffle: more than 2,000 kinds of weights are rounded to 3 %, so that nearly equal ones are assigned together.

    Ten thousand different weights take a quarter of the time, more an even smaller part. Each shuffle is divided by its own standard
    errors, which include the rounding.
    """
    if len(table.count) <= _MOST_KINDS:
        return table
    return ClusterTable(_rounded(table.events, _FEW_PARTS), _rounded(table.n, _FEW_PARTS), table.count)


def _rounded(values: Float[np.ndarray, "c g"], parts: int = _PARTS) -> Float[np.ndarray, "c g"]:
    fraction, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(fraction * parts) / parts, exponent))
