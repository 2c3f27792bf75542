"""The sampling unit: every image, or every cluster of images. Both answer the same questions about some groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from audit.statistics.counts.rows import row_codes, row_events
from audit.statistics.equivalence import equivalence_bound, equivalence_ratio, farther_end
from audit.statistics.intervals import difference_limits, score_ratio, wilson
from audit.statistics.null import GapNull, between_group_variance, gap_test, no_events, two_proportion_p
from audit.statistics.units.cluster_intervals import RateLimits, difference_intervals, rate_intervals, rate_limits, ratio_intervals
from audit.statistics.units.cluster_null import clustered_gap_test, clustered_p
from audit.statistics.units.clusters import ClusterTable, cluster_table, covariance, weighted_table
from audit.statistics.units.weighted import WeightedTable, coarse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float, Int

    from audit.statistics.metrics import Metric, Outcome, Tally
    from audit.types import Group, Predictions

    Counted = Int[np.ndarray, "g"] | Float[np.ndarray, "g"]
    Ends = tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]

FEWEST_CLUSTERS = 15
"""A group in effectively fewer clusters is shown and not judged: tests and intervals were measured from here on."""
_ROUNDING = 1e-9


class Clustering(NamedTuple):
    """How the images of a group come in clusters or have weights, by the names of `audit.records.finding.Rate`."""

    clusters: int | None
    effective_clusters: float | None
    design_effect: float
    intracluster_correlation: float | None
    effective_n: float | None = None
    standard_error: float | None = None


class SamplingUnits(Protocol):
    """Groups with their independent units."""

    @property
    def events(self) -> Counted: ...

    @property
    def n(self) -> Counted: ...

    def enough(self) -> np.ndarray:
        """Return whether each group has enough units to be judged, whatever its images."""
        ...

    def clustering(self) -> tuple[Clustering | None, ...]:
        """Return how each group's images come in clusters, or have weights; None where they are independent and alike."""
        ...

    def intervals(self, alpha: float) -> Ends: ...

    def differences(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends: ...

    def ratios(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        """Return the interval of the first rates over the second ones; infinite above where the second may be 0."""
        ...

    def equivalence_bound(self, alpha: float) -> float:
        """Return how far from 0 the difference of any pair may be; below a tolerance, all pairs differ by less."""
        ...

    def equivalence_ratio(self, alpha: float) -> float:
        """Return by what factor the rates of any pair may differ; infinite where one may be 0."""
        ...

    def p(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]: ...

    def null(self, draws: int, rng: np.random.Generator) -> GapNull: ...

    def variance(self) -> float:
        """Return the variance of the true rates between groups, signed."""
        ...

    def of(self, groups: Int[np.ndarray, "h"]) -> SamplingUnits: ...

    def with_rest(self) -> SamplingUnits:
        """Return the groups and, after them, for each group all others together."""
        ...

    def together(self) -> SamplingUnits:
        """Return all images as one group."""
        ...


@dataclass(frozen=True)
class ImageUnits:
    """Images are independent."""

    events: Int[np.ndarray, "g"]
    n: Int[np.ndarray, "g"]

    def enough(self) -> np.ndarray:
        return np.ones(len(self.n), bool)

    def clustering(self) -> tuple[None, ...]:
        return (None,) * len(self.n)

    def intervals(self, alpha: float) -> Ends:
        return wilson(self.events, self.n, alpha)

    def differences(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        return difference_limits(self.events[first], self.n[first], self.events[second], self.n[second], alpha)

    def ratios(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        return score_ratio(self.events[first], self.n[first], self.events[second], self.n[second], alpha, skewness=True)

    def equivalence_bound(self, alpha: float) -> float:
        return equivalence_bound(self.events, self.n, alpha)

    def equivalence_ratio(self, alpha: float) -> float:
        return equivalence_ratio(self.events, self.n, alpha)

    def p(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return two_proportion_p(self.events[first], self.n[first], self.events[second], self.n[second])

    def null(self, draws: int, rng: np.random.Generator) -> GapNull:
        return gap_test(self.events, self.n, draws, rng)

    def variance(self) -> float:
        return between_group_variance(self.events, self.n)

    def of(self, groups: Int[np.ndarray, "h"]) -> ImageUnits:
        return ImageUnits(self.events[groups], self.n[groups])

    def with_rest(self) -> ImageUnits:
        return ImageUnits(*(np.concatenate([part, part.sum() - part]) for part in (self.events, self.n)))

    def together(self) -> ImageUnits:
        return ImageUnits(np.array([self.events.sum()]), np.array([self.n.sum()]))


@dataclass(frozen=True)
class ClusterUnits:
    """Clusters are independent, images of one cluster are not."""

    table: ClusterTable

    @cached_property
    def limits(self) -> tuple[RateLimits | None, ...]:
        return rate_limits(self.table)

    @property
    def events(self) -> Counted:
        return self.table.totals[0]

    @property
    def n(self) -> Counted:
        return self.table.totals[1]

    def enough(self) -> np.ndarray:
        return np.asarray(self.table.sums.effective_clusters >= FEWEST_CLUSTERS - _ROUNDING)

    def clustering(self) -> tuple[Clustering, ...]:
        sums = self.table.sums
        numbers = self.table.clusters, sums.effective_clusters, sums.design_effects, sums.intracluster_correlations
        rows = zip(*(each.tolist() for each in numbers), strict=True)
        return tuple(Clustering(many, effective, effect, None if np.isnan(within) else within) for many, effective, effect, within in rows)

    def intervals(self, alpha: float) -> Ends:
        return rate_intervals(self.limits, alpha)

    def differences(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        return difference_intervals(self.table, self.limits, first, second, alpha)

    def ratios(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        return ratio_intervals(self.table, self.limits, first, second, alpha)

    def equivalence_bound(self, alpha: float) -> float:
        low, high = self.differences(*np.triu_indices(len(self.n), 1), 2 * alpha)
        return float(max(high.max(), -low.min()))

    def equivalence_ratio(self, alpha: float) -> float:
        return float(farther_end(*self.ratios(*np.triu_indices(len(self.n), 1), 2 * alpha)).max())

    def p(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return clustered_p(self.table.sums, first, second)

    def null(self, draws: int, rng: np.random.Generator) -> GapNull:
        if not self.events.any() or np.array_equal(self.events, self.n):
            return no_events(len(self.n))
        return clustered_gap_test(self.table, draws, rng, self.dealt())

    def dealt(self) -> ClusterTable:
        """Return the clusters that a shuffle deals to the groups."""
        return self.table

    def variance(self) -> float:
        spread, groups = covariance(self.table), len(self.n)
        common = (spread.sum() - np.trace(spread)) / (groups * (groups - 1))
        return float((self.events / self.n).var(ddof=1) - (np.trace(spread) / groups - common))

    def of(self, groups: Int[np.ndarray, "h"]) -> ClusterUnits:
        return ClusterUnits(self.table.of(groups))

    def with_rest(self) -> ClusterUnits:
        return ClusterUnits(self.table.with_rest())

    def together(self) -> ClusterUnits:
        return ClusterUnits(self.table.together())


@dataclass(frozen=True)
class WeightedUnits(ClusterUnits):
    """Images count by their weights; clusters are independent, or single images. `table` holds the weights scaled by group."""

    given: WeightedTable
    clustered: bool

    @classmethod
    def by(cls, given: WeightedTable, *, clustered: bool) -> WeightedUnits:
        return cls(given.scaled(), given, clustered)

    def clustering(self) -> tuple[Clustering, ...]:
        sums, effective = self.table.sums, self.given.effective_n
        designs = sums.design_effects * self.given.images / np.maximum(effective, 1)
        each = zip(super().clustering(), designs.tolist(), effective.tolist(), sums.standard_errors.tolist(), strict=True)
        return tuple(
            Clustering(*((row.clusters, row.effective_clusters) if self.clustered else (None, None)), design,
                       row.intracluster_correlation if self.clustered else None, n, error)
            for row, design, n, error in each
        )  # fmt: skip

    def dealt(self) -> ClusterTable:
        return coarse(self.table)

    def of(self, groups: Int[np.ndarray, "h"]) -> WeightedUnits:
        return WeightedUnits.by(self.given.of(groups), clustered=self.clustered)

    def with_rest(self) -> WeightedUnits:
        return WeightedUnits.by(self.given.with_rest(), clustered=self.clustered)

    def together(self) -> WeightedUnits:
        return WeightedUnits.by(self.given.together(), clustered=self.clustered)


class UnitsOf:
    """Gives the units of a rate: images, or clusters where the predictions name them; by weight where images have weights.

    Goes over the images once a slicing and metric.
    """

    def __init__(self, predictions: Predictions, levels: Mapping[str, Group]):
        self._predictions, self._levels = predictions, levels
        self._codes: dict[tuple[str, ...], np.ndarray] = {}

    def __call__(self, by: tuple[str, ...], metric: Metric, outcome: Outcome | None, tallied: Tally) -> SamplingUnits:
        """Return the units of `tallied`."""
        cluster, weight = self._predictions.cluster, self._predictions.weight
        images = ImageUnits(tallied.events, tallied.n)
        if cluster is None and weight is None:
            return images
        if by not in self._codes:
            self._codes[by] = row_codes(self._predictions.attributes, by, self._levels)[1]
        rows = row_events(self._predictions, metric, outcome)
        counted, groups = rows.counted, len(tallied.groups)
        codes, event = self._codes[by][counted], rows.event[counted]
        if weight is not None:
            owner = None if cluster is None else cluster[counted]
            # Only ratios matter, and squares of the largest must not overflow.
            table, squares = weighted_table(owner, codes, event, weight[counted] / weight.max(), groups)
            return WeightedUnits.by(WeightedTable(table, squares, tallied.n), clustered=cluster is not None)
        return images if cluster is None else ClusterUnits(cluster_table(cluster[counted], codes, event, groups))


def gap_interval(units: SamplingUnits, alpha: float) -> tuple[float, float]:
    """Return the interval of the largest difference between any two groups, simultaneous over all pairs.

    Its ends are the largest lower and the largest upper limit of any pair: the widest observed pair may be one of thin groups, while others
    are shown to differ by more than its lower limit. A largest difference is never below 0, and neither is its lower end.
    """
    first, second = np.triu_indices(len(units.n), 1)
    low, high = units.differences(first, second, alpha / len(first))
    return max(float(np.maximum(low, -high).max()), 0.0), float(np.maximum(high, -low).max())


def shown_ratio(units: SamplingUnits, alpha: float) -> float:
    """Return the largest factor by which the rates of some two groups are shown to differ, simultaneous over all pairs; at least 1."""
    first, second = np.triu_indices(len(units.n), 1)
    low, high = units.ratios(first, second, alpha / len(first))
    return float(max(1.0, low.max(), (1 / high).max()))
