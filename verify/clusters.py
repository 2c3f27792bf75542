"""Images that belong together, or that have weights, as sampling units: the cluster is independent, its images are not.

Equal clusters are counted. All sums have leading axes for shuffled tables, which are treated like the observed one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from verify import formulas
from verify.formulas import Ends
from verify.images import Images, Null, Regrouping, Units, largest_pairs, no_events, smallest_p
from verify.within import Within, as_normal, as_student

FEWEST, FEWEST_WITH_EVENTS, SPANNING = 15, 5, 0.8
TINY, ROUNDING = 1e-12, 1e-9
SHUFFLES = 1999
"""Shuffles of this second implementation, whose random numbers are not the recorded ones."""
_GRID = np.unique(np.concatenate([np.arange(64), np.geomspace(64, 1 << 40, 400).astype(np.int64)]))
"""Numbers of events at which a limit is evaluated: all up to 64, then in steps of 6 %."""
_CELLS = 1 << 18


# ---- tables and sums -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kinds:
    """Kinds of clusters: events and images (or their weights) in each group, and how many clusters are of the kind."""

    e: np.ndarray
    n: np.ndarray
    count: np.ndarray

    @classmethod
    def of_rows(cls, cluster: np.ndarray, group: np.ndarray, event: np.ndarray, weight: np.ndarray, groups: int) -> Kinds:
        """Count the kinds of clusters; of the same images before and after, an event may be one that is gained or lost (-1)."""
        _, owner = np.unique(cluster, return_inverse=True)
        both = np.zeros((int(owner.max(initial=-1)) + 1, 2, groups))
        np.add.at(both[:, 1], (owner, group), weight)
        np.add.at(both[:, 0], (owner, group), weight * event)
        kinds, count = np.unique(both, axis=0, return_counts=True)
        return cls(kinds[:, 0], kinds[:, 1], count)

    def regrouped(self, how: Regrouping, *, others: bool = False) -> Kinds:
        """Other groups, and the clusters with images in them; `others`: counting the images that are not events."""
        e, n = how(self.n - self.e if others else self.e), how(self.n)
        kept = n.any(axis=1)
        return Kinds(e[kept], n[kept], self.count[kept])

    def covariances(self) -> np.ndarray:
        """Of the rates of groups, through the clusters."""
        often, total = self.count[:, None], self.count @ self.n
        residual = (self.e - self.count @ self.e / _nonzero(total) * self.n) / _nonzero(total)
        present = (self.n > 0).astype(float)
        clusters = present.T @ (often * present)
        return np.asarray(residual.T @ (often * residual) * clusters / np.maximum(clusters - 1, 1))

    def sums(self, borrowed: float | None = None) -> Sums:
        """Sums over clusters, and of products within them."""
        often = self.count[:, None]
        products = (self.e.T @ (often * self.e), self.e.T @ (often * self.n), self.n.T @ (often * self.n))
        return Sums(self.count @ self.e, self.count @ self.n, *products, borrowed)


class Sums:
    """Events and images of each group, the products of two groups' within a cluster (`ee`, `en`, `nn`), and what follows from these sums.

    `borrowed` is the correlation of two images of a cluster for groups that are too small to show their own; None: they count as equal.
    """

    def __init__(self, e: np.ndarray, n: np.ndarray, ee: np.ndarray, en: np.ndarray, nn: np.ndarray, borrowed: float | None = None):
        self.e, self.n, self.nn = e, n, nn
        self.rates = rates = e / _nonzero(n)
        one, two, own = rates[..., :, None], rates[..., None, :], _diagonal(nn)
        #: Of ``(e_a - p_a n_a)(e_b - p_b n_b)``.
        self.residuals = ee - two * en - one * en.swapaxes(-1, -2) + one * two * nn
        self.squares = np.maximum(_diagonal(self.residuals), 0.0)
        #: Number of equal clusters with the same information (Kish), and the mean size of an image's cluster.
        self.effective, self.size = n**2 / _nonzero(own), own / _nonzero(n)
        self.freedom = freedom = np.maximum(self.effective - 1, 0.5)
        #: The effective number of clusters with events, or with images without one: the smaller.
        others = np.maximum(own - 2 * _diagonal(en) + _diagonal(ee), TINY)
        self.with_events = np.minimum(e**2 / np.maximum(_diagonal(ee), TINY), (n - e) ** 2 / others)
        #: Variance of each rate divided by that of independent images, from the group's own clusters.
        self.own_effect = self.squares * (freedom + 1) / freedom / np.maximum(rates * (1 - rates) * n, TINY)
        #: With too few clusters with events it is at least that of the borrowed correlation, or of equal images.
        alike = self.size if borrowed is None else 1 + (self.size - 1) * borrowed
        self.effect = np.where(self.with_events < FEWEST_WITH_EVENTS, np.maximum(self.own_effect, alike), self.own_effect)

    def variances(self, pooled: np.ndarray | float, groups: np.ndarray) -> np.ndarray:
        """The variance of each rate at the middle between it and the pooled one."""
        middle = (self.rates[..., groups] + pooled) / 2
        return np.asarray(middle * (1 - middle) * self.effect[..., groups] / _nonzero(self.n[..., groups]))

    def correlations(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """The correlation of two groups' rates through clusters with images of both."""
        scale = np.sqrt(self.squares[..., i] * self.squares[..., j])
        return np.clip(np.where(scale > TINY, self.residuals[..., i, j] / np.maximum(scale, TINY), 0.0), -1, 1)

    def errors(self, pooled: np.ndarray | float, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The standard error of each difference, and Satterthwaite's degrees of freedom."""
        one, two = self.variances(pooled, i), self.variances(pooled, j)
        variance = one + two - 2 * self.correlations(i, j) * np.sqrt(one * two)
        own = _diagonal(self.nn)
        common = self.nn[..., i, j] ** 2 / _nonzero(own[..., i] * own[..., j])
        a, b = one / np.sqrt(self.freedom[..., i]), two / np.sqrt(self.freedom[..., j])
        spread = a**2 + b**2 + 2 * common * a * b
        freedom = np.where(spread > 0, (one + two) ** 2 / np.where(spread > 0, spread, 1.0), 1.0)
        return np.sqrt(np.maximum(variance, TINY)), np.maximum(freedom, 0.5)

    def statistics(self, pooled: float) -> np.ndarray:
        """The largest standardised difference, and the sum of squared standardised deviations from the mean."""
        groups = np.arange(self.n.shape[-1])
        i, j = np.triu_indices(len(groups), 1)
        error, freedom = self.errors(pooled, i, j)
        largest = np.abs(as_normal((self.rates[..., i] - self.rates[..., j]) / error, freedom)).max(axis=-1)
        variance = np.maximum(self.variances(pooled, groups), TINY)
        centre = (self.rates / variance).sum(axis=-1, keepdims=True) / (1 / variance).sum(axis=-1, keepdims=True)
        z = as_normal((self.rates - centre) / np.sqrt(variance), self.freedom)
        return np.stack([largest, (z**2).sum(axis=-1)], axis=-1)


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _nonzero(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)


def spans(table: Kinds) -> bool:
    """Whether groups are compared within clusters: at least 80 % of the images of any two lie in clusters with both."""
    images = table.n.T @ (table.count[:, None] * (table.n > 0))
    total, (i, j) = np.diag(images), np.triu_indices(len(images), 1)
    return bool(len(i) and total.all() and ((images + images.T)[i, j] >= SPANNING * (total[i] + total[j])).all())


def common_correlation(table: Kinds) -> float | None:
    """The upper 95 % limit of the correlation of two images of a cluster, over all groups together; None if it cannot be estimated."""
    if not spans(table):
        return None
    sums = table.regrouped(lambda part: part.sum(axis=-1, keepdims=True)).sums()
    if sums.size[0] <= 1 + ROUNDING or sums.with_events[0] < FEWEST_WITH_EVENTS:
        return None
    part = 2 / (9 * float(sums.freedom[0]))  # Wilson and Hilferty's approximation of chi-square
    effect = float(sums.own_effect[0]) / (1 - part - float(ndtri(0.95)) * part**0.5) ** 3
    return float(np.clip((effect - 1) / (sums.size[0] - 1), 0.0, 1.0))


# ---- limits of a rate ----------------------------------------------------------------------------------------------------------------


def _limits(table: Kinds, borrowed: float | None) -> list[Callable[[float], tuple[float, float]] | None]:
    """For each group a function from alpha to its limits; None for a group in fewer than two clusters."""
    sums = table.sums()
    return [_limit(table, sums, group, borrowed) for group in range(table.n.shape[1])]


def _limit(table: Kinds, sums: Sums, group: int, borrowed: float | None) -> Callable[[float], tuple[float, float]] | None:
    here = table.n[:, group] > 0
    often, e, n = table.count[here], table.e[here, group], table.n[here, group]
    if often.sum() < 2:
        return None
    total, freedom, most = float(often @ n), float(sums.freedom[group]), np.inf
    if borrowed is not None:
        most = max(float(sums.own_effect[group]), 1 + (float(sums.size[group]) - 1) * borrowed)
    sides = [_largest_effects(part, n, often, freedom) for part in (e, n - e)]

    def limits(alpha: float) -> tuple[float, float]:
        reliable = total * (formulas.normal(alpha) / float(stdtrit(freedom, 1 - alpha / 2))) ** 2
        ends = []
        for events, effect in sides:
            size = np.maximum(reliable / np.minimum(effect, most), 1.0)
            ends.append(float(formulas.wilson(events / total * size, size, alpha)[1].max()))
        return 1 - ends[1], ends[0]

    return limits


def _largest_effects(e: np.ndarray, n: np.ndarray, often: np.ndarray, freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of events up to all, and the largest design effect that so many of the events could have."""
    total, events, squares = float(often @ n), float(often @ e), float(often @ n**2)
    numbers = _GRID[events > _GRID]
    numbers = np.append(numbers[:: 1 + len(numbers) * len(e) // _CELLS], events)
    effects = []
    for number in numbers.tolist():
        if not 0 < number < total:
            effects.append(squares / total)
            continue
        p = number / total
        value = e - 2 * p * n
        order = np.argsort(-value, kind="stable")
        room = (often * e)[order]
        taken = np.clip(number - (np.cumsum(room) - room), 0, room)
        residual = float(taken @ value[order]) + p**2 * squares
        effects.append(max(residual * (1 + 1 / freedom) / (p * (total - number)), 1.0))
    return numbers, np.array(effects)


# ---- units ---------------------------------------------------------------------------------------------------------------------------


class Clusters(Units):
    """Clusters are independent."""

    own_effect = True
    """Whether a difference may be shown with a group's own design effect."""

    def __init__(self, table: Kinds, *, by_design: bool = False, like: Clusters | None = None):
        self.table, self.by_design, self.like = table, by_design, like
        self.borrowed: float | None = like.borrowed if like is not None else common_correlation(table)
        self.within_clusters = like.within_clusters if like is not None else by_design and spans(table)
        self.plain, self.sums = table.sums(), table.sums(self.borrowed)
        self.n, self.rates = self.sums.n, self.sums.rates

    @cached_property
    def limits(self) -> list[Callable[[float], tuple[float, float]] | None]:
        return _limits(self.table, self.borrowed)

    @cached_property
    def inside(self) -> Within:
        return Within(self.table.e, self.table.n, self.table.count, 1.0 if self.borrowed is None else self.borrowed)

    @property
    def events(self) -> np.ndarray:
        return self.sums.e

    def enough(self) -> np.ndarray:
        return np.asarray(self.sums.effective >= FEWEST - ROUNDING)

    def described(self) -> list[dict[str, Any]]:
        sums, borrows = self.sums, (self.sums.with_events < FEWEST_WITH_EVENTS) & (self.borrowed is not None)
        rows = []
        for at in range(len(self.n)):
            several, effect = sums.size[at] - 1, float(sums.effect[at])
            rows.append({
                "clusters": int(self.table.count @ (self.table.n[:, at] > 0)), "effective_clusters": float(sums.effective[at]),
                "design_effect": effect, "correlation_borrowed": bool(borrows[at]),
                "intracluster_correlation": float(min((effect - 1) / several, 1.0)) if several > ROUNDING else None,
            })  # fmt: skip
        return rows

    def intervals(self, alpha: float) -> Ends:
        return _at(self.limits, alpha)

    def contrasts(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.within_clusters:
            return self.inside.differences(first, second)
        return np.asarray(self.rates[first] - self.rates[second])

    def differences(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        if self.within_clusters:
            return self.inside.intervals(first, second, alpha, alone=len((self.like or self).n) == 2)
        return self._between(self.limits, first, second, alpha, own_effect=self.own_effect)

    def _between(
        self, limits: list[Callable[[float], tuple[float, float]] | None], i: np.ndarray, j: np.ndarray, alpha: float, *, own_effect: bool
    ) -> Ends:
        low, high = _at(limits, alpha)
        if own_effect:
            low, high = self._at_own_effect(low, high, alpha)
        correlation = self.plain.correlations(i, j)
        correlation = formulas.below_one(correlation, np.minimum(self.plain.effective[i], self.plain.effective[j]), alpha)
        return formulas.joined(self.rates[i], (low[i], high[i]), self.rates[j], (low[j], high[j]), correlation)

    def _at_own_effect(self, low: np.ndarray, high: np.ndarray, alpha: float) -> Ends:
        """The limits with the group's own design effect, if they are nearer and enough clusters have events."""
        sums = self.plain
        tells = sums.with_events >= FEWEST_WITH_EVENTS
        freedom = np.where(tells, np.minimum(sums.freedom, sums.with_events - 1), 1.0)
        shrink = (formulas.normal(alpha) / stdtrit(freedom, 1 - alpha / 2)) ** 2
        n = np.maximum(sums.n * shrink / np.maximum(sums.own_effect, 1.0), 1.0)
        near = formulas.wilson(sums.rates * n, n, alpha)
        return np.where(tells, np.maximum(near[0], low), low), np.where(tells, np.minimum(near[1], high), high)

    def ratios(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        low, high = _at(self.limits, alpha)
        log = np.log(np.where(self.events > 0, self.rates, high))
        ends = np.log(np.where(low > 0, low, 1.0)), np.log(high)
        sides = (ends[0][first], ends[1][first]), (ends[0][second], ends[1][second])
        clusters = np.minimum(self.plain.effective[first], self.plain.effective[second])
        correlation = formulas.below_one(self.plain.correlations(first, second), clusters, alpha)
        lower, upper = formulas.joined(log[first], sides[0], log[second], sides[1], correlation)
        return np.where(low[first] > 0, np.exp(lower), 0.0), np.where(low[second] > 0, np.exp(upper), np.inf)

    def bound(self, alpha: float) -> float:
        """Within clusters both differences must be small: those inside clusters, and those of the rates over all images."""
        i, j = self.pairs()
        ends = [self._between(_limits(self.table, None), i, j, 2 * alpha, own_effect=False)]
        ends += [self.differences(i, j, 2 * alpha)] if self.within_clusters else []
        return float(max(max(high.max(), -low.min()) for low, high in ends))

    def p(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.within_clusters:
            return self.inside.p(first, second)
        sums = self.plain
        pooled = (sums.e[first] + sums.e[second]) / (sums.n[first] + sums.n[second])
        error, freedom = sums.errors(pooled, first, second)
        return np.asarray(np.minimum(1.0, 2 * stdtr(freedom, -np.abs((sums.rates[first] - sums.rates[second]) / error))))

    def variance(self) -> float:
        spread, groups = self.table.covariances(), len(self.n)
        own = float(np.trace(spread))
        common = (float(spread.sum()) - own) / (groups * (groups - 1))
        return float(self.rates.var(ddof=1) - (own / groups - common))

    def within(self) -> dict[str, Any] | None:
        return self.inside.design() if self.within_clusters else None

    def test(self, draws: int, rng: np.random.Generator) -> Null:
        if not self.events.any() or np.array_equal(self.events, self.n):
            return no_events(len(self.n))
        if self.within_clusters:
            return self.inside.test(draws, rng)
        sums, size = self.plain, SHUFFLES
        pooled, (i, j) = float(sums.e.sum() / sums.n.sum()), self.pairs()
        observed, shuffled = sums.statistics(pooled), _shuffled(self.table, size, rng)
        gaps, nulls = np.ptp(shuffled.rates, axis=1), [shuffled.statistics(pooled), self._normal(pooled, size, rng)]
        both = [smallest_p(null, observed) for null in nulls]
        p, pair_p, any_p = (max(values) for values in zip(*((one, *each) for one, each in both), strict=True))
        error, freedom = sums.errors(pooled, i, j)
        pairs = largest_pairs((sums.rates[i] - sums.rates[j]) / error, len(sums.n))
        largest = max((null[:, 0] for null in nulls), key=lambda values: float(np.quantile(values, 0.95)))

        def chance(critical: float) -> np.ndarray:
            return _square(len(sums.n), np.minimum(as_student(critical, freedom) * error, 1.0))

        return Null(p, pairs, pair_p, None, any_p, gaps, largest, chance, repeated=False)

    def _normal(self, pooled: float, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Both statistics for normal rates without differences, with the observed errors and correlations."""
        sums, (i, j) = self.plain, self.pairs()
        error = np.sqrt(np.maximum(sums.variances(pooled, np.arange(len(sums.n))), TINY))
        correlation = np.eye(len(error)) + _square(len(error), sums.correlations(i, j))
        covariance = correlation * np.outer(error, error)
        values, vectors = np.linalg.eigh(correlation)
        # The symmetric root: the signs of eigenvectors, and their directions if values are equal, depend on the library.
        root = vectors @ np.diag(np.where(values > TINY, values, 0.0) ** 0.5) @ vectors.T
        rates = rng.standard_normal((draws, len(error))) @ root * error
        between = np.sqrt(np.maximum(error[i] ** 2 + error[j] ** 2 - 2 * covariance[i, j], TINY))
        centre = (rates / error**2).sum(axis=1, keepdims=True) / (1 / error**2).sum()
        return np.stack([(np.abs(rates[:, i] - rates[:, j]) / between).max(axis=1), (((rates - centre) / error) ** 2).sum(axis=1)], axis=1)

    def regrouped(self, how: Regrouping, like: Clusters | None = None, *, together: bool = False, others: bool = False) -> Units:
        return type(self)(self.table.regrouped(how, others=others), by_design=self.by_design and not together, like=like)


def _at(limits: list[Callable[[float], tuple[float, float]] | None], alpha: float) -> Ends:
    ends = np.array([(0.0, 1.0) if limit is None else limit(alpha) for limit in limits])
    return ends[:, 0], ends[:, 1]


def _square(groups: int, values: np.ndarray) -> np.ndarray:
    matrix = np.zeros((groups, groups))
    i, j = np.triu_indices(groups, 1)
    matrix[i, j] = matrix[j, i] = values
    return matrix


def _shuffled(table: Kinds, draws: int, rng: np.random.Generator) -> Sums:
    """Sums of shuffled tables: clusters in equally many groups are assigned to each other's groups, and their parts are permuted."""
    rows = np.repeat(np.arange(len(table.count)), table.count)
    e, n = table.e[rows], table.n[rows]
    span = (n > 0).sum(axis=1)
    strata = []
    for size in np.unique(span).tolist():
        at = np.flatnonzero(span == size)
        where = np.nonzero(n[at])[1].reshape(len(at), size)
        parts = np.stack([np.take_along_axis(e[at], where, 1), np.take_along_axis(n[at], where, 1)])
        strata.append((at[:, None] * n.shape[1] + where, np.tile(np.arange(size), (len(at), 1)), parts))
    collected: list[tuple[np.ndarray, ...]] = []
    for _ in range(draws):
        shuffled = np.zeros((2, n.size))
        for cells, unpermuted, parts in strata:
            order = rng.permutation(len(cells))[:, None]
            shuffled[:, cells] = parts[:, order, rng.permuted(unpermuted, axis=1)] if cells.shape[1] > 1 else parts[:, order[:, 0]]
        a, b = shuffled.reshape(2, *n.shape)
        collected.append((a.sum(axis=0), b.sum(axis=0), a.T @ a, a.T @ b, b.T @ b))
    e_sum, n_sum, ee, en, nn = (np.stack(column) for column in zip(*collected, strict=True))
    return Sums(e_sum, n_sum, ee, en, nn)


class Sets(Clusters):
    """Images of counterfactual sets: rates are those of independent images, groups are compared inside sets."""

    def enough(self) -> np.ndarray:
        return np.ones(len(self.n), bool)

    def described(self) -> list[dict[str, Any]]:
        return [{} for _ in self.n]

    def intervals(self, alpha: float) -> Ends:
        return formulas.wilson(self.events, self.n, alpha)

    def regrouped(self, how: Regrouping, like: Clusters | None = None, *, together: bool = False, others: bool = False) -> Units:
        some = super().regrouped(how, like, together=together, others=others)
        return some if some.within_clusters else Images(some.events, some.n)


class Galleries(Sets):
    """Images of galleries, from each of which a query retrieves the same number: only differences inside galleries must be small."""

    def bound(self, alpha: float) -> float:
        if not self.within_clusters:
            return super().bound(alpha)
        low, high = self.differences(*self.pairs(), 2 * alpha)
        return float(max(high.max(), -low.min()))


# ---- weights -------------------------------------------------------------------------------------------------------------------------


class Weighted(Clusters):
    """Images count by weights, which sum to each group's effective number of images; clusters, or single images, are independent."""

    own_effect = False

    def __init__(
        self, table: Kinds, squares: np.ndarray, images: np.ndarray, clustered: bool, by_design: bool = False, like: Clusters | None = None
    ):  # fmt: skip
        self.unscaled, self.weight_squares, self.images, self.clustered = table, squares, images, clustered
        scale = np.where(squares > 0, (table.count @ table.n) / _nonzero(squares), 1.0)
        n, e = _rounded(table.n * scale), _rounded(table.e * scale)
        super().__init__(Kinds(np.minimum(e, n), n, table.count), by_design=by_design, like=like)

    def described(self) -> list[dict[str, Any]]:
        effective = (self.unscaled.count @ self.unscaled.n) ** 2 / _nonzero(self.weight_squares)
        designs = self.sums.effect * self.images / np.maximum(effective, 1)
        errors = np.sqrt(self.sums.squares) / _nonzero(self.sums.n)
        rows = super().described()
        for at, row in enumerate(rows):
            row |= {"design_effect": float(designs[at]), "effective_n": float(effective[at]), "standard_error": float(errors[at])}
            if not self.clustered:
                row |= {"clusters": None, "effective_clusters": None, "intracluster_correlation": None, "correlation_borrowed": False}
        return rows

    def bound(self, alpha: float) -> float:
        bound = super().bound(alpha)
        if self.clustered:
            return bound
        (down, up), (i, j) = self._unseen(alpha), self.pairs()
        apart = self.rates[i] - self.rates[j]
        return float(max(bound, (apart + np.hypot(up[i], down[j])).max(), (np.hypot(down[i], up[j]) - apart).max()))

    def _unseen(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """By how much each rate may be lower, or higher, without showing: a few heavy images may have missed their events."""
        ends = np.zeros((2, len(self.n)))
        for group in range(len(self.n)):
            here = self.unscaled.n[:, group] > 0
            weight, often, event = self.unscaled.n[here, group], self.unscaled.count[here], self.unscaled.e[here, group] > 0
            stratum = _strata(weight)
            mean = np.bincount(stratum, often * weight) / np.bincount(stratum, often)
            for side, kind in enumerate((event, ~event)):
                ends[side, group] = _unseen(mean, np.bincount(stratum, often * kind, len(mean)), alpha) / float(often @ weight)
        return ends[0], ends[1]

    def regrouped(self, how: Regrouping, like: Clusters | None = None, *, together: bool = False, others: bool = False) -> Units:
        parts = self.unscaled.regrouped(how, others=others), how(self.weight_squares), how(self.images)
        return Weighted(*parts, clustered=self.clustered, by_design=self.by_design and not together, like=like)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Rounded to 40 binary digits: weights that differ by rounding are equal."""
    fraction, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(fraction * 2.0**40) / 2.0**40, exponent))


def _strata(weight: np.ndarray) -> np.ndarray:
    """Strata of weights, the heaviest first: a new one below every gap of factor 3, and where weights would differ by a factor of 10."""
    order = np.argsort(-weight, kind="stable")
    strata, start, number, within = np.empty(len(weight), np.int64), np.inf, -1, 0
    before = np.inf
    for at in order:
        here = float(weight[at])
        if before * (1 + ROUNDING) >= 3 * here:
            number, start, within = number + 1, here, 0
        steps = int(np.floor(np.log10(start / here) + ROUNDING))
        if steps > within:
            number, within = number + 1, steps
        strata[at], before = number, here
    return strata


def _unseen(weight: np.ndarray, images: np.ndarray, alpha: float) -> float:
    """The largest sum of w q whose events would all be missed with probability alpha: q = max(0, 1 - c / w), the heaviest first."""
    some = np.flatnonzero(images > 0)
    some = some[np.argsort(-weight[some], kind="stable")]
    best = 0.0
    for many in range(1, len(some) + 1):
        w, m = weight[some[:many]], images[some[:many]]
        log_c = float((m @ np.log(w) + np.log(alpha)) / m.sum())
        if np.log(w[-1]) > log_c:
            best = float(m @ (w - np.exp(log_c)))
    return best


# ---- from answers to units -----------------------------------------------------------------------------------------------------------


def units_of_rows(
    owner: np.ndarray | None, sets: np.ndarray | None, weight: np.ndarray | None, group: np.ndarray, event: np.ndarray, groups: int, *,
    inside: bool = True,
) -> Units:  # fmt: skip
    """The sampling units of the rows that count: `owner` is the cluster of each, `sets` its counterfactual set."""
    ones, n = np.ones(len(group)), np.bincount(group, minlength=groups)
    if weight is not None:
        heaviest = weight / weight.max(initial=1e-300)
        table = Kinds.of_rows(np.arange(len(group)) if owner is None else owner, group, event, heaviest, groups)
        squares = np.bincount(group, heaviest**2, groups)
        return Weighted(table, squares, n, clustered=owner is not None, by_design=inside)
    if sets is not None and inside:
        return Sets(Kinds.of_rows(sets, group, event, ones, groups), by_design=True)
    if owner is None:
        return Images(np.bincount(group[event], minlength=groups), n)
    return Clusters(Kinds.of_rows(owner, group, event, ones, groups), by_design=inside)


def weights_to_equal_truth(truth: np.ndarray, group: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """The factor of each row that gives its group the shares of true answers of all rows."""
    names, code = np.unique(truth.astype(str), return_inverse=True)
    sizes = np.zeros((len(names), groups))
    np.add.at(sizes, (code, group), weight)
    share = sizes / np.maximum(sizes.sum(axis=0), TINY)
    return np.asarray((sizes.sum(axis=1) / sizes.sum())[code] / share[code, group])


def alike_inside(owner: np.ndarray, group: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> bool:
    """Whether all groups of every cluster have the same mix of true answers."""
    names, code = np.unique(truth.astype(str), return_inverse=True)
    cells, cell = np.unique(np.column_stack([owner, group]), axis=0, return_inverse=True)
    mix = np.zeros((len(cells), len(names)))
    np.add.at(mix, (cell.ravel(), code), weight)
    mix /= mix.sum(axis=1, keepdims=True)
    first = mix[np.searchsorted(cells[:, 0], cells[:, 0])]  # of the same cluster
    return bool(np.isclose(mix, first).all() and ((mix > 0) == (first > 0)).all())
