"""Independent images as sampling units: the rates of groups, all pairs of groups, and the test that no two groups differ."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import chdtrc, ndtr

from verify import formulas
from verify.formulas import Ends

ROUNDING, NOTHING = 1e-9, 1e-12
"""Values of a statistic that differ by less than the first, times the size of its terms, are equal. The second: an error that is 0."""
FEWER_DRAWS = 3999
"""Shuffles that only serve to estimate the gap expected by chance."""
_AT_ONCE = 1 << 22


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers of one test: they depend on the seed and on the name of the question, and on nothing else."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()))


@dataclass(frozen=True)
class Null:
    """The result of a test of "no two groups differ"."""

    p: float
    pairs: tuple[tuple[int, int], ...]
    """The most significant pair, the higher first; then those that are as significant but for rounding."""
    pair_p: float
    chi2: float | None
    chi2_p: float | None
    gaps: np.ndarray
    """The gap in each shuffle."""
    largest: np.ndarray
    """The largest standardised difference in each shuffle."""
    chance: Callable[[float], np.ndarray]
    """From a value of `largest` to the difference of each pair that it stands for."""
    repeated: bool = True
    """Whether the draws are those of the recorded stream; otherwise results agree within Monte-Carlo error."""


class Units:
    """Groups with their sampling units: what images, images at equal true shares and clusters have in common."""

    rates: np.ndarray
    n: np.ndarray
    within_clusters = False

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Both positions of every two groups."""
        first, second = np.triu_indices(len(self.n), 1)
        return first, second

    @property
    def events(self) -> np.ndarray:
        """Events of each group."""
        return np.asarray(self.rates * self.n)

    def enough(self) -> np.ndarray:
        """Whether each group has enough units to be judged, whatever its number of images."""
        return np.ones(len(self.n), bool)

    def described(self) -> list[dict[str, Any]]:
        """The fields of each rate that say how its images depend on each other."""
        return [{} for _ in self.n]

    def intervals(self, alpha: float) -> Ends:
        """The limits of each rate."""
        raise NotImplementedError

    def contrasts(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Differences of pairs, the first minus the second."""
        return np.asarray(self.rates[first] - self.rates[second])

    def differences(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        """The limits of these differences."""
        raise NotImplementedError

    def ratios(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        """The limits of the first rates divided by the second."""
        raise NotImplementedError

    def bound(self, alpha: float) -> float:
        """The largest distance from 0 that some pair may have, at 1 - 2 alpha."""
        low, high = self.differences(*self.pairs(), 2 * alpha)
        return float(max(high.max(), -low.min()))

    def ratio_bound(self, alpha: float) -> float:
        """The largest factor that some pair may differ by, at 1 - 2 alpha."""
        return formulas.farther(*self.ratios(*self.pairs(), 2 * alpha))

    def p(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Two-sided p of single pairs."""
        raise NotImplementedError

    def test(self, draws: int, rng: np.random.Generator) -> Null:
        """Test that no two groups differ."""
        raise NotImplementedError

    def variance(self) -> float:
        """Variance of the true rates between groups: that of the rates minus the sampling variance."""
        raise NotImplementedError

    def within(self) -> dict[str, Any] | None:
        """Facts about differences inside clusters; None for differences of rates."""
        return None

    def regrouped(self, how: Regrouping, like: Any = None, *, together: bool = False, others: bool = False) -> Units:
        """Other groups, whose counts are made from those of these; `like` passes on what all groups show about their clusters.

        `others`: counting the images that are not events.
        """
        raise NotImplementedError

    def without(self) -> Units:
        """The same groups, counting the images that are not events."""
        return self.regrouped(lambda part: part, others=True)

    def of(self, groups: np.ndarray) -> Units:
        """Only some groups."""
        return self.regrouped(lambda part: part[..., groups])

    def with_rest(self) -> Units:
        """The groups and, after them, all others of each together."""
        return self.regrouped(merged, self)

    def together(self) -> Units:
        """All groups as one."""
        return self.regrouped(lambda part: part.sum(axis=-1, keepdims=True), together=True)


Regrouping = Callable[[np.ndarray], np.ndarray]
"""Makes the counts of other groups, on the last axis."""


def merged(parts: np.ndarray) -> np.ndarray:
    """Sums by group, followed by those of all other groups."""
    return np.concatenate([parts, parts.sum(axis=-1, keepdims=True) - parts], axis=-1)


class Images(Units):
    """Independent images that count once."""

    def __init__(self, k: np.ndarray, n: np.ndarray):
        self.k, self.n = np.asarray(k, np.int64), np.asarray(n, np.int64)
        self.rates = self.k / np.maximum(self.n, 1)

    @property
    def events(self) -> np.ndarray:
        return self.k

    def intervals(self, alpha: float) -> Ends:
        return formulas.wilson(self.k, self.n, alpha)

    def differences(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        return formulas.difference(self.k[first], self.n[first], self.k[second], self.n[second], alpha)

    def ratios(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        return formulas.ratio(self.k[first], self.n[first], self.k[second], self.n[second], alpha)

    def bound(self, alpha: float) -> float:
        i, j = self.pairs()
        low, high = formulas.newcombe(self.k[i], self.n[i], self.k[j], self.n[j], 2 * alpha, continuity=True)
        return float(max(high.max(), -low.min()))

    def p(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return formulas.two_rates_p(self.k[first], self.n[first], self.k[second], self.n[second])

    def variance(self) -> float:
        own = self.rates * (1 - self.rates) / (self.n - 1)
        return float(self.rates.var(ddof=1) - own.mean())

    def test(self, draws: int, rng: np.random.Generator) -> Null:
        total, images = int(self.k.sum()), int(self.n.sum())
        if total in (0, images):
            return no_events(len(self.n))
        errors = np.sqrt(1 / self.n[:, None] + 1 / self.n)
        beyond = self._beyond(errors, draws)
        size = min(draws, FEWER_DRAWS) if beyond else draws
        shuffled = rng.multivariate_hypergeometric(self.n, total, size=size, method="marginals")
        rates, least = shuffled / self.n, 1 / (draws + 1)
        gaps, largest = np.ptp(rates, axis=1), largest_difference(rates, errors)
        observed = np.array([largest_difference(self.rates[None], errors)[0], _chi_square(self.k[None], self.n)[0]])
        p = pair_p = any_p = least
        if not beyond:
            p, (pair_p, any_p) = smallest_p(np.stack([largest, _chi_square(shuffled, self.n)], axis=1), observed)
        if self._expected() >= formulas.FEW:
            any_p = float(chdtrc(len(self.n) - 1, observed[1]))
        return Null(p, clearest_pairs(self.rates, errors), pair_p, float(observed[1]), any_p, gaps, largest, partial(np.multiply, errors))

    def _expected(self) -> float:
        """The fewest events, or images without one, that a group expects."""
        total, images = int(self.k.sum()), int(self.n.sum())
        return float(self.n.min() * min(total, images - total) / images)

    def _beyond(self, errors: np.ndarray, draws: int) -> bool:
        """Whether Hoeffding's bound shows that p is the smallest that so many shuffles can give."""
        t = largest_difference(self.rates[None], errors)[0]
        if not t or self._expected() < formulas.FEW:
            return False
        i, j = self.pairs()
        distance = tied(t, t) * errors[i, j]
        return bool(2 * _hoeffding(distance, int(self.k.sum()), int(self.n.sum()), self.n[i], self.n[j]) <= 1 / (draws + 1))

    def regrouped(self, how: Regrouping, like: Any = None, *, together: bool = False, others: bool = False) -> Images:
        return Images(how(self.n - self.k if others else self.k), how(self.n))


def _hoeffding(distance: np.ndarray, events: int, images: int, n1: np.ndarray, n2: np.ndarray) -> float:
    """An upper bound for the probability that shuffled labels set any two groups this far apart (Hoeffding 1963, theorem 4).

    The moment bound of a sum over the rarer of events and other images, each in one of two groups, for eight tilts around the one that is
    best for large counts.
    """
    drawn = max(min(events, images - events), 1)
    bound = 0.0
    for up, down in ((n1.astype(float), n2.astype(float)), (n2.astype(float), n1.astype(float))):
        best = distance * images / (drawn * (1 / up + 1 / down))
        with np.errstate(over="ignore"):
            logs = [
                drawn * np.log1p((up * np.expm1(h * best / up) + down * np.expm1(-h * best / down)) / images) - h * best * distance
                for h in np.linspace(0.3, 1.0, 8)
            ]
        bound += float(np.exp(np.minimum(np.min(logs, axis=0), 0.0)).sum())
    return bound


def no_events(groups: int) -> Null:
    """The result if every image, or no image, is an event: no shuffle differs."""
    return Null(1.0, ((0, groups - 1),), 1.0, None, None, np.zeros(1), np.zeros(1), partial(np.multiply, np.zeros((groups, groups))))


def largest_difference(rates: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """The largest difference of two groups in its standard errors, for each row of rates; pairs without an error are ignored."""
    inverse = np.where(errors > NOTHING, 1 / np.maximum(errors, NOTHING), 0.0)
    largest = np.zeros(len(rates))
    for i in range(rates.shape[1] - 1):
        apart = np.abs(rates[:, i + 1 :] - rates[:, [i]]) * inverse[i, i + 1 :]
        largest = np.maximum(largest, apart.max(axis=1))
    return largest


def clearest_pairs(rates: np.ndarray, errors: np.ndarray) -> tuple[tuple[int, int], ...]:
    """The pairs with the largest difference in their standard errors, the higher rate first."""
    i, j = np.triu_indices(len(rates), 1)
    return largest_pairs(np.where(errors[i, j] > NOTHING, (rates[i] - rates[j]) / np.maximum(errors[i, j], NOTHING), 0.0), len(rates))


def largest_pairs(apart: np.ndarray, groups: int) -> tuple[tuple[int, int], ...]:
    """The pairs of groups that are farthest apart but for rounding, the higher first; in both orders if they are not apart."""
    i, j = (at.tolist() for at in np.triu_indices(groups, 1))
    equal = np.flatnonzero(np.abs(apart) >= tied(np.abs(apart).max())).tolist()
    higher = [(i[at], j[at]) for at in equal if apart[at] >= tied(0.0)]
    lower = [(j[at], i[at]) for at in equal if -apart[at] >= tied(0.0)]
    return tuple(sorted((*higher, *lower), key=lambda pair: (min(pair), max(pair))))


def _chi_square(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    rate = k.sum(axis=1, keepdims=True) / n.sum()
    return np.asarray(((k - n * rate) ** 2 / (n * rate * (1 - rate))).sum(axis=1))


def smallest_p(drawn: np.ndarray, observed: np.ndarray) -> tuple[float, list[float]]:
    """The p of the smallest of several p over the same shuffles (Westfall and Young's min-p), and each by itself.

    Every shuffle gets the p that it would have if it were the observed table, counted with the observed one.
    """
    draws = len(drawn)
    reach = [int((column >= tied(value)).sum()) for column, value in zip(drawn.T, observed, strict=True)]
    ranks = [draws - np.searchsorted(np.sort(column), tied(column)) for column in drawn.T]
    extreme = np.zeros(draws, bool)
    for rank, own in zip(ranks, reach, strict=True):
        extreme |= rank <= min(own, 1 + min(reach))
    return (1 + int(extreme.sum())) / (draws + 1), [(1 + number) / (draws + 1) for number in reach]


def tied(values: Any, terms: float = 1.0) -> np.ndarray:
    """The least value that ties with each; `terms`: the size of what the statistic adds up, unless it is about 1."""
    return np.asarray(values - ROUNDING * np.maximum(terms, np.abs(values)))


def leading(values: np.ndarray) -> int:
    """The position of the largest value, the first of those that tie."""
    return int(np.flatnonzero(values >= tied(values.max()))[0])


def binomial(n: Any, p: float, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Binomial draws from the stream of a generator by the method that no later numpy changes."""
    return np.asarray(np.random.RandomState(rng.bit_generator).binomial(n, p, size)).astype(np.int64)


def multinomial(n: int, shares: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of how many of `n` get each outcome: each from those that the outcomes before it left."""
    counts, left = np.zeros((draws, len(shares)), np.int64), np.full(draws, n)
    beyond = np.add.accumulate(shares[::-1])[::-1]
    for at in np.flatnonzero(shares[:-1] > 0).tolist():
        counts[:, at] = binomial(left, float(shares[at]) / float(beyond[at]), (draws,), rng)
        left = left - counts[:, at]
    counts[:, -1] = left
    return counts


def share_reaching(drawn: np.ndarray, observed: float) -> float:
    """``(1 + draws that reach the observed value) / (draws + 1)``."""
    return float((1 + (drawn >= tied(observed)).sum()) / (len(drawn) + 1))


class EqualTruth(Units):
    """Independent images, every group weighted to the same shares of true answers: ``sum_y w_y k_gy / n_gy``."""

    def __init__(self, k: np.ndarray, n: np.ndarray, weights: np.ndarray):
        self.k, self.sizes, self.weights = k, n, weights
        self.by_truth = k / np.maximum(n, 1)
        self.rates, self.n = weights @ self.by_truth, n.sum(axis=0)

    def enough(self) -> np.ndarray:
        return np.asarray((self.sizes > 0).all(axis=0))

    def described(self) -> list[dict[str, Any]]:
        smooth, size = (self.k + 0.5) / (self.sizes + 1), np.maximum(self.n, 1)
        variance = (self.weights[:, None] ** 2 * smooth * (1 - smooth) / np.maximum(self.sizes, 1)).sum(axis=0)
        whole = (self.events + 0.5) / (self.n + 1)
        effects = variance * size / (whole * (1 - whole))
        return [{"design_effect": effect} for effect in effects.tolist()]

    def intervals(self, alpha: float) -> Ends:
        low, high = formulas.wilson(self.k, np.maximum(self.sizes, 1), alpha)
        squares = [(self.weights[:, None] ** 2 * (self.by_truth - end) ** 2).sum(axis=0) for end in (low, high)]
        return self.rates - np.sqrt(squares[0]), self.rates + np.sqrt(squares[1])

    def differences(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        low, high = self.intervals(alpha)
        return formulas.joined(self.rates[first], (low[first], high[first]), self.rates[second], (low[second], high[second]))

    def ratios(self, first: np.ndarray, second: np.ndarray, alpha: float) -> Ends:
        low, high = self.intervals(alpha)
        one, two = self.rates[first], self.rates[second]
        return _donner_zou(one, low[first], two, high[second], -1), _donner_zou(one, high[first], two, low[second], 1)

    def p(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        spread = _image_variance(self.k[:, first] + self.k[:, second], self.sizes[:, first] + self.sizes[:, second])
        inverse = 1 / np.maximum(self.sizes[:, first], 1) + 1 / np.maximum(self.sizes[:, second], 1)
        error = np.sqrt((self.weights[:, None] ** 2 * spread * inverse).sum(axis=0))
        z = np.abs(self.rates[first] - self.rates[second]) / np.maximum(error, NOTHING)
        return np.where(error > NOTHING, np.minimum(1.0, 2 * ndtr(-z)), 1.0)

    def test(self, draws: int, rng: np.random.Generator) -> Null:
        spread = self.weights**2 * _image_variance(self.k.sum(axis=1), self.sizes.sum(axis=1))
        errors = np.sqrt(sum(v * (1 / n[:, None] + 1 / n) for v, n in zip(spread, self.sizes, strict=True)))
        if not (errors > NOTHING).any():
            return no_events(len(self.n))
        drawn = np.zeros((draws, len(self.n)))
        for weight, k, n in zip(self.weights, self.k, self.sizes, strict=True):
            total = int(k.sum())
            shuffle = 0 < total < n.sum()
            drawn += weight * (rng.multivariate_hypergeometric(n, total, size=draws, method="marginals") if shuffle else k) / n
        gaps, largest = np.ptp(drawn, axis=1), largest_difference(drawn, errors)
        p = share_reaching(largest, float(largest_difference(self.rates[None], errors)[0]))
        return Null(p, clearest_pairs(self.rates, errors), p, None, None, gaps, largest, partial(np.multiply, errors))

    def variance(self) -> float:
        own = self.weights[:, None] ** 2 * self.by_truth * (1 - self.by_truth) / np.maximum(self.sizes - 1, 1)
        return float(self.rates.var(ddof=1) - own.sum(axis=0).mean())

    def regrouped(self, how: Regrouping, like: Any = None, *, together: bool = False, others: bool = False) -> EqualTruth:
        return EqualTruth(how(self.sizes - self.k if others else self.k), how(self.sizes), self.weights)


def _image_variance(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The variance of one image's event when labels are shuffled: hypergeometric, divided by n - 1."""
    return np.asarray(k * (n - k) / np.maximum(n * np.maximum(n - 1, 1), 1))


def _donner_zou(one: np.ndarray, own: np.ndarray, two: np.ndarray, other: np.ndarray, side: int) -> np.ndarray:
    """A limit of a ratio, from that of the first rate on this side and that of the second on the other."""
    below = other * (2 * two - other)
    root = np.sqrt(np.maximum((one * two) ** 2 - own * other * (2 * one - own) * (2 * two - other), 0.0))
    bounded = below > NOTHING
    limit = np.maximum((one * two + side * root) / np.where(bounded, below, 1.0), 0.0)
    return np.where(bounded, limit, np.inf if side > 0 else 0.0)


def equal_truth(
    truth: np.ndarray, group: np.ndarray, event: np.ndarray, groups: int, judged: int | np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """The true answers that count, the events and images of each by group, and their weights.

    A true answer counts if every judged group has it. `judged` says which groups are, or how many images make a group one.
    """
    names, code = np.unique(truth.astype(str), return_inverse=True)
    k, n = np.zeros((2, len(names), groups), np.int64)
    np.add.at(n, (code, group), 1)
    np.add.at(k, (code, group), event.astype(np.int64))
    is_judged = n.sum(axis=0) >= judged if isinstance(judged, int) else judged
    shared = (n[:, is_judged] > 0).all(axis=1) if is_judged.any() else n.any(axis=1)
    k, n = k[shared], n[shared]
    whole = (n > 0).all(axis=0)
    k, n = np.where(whole, k, 0), np.where(whole, n, 0)
    return tuple(names[shared].tolist()), k, n, n.sum(axis=1) / max(float(n.sum()), NOTHING)
