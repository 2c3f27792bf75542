"""Clusters of images as sampling units, with weights or without: between groups, or inside clusters that contain several groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from audit.statistics.counts import row_codes
from audit.statistics.intervals import wilson
from audit.statistics.metrics import row_events
from audit.statistics.null import GapNull, no_events
from audit.statistics.units.cluster_null import clustered_gap_test, clustered_p
from audit.statistics.units.cluster_sums import FEWEST_WITH_EVENTS, Sums, below_one
from audit.statistics.units.clusters import ClusterTable, cluster_table, covariance, weighted_table
from audit.statistics.units.sampling_unit import Clustering, ImageUnits, SamplingUnits
from audit.statistics.units.weighted import WeightedTable, coarse
from audit.statistics.units.within_clusters import WithinDesign, WithinPairs, shared_correlation, spans_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float, Int

    from audit.statistics.metrics import Metric, Outcome, Tally
    from audit.statistics.units.sampling_unit import Counted, Ends, Places
    from audit.types import Group, Predictions


# Intervals of rates, and of their differences, for images in clusters. An additional event never lowers a limit.


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


def ratio_intervals(table: ClusterTable, limits: tuple[RateLimits | None, ...], first: Places, second: Places, alpha: float) -> Ends:
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


FEWEST_CLUSTERS = 15
"""A group in effectively fewer clusters is shown but not judged: tests and intervals were validated from here on."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ClusterUnits(SamplingUnits):
    """Clusters are independent, images of one cluster are not."""

    table: ClusterTable
    by_design: bool = field(default=False, kw_only=True)
    """Compare groups inside clusters if these span them (`spans_groups`); otherwise always by their rates over all images."""
    like: ClusterUnits | None = field(default=None, kw_only=True)
    """The groups that these were merged from: compared within clusters if those are."""

    @cached_property
    def limits(self) -> tuple[RateLimits | None, ...]:
        return rate_limits(self.table, self.borrowed)

    @cached_property
    def borrowed(self) -> float | None:
        """Correlation of two images of a cluster, for groups with too few events to estimate it; None if clusters do not span groups."""
        if self.like is not None:
            return self.like.borrowed
        return shared_correlation(self.table)

    @cached_property
    def sums(self) -> Sums:
        return replace(self.table.sums, borrowed=self.borrowed)

    @cached_property
    def within(self) -> WithinPairs:
        return WithinPairs(self.table, 1.0 if self.borrowed is None else self.borrowed)

    @cached_property
    def within_clusters(self) -> bool:
        return self.by_design and spans_groups(self.table) if self.like is None else self.like.within_clusters

    def within_design(self) -> WithinDesign | None:
        return self.within.design() if self.within_clusters else None

    @property
    def events(self) -> Counted:
        return self.table.totals[0]

    @property
    def n(self) -> Counted:
        return self.table.totals[1]

    def enough(self) -> np.ndarray:
        return np.asarray(self.table.sums.effective_clusters >= FEWEST_CLUSTERS - _ROUNDING)

    def clustering(self) -> tuple[Clustering, ...]:
        sums = self.sums
        numbers = self.table.clusters, sums.effective_clusters, sums.design_effects, sums.intracluster_correlations
        rows = zip(*(number.tolist() for number in numbers), strict=True)
        own = [Clustering(many, effective, effect, None if np.isnan(within) else within) for many, effective, effect, within in rows]
        few = (sums.clusters_with_events < FEWEST_WITH_EVENTS) & (self.borrowed is not None)
        return tuple(clustering._replace(correlation_borrowed=bool(borrows)) for clustering, borrows in zip(own, few, strict=True))

    def intervals(self, alpha: float) -> Ends:
        return rate_intervals(self.limits, alpha)

    @property
    def rates(self) -> Float[np.ndarray, "g"]:
        return self.table.sums.rates

    def contrasts(self, first: Places, second: Places) -> Float[np.ndarray, "m"]:
        return self.within.differences(first, second) if self.within_clusters else super().contrasts(first, second)

    def differences(self, first: Places, second: Places, alpha: float) -> Ends:
        if self.within_clusters:
            return self.within.intervals(first, second, alpha, alone=len((self.like or self).n) == 2)
        return difference_intervals(self.table, self.limits, first, second, alpha, own_effect=self.has_reliable_design_effect)

    @property
    def has_reliable_design_effect(self) -> bool:
        """Whether clusters with events suffice for the design effect; heavy single images may by chance have no event."""
        return True

    def ratios(self, first: Places, second: Places, alpha: float) -> Ends:
        return ratio_intervals(self.table, self.limits, first, second, alpha)

    def equivalence_bound(self, alpha: float) -> float:
        """Within clusters, "equivalent" requires it for both: differences inside clusters, and those of the rates over all images.

        The latter borrows no correlation: few events must not look like many independent images.
        """
        first, second = self.pairs
        ends = [difference_intervals(self.table, rate_limits(self.table), first, second, 2 * alpha)]
        ends += [self.differences(first, second, 2 * alpha)] if self.within_clusters else []
        return float(max(max(high.max(), -low.min()) for low, high in ends))

    def p(self, first: Places, second: Places) -> Float[np.ndarray, "m"]:
        return self.within.p(first, second) if self.within_clusters else clustered_p(self.table.sums, first, second)

    def null(self, draws: int, rng: np.random.Generator) -> GapNull:
        if not self.events.any() or np.array_equal(self.events, self.n):
            return no_events(len(self.n))
        return self.within.test(draws, rng) if self.within_clusters else clustered_gap_test(self.table, draws, rng, self.permuted())

    def permuted(self) -> ClusterTable:
        """The clusters that a shuffle assigns to the groups."""
        return self.table

    def variance(self) -> float:
        spread, groups = covariance(self.table), len(self.n)
        common = (spread.sum() - np.trace(spread)) / (groups * (groups - 1))
        return float((self.events / self.n).var(ddof=1) - (np.trace(spread) / groups - common))

    def of(self, groups: Int[np.ndarray, "h"]) -> ClusterUnits:
        return ClusterUnits(self.table.of(groups), by_design=self.by_design)

    def rest(self) -> ClusterUnits:
        return replace(self, table=self.table.rest())

    def with_rest(self) -> ClusterUnits:
        return ClusterUnits(self.table.with_rest(), like=self)

    def together(self) -> ClusterUnits:
        return ClusterUnits(self.table.together())


@dataclass(frozen=True)
class WeightedUnits(ClusterUnits):
    """Images count by their weights; clusters, or single images, are independent. `table` has the weights scaled by group."""

    unscaled: WeightedTable
    clustered: bool

    @classmethod
    def by(cls, table: WeightedTable, *, clustered: bool, by_design: bool = False, like: ClusterUnits | None = None) -> WeightedUnits:
        return cls(table.scaled(), table, clustered, by_design=by_design, like=like)

    def clustering(self) -> tuple[Clustering, ...]:
        sums, effective = self.sums, self.unscaled.effective_n
        designs = sums.design_effects * self.unscaled.images / np.maximum(effective, 1)
        rows = zip(super().clustering(), designs.tolist(), effective.tolist(), sums.standard_errors.tolist(), strict=True)
        return tuple(
            Clustering(*((row.clusters, row.effective_clusters) if self.clustered else (None, None)), design,
                       row.intracluster_correlation if self.clustered else None, n, error, row.correlation_borrowed and self.clustered)
            for row, design, n, error in rows
        )  # fmt: skip

    @property
    def has_reliable_design_effect(self) -> bool:
        return False

    def equivalence_bound(self, alpha: float) -> float:
        """The larger of two bounds for independent images; the second adds events that heavy images may have but did not show."""
        bound = super().equivalence_bound(alpha)
        if self.clustered:
            return bound
        (down, up), rates, (first, second) = self.unscaled.unseen(alpha), self.rates, self.pairs
        difference = rates[first] - rates[second]
        ends = difference + np.hypot(up[first], down[second]), np.hypot(down[first], up[second]) - difference
        return float(max(bound, *(end.max() for end in ends)))

    def permuted(self) -> ClusterTable:
        return coarse(self.table)

    def of(self, groups: Int[np.ndarray, "h"]) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.of(groups), clustered=self.clustered, by_design=self.by_design)

    def rest(self) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.rest(), clustered=self.clustered, by_design=self.by_design, like=self.like)

    def with_rest(self) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.with_rest(), clustered=self.clustered, like=self)

    def together(self) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.together(), clustered=self.clustered)


@dataclass(frozen=True)
class SetUnits(ClusterUnits):
    """Images of counterfactual sets: rates are those of independent images, groups are compared inside sets."""

    enough = SamplingUnits.enough
    clustering = SamplingUnits.clustering  # type: ignore[assignment]  # images are independent

    def intervals(self, alpha: float) -> Ends:
        return wilson(self.events, self.n, alpha)

    def of(self, groups: Int[np.ndarray, "h"]) -> SetUnits | ImageUnits:  # type: ignore[override]
        """Only some of the groups; as images if too few of these lie in sets that span them."""
        some = type(self)(self.table.of(groups), by_design=True)
        return some if some.within_clusters else ImageUnits(some.events, some.n)

    def with_rest(self) -> SetUnits:
        return type(self)(self.table.with_rest(), like=self)

    def together(self) -> ImageUnits:  # type: ignore[override]
        return ImageUnits(self.events.sum(keepdims=True), self.n.sum(keepdims=True))


class GalleryUnits(SetUnits):
    """Images of galleries, from each of which a query retrieves the same number: over all images, rates depend on their sizes."""

    def equivalence_bound(self, alpha: float) -> float:
        """The bound of the differences inside galleries alone."""
        return SamplingUnits.equivalence_bound(self, alpha) if self.within_clusters else super().equivalence_bound(alpha)


class UnitsOf:
    """Creates the units of a rate: images, or clusters if the predictions name them; weighted if images have weights.

    Takes one pass over the images per slicing and metric. With `inside`, groups are compared inside clusters or sets if these span them.
    """

    def __init__(self, predictions: Predictions, levels: Mapping[str, Group], *, inside: bool = True):
        self._predictions, self._levels, self._inside = predictions, levels, inside
        self._codes: dict[tuple[str, ...], np.ndarray] = {}

    def __call__(self, by: tuple[str, ...], metric: Metric, outcome: Outcome | None, tallied: Tally) -> SamplingUnits:
        """The units of `tallied`."""
        cluster, weight = self._predictions.cluster, self._predictions.weight
        images = ImageUnits(tallied.events, tallied.n)
        single = len(by) == 1 and cluster is None and weight is None
        sets = self._predictions.sets.get(by[0]) if single and self._inside else None
        if cluster is None and weight is None and sets is None:
            return images
        if by not in self._codes:
            self._codes[by] = row_codes(self._predictions.attributes, by, self._levels)[1]
        rows = row_events(self._predictions, metric, outcome)
        counted, groups = rows.counted, len(tallied.groups)
        codes, event = self._codes[by][counted], rows.event[counted]
        if weight is not None:
            owner = None if cluster is None else cluster[counted]
            # Only ratios matter, and the squares of the largest must not overflow.
            table, squares = weighted_table(owner, codes, event, weight[counted] / weight.max(initial=0.0), groups)
            return WeightedUnits.by(WeightedTable(table, squares, tallied.n), clustered=cluster is not None, by_design=self._inside)
        if sets is not None:
            kind = GalleryUnits if metric.name == "retrieval_rate" else SetUnits
            return kind(cluster_table(sets[counted], codes, event, groups), by_design=True)
        return images if cluster is None else ClusterUnits(cluster_table(cluster[counted], codes, event, groups), by_design=self._inside)
