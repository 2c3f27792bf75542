"""Intervals against golden numbers, against scipy and statsmodels, and against their own promise: exact coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri, xlogy
from scipy.stats import binom, binomtest, multinomial
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.statistics.intervals import difference_limits, newcombe, score_difference, score_ratio, wilson
from audit.statistics.paired.intervals import agresti_min, tango


def test_wilson_golden_and_at_the_ends_of_the_scale():
    np.testing.assert_allclose(wilson(14, 100, 0.05), (0.0852634, 0.2213719), atol=5e-8)
    low, high = wilson(0, 1550, 0.05)
    assert low == 0.0
    assert high == pytest.approx(0.0025, abs=5e-5)
    assert wilson(1550, 1550, 0.05)[1] == 1.0  # never [1, 1]
    assert wilson(1550, 1550, 0.05)[0] == pytest.approx(0.9975, abs=5e-5)
    assert [float(end) for end in wilson(0, 0, 0.05)] == [0.0, 1.0]  # of nothing it is everything


@pytest.mark.slow
@pytest.mark.parametrize(("method", "continuity"), [("wilson", False), ("wilsoncc", True)])
@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.01, 0.05, 0.1]))
def test_wilson_equals_scipy(method, continuity, counts, alpha):
    events, n = counts
    theirs = binomtest(events, n).proportion_ci(confidence_level=1 - alpha, method=method)
    np.testing.assert_allclose(wilson(events, n, alpha, continuity=continuity), (theirs.low, theirs.high), atol=1e-12)


@pytest.mark.parametrize(
    ("events", "n", "ends"), [(81, 263, (0.2535, 0.3682)), (15, 148, (0.0598, 0.1644)), (0, 20, (0.0, 0.2005)), (1, 29, (0.0018, 0.1963))]
)
def test_wilson_with_the_correction_for_continuity_golden(events, n, ends):
    """The examples of Newcombe 1998, table I, method 4."""
    np.testing.assert_allclose(wilson(events, n, 0.05, continuity=True), ends, atol=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [((56, 70), (48, 80), (0.0428, 0.3422)), ((9, 10), (3, 10), (0.1013, 0.8387)), ((10, 10), (0, 10), (0.5128, 1.0))],
)
def test_newcombe_golden(first, second, ends):
    """The examples of Newcombe 1998, table II, method 11."""
    np.testing.assert_allclose(newcombe(*first, *second, 0.05, continuity=True), ends, atol=5e-5)
    np.testing.assert_allclose(newcombe(56, 70, 48, 80, 0.05), (0.0524, 0.3339), atol=5e-5)  # method 10, without it


@given(*[st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))] * 2, st.sampled_from([0.01, 0.05, 0.1]))
def test_newcombe_equals_statsmodels(first, second, alpha):
    theirs = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff", alpha=alpha)
    np.testing.assert_allclose(newcombe(*first, *second, alpha), theirs, atol=1e-9)


def test_newcombe_turns_with_the_order_and_is_vectorised():
    low, high = newcombe(56, 70, 48, 80, 0.05)
    assert tuple(map(float, newcombe(48, 80, 56, 70, 0.05))) == (-high, -low)
    low, high = newcombe(np.array([56, 1]), np.array([70, 9]), np.array([48, 0]), np.array([80, 9]), 0.05)
    assert (low[0], high[0]) == newcombe(56, 70, 48, 80, 0.05)
    assert (low[1], high[1]) == newcombe(1, 9, 0, 9, 0.05)


@pytest.mark.parametrize(
    ("n", "p", "coverage"), [(5, 0.9, 0.919), (10, 0.99, 0.904), (30, 0.9, 0.974), (100, 0.99, 0.921), (1000, 0.99, 0.964)]
)
def test_coverage_of_wilson_is_exact(n, p, coverage):
    """The table of the statistical rules, summed over all outcomes: nothing is simulated."""
    events = np.arange(n + 1)
    low, high = wilson(events, n, 0.05)
    assert binom.pmf(events, n, p)[(low <= p) & (p <= high)].sum() == pytest.approx(coverage, abs=5e-4)


@pytest.mark.parametrize(
    ("n_1", "n_2", "p_1", "p_2", "coverage"), [(8, 500, 0.9, 0.9, 0.961), (30, 500, 0.95, 0.95, 0.961), (200, 200, 0.8, 0.9, 0.951)]
)
def test_coverage_of_newcombe_is_exact(n_1, n_2, p_1, p_2, coverage):
    first, second = np.arange(n_1 + 1)[:, None], np.arange(n_2 + 1)[None, :]
    low, high = newcombe(first, n_1, second, n_2, 0.05)
    mass = binom.pmf(first, n_1, p_1) * binom.pmf(second, n_2, p_2)
    assert mass[(low <= p_1 - p_2) & (p_1 - p_2 <= high)].sum() == pytest.approx(coverage, abs=1.5e-3)


def test_agresti_min_covers():
    """Exact over all tables of 60 pairs of which 10 % and 20 % are discordant: the rules measured .953-.961."""
    n, p = 60, (0.1, 0.2, 0.7)
    b, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    b, c = b[b + c <= n], c[b + c <= n]
    ends = np.array([agresti_min(int(x), int(y), n, 0.05) for x, y in zip(b, c, strict=True)])
    mass = multinomial.pmf(np.column_stack([b, c, n - b - c]), n, p)
    assert 0.945 <= mass[(ends[:, 0] <= -0.1) & (ends[:, 1] >= -0.1)].sum() <= 0.965


def wrongly_apart(sizes, rate, limits):
    """How often some pair's simultaneous interval leaves out 0 where no rate differs: exact for two groups, else 4,000 files."""
    n = np.array(sizes)
    if len(n) == 2:
        events = [np.arange(int(binom.isf(1e-9, size, rate)) + 2) for size in sizes]
        mass = binom.pmf(events[0], n[0], rate)[:, None] * binom.pmf(events[1], n[1], rate)
        low, high = limits(events[0][:, None], n[0], events[1], n[1], 0.05)
        return float(mass[(low > 0) | (high < 0)].sum())
    k = np.random.default_rng(0).binomial(n, rate, (4000, len(n)))
    i, j = np.triu_indices(len(n), 1)
    # Rare events: the same few counts of a pair come up in most files, and their limits are computed once.
    shape = (k.max() + 1, k.max() + 1, len(i))
    unique, where = np.unique(np.ravel_multi_index((k[:, i], k[:, j], np.arange(len(i))), shape), return_inverse=True)
    k_1, k_2, pair = np.unravel_index(unique, shape)
    low, high = limits(k_1, n[i][pair], k_2, n[j][pair], 0.05 / len(i))
    return float(np.mean(((low > 0) | (high < 0))[where].reshape(4000, -1).any(axis=1)))


@pytest.mark.slow_except("sizes0-0.004", "sizes1-0.002")
@pytest.mark.parametrize(
    ("sizes", "rate"),
    [((40, 4000), 0.004), ((35, 400, 9000), 0.002), (tuple(np.rint(np.geomspace(30, 3000, 20)).astype(int).tolist()), 0.002)],
)
def test_intervals_of_thin_groups_hold_for_all_pairs_at_once(sizes, rate):
    assert wrongly_apart(sizes, rate, newcombe) > 0.08
    assert wrongly_apart(sizes, rate, difference_limits) <= 0.05
    # The same of the rarer "no event".
    turned = lambda k_1, n_1, k_2, n_2, alpha: difference_limits(n_1 - k_1, n_1, n_2 - k_2, n_2, alpha)  # noqa: E731
    assert wrongly_apart(sizes, rate, turned) <= 0.05


def test_ordinary_groups_keep_newcombe_s_interval():
    # 5 events expected in the smaller group: from there on nothing changes, and thin groups' intervals never get narrower.
    n_1, n_2, k_1, k_2 = 100, 900, np.array([[5], [8], [60]]), np.array([45, 50, 700])
    assert np.array_equal(difference_limits(k_1, n_1, k_2, n_2, 0.01), newcombe(k_1, n_1, k_2, n_2, 0.01))
    low, high = newcombe(np.arange(5), 40, 3, 2000, 0.01)
    wider = difference_limits(np.arange(5), 40, 3, 2000, 0.01)
    assert (wider[0] <= low).all()
    assert (wider[1] >= high).all()


def test_the_score_limits_of_a_difference_are_where_the_corrected_score_is_z():
    # 9 of 10 against 3 of 10, Miettinen and Nurminen without the correction for skewness: [.1701, .8406] (Newcombe 1998, method 5).
    def score(difference, skewed):
        likely = minimize_scalar(
            lambda second: -(xlogy(9, second + difference) + xlogy(1, 1 - second - difference) + xlogy(3, second) + xlogy(7, 1 - second)),
            bounds=(max(0.0, -difference), min(1.0, 1 - difference)), method="bounded", options={"xatol": 1e-13},
        ).x  # fmt: skip
        first, n = likely + difference, 10
        variance = (first * (1 - first) + likely * (1 - likely)) / n
        third = (first * (1 - first) * (1 - 2 * first) - likely * (1 - likely) * (1 - 2 * likely)) / n**2
        return (0.6 - difference) / variance**0.5 - skewed * third / variance**1.5 * (1.959964**2 - 1) / 6

    low, high = score_difference(9, 10, 3, 10, 0.05)
    assert score(float(low), 1) == pytest.approx(1.959964, abs=1e-4)
    assert score(float(high), 1) == pytest.approx(-1.959964, abs=1e-4)


@pytest.mark.parametrize(("first", "second", "n"), [(12, 9, 44), (0, 5, 300), (0, 0, 20), (30, 0, 30), (3, 1, 1000)])
def test_tango_s_limits_are_the_differences_whose_score_is_z(first, second, n):
    # The likeliest share of "only second" at a difference is looked for numerically, not by the quadratic equation.
    def score(difference):
        def unlikely(share):
            return -(xlogy(first, share + difference) + xlogy(second, share) + xlogy(n - first - second, 1 - 2 * share - difference))

        least, most = max(0.0, -difference), (1 - difference) / 2
        share = minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
        return ((first - second) / n - difference) / np.sqrt((2 * share + difference * (1 - difference)) / n)

    low, high = map(float, tango(first, second, n, 0.05))
    assert high == 1.0 or score(high) == pytest.approx(-1.959964, abs=2e-3)
    assert low == -1.0 or score(low) == pytest.approx(1.959964, abs=2e-3)
    turned = tango(second, first, n, 0.05)
    assert (low, high) == pytest.approx((-float(turned[1]), -float(turned[0])))
    wider = tango(first, second, n, 0.05, continuity=True)
    assert float(wider[0]) <= low <= high <= float(wider[1])


def test_agresti_min_golden_and_of_nothing_nearly_everything():
    np.testing.assert_allclose(agresti_min(25, 10, 1556, 0.05), (0.00209, 0.01716), atol=5e-6)
    low, high = agresti_min(0, 0, 0, 0.05)
    assert low < -0.97 < 0.97 < high
    assert agresti_min(3, 0, 3, 0.001)[1] == 1.0  # a difference of rates ends at 1


# ---- ratios --------------------------------------------------------------------------------------------------------------------------

RATIOS = [(20, 100, 10, 100), (1, 1000, 20, 1000), (20, 20_000, 400, 20_000), (5, 30, 2, 4000), (90, 100, 70, 100), (29, 30, 20, 30)]


@pytest.mark.parametrize("alpha", [0.1, 0.01])
@pytest.mark.parametrize("counts", RATIOS)
def test_the_ratio_without_the_correction_equals_statsmodels(counts, alpha):
    theirs = confint_proportions_2indep(*counts, method="score", compare="ratio", alpha=alpha, correction=False)
    np.testing.assert_allclose(score_ratio(*counts, alpha), theirs, rtol=1e-9)


def gart_nam(ratio, counts, z):
    """The score of Gart and Nam (1988, equations 3.1 and 4.1), from the likeliest rates that a search finds and no formula."""
    x_1, n_1, x_2, n_2 = counts

    def slope(second):  # of the log-likelihood of rates (ratio * second, second)
        return (x_1 + x_2) / second - ratio * (n_1 - x_1) / (1 - ratio * second) - (n_2 - x_2) / (1 - second)

    second = brentq(slope, 1e-12, min(1, 1 / ratio) - 1e-12, xtol=1e-15)
    first = ratio * second
    u = (1 - first) / (n_1 * first) + (1 - second) / (n_2 * second)
    score = (x_1 - n_1 * first) / (1 - first) * u**0.5
    thirds = (1 - first) * (1 - 2 * first) / (n_1 * first) ** 2 - (1 - second) * (1 - 2 * second) / (n_2 * second) ** 2
    return score - thirds / u**1.5 * (z**2 - 1) / 6


def test_where_every_image_is_an_event_the_likeliest_rate_may_be_one():
    """30 of 30 and 20 of 30. Below 1.2 the likeliest second rate is 5/6, at 1.1751 the score 2.576; statsmodels stops at 1.2."""
    low = float(score_ratio(30, 30, 20, 30, 0.01)[0])
    assert low == pytest.approx(1.1751305, abs=1e-7)
    first, second = low * 5 / 6, 5 / 6
    error = (first * (1 - first) / 30 + low**2 * second * (1 - second) / 30) ** 0.5
    assert (1 - low * 20 / 30) / error == pytest.approx(2.575829, abs=1e-6)


@pytest.mark.parametrize("counts", RATIOS)
def test_the_corrected_ratio_solves_the_equation_of_gart_and_nam(counts):
    z = float(ndtri(0.95))
    low, high = score_ratio(*counts, 0.1, skewness=True)
    assert gart_nam(float(low), counts, z) == pytest.approx(z, abs=1e-5)
    assert gart_nam(float(high), counts, z) == pytest.approx(-z, abs=1e-5)


def test_without_an_event_a_ratio_has_no_bound():
    """0 of 40 against 5 of 30: at most .39 times as often, at least 0. Against no event at all: anything."""
    for skewness in (False, True):
        low, high = score_ratio(np.array([0, 5, 0]), np.array([40, 30, 50]), np.array([5, 0, 0]), np.array([30, 40, 70]), 0.1, skewness)
        assert low.tolist() == [0.0, 1 / high[0], 0.0]
        assert 0 < high[0] < 0.4
        assert high[1:].tolist() == [np.inf, np.inf]
    assert score_ratio(0, 40, 5, 30, 0.1)[1] == pytest.approx(0.388097, abs=1e-6)


@pytest.mark.slow
@given(st.integers(1, 200), st.integers(1, 200), st.booleans())
def test_a_ratio_holds_its_estimate_and_turns_over_with_the_groups(first, second, skewness):
    low, high = score_ratio(first, 500, second, 3000, 0.1, skewness)
    assert low < first / 500 / (second / 3000) < high
    np.testing.assert_allclose(score_ratio(second, 3000, first, 500, 0.1, skewness), (1 / high, 1 / low), rtol=1e-10)
    wider = score_ratio(first, 500, second, 3000, 0.01, skewness)
    assert wider[0] < low < high < wider[1]
