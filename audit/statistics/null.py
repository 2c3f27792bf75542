"""What is expected by chance: tests whose null distribution is simulated or enumerated, not derived from the interval of a gap."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, chdtrc, gammaln

from audit.statistics.intervals import FEWEST_EXPECTED
from audit.statistics.most_significant import difference_chance, max_standardized_difference, most_significant_pair, sampling_errors
from audit.ties import least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

EXPECTED_DRAWS = 3999
"""Maximum number of shuffles if they only serve to estimate the gap expected by chance."""
EXACT_CLUSTERS = 14
"""With at most this many clusters all sign flips are enumerated."""
_BLOCK = 1 << 20


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator that depends only on the seed and on a name, not on the number or order of other draws."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()))


@dataclass(frozen=True)
class GapNull:
    """Differences of groups, compared with shuffled group labels."""

    gap: float
    p: float
    """By the most significant pair of each shuffle; not by the gap, which is large by chance with small groups."""
    most_significant: tuple[int, int]
    """The two groups, the higher rate first."""
    mean: float
    """Mean of the gap under shuffles."""
    upper: float
    """95 % point of the gap under shuffles."""
    chi2: float | None
    """None if no image or every image is an event."""
    chi2_p: float | None
    pair_p: float
    """For the most significant pair alone; if only `p` is small, groups differ although no single pair is significant."""
    chance: Float[np.ndarray, "g g"] = field(compare=False)
    """Difference of any two groups, selected among all pairs, expected by chance: the 95 % point of the largest standardised difference of
    a shuffle, times the standard error of the pair. So a pair of large groups has a small value, however small the other groups are."""


def gap_test(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], draws: int, rng: np.random.Generator) -> GapNull:
    """Permutation test of "no two groups differ" by their most significant pair (max-T), on counts; and the gap expected by chance.

    For fixed group sizes and total, the events under shuffled labels are multivariate hypergeometric, so no image is shuffled.

    Parameters
    ----------
    events, n : int[g]
        Events out of images for each estimable group, at least two groups, every `n` at least 1.
    draws : int
        Shuffles; ``p = (1 + #{t* >= t}) / (draws + 1)`` is never 0. t is the largest difference of any two groups in its own standard
        errors (`max_standardized_difference`); for equally large groups the test equals that of the gap. If `is_beyond_draws`, p is
        ``1 / (draws + 1)``, and only `EXPECTED_DRAWS` shuffles are made, for the gap expected by chance.
    rng : Generator
        Source of the shuffles.

    Returns
    -------
    GapNull
        With Pearson's chi-square, whose p is from the same draws if an expected count is under 5.

    Examples
    --------
    >>> null = gap_test(np.array([90, 50]), np.array([100, 100]), 999, np.random.default_rng(0))
    >>> round(null.gap, 2), null.p, round(null.chi2, 2)
    (0.4, 0.001, 38.1)
    """
    total = int(events.sum())
    if total in (0, int(n.sum())):
        return no_events(len(n))
    gap = float(np.ptp(events / n))
    beyond = is_beyond_draws(events, n, draws)
    drawn = rng.multivariate_hypergeometric(n, total, size=min(draws, EXPECTED_DRAWS) if beyond else draws, method="marginals")
    drawn, errors = np.ascontiguousarray(drawn.T), sampling_errors(n)  # numpy reduces over a short last axis ten times as slowly
    rates = drawn / n[:, None]
    null = rates.max(axis=0) - rates.min(axis=0)
    chi2 = float(_chi_square(events, n))
    p = pair_p = chi2_p = 1 / (draws + 1)
    largest = max_standardized_difference(rates.T, errors)
    if not beyond:
        shuffled = np.stack([largest, _chi_square(drawn, n[:, None])]).T
        combined, separate = ShuffledNull(shuffled).p(np.array([max_standardized_difference(events / n, errors), chi2]))
        p, (pair_p, chi2_p) = float(combined), map(float, separate)
    if _fewest_expected(events, n) >= FEWEST_EXPECTED:
        chi2_p = float(chdtrc(len(n) - 1, chi2))
    ends = most_significant_pair(events / n, errors)
    upper, chance = float(np.quantile(null, 0.95)), np.quantile(largest, 0.95) * errors
    return GapNull(gap, p, ends, float(null.mean()), upper, chi2, chi2_p, pair_p, chance)


def no_events(groups: int) -> GapNull:
    """The null if no image, or every image, is an event: no shuffle differs."""
    return GapNull(0.0, 1.0, (0, groups - 1), 0.0, 0.0, None, None, 1.0, np.zeros((groups, groups)))


def gap_p(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], draws: int, rng: np.random.Generator) -> float:
    """The p of `gap_test`, without shuffling if `is_beyond_draws`."""
    return 1 / (draws + 1) if is_beyond_draws(events, n, draws) else gap_test(events, n, draws, rng).p


def is_beyond_draws(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], draws: int) -> bool:
    """Whether the smallest p from this many shuffles is already too large for the most significant pair.

    Uses `difference_chance`. The p of `gap_test` is the smaller of two, and the smaller of two p is at most twice as often that small.
    False if an expected count is too small for chi-square, whose own p is then drawn.

    Examples
    --------
    >>> [is_beyond_draws(np.array([90, 50]), np.array([100, 100]), draws) for draws in (9999, 999_999)]
    [True, False]
    """
    t = max_standardized_difference(events / n, sampling_errors(n))
    if not t or _fewest_expected(events, n) < FEWEST_EXPECTED:
        return False
    least = least_equal(t, t) * sampling_errors(n)[np.triu_indices(len(n), 1)]
    return bool(2 * difference_chance(least, events.sum(keepdims=True), n, int(n.sum()))[0] <= 1 / (draws + 1))


class ShuffledNull:
    """Statistics of shuffled tables, for comparison with observed ones: each by itself, and by the smallest of their p.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing, section 2.6 (min-p)
    """

    def __init__(self, drawn: Float[np.ndarray, "b s"]):
        self._columns = np.ascontiguousarray(drawn.T)
        self.ordered = np.sort(self._columns, axis=1)
        """Values of each statistic, ascending."""

    @property
    def ranks(self) -> Int[np.ndarray, "b s"]:
        """For each shuffle and statistic, the number of shuffles (including itself) that reach it."""
        # In ascending order: looking up a hundred thousand unsorted values is five times as slow.
        reaching = np.empty(self._columns.shape, np.int64)
        order = np.argsort(self._columns, axis=1)
        np.put_along_axis(reaching, order, np.stack(list(map(self._at_least, self.ordered, self.ordered))), axis=1)
        return reaching.T

    @staticmethod
    def _at_least(column: Float[np.ndarray, "b"], values: Float[np.ndarray, "*o"]) -> Int[np.ndarray, "*o"]:
        return np.asarray(len(column) - np.searchsorted(column, least_equal(values)))

    def _reaching(self, values: Float[np.ndarray, "*o s"]) -> Int[np.ndarray, "*o s"]:
        return np.stack([self._at_least(column, values[..., position]) for position, column in enumerate(self.ordered)], axis=-1)

    def p(self, observed: Float[np.ndarray, "*o s"]) -> tuple[Float[np.ndarray, "*o"], Float[np.ndarray, "*o s"]]:
        """The combined p of observed statistics, and the p of each: ``(1 + #{shuffles as extreme}) / (draws + 1)``.

        Examples
        --------
        None of 9 shuffles reaches the first, all reach the second; the smallest p, .1, is also that of the shuffle whose second is largest.

        >>> combined, each = ShuffledNull(np.array([[0.0, i] for i in range(1, 10)])).p(np.array([5.0, 0.0]))
        >>> float(combined), each.tolist()
        (0.2, [0.1, 1.0])
        """
        reaching = self._reaching(observed)
        # A shuffle is as extreme if one of its own p, counted with the observed table, is at most the observed table's smallest p.
        extreme = np.minimum(reaching, 1 + reaching.min(axis=-1, keepdims=True)).reshape(-1, observed.shape[-1])
        draws = self.ordered.shape[1]
        count = (self._count_one if len(extreme) == 1 else self._count_many)(extreme)
        return (1 + count.reshape(observed.shape[:-1])) / (draws + 1), (1 + reaching) / (draws + 1)

    def _count_one(self, extreme: Int[np.ndarray, "1 s"]) -> Int[np.ndarray, "1"]:
        """Number of shuffles that are among the `extreme` largest in at least one statistic."""
        draws = self.ordered.shape[1]
        reached = np.zeros(draws, bool)
        for column, ordered, limit in zip(self._columns, self.ordered, extreme[0], strict=True):
            reached |= least_equal(column) > (ordered[draws - 1 - limit] if limit < draws else -np.inf)
        return np.array([np.count_nonzero(reached)])

    def _count_many(self, extreme: Int[np.ndarray, "o s"]) -> Int[np.ndarray, "o"]:
        """Like `_count_one`: the statistics' limits differ by at most one, in few ways, and each way needs the sorted ranks once."""
        fewest, ranks, count = extreme.min(axis=1), self.ranks, np.zeros(len(extreme), np.int64)
        ways, way = np.unique(extreme - fewest[:, None], axis=0, return_inverse=True)
        for number, more in enumerate(ways):
            these = way.ravel() == number
            count[these] = np.searchsorted(np.sort((ranks - more).min(axis=1)), fewest[these], side="right")
        return count


def _exceedance(reached: np.ndarray) -> float:
    return float((1 + np.count_nonzero(reached)) / (len(reached) + 1))


def _chi_square(events: Int[np.ndarray, "g *b"], n: Int[np.ndarray, "g *b"]) -> Float[np.ndarray, "*b"]:
    rate = events.sum(axis=0) / n.sum()
    return np.asarray(((events - n * rate) ** 2 / (n * rate * (1 - rate))).sum(axis=0))


def _fewest_expected(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"]) -> float:
    total, trials = int(events.sum()), int(n.sum())
    return float(n.min() * min(total, trials - total) / trials)


def between_group_variance(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"]) -> float:
    """Variance of the true rates between groups: that of the observed rates minus the sampling variance.

    ``S2 = Var_g(p_g, ddof=1) - mean_g(p_g (1 - p_g) / (n_g - 1))``; unbiased, so it may be negative: no more spread than from sampling.

    Parameters
    ----------
    events, n : int[g]
        Events out of images for each group, at least two groups, every `n` at least 2.

    References
    ----------
    Lum, Zhang and Bower 2022, https://arxiv.org/abs/2205.05770

    Examples
    --------
    >>> round(between_group_variance(np.array([90, 50]), np.array([101, 101])), 4)
    0.0767
    """
    p = events / n
    return float(p.var(ddof=1) - (p * (1 - p) / (n - 1)).mean())


def two_proportion_p(
    events_1: Int[np.ndarray, "m"], n_1: Int[np.ndarray, "m"], events_2: Int[np.ndarray, "m"], n_2: Int[np.ndarray, "m"]
) -> Float[np.ndarray, "m"]:
    """Two-sided p of the difference of two independent rates, for `m` comparisons at once.

    The score test (chi-square with one degree of freedom, no continuity correction); Fisher's exact test if an expected count
    is under 5.

    Examples
    --------
    >>> two_proportion_p(np.array([56, 3]), np.array([70, 10]), np.array([48, 0]), np.array([80, 10])).round(4).tolist()
    [0.008, 0.2105]
    """
    total, trials = events_1 + events_2, n_1 + n_2
    rate = total / trials
    variance = rate * (1 - rate) * (1 / n_1 + 1 / n_2)
    z2 = (events_1 / n_1 - events_2 / n_2) ** 2 / np.where(variance > 0, variance, 1.0)
    p = np.asarray(chdtrc(1, z2), float)
    thin = np.flatnonzero(np.minimum(n_1, n_2) * np.minimum(total, trials - total) / trials < FEWEST_EXPECTED)
    if len(thin):
        p[thin] = _fisher_p(events_1[thin], n_1[thin], events_2[thin], n_2[thin])
    return p


def _fisher_p(
    events_1: Int[np.ndarray, "m"], n_1: Int[np.ndarray, "m"], events_2: Int[np.ndarray, "m"], n_2: Int[np.ndarray, "m"]
) -> Float[np.ndarray, "m"]:
    """Sum the probabilities, over all tables with the same margins, that do not exceed the observed table's.

    scipy's test takes one table per call, 57 times as long for the pairs of 126 groups (`benchmarks/speed/exact_tests.py`).
    """
    total = events_1 + events_2
    lowest, highest = np.maximum(0, total - n_2), np.minimum(total, n_1)
    width = int((highest - lowest).max()) + 1
    p = np.empty(len(n_1))
    rows = max(1, _BLOCK // width)  # bounds memory: 126 groups have 7,875 pairs
    for start in range(0, len(n_1), rows):
        part = slice(start, start + rows)
        x = lowest[part, None] + np.arange(width)
        inside = x <= highest[part, None]
        x = np.minimum(x, highest[part, None])
        log = log_choose(n_1[part, None], x) + log_choose(n_2[part, None], total[part, None] - x)
        mass = np.where(inside, np.exp(log - log_choose((n_1 + n_2)[part, None], total[part, None])), 0.0)
        observed = np.take_along_axis(mass, (events_1 - lowest)[part, None], axis=1)
        p[part] = np.minimum(1.0, np.where(mass <= observed * (1 + 1e-7), mass, 0.0).sum(axis=1))
    return p


def log_choose(n: np.ndarray | int, k: np.ndarray) -> np.ndarray:
    """Logarithm of the number of ways to choose `k` of `n`."""
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test on the discordant pairs; 1 if there are no discordant pairs.

    References
    ----------
    McNemar 1947, https://doi.org/10.1007/BF02295996

    Examples
    --------
    >>> round(mcnemar_p(10, 25), 6)
    0.016674
    """
    discordant = only_first + only_second
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))


def sign_flip_p(differences: Float[np.ndarray, "c"], draws: int, rng: np.random.Generator) -> float:
    """Two-sided p of a mean difference under random signs of the independent units.

    `differences` has the sum of paired differences per cluster: pairs of one cluster change sign together. If more than 14 clusters
    differ, `draws` flips are drawn; otherwise all flips are enumerated and p is exact.

    Examples
    --------
    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]), 999, np.random.default_rng(0))
    0.25
    """
    moved = differences[differences != 0]  # a unit without a difference contributes 0 under either sign
    if len(moved) == 0:
        return 1.0
    observed = least_equal(abs(moved.sum()), np.abs(moved).sum())
    if len(moved) <= EXACT_CLUSTERS:
        signs = 1 - 2 * ((np.arange(1 << len(moved))[:, None] >> np.arange(len(moved))) & 1)
        return float(np.mean(np.abs(signs @ moved) >= observed))
    signs = 1 - 2 * rng.integers(2, size=(draws, len(moved)), dtype=np.int8)
    return _exceedance(np.abs(signs @ moved) >= observed)
