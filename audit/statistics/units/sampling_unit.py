"""The sampling unit: images, or clusters of images, with a common interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from audit.statistics.counts import row_codes
from audit.statistics.equivalence import equivalence_bound, equivalence_ratio
from audit.statistics.intervals import difference_limits, score_ratio, wilson
from audit.statistics.metrics import extremes, row_events
from audit.statistics.null import GapNull, between_group_variance, gap_test, two_proportion_p
from audit.statistics.units.cluster_units import Clustering, ClusterUnits, WeightedUnits
from audit.statistics.units.clusters import cluster_table, weighted_table
from audit.statistics.units.weighted import WeightedTable
from audit.statistics.units.within_clusters import WithinDesign
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float, Int

    from audit.statistics.metrics import Metric, Outcome, Tally
    from audit.types import Group, Predictions

    Counted = Int[np.ndarray, "g"] | Float[np.ndarray, "g"]
    Ends = tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]


class SamplingUnits(Protocol):
    """Groups with their independent units."""

    @property
    def events(self) -> Counted: ...

    @property
    def n(self) -> Counted: ...

    def enough(self) -> np.ndarray:
        """Whether each group has enough units to be judged, regardless of its number of images."""
        ...

    def clustering(self) -> tuple[Clustering | None, ...]:
        """Clustering or weights of each group's images; None if they are independent and equally weighted."""
        ...

    @property
    def within_clusters(self) -> bool:
        """Whether groups, with all differences, intervals and tests, are compared inside the clusters that contain several of them."""
        ...

    def intervals(self, alpha: float) -> Ends: ...

    def within_design(self) -> WithinDesign | None:
        """Details of differences inside clusters; None if they are between groups."""
        ...

    def contrasts(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        """The differences for which `differences` returns the intervals."""
        ...

    def differences(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends: ...

    def ratios(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float) -> Ends:
        """The interval of the first rates divided by the second; the upper end is infinite if the second may be 0."""
        ...

    def equivalence_bound(self, alpha: float) -> float:
        """Largest distance from 0 that the difference of any pair may have; below a tolerance, all pairs differ by less."""
        ...

    def equivalence_ratio(self, alpha: float) -> float:
        """Largest factor by which the rates of any pair may differ; infinite if one may be 0."""
        ...

    def p(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]: ...

    def null(self, draws: int, rng: np.random.Generator) -> GapNull: ...

    def variance(self) -> float:
        """Variance of the true rates between groups, signed."""
        ...

    def of(self, groups: Int[np.ndarray, "h"]) -> SamplingUnits: ...

    def rest(self) -> SamplingUnits:
        """The same units, with the images that are not events as the events."""
        ...

    def with_rest(self) -> SamplingUnits:
        """The groups and, after them, for each group all others together."""
        ...

    def together(self) -> SamplingUnits:
        """All images as one group."""
        ...


@dataclass(frozen=True)
class ImageUnits:
    """Images are independent."""

    events: Int[np.ndarray, "g"]
    n: Int[np.ndarray, "g"]

    @property
    def within_clusters(self) -> bool:
        return False

    def within_design(self) -> None:
        return None

    def enough(self) -> np.ndarray:
        return np.ones(len(self.n), bool)

    def clustering(self) -> tuple[None, ...]:
        return (None,) * len(self.n)

    def intervals(self, alpha: float) -> Ends:
        return wilson(self.events, self.n, alpha)

    def contrasts(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return np.asarray(self.events[first] / self.n[first] - self.events[second] / self.n[second])

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

    def rest(self) -> ImageUnits:
        return ImageUnits(self.n - self.events, self.n)

    def with_rest(self) -> ImageUnits:
        return ImageUnits(*(np.concatenate([part, part.sum() - part]) for part in (self.events, self.n)))

    def together(self) -> ImageUnits:
        return ImageUnits(np.array([self.events.sum()]), np.array([self.n.sum()]))


@dataclass(frozen=True)
class SetUnits(ClusterUnits):
    """Images of counterfactual sets: rates are those of independent images, groups are compared inside sets."""

    def enough(self) -> np.ndarray:
        return np.ones(len(self.n), bool)

    def clustering(self) -> tuple[None, ...]:  # type: ignore[override]
        return (None,) * len(self.n)

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
        if not self.within_clusters:
            return super().equivalence_bound(alpha)
        low, high = self.differences(*np.triu_indices(len(self.n), 1), 2 * alpha)
        return float(max(high.max(), -low.min()))


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


def widest_pair(units: SamplingUnits) -> tuple[int, int]:
    """The groups of the highest and of the lowest rate; within clusters the two that differ most, the higher first."""
    if not units.within_clusters:
        return extremes(units.events / units.n)
    first, second = np.triu_indices(len(units.n), 1)
    differences = units.contrasts(first, second)
    at = first_largest(np.abs(differences))
    return (int(first[at]), int(second[at])) if differences[at] >= least_equal(0.0) else (int(second[at]), int(first[at]))


def gap_interval(units: SamplingUnits, alpha: float) -> tuple[float, float]:
    """The interval of the largest difference between any two groups, simultaneous over all pairs.

    Its ends are the largest lower and the largest upper limit of any pair: the pair with the largest difference may consist of small
    groups, while another pair has a higher lower limit. A largest difference is never below 0, and neither is its lower end.
    """
    first, second = np.triu_indices(len(units.n), 1)
    low, high = units.differences(first, second, alpha / len(first))
    return max(float(np.maximum(low, -high).max()), 0.0), float(np.maximum(high, -low).max())


def shown_ratio(units: SamplingUnits, alpha: float) -> float:
    """The largest factor by which some two groups' rates significantly differ, simultaneous over all pairs; at least 1."""
    first, second = np.triu_indices(len(units.n), 1)
    low, high = units.ratios(first, second, alpha / len(first))
    return float(max(1.0, low.max(), (1 / high).max()))
