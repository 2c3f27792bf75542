"""The sampling unit: what all kinds of units can do, and images as units. Clusters of images are in `cluster_units`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from audit.statistics.equivalence import equivalence_bound, equivalence_ratio, farther_end
from audit.statistics.intervals import difference_limits, score_ratio, wilson
from audit.statistics.metrics import extremes
from audit.statistics.null import GapNull, between_group_variance, gap_test, two_proportion_p
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from audit.statistics.units.within_clusters import WithinDesign

    Counted = Int[np.ndarray, "g"] | Float[np.ndarray, "g"]
    Ends = tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]
    Places = Int[np.ndarray, "m"]


class Clustering(NamedTuple):
    """Clustering or weights of a group's images, with the field names of `audit.records.finding.Rate`."""

    clusters: int | None
    effective_clusters: float | None
    design_effect: float
    intracluster_correlation: float | None
    effective_n: float | None = None
    standard_error: float | None = None
    correlation_borrowed: bool = False


class SamplingUnits(ABC):
    """Groups with their independent units. What a kind of units does not say holds for images that are compared by the rates of groups."""

    if TYPE_CHECKING:  # a data class would take a property for the default of its field

        @property
        def events(self) -> Counted: ...

        @property
        def n(self) -> Counted: ...

    @property
    def rates(self) -> Float[np.ndarray, "g"]:
        return np.asarray(self.events / self.n)

    @property
    def pairs(self) -> tuple[Places, Places]:
        """Every two groups."""
        first, second = np.triu_indices(len(self.n), 1)
        return first, second

    def enough(self) -> Bool[np.ndarray, "g"]:
        """Whether each group has enough units to be judged, regardless of its number of images."""
        return np.ones(len(self.n), bool)

    def clustering(self) -> tuple[Clustering | None, ...]:
        """Clustering or weights of each group's images; None if they are independent and equally weighted."""
        return (None,) * len(self.n)

    @property
    def within_clusters(self) -> bool:
        """Whether groups, with all differences, intervals and tests, are compared inside the clusters that contain several of them."""
        return False

    def within_design(self) -> WithinDesign | None:
        """Details of differences inside clusters; None if they are between groups."""
        return None

    @abstractmethod
    def intervals(self, alpha: float) -> Ends: ...

    def contrasts(self, first: Places, second: Places) -> Float[np.ndarray, "m"]:
        """The differences for which `differences` returns the intervals."""
        return np.asarray(self.rates[first] - self.rates[second])

    @abstractmethod
    def differences(self, first: Places, second: Places, alpha: float) -> Ends: ...

    @abstractmethod
    def ratios(self, first: Places, second: Places, alpha: float) -> Ends:
        """The interval of the first rates divided by the second; the upper end is infinite if the second may be 0."""

    def equivalence_bound(self, alpha: float) -> float:
        """Largest distance from 0 that the difference of any pair may have; below a tolerance, all pairs differ by less."""
        low, high = self.differences(*self.pairs, 2 * alpha)
        return float(max(high.max(), -low.min()))

    def equivalence_ratio(self, alpha: float) -> float:
        """Largest factor by which the rates of any pair may differ; infinite if one may be 0."""
        return float(farther_end(*self.ratios(*self.pairs, 2 * alpha)).max())

    @abstractmethod
    def p(self, first: Places, second: Places) -> Float[np.ndarray, "m"]: ...

    @abstractmethod
    def null(self, draws: int, rng: np.random.Generator) -> GapNull: ...

    @abstractmethod
    def variance(self) -> float:
        """Variance of the true rates between groups, signed."""

    @abstractmethod
    def of(self, groups: Int[np.ndarray, "h"]) -> SamplingUnits: ...

    @abstractmethod
    def rest(self) -> Self:
        """The same units, with the images that are not events as the events."""

    @abstractmethod
    def with_rest(self) -> SamplingUnits:
        """The groups and, after them, for each group all others together."""

    @abstractmethod
    def together(self) -> SamplingUnits:
        """All images as one group."""


@dataclass(frozen=True)
class ImageUnits(SamplingUnits):
    """Images are independent."""

    events: Int[np.ndarray, "g"]
    n: Int[np.ndarray, "g"]

    def intervals(self, alpha: float) -> Ends:
        return wilson(self.events, self.n, alpha)

    def differences(self, first: Places, second: Places, alpha: float) -> Ends:
        return difference_limits(self.events[first], self.n[first], self.events[second], self.n[second], alpha)

    def ratios(self, first: Places, second: Places, alpha: float) -> Ends:
        return score_ratio(self.events[first], self.n[first], self.events[second], self.n[second], alpha, skewness=True)

    def equivalence_bound(self, alpha: float) -> float:
        return equivalence_bound(self.events, self.n, alpha)

    def equivalence_ratio(self, alpha: float) -> float:
        return equivalence_ratio(self.events, self.n, alpha)

    def p(self, first: Places, second: Places) -> Float[np.ndarray, "m"]:
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


def widest_pair(units: SamplingUnits) -> tuple[int, int]:
    """The groups of the highest and of the lowest rate; within clusters the two that differ most, the higher first."""
    if not units.within_clusters:
        return extremes(units.events / units.n)
    first, second = units.pairs
    differences = units.contrasts(first, second)
    at = first_largest(np.abs(differences))
    return (int(first[at]), int(second[at])) if differences[at] >= least_equal(0.0) else (int(second[at]), int(first[at]))


def gap_interval(units: SamplingUnits, alpha: float) -> tuple[float, float]:
    """The interval of the largest difference between any two groups, simultaneous over all pairs.

    Its ends are the largest lower and the largest upper limit of any pair: the pair with the largest difference may consist of small
    groups, while another pair has a higher lower limit. A largest difference is never below 0, and neither is its lower end.
    """
    first, second = units.pairs
    low, high = units.differences(first, second, alpha / len(first))
    return max(float(np.maximum(low, -high).max()), 0.0), float(np.maximum(high, -low).max())


def shown_ratio(units: SamplingUnits, alpha: float) -> float:
    """The largest factor by which some two groups' rates significantly differ, simultaneous over all pairs; at least 1."""
    first, second = units.pairs
    low, high = units.ratios(first, second, alpha / len(first))
    return float(max(1.0, low.max(), (1 / high).max()))
