"""Rates as they would be if every group had the same shares of true answers as all images: direct standardization by the truth.

The share of images that get an answer follows the truth: a group with more men is called "Male" more often, even by a perfect
model. Within each true answer groups are comparable, so that is where they are compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr

from audit.statistics.counts import IMAGES, GroupedCounts, row_codes
from audit.statistics.intervals import wilson
from audit.statistics.metrics import Metric, Outcome, Tally, events_of
from audit.statistics.most_significant import max_standardized_difference, most_significant_pair
from audit.statistics.null import GapNull
from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_units import UnitsOf
from audit.statistics.units.sampling_unit import Clustering, SamplingUnits
from audit.types import UNKNOWN, Group, Predictions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Bool, Float, Int

    from audit.statistics.units.sampling_unit import Ends, Places

_NOTHING = 1e-12


@dataclass(frozen=True)
class StandardizedUnits(SamplingUnits):
    """Independent images by true answer. The rate of group g is ``sum_y w_y k_gy / n_gy``.

    Examples
    --------
    A perfect model calls 60 of 100 people "Male" in a group with 60 men, and 30 of 100 in one with 30.

    >>> units = StandardizedUnits(np.array([[60, 30], [0, 0]]), np.array([[60, 30], [40, 70]]), np.array([0.45, 0.55]))
    >>> units.rates.tolist(), units.null(999, np.random.default_rng(0)).p
    ([0.45, 0.45], 1.0)
    """

    hits: Int[np.ndarray, "y g"]
    """Events among the images of each true answer in each group."""
    sizes: Int[np.ndarray, "y g"]
    """Number of images, at least 1 if a group is compared."""
    weights: Float[np.ndarray, "y"]
    """Share of each true answer in all images."""

    @property
    def by_truth(self) -> Float[np.ndarray, "y g"]:
        """Rate of each group among the images of each true answer."""
        return np.asarray(self.hits / np.maximum(self.sizes, 1))

    @property
    def rates(self) -> Float[np.ndarray, "g"]:
        return np.asarray(self.weights @ self.by_truth)

    @property
    def n(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.sizes.sum(axis=0))

    @property
    def events(self) -> Float[np.ndarray, "g"]:
        """Number of events that this many images would have at the standardized rate."""
        return np.asarray(self.rates * self.n)

    def enough(self) -> Bool[np.ndarray, "g"]:
        return np.asarray((self.sizes > 0).all(axis=0))

    def clustering(self) -> tuple[Clustering, ...]:
        """The variance of each rate divided by that of an unstandardized share: variation explained by the truth no longer counts."""
        smoothed = (self.hits + 0.5) / (self.sizes + 1)  # no rate of 0 or 1 is certain
        variance = (self.weights[:, None] ** 2 * smoothed * (1 - smoothed) / np.maximum(self.sizes, 1)).sum(axis=0)
        plain = (self.events + 0.5) / (self.n + 1)
        effects = variance * np.maximum(self.n, 1) / (plain * (1 - plain))
        return tuple(Clustering(None, None, effect, None) for effect in effects.tolist())

    def intervals(self, alpha: float) -> Ends:
        """The interval of each rate: the distances of Wilson's limits for each true answer, squared and summed (MOVER).

        References
        ----------
        Zou, Huang and Zhang 2009, https://doi.org/10.1016/j.csda.2008.09.033
        """
        low, high = wilson(self.hits, np.maximum(self.sizes, 1), alpha)
        down, up = (np.sqrt((self.weights[:, None] ** 2 * (self.by_truth - end) ** 2).sum(axis=0)) for end in (low, high))
        return self.rates - down, self.rates + up

    def differences(self, first: Places, second: Places, alpha: float) -> Ends:
        low, high = self.intervals(alpha)
        down, up, difference = self.rates - low, high - self.rates, self.rates[first] - self.rates[second]
        return difference - np.hypot(down[first], up[second]), difference + np.hypot(up[first], down[second])

    def ratios(self, first: Places, second: Places, alpha: float) -> Ends:
        """The interval of the ratio of two rates from the limits of both.

        References
        ----------
        Donner and Zou 2012, https://doi.org/10.1177/0962280210383082
        """
        low, high = self.intervals(alpha)
        return (
            _ratio_limit(self.rates[first], low[first], self.rates[second], high[second], -1),
            _ratio_limit(self.rates[first], high[first], self.rates[second], low[second], 1),
        )

    def p(self, first: Places, second: Places) -> Float[np.ndarray, "m"]:
        """Two-sided p of each difference, by the normal distribution with the standard error of shuffles of these two groups."""
        hits, sizes = (part[:, first] + part[:, second] for part in (self.hits, self.sizes))
        inverse = 1 / np.maximum(self.sizes[:, first], 1) + 1 / np.maximum(self.sizes[:, second], 1)
        error = np.sqrt((self.weights[:, None] ** 2 * _spread(hits, sizes) * inverse).sum(axis=0))
        difference = np.abs(self.rates[first] - self.rates[second])
        return np.where(error > _NOTHING, np.minimum(2 * ndtr(-difference / np.maximum(error, _NOTHING)), 1.0), 1.0)

    def errors(self) -> Float[np.ndarray, "g g"]:
        """The standard error of each pair's difference when groups are shuffled within true answers (hypergeometric)."""
        spread = self.weights**2 * _spread(self.hits.sum(axis=1), self.sizes.sum(axis=1))
        return np.asarray(np.sqrt(np.tensordot(spread, 1 / self.sizes[:, :, None] + 1 / self.sizes[:, None, :], 1)))

    def null(self, draws: int, rng: np.random.Generator) -> GapNull:
        """Shuffle groups within each true answer, and test the most significant pair."""
        gap, errors = float(np.ptp(self.rates)), self.errors()
        if not (errors > _NOTHING).any():  # all images with the same truth have the same answer
            return GapNull(gap, 1.0, (0, len(self.n) - 1), 0.0, 0.0, None, None, 1.0, np.zeros_like(errors))
        drawn = self._shuffled(draws, rng)
        gaps, most = np.ptp(drawn, axis=1), max_standardized_difference(drawn, errors)
        p = exceedance_p(most, float(max_standardized_difference(self.rates, errors)))
        ends, chance = most_significant_pair(self.rates, errors), float(np.quantile(most, 0.95)) * errors
        return GapNull(gap, p, ends, float(gaps.mean()), float(np.quantile(gaps, 0.95)), None, None, p, chance)

    def _shuffled(self, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b g"]:
        """The rates of shuffled tables."""
        drawn = np.zeros((draws, len(self.n)))
        for weight, k, m in zip(self.weights, self.hits, self.sizes, strict=True):
            total = int(k.sum())
            if 0 < total < m.sum():
                drawn += weight * rng.multivariate_hypergeometric(m, total, size=draws, method="marginals") / m
            else:
                drawn += weight * k / m
        return drawn

    def variance(self) -> float:
        own = (self.weights[:, None] ** 2 * self.by_truth * (1 - self.by_truth) / np.maximum(self.sizes - 1, 1)).sum(axis=0)
        return float(self.rates.var(ddof=1) - own.mean())

    def of(self, groups: Int[np.ndarray, "h"]) -> StandardizedUnits:
        return replace(self, hits=self.hits[:, groups], sizes=self.sizes[:, groups])

    def rest(self) -> StandardizedUnits:
        return replace(self, hits=self.sizes - self.hits)

    def with_rest(self) -> StandardizedUnits:
        hits, sizes = (np.hstack([part, part.sum(axis=1, keepdims=True) - part]) for part in (self.hits, self.sizes))
        return StandardizedUnits(hits, sizes, self.weights)

    def together(self) -> StandardizedUnits:
        hits, sizes = (part.sum(axis=1, keepdims=True) for part in (self.hits, self.sizes))
        return StandardizedUnits(hits, sizes, self.weights)


def _spread(hits: Int[np.ndarray, "*s"], sizes: Int[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """The variance of one image's event under shuffles: hypergeometric, so divided by n - 1."""
    return np.asarray(hits * (sizes - hits) / np.maximum(sizes * np.maximum(sizes - 1, 1), 1))


def _ratio_limit(
    first: Float[np.ndarray, "m"], own: Float[np.ndarray, "m"], second: Float[np.ndarray, "m"], other: Float[np.ndarray, "m"], side: int
) -> Float[np.ndarray, "m"]:
    """One limit of a ratio, from the limit of the first rate on that side and of the second on the other; infinite above if that is 0."""
    below = other * (2 * second - other)
    root = np.sqrt(np.maximum((first * second) ** 2 - own * other * (2 * first - own) * (2 * second - other), 0.0))
    bounded = below > _NOTHING
    limit = (first * second + side * root) / np.where(bounded, below, 1.0)
    return np.where(bounded, np.maximum(limit, 0.0), np.inf if side > 0 else 0.0)


# ---- from answers to units -----------------------------------------------------------------------------------------------------------


def known_truths(y_true: np.ndarray | None) -> frozenset[str]:
    """The true answers that occur: an outcome that is not among them, such as "unclear" or a crime, has no known truth."""
    return frozenset() if y_true is None else frozenset(map(str, pd.unique(y_true))) - {UNKNOWN}


@dataclass(frozen=True)
class _Crossed:
    """Number of images, or sum of their weights, by true answer and group."""

    truths: tuple[str, ...]
    hits: Float[np.ndarray, "y g"] | Int[np.ndarray, "y g"]
    sizes: Float[np.ndarray, "y g"] | Int[np.ndarray, "y g"]

    def comparable(self, judged: Bool[np.ndarray, "g"]) -> _Crossed:
        """Drop the true answers that some judged group lacks, and the images of other groups that lack another."""
        shared = (self.sizes[:, judged] > 0).all(axis=1) if judged.any() else self.sizes.any(axis=1)
        hits, sizes = self.hits[shared], self.sizes[shared]
        whole = (sizes > 0).all(axis=0)
        return _Crossed(tuple(np.array(self.truths, object)[shared]), np.where(whole, hits, 0), np.where(whole, sizes, 0))

    @property
    def weights(self) -> Float[np.ndarray, "y"]:
        return np.asarray(self.sizes.sum(axis=1) / max(self.sizes.sum(), _NOTHING))


def _crossed(
    truth: np.ndarray, group_codes: Int[np.ndarray, "r"], event: Bool[np.ndarray, "r"], count: np.ndarray, groups: int
) -> _Crossed:
    codes, names = pd.factorize(truth, sort=True)  # sums and draws do not depend on the order of labels and rows
    hits, sizes = np.zeros((2, len(names), groups), count.dtype)
    np.add.at(sizes, (codes, group_codes), count)
    np.add.at(hits, (codes, group_codes), np.where(event, count, 0))
    return _Crossed(tuple(map(str, names)), hits, sizes)


def at_equal_truth(
    counts: GroupedCounts, metric: Metric, outcome: Outcome | None, judged: int | Bool[np.ndarray, "g"], rows: SlicedRows | None
) -> tuple[Tally, SamplingUnits]:
    """The images that count and the units of a rate at equal true shares; `rows` if images come in clusters or have weights.

    A true answer counts if every judged group has it; `judged` says which groups are, or how many images with known truth are needed. Rows
    count by weights: an image of true answer y in group g by the share of y in all images divided by its share in the group. Their test is
    the one for weights, which treats the true answer as random and has less power.
    """
    table = counts.known_truth()
    truth, answers = (table.table[name].to_numpy(object) for name in ("y_true", "y_pred"))
    event, n = events_of(truth, answers, metric, outcome).event, table.table[IMAGES].to_numpy()
    crossed = _crossed(truth, table.codes, event, n, len(counts.groups))
    known = crossed.comparable(crossed.sizes.sum(axis=0) >= judged if isinstance(judged, int) else judged)
    images = counts.by_group(np.ones(len(counts.table), bool))
    tallied = Tally(counts.groups, known.hits.sum(axis=0), known.sizes.sum(axis=0), images)
    if rows is not None:
        return tallied, rows.units(metric, outcome, tallied, known.truths)
    return tallied, StandardizedUnits(known.hits, known.sizes, known.weights)


@dataclass(frozen=True)
class SlicedRows:
    """Answers by some attributes, for images in clusters or with weights."""

    predictions: Predictions
    levels: Mapping[str, Group]
    by: tuple[str, ...]

    def units(self, metric: Metric, outcome: Outcome | None, tallied: Tally, truths: tuple[str, ...]) -> SamplingUnits:
        """The units of the images that count, weighted so that every group has the true shares of all images.

        Weights cannot equalise the true shares inside a cluster. Groups are compared inside clusters, or sets, only if they are equal
        there.
        """
        predictions, group_codes = self.predictions, row_codes(self.predictions.attributes, self.by, self.levels)[1]
        assert predictions.y_true is not None  # noqa: S101  (the caller has true answers)
        kept = np.flatnonzero(np.isin(predictions.y_true, truths) & (tallied.n > 0)[group_codes])
        if predictions.weight is not None:  # sums of fractions depend on their order in the last digit; the order of images must not matter
            kept = kept[np.argsort(predictions.weight[kept], kind="stable")]
        truth, group_codes = predictions.y_true[kept], group_codes[kept]
        weight = np.ones(len(truth)) if predictions.weight is None else predictions.weight[kept]
        crossed = _crossed(truth, group_codes, np.zeros(len(truth), bool), weight, len(tallied.groups))
        share = crossed.sizes / np.maximum(crossed.sizes.sum(axis=0), _NOTHING)
        at = pd.Index(crossed.truths).get_indexer(pd.Index(truth)), group_codes
        factor = crossed.weights[at[0]] / share[at]
        alike = predictions.weight is None and np.allclose(factor, 1.0)
        owner = self.predictions.sets.get(self.by[0]) if predictions.cluster is None and len(self.by) == 1 else predictions.cluster
        inside = owner is None or _alike_inside(owner[kept], group_codes, truth, weight)
        counted = replace(
            predictions, y_true=truth, y_pred=predictions.y_pred[kept], attributes=predictions.attributes.iloc[kept], count=None,
            cluster=None if predictions.cluster is None else predictions.cluster[kept], weight=None if alike else weight * factor,
            sets={name: owners[kept] for name, owners in predictions.sets.items()},
        )  # fmt: skip
        return UnitsOf(counted, self.levels, inside=inside)(self.by, metric, outcome, tallied)


def _alike_inside(owner: Int[np.ndarray, "r"], group_codes: Int[np.ndarray, "r"], truth: np.ndarray, weight: np.ndarray) -> bool:
    """Whether all groups have the same mix of true answers within every cluster, so that a perfect model has no difference inside it.

    Examples
    --------
    One true answer in each of two clusters; then a cluster in which only the first group has another.

    >>> owner, place, truth = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array(["x", "x", "y", "y"])
    >>> _alike_inside(owner, place, truth, np.ones(4)), _alike_inside(owner, place, np.array(["x", "x", "y", "x"]), np.ones(4))
    (True, False)
    """
    rows = pd.DataFrame({"owner": owner, "place": group_codes, "truth": truth, "weight": weight})
    cells = rows.groupby(["owner", "place", "truth"], as_index=False)["weight"].sum()
    cells["share"] = cells["weight"] / cells.groupby(["owner", "place"])["weight"].transform("sum")
    groups = cells.groupby("owner")["place"].transform("nunique")
    shares = cells.groupby(["owner", "truth"])["share"]
    everywhere = shares.transform("size") == groups
    return bool((everywhere & np.isclose(shares.transform("min"), shares.transform("max"))).all())
