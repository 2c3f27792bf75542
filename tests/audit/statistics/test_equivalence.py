"""What a claim that groups do not differ rests on: by hand, and against its promise, summed over all outcomes."""

import numpy as np
import pytest
from scipy.stats import binom

from audit.statistics.equivalence import equivalence_bound, reach

ALPHA, TOLERANCE = 0.05, 0.05


def test_by_hand():
    """900 and 880 of 1,000: Wilson's 90 % intervals, corrected, are [.8828, .9150] and [.8615, .8964]; √(.0150² + .0185²) + .02 = .0438."""
    assert reach(900, 1000, 880, 1000, ALPHA) == pytest.approx(0.0438, abs=5e-5)
    # The order of two groups does not matter.
    assert reach(90, 100, 150, 200, ALPHA) == pytest.approx(reach(150, 200, 90, 100, ALPHA))


def test_every_pair_counts():
    thousand = np.full(3, 1000)
    assert equivalence_bound(np.array([900, 900, 900]), thousand, ALPHA) < TOLERANCE
    assert equivalence_bound(np.array([900, 900, 45]), np.array([1000, 1000, 50]), ALPHA) > TOLERANCE  # the third is too uncertain
    assert equivalence_bound(np.array([800, 900, 900]), thousand, ALPHA) > TOLERANCE
    assert equivalence_bound(np.array([900, 900, 800]), thousand, ALPHA) > TOLERANCE


def claimed(n_1, n_2, p_1, p_2):
    """Return the probability that two groups are called equivalent."""
    first, second = np.arange(n_1 + 1)[:, None], np.arange(n_2 + 1)[None]
    within = reach(first, n_1, second, n_2, ALPHA) < TOLERANCE
    return float(binom.pmf(first[:, 0], n_1, p_1) @ within @ binom.pmf(second[0], n_2, p_2))


@pytest.mark.parametrize(("n_1", "n_2"), [(300, 300), (300, 2000), (396, 963), (1000, 1000), (1209, 2085)])
@pytest.mark.parametrize("p", [0.001, 0.02, 0.05, 0.10, 0.3, 0.475, 0.8, 0.94])
def test_groups_that_differ_by_the_tolerance_are_rarely_called_equivalent(n_1, n_2, p):
    """Exact, no simulation. Without the correction for continuity .0622 at 300 and 2,000 images, .94 and .99."""
    assert claimed(n_1, n_2, p + TOLERANCE, p) <= ALPHA
    assert claimed(n_1, n_2, p, p + TOLERANCE) <= ALPHA


def test_equal_groups_of_a_thousand_are_called_equivalent():
    """The statistical rules measured .963 without the correction."""
    assert claimed(1000, 1000, 0.10, 0.10) == pytest.approx(0.956, abs=0.001)
