"""Clusters of images as sampling units, with weights or without: between groups, or inside clusters that contain several groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.statistics.equivalence import farther_end
from audit.statistics.null import GapNull, no_events
from audit.statistics.units.cluster_intervals import RateLimits, difference_intervals, rate_intervals, rate_limits, ratio_intervals
from audit.statistics.units.cluster_null import clustered_gap_test, clustered_p
from audit.statistics.units.cluster_sums import FEWEST_WITH_EVENTS, Sums
from audit.statistics.units.clusters import ClusterTable, covariance
from audit.statistics.units.weighted import WeightedTable, coarse
from audit.statistics.units.within_clusters import WithinDesign, WithinPairs, shared_correlation, spans_groups

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Counted = Int[np.ndarray, "g"] | Float[np.ndarray, "g"]
    Ends = tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]

FEWEST_CLUSTERS = 15
"""A group in effectively fewer clusters is shown but not judged: tests and intervals were validated from here on."""
_ROUNDING = 1e-9


class Clustering(NamedTuple):
    """Clustering or weights of a group's images, with the field names of `audit.records.finding.Rate`."""

    clusters: int | None
    effective_clusters: float | None
    design_effect: float
    intracluster_correlation: float | None
    effective_n: float | None = None
    standard_error: float | None = None
    correlation_borrowed: bool = False


@dataclass(frozen=True)
class ClusterUnits:
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

    def contrasts(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        rates = self.table.sums.rates
        return self.within.differences(first, second) if self.within_clusters else rates[first] - rates[second]

    def differences(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        if self.within_clusters:
            return self.within.intervals(first, second, alpha, alone=len((self.like or self).n) == 2)
        return difference_intervals(self.table, self.limits, first, second, alpha, own_effect=self.knows_own_effect)

    @property
    def knows_own_effect(self) -> bool:
        """Whether clusters with events suffice for the design effect; heavy single images may by chance have no event."""
        return True

    def ratios(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        return ratio_intervals(self.table, self.limits, first, second, alpha)

    def equivalence_bound(self, alpha: float) -> float:
        """Within clusters, "equivalent" requires it for both: differences inside clusters, and those of the rates over all images.

        The latter borrows no correlation: few events must not look like many independent images.
        """
        first, second = np.triu_indices(len(self.n), 1)
        ends = [difference_intervals(self.table, rate_limits(self.table), first, second, 2 * alpha)]
        ends += [self.differences(first, second, 2 * alpha)] if self.within_clusters else []
        return float(max(max(high.max(), -low.min()) for low, high in ends))

    def equivalence_ratio(self, alpha: float) -> float:
        return float(farther_end(*self.ratios(*np.triu_indices(len(self.n), 1), 2 * alpha)).max())

    def p(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return self.within.p(first, second) if self.within_clusters else clustered_p(self.table.sums, first, second)

    def null(self, draws: int, rng: np.random.Generator) -> GapNull:
        if not self.events.any() or np.array_equal(self.events, self.n):
            return no_events(len(self.n))
        return self.within.test(draws, rng) if self.within_clusters else clustered_gap_test(self.table, draws, rng, self.dealt())

    def dealt(self) -> ClusterTable:
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
    def knows_own_effect(self) -> bool:
        return False

    def equivalence_bound(self, alpha: float) -> float:
        """The larger of two bounds for independent images; the second adds events that heavy images may have but did not show."""
        bound = super().equivalence_bound(alpha)
        if self.clustered:
            return bound
        (down, up), rates, (first, second) = self.unscaled.unseen(alpha), self.table.sums.rates, np.triu_indices(len(self.n), 1)
        difference = rates[first] - rates[second]
        ends = difference + np.hypot(up[first], down[second]), np.hypot(down[first], up[second]) - difference
        return float(max(bound, *(end.max() for end in ends)))

    def dealt(self) -> ClusterTable:
        return coarse(self.table)

    def of(self, groups: Int[np.ndarray, "h"]) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.of(groups), clustered=self.clustered, by_design=self.by_design)

    def rest(self) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.rest(), clustered=self.clustered, by_design=self.by_design, like=self.like)

    def with_rest(self) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.with_rest(), clustered=self.clustered, like=self)

    def together(self) -> WeightedUnits:
        return WeightedUnits.by(self.unscaled.together(), clustered=self.clustered)
