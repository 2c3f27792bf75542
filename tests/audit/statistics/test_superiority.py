"""The probability of superiority: by hand, against scipy and scikit-learn, what must not matter, and how often intervals are right."""

import numpy as np
import pytest
from scipy.stats import brunnermunzel, mannwhitneyu
from sklearn.metrics import roc_auc_score

from audit.statistics.superiority import ScoredRows, superiority


def rows(x, y, **more):
    return ScoredRows(np.r_[x, y].astype(float), np.r_[np.ones(len(x), bool), np.zeros(len(y), bool)], **more)


def test_four_images_worked_by_hand():
    """0.2 and 0.6 against 0.1 and 0.6: of four pairs two are won (0.2, 0.6 over 0.1), one is lost (0.2 under 0.6) and one is tied: 2.5 / 4.

    Placements of the first: 1/2 and 3/4, of the second: 1 and 1/4; variances 1/32 and 9/32; variance 1/64 + 9/64.
    """
    found = superiority(rows([0.2, 0.6], [0.1, 0.6]))
    assert found.value == 0.625
    assert found.variance == pytest.approx(10 / 64)
    assert found.freedom == pytest.approx((10 / 64) ** 2 / ((1 / 64) ** 2 + (9 / 64) ** 2))


@pytest.mark.parametrize("places", [8, 1, 0])
def test_it_is_scipys_and_scikit_learns(places):
    rng = np.random.default_rng(places)
    x, y = rng.normal(0.4, 1.5, 60).round(places), rng.normal(0, 1, 90).round(places)
    found = superiority(rows(x, y))
    assert found.value == pytest.approx(mannwhitneyu(x, y).statistic / (60 * 90))
    assert found.value == pytest.approx(roc_auc_score(np.r_[np.ones(60), np.zeros(90)], np.r_[x, y]))
    assert (found.value - 0.5) / found.standard_error == pytest.approx(-brunnermunzel(x, y).statistic)


def test_what_must_not_matter():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.4, 1, 40).round(1), rng.normal(0, 1, 50).round(1)
    one, turned = superiority(rows(x, y)), superiority(rows(y, x))
    assert (turned.value, turned.variance) == pytest.approx((1 - one.value, one.variance))
    assert turned.interval(0.05) == pytest.approx(tuple(1 - end for end in one.interval(0.05)[::-1]))
    assert superiority(rows(np.exp(x), np.exp(y))) == one  # only the order of scores counts
    order = rng.permutation(90)
    shuffled = ScoredRows(np.r_[x, y][order], np.r_[np.ones(40, bool), np.zeros(50, bool)][order])
    assert superiority(shuffled).variance == pytest.approx(one.variance)
    # Every image three times, as a cluster: the same numbers. Without clusters the interval would be too narrow.
    thrice = rows(np.repeat(x, 3), np.repeat(y, 3), cluster=np.repeat(np.arange(90), 3))
    assert (superiority(thrice).value, superiority(thrice).variance) == pytest.approx((one.value, one.variance))
    assert superiority(rows(np.repeat(x, 3), np.repeat(y, 3))).variance < one.variance / 2
    equal = superiority(rows(x, y, weight=np.full(90, 7.0)))
    assert (equal.value, equal.variance) == pytest.approx((one.value, one.variance))


def test_p_is_below_alpha_exactly_where_the_interval_excludes_one_half():
    rng = np.random.default_rng(2)
    for _ in range(50):
        found = superiority(rows(rng.normal(0.35, 1, 40), rng.normal(0, 1, 45)))
        low, high = found.interval(0.05)
        assert (found.p < 0.05) == (low > 0.5 or high < 0.5)


def test_the_edges_have_a_width_and_equal_scores_have_no_answer():
    apart = superiority(rows(np.arange(30) + 100, np.arange(30)))
    low, high = apart.interval(0.05)
    assert apart.value == 1.0
    assert 0.85 < low < 0.99
    assert high == 1.0
    assert superiority(rows(np.ones(30), np.ones(40))) is None


def test_only_images_of_one_stratum_are_compared():
    """Within each true answer the groups are alike; the mix of true answers alone would give three quarters."""
    x, y = np.r_[np.zeros(10), np.ones(30)], np.r_[np.zeros(30), np.ones(10)]
    x, y = x + np.tile([0.0, 0.1], 20), y + np.tile([0.0, 0.1], 20)
    stratum = (np.r_[x, y] >= 1).astype(int)
    assert superiority(rows(x, y)).value == pytest.approx(0.75, abs=0.05)
    assert superiority(rows(x, y, stratum=stratum)).value == 0.5


def _clusters(rng, clusters, shift):
    """Images of persons, one to seven each, whose scores share a part."""
    sizes = rng.integers(1, 8, clusters)
    owner = np.repeat(np.arange(clusters), sizes)
    return owner, shift + rng.normal(0, 0.8, clusters)[owner] + rng.normal(0, 0.6, len(owner))


def _independent(rng, shift, places):
    return rows((shift + rng.normal(0, 1, 30)).round(places), rng.normal(0, 1, 90).round(places))


def _clustered(rng, shift):
    (one, x), (other, y) = _clusters(rng, 25, shift), _clusters(rng, 45, 0.0)
    return rows(x, y, cluster=np.r_[one, other + 1000])


def _weighted(rng, shift):
    weight = rng.lognormal(0, 0.6, 120)
    return rows(shift + rng.normal(0, 1, 50), rng.normal(0, 1, 70), weight=weight)


DESIGNS = {
    "30 and 90 images": lambda rng, shift: _independent(rng, shift, 6),
    "heavily tied": lambda rng, shift: _independent(rng, shift, 0),
    "clusters of unequal size": _clustered,
    "weights": _weighted,
}


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.43, 2.0])
@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_cover_the_truth(design, shift):
    """1,000 small tables with unequal sizes: the 95 % interval holds the true value in at least 93 %."""
    rng = np.random.default_rng([len(design), int(100 * shift)])
    large = [DESIGNS[design](rng, shift) for _ in range(300)]
    truth = float(np.mean([superiority(one).value for one in large]))  # unbiased: the standard error of the mean is under .004
    inside = 0
    for _ in range(1000):
        low, high = superiority(DESIGNS[design](rng, shift)).interval(0.05)
        inside += low <= truth <= high
    assert inside >= 930
