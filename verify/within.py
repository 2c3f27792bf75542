"""Groups compared inside clusters that contain several of them.

``D_c = rate_a(c) - rate_b(c)`` has the weight ``n_ca n_cb / (n_ca + n_cb)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from verify import formulas
from verify.formulas import Ends
from verify.images import Null, binomial, largest_pairs, share_reaching, smallest_p, tied

FEWEST_DIFFERING, EXACT, FLIPS = 6, 16, 9999
SHUFFLES = 1999
TINY = 1e-20
_MOST = 1 << 28


def as_normal(t: np.ndarray, freedom: np.ndarray | float) -> np.ndarray:
    """Student's t as a standard normal value with nearly the same p (Wallace 1959)."""
    return np.asarray(np.sign(t) * (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t**2 / freedom)))


def as_student(z: np.ndarray | float, freedom: np.ndarray) -> np.ndarray:
    """The inverse of `as_normal` for values that are not negative."""
    return np.asarray(np.sqrt(freedom * np.expm1((z * (8 * freedom + 3) / (8 * freedom + 1)) ** 2 / freedom)))


class Pair:
    """Two groups in the clusters that contain both; clusters with equal differences and weights are counted."""

    def __init__(self, e: np.ndarray, n: np.ndarray, count: np.ndarray, correlation: float):
        kept = (n > 0).all(axis=1)
        e, n, count = e[kept], n[kept], count[kept].astype(float)
        size, self.correlation = n.sum(axis=1), correlation
        weight, apart = n[:, 0] * n[:, 1] / size, e[:, 0] / n[:, 0] - e[:, 1] / n[:, 1]
        #: What one event adds to the squares of weighted differences.
        self.event = float((count * weight) @ ((n**2).sum(axis=1) / size**2)) / (2 * max(float(count @ weight), TINY))
        self.single = bool((n == 1).all())
        self.events, self.images = count @ e, count @ n
        whole = bool((n == np.rint(n)).all())
        sides = self.events[:1], self.images[:1], self.events[1:], self.images[1:]
        self.thin = whole and bool(formulas.expected_fewest(*sides)[0] < formulas.FEW)
        # Random numbers must not depend on which group is named first.
        self.side = 1.0 if (count * weight) @ apart >= tied(0.0, float(count @ weight)) else -1.0
        kinds, number = np.unique(np.column_stack([self.side * apart, weight]), axis=0, return_inverse=True)
        self.often = np.bincount(number.ravel(), count, len(kinds))
        self.apart, self.weight = self.side * kinds[:, 0], kinds[:, 1]
        self.total, self.squares = float(self.often @ self.weight), float(self.often @ self.weight**2)
        self.estimate = float((self.often * self.weight) @ self.apart) / self.total
        self.freedom = max(self.total**2 / self.squares - 1, 0.5)
        self.differing = int(self.often[self.apart != 0].sum())
        few = not self.single and self.differing < FEWEST_DIFFERING
        #: Images of a cluster that change together; above 1 only if too few clusters differ to show how many do.
        self.clump = 1 + max(2 * self.squares / self.total - 1, 0.0) * correlation if few else 1.0

    def sums(self, shift: float = 0.0) -> tuple[Any, Any, Any]:
        """The sums of w D, w² D and w² D² for D minus `shift`."""
        d = self.apart - shift
        return (self.often * self.weight) @ d, (self.often * self.weight**2) @ d, (self.often * self.weight**2) @ d**2

    def moments(self, sums: tuple[Any, Any, Any], clump: float = 1.0) -> tuple[Any, Any]:
        """Centre and standard error, after two clusters of one `clump` are added that differ in one direction each."""
        first, cross, second = sums
        centre = first / (self.total + clump)
        spread = second - 2 * centre * cross + centre**2 * (self.squares + clump**2 / 2) + self.event * clump**2
        return centre, np.sqrt(np.maximum(spread, TINY)) / (self.total + clump)

    def z(self, sums: tuple[Any, Any, Any]) -> np.ndarray:
        """The centre in standard errors, as a standard normal value."""
        centre, error = self.moments(sums)
        return as_normal(centre / error, self.freedom)

    @property
    def error(self) -> float:
        return float(self.moments(self.sums(), self.clump)[1])

    @property
    def p(self) -> float:
        """Student's; the exact sign test for pairs of single images."""
        if self.single:
            return formulas.mcnemar(*(int(self.often[side * self.apart > 0].sum()) for side in (1, -1)))
        centre, error = self.moments(self.sums(), self.clump)
        return float(2 * stdtr(self.freedom, -np.abs(centre / error)))

    def every_flip(self) -> np.ndarray:
        """For every pattern of signs, the clusters of each kind that keep theirs minus those that change it."""
        kinds = np.repeat(np.arange(len(self.often)), np.where(self.apart != 0, self.often, 0).astype(np.int64))
        signs = 1.0 - 2 * ((np.arange(1 << len(kinds))[:, None] >> np.arange(len(kinds))) & 1)
        return np.asarray(signs @ (kinds[:, None] == np.arange(len(self.often))))

    def drawn_flips(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """The same for random signs."""
        draws = min(draws, max(999, _MOST // len(self.often)))
        return 2.0 * binomial(self.often.astype(np.int64), 0.5, (draws, len(self.often)), rng) - self.often

    def flipped(self, flips: np.ndarray) -> tuple[Any, Any, Any]:
        """The sums for flipped signs."""
        return flips @ (self.weight * self.apart), flips @ (self.weight**2 * self.apart), self.sums()[2]

    @cached_property
    def _flips(self) -> tuple[np.ndarray, ...]:
        """Flipped sums of w D, w, w² D and w², from seed 0: enough for flips of D - d, whatever d."""
        flips = self.drawn_flips(FLIPS, np.random.default_rng(0))
        return tuple(flips @ column for column in (self.weight * self.apart, self.weight, self.weight**2 * self.apart, self.weight**2))

    def _rejected(self, shift: float, alpha: float) -> bool:
        """Whether sign flips reject that every cluster differs by `shift`, except for chance."""
        first, weights, cross, squares = self._flips
        observed = self.sums(shift)
        centre, error = self.moments(observed)
        centres, errors = self.moments((first - shift * weights, cross - shift * squares, observed[2]))
        return share_reaching(np.abs(centres / errors), float(np.abs(centre / error))) <= alpha

    def _last(self, alpha: float, end: float) -> float:
        """The last difference from the estimate towards an end of the scale that is not rejected."""
        inside, outside = self.estimate, end
        for _ in range(40):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if self._rejected(middle, alpha) else (middle, outside)
        return inside

    def limits(self, alpha: float, *, alone: bool) -> tuple[float, float]:
        """Limits of the difference: what sign flips do not reject if these are the only two groups, otherwise Student's."""
        centre, error = self.moments(self.sums(), self.clump)
        quantile = formulas.normal(alpha) if self.single else float(stdtrit(self.freedom, 1 - alpha / 2))
        down = up = quantile * float(error)
        if self.thin and not self.single:
            k, n = self.events, self.images
            lower, upper = formulas.difference(k[:1], n[:1], k[1:], n[1:], alpha)
            apart = float(k[0] / n[0] - k[1] / n[1])
            down, up = max(down, apart - float(lower[0])), max(up, float(upper[0]) - apart)
        student = max(float(centre) - down, -1.0), min(float(centre) + up, 1.0)
        if not alone or self.single or self.differing < FEWEST_DIFFERING:
            return student
        low, high = self._last(alpha, -1.0), self._last(alpha, 1.0)
        return (min(student[0], low), max(student[1], high)) if self.thin else (low, high)


class Within:
    """All pairs of some groups, compared within clusters."""

    def __init__(self, e: np.ndarray, n: np.ndarray, count: np.ndarray, correlation: float):
        self.e, self.n, self.count = e, n, count
        self.pair = cache(lambda i, j: Pair(e[:, [i, j]], n[:, [i, j]], count, correlation))
        self._limits = cache(lambda i, j, alpha, alone: self.pair(i, j).limits(alpha, alone=alone))

    def pairs(self) -> list[Pair]:
        """Every two groups."""
        return [self.pair(i, j) for i, j in combinations(range(self.n.shape[1]), 2)]

    def differences(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The weighted mean difference of pairs."""
        return np.array([self.pair(i, j).estimate for i, j in zip(first.tolist(), second.tolist(), strict=True)])

    def p(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Two-sided p of pairs."""
        return np.array([self.pair(i, j).p for i, j in zip(first.tolist(), second.tolist(), strict=True)])

    def intervals(self, first: np.ndarray, second: np.ndarray, alpha: float, *, alone: bool) -> Ends:
        """The limits of pairs; `alone`: they are the only two groups."""
        ends = np.array([self._limits(min(ij), max(ij), alpha, alone) for ij in zip(first.tolist(), second.tolist(), strict=True)])
        turned = first > second
        return np.where(turned, -ends[:, 1], ends[:, 0]), np.where(turned, -ends[:, 0], ends[:, 1])

    def design(self) -> dict[str, Any]:
        """The fields of `gap.within`."""
        spanning, total = (self.n > 0).sum(axis=1) > 1, self.count @ self.n
        left_out = float((total - self.count[spanning] @ self.n[spanning]).sum())
        rates = (self.count @ self.e) / total
        least = max(self.pairs(), key=lambda pair: pair.error)
        return {
            "clusters": int(self.count[spanning].sum()), "images_left_out": round(left_out), "over_all_images": float(np.ptp(rates)),
            "standard_error": least.error, "freedom": None if least.single else least.freedom,
        }  # fmt: skip

    def test(self, draws: int, rng: np.random.Generator) -> Null:
        """Two groups by sign flips of whole clusters; more by permuting the rates inside each cluster."""
        groups, pairs = self.n.shape[1], self.pairs()
        i, j = np.triu_indices(groups, 1)
        observed = np.array([float(pair.z(pair.sums())) for pair in pairs])
        z, exact, repeated = self._drawn(pairs, draws, rng)
        results = [_p(z, observed, exact=exact)]
        if any(pair.thin for pair in pairs):
            repeated = False
            results.append(_p(self._shuffled(pairs, SHUFFLES, rng, self._images), observed, exact=False))
        p, pair_p, any_p = np.max(results, axis=0).tolist()
        if pairs[0].single and groups == 2:
            p = pair_p = any_p = pairs[0].p
        freedom = np.array([pair.freedom for pair in pairs])
        scale = np.array([float(pair.moments(pair.sums())[1]) * (pair.total + 1) / pair.total for pair in pairs])
        gaps = (as_student(np.abs(z), freedom) * scale).max(axis=1)

        def chance(critical: float) -> np.ndarray:
            matrix = np.zeros((groups, groups))
            matrix[i, j] = matrix[j, i] = np.minimum(as_student(critical, freedom) * scale, 1.0)
            return matrix

        return Null(p, largest_pairs(observed, groups), pair_p, None, any_p, gaps, np.abs(z).max(axis=1), chance, repeated=repeated)

    def _drawn(self, pairs: list[Pair], draws: int, rng: np.random.Generator) -> tuple[np.ndarray, bool, bool]:
        """Standardised differences of shuffled tables, whether they are all that exist, and whether the recorded stream was repeated."""
        if len(pairs) > 1:
            return self._shuffled(pairs, SHUFFLES, rng, self._parts), False, False
        [pair] = pairs
        if pair.differing <= EXACT:
            return pair.z(pair.flipped(pair.every_flip()))[:, None], True, True
        return pair.z(pair.flipped(pair.drawn_flips(draws, rng)))[:, None], False, True

    def _shuffled(self, pairs: list[Pair], draws: int, rng: np.random.Generator, shuffle: Callable[..., np.ndarray]) -> np.ndarray:
        rows = np.repeat(np.arange(len(self.count)), self.count)
        e, n = self.e[rows], self.n[rows]
        i, j = np.triu_indices(n.shape[1], 1)
        weights = n[:, i] * n[:, j] / np.maximum(n[:, i] + n[:, j], 1)
        drawn = np.empty((draws, len(pairs)))
        for draw in range(draws):
            rates = shuffle(e, n, rng)
            apart = np.where(weights > 0, rates[:, i] - rates[:, j], 0.0)
            wd = weights * apart
            sums = wd.sum(axis=0), (weights * wd).sum(axis=0), (wd**2).sum(axis=0)
            drawn[draw] = [float(pair.z(tuple(part[at] for part in sums))) for at, pair in enumerate(pairs)]
        return drawn

    @staticmethod
    def _parts(e: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The rates of each cluster, permuted among its groups."""
        rates = np.where(n > 0, e / np.where(n > 0, n, 1.0), 0.0)
        patterns, number = np.unique(n > 0, axis=0, return_inverse=True)
        for at, pattern in enumerate(patterns):
            block = np.ix_(np.flatnonzero(number.ravel() == at), np.flatnonzero(pattern))
            rates[block] = rng.permuted(rates[block], axis=1)
        return rates

    @staticmethod
    def _images(e: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The rates of each cluster after its events are assigned to its images at random."""
        images, left = n.astype(np.int64), e.sum(axis=1).astype(np.int64)
        rest, rates = images.sum(axis=1), np.zeros(n.shape)
        for group in range(n.shape[1]):
            events = rng.hypergeometric(left, rest - left, images[:, group])
            rates[:, group] = events / np.maximum(images[:, group], 1)
            left, rest = left - events, rest - images[:, group]
        return rates


def _p(drawn: np.ndarray, observed: np.ndarray, *, exact: bool) -> tuple[float, float, float]:
    """The p of the smaller of two, that of the most significant pair, and that of all pairs together."""
    both, seen = (np.stack([np.abs(z).max(axis=-1), (z**2).sum(axis=-1)], axis=-1) for z in (drawn, observed))
    if exact:
        p = float(np.mean(both[:, 0] >= tied(seen[0])))
        return p, p, p
    combined, (pair_p, any_p) = smallest_p(both, seen)
    return combined, pair_p, any_p
