"""Rates at equal true shares: by hand, by invariance, against Cochran-Mantel-Haenszel, and how often a test of no difference rejects."""

import numpy as np
import pytest

from audit.evidence.adjustment import Strata, mantel_haenszel
from audit.statistics.counts import grouped_counts
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import METRICS
from audit.statistics.units.standardized import StandardizedUnits, at_equal_truth
from tests.support.answered import confusion

PAIR = (np.array([0]), np.array([1]))
# FairFace's validation images: women and men of each race (Karkkainen and Joo 2021).
WOMEN, MEN = (np.array(sizes) for sizes in ((963, 757, 763, 773, 680, 396, 830), (1122, 799, 753, 777, 735, 813, 793)))


def units(hits, sizes):
    hits, sizes = np.array(hits), np.array(sizes)
    return StandardizedUnits(hits, sizes, sizes.sum(axis=1) / sizes.sum())


def test_a_rate_is_the_mean_over_true_answers_by_their_share_of_all_images():
    # 300 of 400 images are men. a: 90 of 100 men and 5 of 50 women; b: 160 of 200 men and 10 of 50 women are called Male.
    found = units([[90, 160], [5, 10]], [[100, 200], [50, 50]])
    assert found.rates.tolist() == pytest.approx([0.75 * 0.9 + 0.25 * 0.1, 0.75 * 0.8 + 0.25 * 0.2])
    assert found.n.tolist() == [150, 250]
    assert (found.events / found.n).tolist() == pytest.approx(found.rates.tolist())


def test_a_perfect_model_differs_nowhere_whatever_the_mix():
    found = units([MEN, 0 * WOMEN], [MEN, WOMEN])
    null = found.null(999, np.random.default_rng(0))
    assert (found.rates.min(), null.p, null.upper) == (pytest.approx(found.rates.max()), 1.0, 0.0)
    assert found.equivalence_bound(0.05) < 0.05


def test_one_true_answer_is_a_plain_rate():
    found = units([[90, 50]], [[100, 80]])
    for mine, plain in ((found.intervals(0.05), wilson(np.array([90, 50]), np.array([100, 80]), 0.05)),
                        (found.differences(*PAIR, 0.05), newcombe(90, 100, 50, 80, 0.05))):  # fmt: skip
        assert np.ravel(mine).tolist() == pytest.approx(np.ravel(plain).tolist())


def test_the_order_of_true_answers_and_groups_changes_nothing():
    hits, sizes = np.array([[90, 160, 30], [5, 10, 8]]), np.array([[100, 200, 60], [50, 50, 40]])
    one, other = units(hits, sizes), units(hits[::-1, ::-1], sizes[::-1, ::-1])
    assert one.rates.tolist() == pytest.approx(other.rates[::-1].tolist())
    assert one.errors().tolist() == pytest.approx(np.array(other.errors()[::-1, ::-1]))
    assert one.equivalence_bound(0.05) == pytest.approx(other.equivalence_bound(0.05))


def test_the_p_of_two_groups_is_that_of_cochran_mantel_haenszel_where_strata_weigh_alike():
    """With equal sizes in every cell both weight strata alike, and the variance is the hypergeometric one of both."""
    hits, sizes = np.array([[80, 65], [20, 12]]), np.full((2, 2), 100)
    found = mantel_haenszel(Strata((("a",), ("b",)), ("truth",), hits, sizes, 0), 0, 1, 0.05)
    assert units(hits, sizes).p(*PAIR)[0] == pytest.approx(found.p, rel=1e-9)
    drawn = units(hits, sizes).null(9999, np.random.default_rng(1))
    assert drawn.p == pytest.approx(found.p, abs=0.005)


def test_the_ratio_of_limits_is_right_where_the_second_rate_is_certain():
    """As the second rate's limits close in on it, those of the ratio become the first's over the second."""
    found = units([[50, 200_000]], [[100, 1_000_000]])
    low, high = found.ratios(*PAIR, 0.05)
    own = wilson(50, 100, 0.05)
    assert (low[0], high[0]) == (pytest.approx(own[0] / 0.2, rel=0.01), pytest.approx(own[1] / 0.2, rel=0.01))
    assert units([[5, 0]], [[100, 100]]).ratios(*PAIR, 0.05)[1][0] == np.inf


@pytest.mark.slow
def test_equal_error_rates_of_unequal_mixes_alarm_in_at_most_7_of_100():
    """FairFace's mix, true positive rate .95 and false positive rate .08 in every race: the excess differs, this does not."""
    rng, alarms, runs = np.random.default_rng(17), 0, 400
    for _ in range(runs):
        found = units([rng.binomial(MEN, 0.95), rng.binomial(WOMEN, 0.08)], [MEN, WOMEN])
        alarms += found.null(499, rng).p <= 0.05
    assert alarms / runs <= 0.07


def test_a_difference_within_one_true_answer_is_found():
    """Black men 85 %, others 95 %: z = .1 / sqrt(.0475 (1/799 + 1/5007)) is about 12 before women add their own variance."""
    hits = np.array([np.rint(MEN * 0.95), np.rint(WOMEN * 0.05)]).astype(int)
    hits[0, 1] = round(799 * 0.85)
    assert units(hits, [MEN, WOMEN]).null(999, np.random.default_rng(0)).p == 0.001


def test_intervals_cover_the_difference_of_standardized_rates():
    rng, runs, covered = np.random.default_rng(3), 500, 0
    sizes, rates = np.array([[300, 120], [90, 260]]), np.array([[0.9, 0.8], [0.1, 0.15]])
    weights = sizes.sum(axis=1) / sizes.sum()
    truth = float(np.diff(weights @ rates)[0])
    for _ in range(runs):
        low, high = units(rng.binomial(sizes, rates), sizes).differences(np.array([1]), np.array([0]), 0.05)
        covered += low[0] <= truth <= high[0]
    assert 0.93 <= covered / runs <= 0.975


def test_images_are_counted_by_true_answer_and_only_answers_that_groups_share():
    """a: 8 of 10 true "x" and 3 of 20 others are answered "x"; b: 15 of 30 and 1 of 10. c is small and lacks "x"."""
    cells = {"a": (8, 2, 3, 17), "b": (15, 15, 1, 9), "c": (0, 0, 1, 1)}
    counts = grouped_counts(confusion(cells, ("x", "y")), ("group",), {"group": ("a", "b", "c")})
    tallied, found = at_equal_truth(counts, METRICS["selection_rate"], frozenset({"x"}), 30, None)
    assert (tallied.events.tolist(), tallied.n.tolist()) == ([11, 16, 0], [30, 40, 0])
    assert found.hits.tolist() == [[8, 15, 0], [3, 1, 0]]
    assert found.sizes.tolist() == [[10, 30, 0], [20, 10, 0]]
    # 40 of 70 images are "x" in truth: 4/7 x 8/10 + 3/7 x 3/20, and 4/7 x 15/30 + 3/7 x 1/10.
    assert found.rates[:2].tolist() == pytest.approx([3.2 / 7 + 0.45 / 7, 2 / 7 + 0.3 / 7])
