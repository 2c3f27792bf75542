"""Intervals of rates, and of their differences, for images in clusters. An additional event never lowers a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from audit.statistics.intervals import wilson
from audit.statistics.units.cluster_sums import FEWEST_WITH_EVENTS, Sums, below_one
from audit.statistics.units.clusters import ClusterTable

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Ends = tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]

_EVENTS = np.unique(np.concatenate([np.arange(64), np.geomspace(64, 1 << 40, 400).astype(np.int64)]))
"""Numbers of events at which a limit is evaluated: all up to 64, then in steps of 6 %; in larger steps for many kinds:"""
_CELLS = 1 << 18


@dataclass(frozen=True)
class RateLimits:
    """The quantities that determine the limits of a group's rate, at any level."""

    n: float
    freedom: float
    events: Float[np.ndarray, "k"]
    effect: Float[np.ndarray, "k"]
    """Largest design effect of this many of the group's events."""
    others: Float[np.ndarray, "j"]
    others_effect: Float[np.ndarray, "j"]
    """The same for images without the event."""

    def at(self, alpha: float) -> tuple[float, float]:
        """The lower and the upper limit."""
        reliable = self.n * (float(ndtri(1 - alpha / 2)) / float(stdtrit(self.freedom, 1 - alpha / 2))) ** 2
        upper, lower = (
            float(wilson(share * np.maximum(reliable / effect, 1.0), np.maximum(reliable / effect, 1.0), alpha)[1].max())
            for share, effect in ((self.events / self.n, self.effect), (self.others / self.n, self.others_effect))
        )
        return 1 - lower, upper


def rate_limits(table: ClusterTable, borrowed: float | None = None) -> tuple[RateLimits | None, ...]:
    """The quantities that determine each group's limits; None for a group in fewer than two clusters, about which nothing is known.

    A limit is Wilson's at the effective number of images, n divided by the design effect, with Student's quantile. The design effect is at
    least 1, and that of no events assumes that all images of a cluster are alike, since nothing contradicts it: 20 clusters without an
    event have the limit of 20 images. A limit is the highest that any part of the events would have. So an additional event never lowers
    it, and few events that happen to be scattered never look like many independent images.

    With a `borrowed` correlation of two images of a cluster, known from other groups in the same clusters, no part of the events has a
    larger effect than that, unless all of them together do.

    Notes
    -----
    With 20 to 400 clusters of 1 to 300 images, rates from .02 to .8 and correlations from .05 to 1 the 95 % interval covered .93 to .98
    (`benchmarks/conclusions/clusters.py`); with the group's own design effect alone, .85 to .97.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201
    """
    limits: list[RateLimits | None] = []
    for group in range(table.n.shape[1]):
        here = table.n[:, group] > 0
        often, e, n = table.count[here], table.events[here, group].astype(float), table.n[here, group].astype(float)
        if often.sum() < 2:
            limits.append(None)
            continue
        total, freedom = float(often @ n), float(table.sums.freedom[group])
        most = np.inf
        if borrowed is not None:
            images, own = float(table.sums.images_per_cluster[group]), float(table.sums.own_design_effects[group])
            most = max(own, 1 + (images - 1) * borrowed)
        (events, effect), (others, others_effect) = (_largest_effects(part, n, often, freedom) for part in (e, n - e))
        limits.append(RateLimits(total, freedom, events, np.minimum(effect, most), others, np.minimum(others_effect, most)))
    return tuple(limits)


def _largest_effects(
    e: Float[np.ndarray, "c"], n: Float[np.ndarray, "c"], often: Int[np.ndarray, "c"], freedom: float
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """Numbers of events up to all of them, and the largest design effect of each number: in the clusters with most events.

    At p = k / N the squared residuals of k events are ``sum w (e - 2 p n) + p^2 sum n^2``, where ``w <= e`` of a cluster's events are
    taken: they are largest for the largest ``e - 2 p n``.
    """
    total, events, squares = float(often @ n), float(often @ e), float(often @ n**2)
    numbers = _EVENTS[events > _EVENTS]
    numbers = np.append(numbers[:: 1 + len(numbers) * len(e) // _CELLS], events)
    p = numbers[:, None] / total
    value = e - 2 * p * n
    order = np.argsort(-value, axis=1, kind="stable")
    room = (often * e)[order]
    taken = np.clip(numbers[:, None] - np.cumsum(room, axis=1) + room, 0, room)
    largest = (taken * np.take_along_axis(value, order, axis=1)).sum(axis=1) + p[:, 0] ** 2 * squares
    inside = (numbers > 0) & (numbers < total)
    independent = np.where(inside, p[:, 0] * (total - numbers), 1.0)
    return numbers, np.where(inside, np.maximum(largest * (1 + 1 / freedom) / independent, 1.0), squares / total)


def rate_intervals(limits: tuple[RateLimits | None, ...], alpha: float) -> Ends:
    """Both limits of each rate; 0 and 1 if nothing is known."""
    low, high = np.array([(0.0, 1.0) if limit is None else limit.at(alpha) for limit in limits]).T
    return low, high


def own_effect_intervals(sums: Sums, ends: Ends, alpha: float) -> Ends:
    """The limits at each group's own design effect, if they are nearer than `ends` and the group's clusters suffice to estimate it.

    `ends` allow for events that happened to be scattered: with 50 events in 18 of 20 clusters of 50, the upper limit of 5 % is then 18 %,
    as if nothing were known about their correlation. Clusters suffice if events, and images without one, lie in effectively five or
    more; their number minus one is the degrees of freedom. If whole clusters fail and few were sampled, they do not suffice.

    Notes
    -----
    95 % intervals of differences from these limits had coverage .93 to .98 (`benchmarks/conclusions/clusters.py`, two groups).
    """
    tells = sums.clusters_with_events >= FEWEST_WITH_EVENTS
    freedom = np.where(tells, np.minimum(sums.freedom, sums.clusters_with_events - 1), 1.0)
    shrink = (float(ndtri(1 - alpha / 2)) / stdtrit(freedom, 1 - alpha / 2)) ** 2
    n = np.maximum(sums.n * shrink / np.maximum(sums.own_design_effects, 1.0), 1.0)
    low, high = wilson(sums.rates * n, n, alpha)
    return np.where(tells, np.maximum(low, ends[0]), ends[0]), np.where(tells, np.minimum(high, ends[1]), ends[1])


def difference_intervals(
    table: ClusterTable,
    limits: tuple[RateLimits | None, ...],
    first: Int[np.ndarray, "m"],
    second: Int[np.ndarray, "m"],
    alpha: float,
    *,
    own_effect: bool = False,
) -> Ends:
    """Both limits of differences: Newcombe's, narrowed by the correlation from clusters that span both groups, as with pairs.

    `own_effect`: from the limits of `own_effect_intervals`, which serve to show a difference; equivalence uses the others.

    References
    ----------
    Zou and Donner 2008, https://doi.org/10.1002/sim.3095
    """
    rates = table.sums.rates
    low, high = rate_intervals(limits, alpha)
    if own_effect:
        low, high = own_effect_intervals(table.sums, (low, high), alpha)
    down, up = rates - low, high - rates
    clusters = table.sums.effective_clusters
    correlation = below_one(table.sums.correlations(first, second), np.minimum(clusters[first], clusters[second]), alpha)
    difference = rates[first] - rates[second]
    return (
        difference - _joint(down[first], up[second], correlation),
        difference + _joint(up[first], down[second], correlation),
    )


def ratio_intervals(
    table: ClusterTable, limits: tuple[RateLimits | None, ...], first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float
) -> Ends:
    """Both limits of ratios, like those of differences, for the logarithms of the rates; 0 or infinite if a rate may be 0.

    The correlation of two rates is used for their logarithms, too (delta method).
    """
    low, high = rate_intervals(limits, alpha)
    # Without events, the logarithm of the upper limit is used, from which the ratio's limit then starts.
    log = np.log(np.where(table.sums.e > 0, table.sums.rates, high))
    down, up = log - np.log(np.where(low > 0, low, 1.0)), np.log(high) - log
    clusters = table.sums.effective_clusters
    correlation = below_one(table.sums.correlations(first, second), np.minimum(clusters[first], clusters[second]), alpha)
    ratio = log[first] - log[second]
    lower = np.exp(ratio - _joint(down[first], up[second], correlation))
    upper = np.exp(ratio + _joint(up[first], down[second], correlation))
    return np.where(low[first] > 0, lower, 0.0), np.where(low[second] > 0, upper, np.inf)


def _joint(one: Float[np.ndarray, "m"], two: Float[np.ndarray, "m"], correlation: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    return np.asarray(np.sqrt(np.maximum(one**2 + two**2 - 2 * correlation * one * two, 0.0)))
