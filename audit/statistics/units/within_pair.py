"""Two groups compared inside the clusters that contain images of both: effects common to all images of a cluster cancel.

``D_c = rate_a(c) - rate_b(c)`` has the weight ``w_c = n_ca n_cb / (n_ca + n_cb)``. The cluster stays the sampling unit. This is a
different quantity than the difference of two rates over all images: 17 points there may be 0 here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from audit.statistics.draws import binomial
from audit.statistics.intervals import FEWEST_EXPECTED, difference_limits
from audit.statistics.null import mcnemar_p
from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_sums import as_normal
from audit.statistics.units.clusters import ClusterTable
from audit.ties import least_equal

if TYPE_CHECKING:
    from jaxtyping import Float

    Ends = tuple[Float[np.ndarray, "*b"], Float[np.ndarray, "*b"]]
    Sums = tuple[Float[np.ndarray, "*b"], Float[np.ndarray, "*b"], Float[np.ndarray, "*b"]]

FEWEST_DIFFERING = 6
"""With fewer clusters that differ, no pattern of signs has p at most .05: they say nothing about the variation between clusters."""
FLIPS, FEWEST_DRAWS = 9999, 999
_MOST_CELLS, _CELLS, _HALVINGS, _TINY = 1 << 28, 1 << 22, 40, 1e-20


@dataclass(frozen=True)
class WithinPair:
    """The clusters that contain images of two groups; equal ones are counted."""

    difference: Float[np.ndarray, "k"]
    weight: Float[np.ndarray, "k"]
    often: Float[np.ndarray, "k"]
    event: float
    """Contribution of one event to the squares of weighted differences: a quarter if clusters are balanced."""
    single: bool
    """Whether every cluster is a pair of single images."""
    thin: bool
    """Whether either group expects under 5 events, or images without one."""
    correlation: float
    """Correlation of two images of a cluster, over all groups."""
    totals: tuple[float, float, float, float]
    """Events and images of the first group, and of the second."""

    @classmethod
    def of(cls, table: ClusterTable, first: int, second: int, correlation: float) -> WithinPair:
        places = [first, second]
        kept = (table.n[:, places] > 0).all(axis=1)
        n, events, count = table.n[kept][:, places].astype(float), table.events[kept][:, places], table.count[kept].astype(float)
        size, rates = n.sum(axis=1), events / n
        weight = n.prod(axis=1) / size
        event = float((count * weight) @ ((n**2).sum(axis=1) / size**2)) / (2 * max(float(count @ weight), _TINY))
        happened, images = float((count @ events).sum()), count @ n
        counted = bool((n == np.rint(n)).all())  # weights are never thin: they are not images that could be reassigned
        thin = counted and float(images.min()) * min(happened, float(images.sum()) - happened) < FEWEST_EXPECTED * float(images.sum())
        apart = rates[:, 0] - rates[:, 1]
        # Draws must not depend on the order of the two groups, so kinds are in the order in which the mean is positive.
        side = 1.0 if (count * weight) @ apart >= least_equal(0.0, (count * weight).sum()) else -1.0
        kinds, inverse = np.unique(np.column_stack([side * apart, weight]), axis=0, return_inverse=True)
        often = np.bincount(inverse.ravel(), count, minlength=len(kinds))
        totals = tuple(np.column_stack([count @ events, images]).astype(float).ravel().tolist())
        return cls(side * kinds[:, 0], kinds[:, 1], often, event, bool((n == 1).all()), thin, correlation, totals)

    # ---- estimate and error ----------------------------------------------------------------------------------------------------------

    @cached_property
    def total(self) -> float:
        return float(self.often @ self.weight)

    @cached_property
    def squares(self) -> float:
        return float(self.often @ self.weight**2)

    @property
    def estimate(self) -> float:
        """Weighted mean of the differences."""
        return float((self.often * self.weight) @ self.difference) / self.total

    @property
    def freedom(self) -> float:
        """Effective number of clusters minus one."""
        return max(self.total**2 / self.squares - 1, 0.5)

    @property
    def differing(self) -> int:
        """Number of clusters whose two rates differ."""
        return int(self.often[self.difference != 0].sum())

    @property
    def clump(self) -> float:
        """Number of images of a cluster that fail together: one, unless too few clusters differ to say so; then from the correlation."""
        if self.single or self.differing >= FEWEST_DIFFERING:
            return 1.0
        return 1 + max(2 * self.squares / self.total - 1, 0.0) * self.correlation

    def moments(self, sums: Sums, clump: float = 1.0) -> Ends:
        """Centre and standard error of differences D from the sums of w D, of w^2 D and of w^2 D^2.

        Two clusters are added, one of which differs, in either direction, by a `clump`. For pairs of single images this is Agresti and
        Min's interval, and without any event the interval is not a point.
        """
        first, cross, second = sums
        centre = first / (self.total + clump)
        spread = second - 2 * centre * cross + centre**2 * (self.squares + clump**2 / 2) + self.event * clump**2
        return centre, np.sqrt(np.maximum(spread, _TINY)) / (self.total + clump)

    def standardized(self, sums: Sums) -> Float[np.ndarray, "*b"]:
        """The centre in standard errors, as a value of the standard normal."""
        centre, error = self.moments(sums)
        return as_normal(centre / error, np.array(self.freedom))

    def sums(self, shift: float = 0.0) -> Sums:
        """The sums of the observed differences minus `shift`."""
        apart, weight = self.difference - shift, self.often * self.weight
        first, cross, second = (
            np.asarray(total) for total in (weight @ apart, (weight * self.weight) @ apart, (weight * self.weight) @ apart**2)
        )
        return first, cross, second

    # ---- sign flips ------------------------------------------------------------------------------------------------------------------

    def flipped(self, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b k"]:
        """For each kind of cluster, draw the number that keep their sign minus the number that change it."""
        kept = [binomial(self.often.astype(np.int64), 0.5, (size, len(self.often)), rng) for size in blocks(draws, len(self.often))]
        return np.asarray(2.0 * np.concatenate(kept) - self.often)

    def every_flip(self) -> Float[np.ndarray, "b k"]:
        """The same for every pattern of signs of the clusters that differ."""
        kinds = np.repeat(np.arange(len(self.often)), np.where(self.difference != 0, self.often, 0).astype(np.int64))
        signs = 1.0 - 2 * ((np.arange(1 << len(kinds))[:, None] >> np.arange(len(kinds))) & 1)
        return np.asarray(signs @ (kinds[:, None] == np.arange(len(self.often))))

    def flipped_sums(self, flips: Float[np.ndarray, "b k"]) -> Sums:
        columns = np.column_stack([self.weight * self.difference, self.weight**2 * self.difference])
        first, cross = (flips @ columns).T
        return first, cross, self.sums()[2]

    @cached_property
    def _drawn(self) -> Float[np.ndarray, "4 b"]:
        """Flipped sums of w D, w, w^2 D and w^2: enough for flips of D - d, for any d."""
        w, d, rng = self.weight, self.difference, np.random.default_rng(0)
        columns = np.column_stack([w * d, w, w**2 * d, w**2])
        return np.concatenate([self.flipped(size, rng) @ columns for size in blocks(FLIPS, len(w))]).T

    def _p(self, shift: float) -> float:
        """The p of "every cluster differs by `shift`, except for chance"."""
        first, weights, cross, squares = self._drawn
        observed = self.sums(shift)
        centre, error = self.moments(observed)
        centres, errors = self.moments((first - shift * weights, cross - shift * squares, observed[2]))
        return exceedance_p(np.abs(centres / errors), float(np.abs(centre / error)))

    def _last(self, alpha: float, end: float) -> float:
        """The last difference, from the estimate to an end of the scale, that sign flips do not reject."""
        inside, outside = self.estimate, end
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if self._p(middle) <= alpha else (middle, outside)
        return inside

    # ---- what is reported ------------------------------------------------------------------------------------------------------------

    @property
    def error(self) -> float:
        return float(self.moments(self.sums(), self.clump)[1])

    @property
    def p(self) -> float:
        """Two-sided, by Student's t, for lists of many pairs of groups; pairs of single images use the exact sign test."""
        if self.single:
            return mcnemar_p(*(int(self.often[side * self.difference > 0].sum()) for side in (1, -1)))
        centre, error = self.moments(self.sums(), self.clump)
        return float(2 * stdtr(self.freedom, -np.abs(centre / error)))

    def limits(self, alpha: float, *, alone: bool) -> tuple[float, float]:
        """The interval of the difference.

        For many pairs, and if too few clusters differ, it is Student's (for pairs of single images Agresti and Min's). For two groups
        `alone` it contains the differences that sign flips do not reject: many small clusters that all differ in one direction are not
        outweighed by a few large ones. If events are so few that differences are skewed, each limit is the farther of both, and no nearer
        to the centre than that of independent images is to their difference: as p is at least that of shuffled images.
        """
        centre, error = self.moments(self.sums(), self.clump)
        quantile = float(ndtri(1 - alpha / 2)) if self.single else float(stdtrit(self.freedom, 1 - alpha / 2))
        down = up = quantile * float(error)
        if self.thin and not self.single:
            below, above = self._of_images(alpha)
            down, up = max(down, below), max(up, above)
        student = max(float(centre - down), -1.0), min(float(centre + up), 1.0)
        if not alone or self.single or self.differing < FEWEST_DIFFERING:
            return student
        low, high = self._last(alpha, -1.0), self._last(alpha, 1.0)
        return (min(student[0], low), max(student[1], high)) if self.thin else (low, high)

    def _of_images(self, alpha: float) -> tuple[float, float]:
        """Distances of the limits of the difference of independent images below and above it."""
        events_1, n_1, events_2, n_2 = (np.array([total]) for total in self.totals)
        (low,), (high,) = difference_limits(events_1, n_1, events_2, n_2, alpha)
        difference = float(events_1[0] / n_1[0] - events_2[0] / n_2[0])
        return difference - float(low), float(high) - difference


def blocks(draws: int, width: int) -> list[int]:
    """Sizes of the blocks of draws: smaller blocks, and fewer of them, for very wide ones."""
    draws = min(draws, max(FEWEST_DRAWS, _MOST_CELLS // max(width, 1)))
    step = max(1, _CELLS // max(width, 1))
    return [min(step, draws - start) for start in range(0, draws, step)]
