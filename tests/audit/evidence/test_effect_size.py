"""Sizes of effect against statsmodels, and the four-fifths rule where nothing differs."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import proportion_effectsize

from audit.evidence.effect_size import cohens_h, effect_size, odds_ratio, ratio
from audit.evidence.four_fifths import four_fifths
from audit.statistics.intervals import newcombe

COUNTS = [(14, 100, 20, 80), (1, 30, 7, 400), (224, 1556, 115, 1516), (50, 60, 10, 90)]


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_ratios_equal_statsmodels(counts, alpha):
    k_1, n_1, k_2, n_2 = counts
    table = Table2x2(np.array([[k_1, n_1 - k_1], [k_2, n_2 - k_2]]))
    relative, odds = ratio(*counts, alpha), odds_ratio(*counts, alpha)
    assert relative.value == pytest.approx(table.riskratio, rel=1e-12)
    assert (relative.low, relative.high) == pytest.approx(table.riskratio_confint(alpha), rel=1e-9)
    assert odds.value == pytest.approx(table.oddsratio, rel=1e-12)
    assert (odds.low, odds.high) == pytest.approx(table.oddsratio_confint(alpha), rel=1e-9)
    assert cohens_h(k_1 / n_1, k_2 / n_2) == pytest.approx(proportion_effectsize(k_1 / n_1, k_2 / n_2), rel=1e-12)


def test_no_event_is_not_estimable():
    assert ratio(0, 50, 5, 50, 0.05) is ratio(5, 50, 0, 50, 0.05) is None
    assert odds_ratio(0, 50, 5, 50, 0.05) is odds_ratio(50, 50, 5, 50, 0.05) is None
    assert ratio(50, 50, 25, 50, 0.05).value == 2  # all are events: the ratio is defined, the odds are not


def test_swapping_the_groups_turns_everything_round_and_cohens_h_by_hand():
    there, back = effect_size((("a",), ("b",)), (14, 20), (100, 80), 0.05), effect_size((("b",), ("a",)), (20, 14), (80, 100), 0.05)
    assert there.ratio.value == pytest.approx(1 / back.ratio.value)
    assert there.odds_ratio.low == pytest.approx(1 / back.odds_ratio.high)
    assert there.cohens_h == pytest.approx(-back.cohens_h)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert (there.first, there.second, there.difference.value) == (("a",), ("b",), pytest.approx(-0.11))
    assert (there.difference.low, there.difference.high) == newcombe(14, 100, 20, 80, 0.05)
    # sqrt(1/2) is the sine of 45 degrees, 1 that of 90: twice 45 degrees apart.
    assert cohens_h(1.0, 0.5) == pytest.approx(np.pi / 2)
    assert cohens_h(0.3, 0.3) == 0


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_ratio_covers(alpha):
    """Counts of 12 and 10 expected among 200: 4,000 planted pairs, a true ratio of 1.2."""
    source = np.random.default_rng(0)
    drawn = source.binomial(200, [0.06, 0.05], (4000, 2))
    found = [ratio(a, 200, b, 200, alpha) for a, b in drawn if a and b]
    assert np.mean([each.low <= 1.2 <= each.high for each in found]) == pytest.approx(1 - alpha, abs=0.015)


def test_four_fifths_by_hand():
    found = four_fifths(np.array([40, 30]), np.array([100, 100]), 99, np.random.default_rng(0))
    assert (found.ratio, found.below) == (pytest.approx(0.75), True)
    assert not four_fifths(np.array([40, 32]), np.array([100, 100]), 99, np.random.default_rng(0)).below  # exactly four fifths
    nothing = four_fifths(np.array([0, 0]), np.array([100, 100]), 99, np.random.default_rng(0))
    assert (nothing.ratio, nothing.below, nothing.share_by_chance) == (None, False, 0.0)


@pytest.mark.parametrize(
    ("total", "groups", "share"), [(200, 7, 0.98), (1000, 7, 0.49), (10_000, 7, 0.0), (1000, 18, 1.0), (10_000, 18, 0.02)]
)
def test_parity_fails_four_fifths_by_chance(total, groups, share):
    """The rules' numbers for equal rates of one half: with 1,000 images in 18 groups the rule fires every time."""
    n = np.full(groups, total // groups)
    found = four_fifths(n // 2, n, 2000, np.random.default_rng(0))
    assert found.share_by_chance == pytest.approx(share, abs=0.05)
