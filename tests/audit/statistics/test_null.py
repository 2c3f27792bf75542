"""Tests against golden numbers, against other libraries, and against their own promise: five alarms in a hundred."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportions_ztest

from audit.statistics import null as module
from audit.statistics.multiplicity import holm
from audit.statistics.null import between_group_variance, gap_test, generator, mcnemar_p, sign_flip_p, two_proportion_p

# Table 6 of the CLIP paper turned into counts: Black, White, Indian, Latino, Middle Eastern, Southeast Asian, East Asian.
SIZES = np.array([1556, 2085, 1516, 1623, 1209, 1415, 1550])
CRIME = np.array([255, 519, 370, 175, 238, 62, 20])
NON_HUMAN = np.array([224, 115, 115, 60, 24, 27, 0])


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("events", "gap", "mean", "upper", "chi2", "naive", "corrected"),
    [(CRIME, 0.2360, 0.0247, 0.0384, 666.02, 0.09374, 0.09334), (NON_HUMAN, 0.1440, 0.0152, 0.0237, 437.06, 0.04840, 0.04811)],
)
def test_gap_and_spread_of_the_clip_paper(events, gap, mean, upper, chi2, naive, corrected):
    null = gap_test(events, SIZES, 9999, rng())
    assert null.gap == pytest.approx(gap, abs=5e-5)
    assert null.p == 1 / 10_000
    assert null.mean == pytest.approx(mean, abs=2e-4)
    assert null.upper == pytest.approx(upper, abs=4e-4)
    assert null.chi2 == pytest.approx(chi2, abs=5e-3)
    assert np.std(events / SIZES, ddof=1) == pytest.approx(naive, abs=5e-6)
    assert np.sqrt(between_group_variance(events, SIZES)) == pytest.approx(corrected, abs=5e-6)


def test_gap_p_equals_the_enumeration_of_all_labellings():
    """Five images, three events; groups of 2 and 3. Of the 10 ways to choose the first group 3 give 2/3, 6 give 1/6, 1 gives 1."""
    outcome = np.array([1, 1, 1, 0, 0])
    gaps = []
    for first in itertools.combinations(range(5), 2):
        inside = np.isin(np.arange(5), first)
        gaps.append(abs(outcome[inside].mean() - outcome[~inside].mean()))
    observed = abs(2 / 2 - 1 / 3)
    exact = np.mean([gap >= observed - 1e-12 for gap in gaps])  # 3 ways to 2/3, 1 way to 1
    assert exact == 0.4
    null = gap_test(np.array([2, 1]), np.array([2, 3]), 40_000, rng())
    assert null.p == pytest.approx(exact, abs=0.01)
    assert null.mean == pytest.approx(np.mean(gaps), abs=0.01)
    # p counts the observed labelling itself. Nothing drawn reaches a complete separation of 100 and 100: 1 / (draws + 1), never 0.
    assert gap_test(np.array([100, 0]), np.array([100, 100]), 19, rng()).p == 1 / 20


@pytest.mark.parametrize("events", [[0, 0], [50, 70]])
def test_no_event_is_no_gap(events):
    null = gap_test(np.array(events), np.array([50, 70]), 999, rng())
    assert (null.gap, null.p, null.mean, null.upper, null.chi2, null.chi2_p) == (0.0, 1.0, 0.0, 0.0, None, None)


def test_chi_square_equals_scipy_where_expected_counts_allow_and_is_drawn_elsewhere():
    events, n = np.array([30, 45, 20]), np.array([100, 120, 90])
    theirs = chi2_contingency([events, n - events], correction=False)
    null = gap_test(events, n, 999, rng())
    assert null.chi2 == pytest.approx(theirs.statistic, rel=1e-12)
    assert null.chi2_p == pytest.approx(theirs.pvalue, rel=1e-9)

    # Drawn where an expected count is small. 3 events among 3 x 40 images, all in one group: chi-square says .046, exact is
    # 3 C(40,3) / C(120,3) = .1056.
    events, n = np.array([3, 0, 0]), np.array([40, 40, 40])
    assert chi2_contingency([events, n - events], correction=False).pvalue == pytest.approx(0.046, abs=1e-3)
    assert gap_test(events, n, 20_000, rng()).chi2_p == pytest.approx(0.1056, abs=0.008)


@pytest.mark.slow
def test_permutation_alarms_five_times_in_a_hundred_and_finds_a_planted_gap():
    """Seven groups of 200 at .8, 800 runs: the interval of the gap would alarm every time; three standard errors over .05 is .073."""
    source = rng(1)
    n = np.full(7, 200)
    alarms = [gap_test(source.binomial(n, 0.8), n, 499, source).p <= 0.05 for _ in range(800)]
    assert 0.025 <= np.mean(alarms) <= 0.07
    # FairFace sizes, nine groups in ten right, one group 5 points lower: the rules measured a power of 1.00.
    source = rng(2)
    truth = np.array([0.85, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert all(gap_test(source.binomial(SIZES, truth), SIZES, 999, source).p <= 0.05 for _ in range(60))


def test_holm_over_all_pairs_keeps_the_family_wise_error():
    source = rng(3)
    first, second = np.triu_indices(7, 1)
    n = np.full(7, 200)
    raw, corrected = [], []
    for _ in range(1500):
        k = source.binomial(n, 0.8)
        p = two_proportion_p(k[first], n[first], k[second], n[second])
        raw.append(p.min() <= 0.05)
        corrected.append(holm(p).min() <= 0.05)
    assert np.mean(raw) == pytest.approx(0.433, abs=0.04)
    assert np.mean(corrected) <= 0.06


@pytest.mark.slow_except("n0-0.05")
@pytest.mark.parametrize(("n", "rate"), [(SIZES, 0.05), (np.full(7, 30), 0.8)])
def test_the_corrected_variance_is_unbiased(n, rate):
    source = rng(4)
    draws = np.array([between_group_variance(source.binomial(n, rate), n) for _ in range(4000)])
    assert abs(draws.mean()) < 3 * draws.std() / np.sqrt(len(draws))
    assert (draws < 0).mean() > 0.3  # signed: often below zero when there is nothing
    # True rates .1 and .3 with 500 images each: variance .02.
    source, n = rng(5), np.array([500, 500])
    draws = [between_group_variance(source.binomial(n, [0.1, 0.3]), n) for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("block", [1 << 20, 7])
def test_two_proportions_equal_fisher_where_an_expected_count_is_small(block, monkeypatch):
    """Statsmodels elsewhere. Random thin tables, in one block and in blocks of a single row."""
    theirs = proportions_ztest([56, 48], [70, 80])[1]
    assert two_proportion_p(*(np.array([x]) for x in (56, 70, 48, 80)))[0] == pytest.approx(theirs, rel=1e-9)
    monkeypatch.setattr(module, "_BLOCK", block)
    source = rng(6)
    n_1, n_2 = source.integers(2, 40, 60), source.integers(2, 400, 60)
    k_1, k_2 = source.binomial(n_1, 0.04), source.binomial(n_2, 0.01)
    expected = np.minimum(n_1, n_2) * np.minimum(k_1 + k_2, n_1 + n_2 - k_1 - k_2) / (n_1 + n_2)
    assert (expected < 5).all()
    theirs = [fisher_exact([[a, m - a], [b, n - b]]).pvalue for a, m, b, n in zip(k_1, n_1, k_2, n_2, strict=True)]
    np.testing.assert_allclose(two_proportion_p(k_1, n_1, k_2, n_2), theirs, rtol=1e-9)
    # At both ends of the scale: 9 of 10 against 10 of 10 is the mirror of 1 of 10 against 0 of 10.
    few, many = (two_proportion_p(*(np.array([x]) for x in four)) for four in ((1, 10, 0, 10), (9, 10, 10, 10)))
    assert few == many == 1.0


def test_mcnemar_golden():
    assert mcnemar_p(10, 25) == pytest.approx(0.016674, abs=5e-7)
    assert mcnemar_p(10, 25) == pytest.approx(mcnemar([[0, 10], [25, 0]], exact=True).pvalue, rel=1e-12)
    assert mcnemar_p(25, 10) == mcnemar_p(10, 25)
    assert mcnemar_p(0, 0) == mcnemar_p(4, 4) == 1.0


def test_sign_flips_by_hand():
    """Sums of +-1 +-2 +-3 that reach 6 in size: 2 of 8. Of 1, 1, -1 the size 1 is reached by all 8."""
    assert sign_flip_p(np.array([1.0, 2.0, 3.0]), 9, rng()) == 0.25
    assert sign_flip_p(np.array([1.0, 1.0, -1.0]), 9, rng()) == 1.0
    # Clusters without a difference change nothing.
    assert sign_flip_p(np.array([0.0, 3.0, 0.0, 2.0, 1.0] + [0.0] * 40), 9, rng()) == 0.25
    assert sign_flip_p(np.zeros(20), 9, rng()) == 1.0


def test_drawn_sign_flips_agree_with_the_binomial():
    """20 clusters of one pair each, 15 up and 5 down, is the sign test: 2 P(Bin(20, 1/2) <= 5) = .0414."""
    d = np.array([1.0] * 15 + [-1.0] * 5)
    assert sign_flip_p(d, 20_000, rng()) == pytest.approx(mcnemar_p(15, 5), abs=0.005)
    assert mcnemar_p(15, 5) == pytest.approx(0.0414, abs=5e-5)
    assert sign_flip_p(np.ones(40), 99, rng()) == 1 / 100  # never 0


@pytest.mark.own_stream
def test_a_generator_depends_on_seed_and_purpose_only():
    assert generator(0, "a").integers(1 << 60) == generator(0, "a").integers(1 << 60)
    assert len({int(generator(seed, name).integers(1 << 60)) for seed in (0, 1, -1) for name in ("a", "b")}) == 6
    # Pinned: the same on every machine and in every process, whatever PYTHONHASHSEED is.
    assert int(generator(0, "a").integers(1000)) == 493
