"""The minimum detectable difference: golden numbers, and a simulation that finds it as often as promised."""

import numpy as np
import pytest

from audit.statistics.null import two_proportion_p
from audit.statistics.power import detectable_in_any_pair, minimum_detectable


@pytest.mark.parametrize(("n_1", "n_2", "pairs", "points"), [(1209, 2085, 21, 3.1), (396, 963, 91, 5.6), (21, 21, 300, 31.0)])
def test_golden_at_a_base_of_five_percent(n_1, n_2, pairs, points):
    assert 100 * minimum_detectable(0.05, n_1, n_2, pairs, 0.05) == pytest.approx(points, abs=0.05)


def test_a_difference_of_that_size_is_found_four_times_out_of_five():
    rng = np.random.default_rng(0)
    n, base = 1000, 0.5
    half = minimum_detectable(base, n, n, 1, 0.05) / 2
    first, second = rng.binomial(n, base + half, 4000), rng.binomial(n, base - half, 4000)
    sizes = np.full(4000, n)
    assert np.mean(two_proportion_p(first, sizes, second, sizes) <= 0.05) == pytest.approx(0.8, abs=0.03)


def test_the_two_smallest_groups_decide_what_any_pair_would_show():
    events, n = np.array([50, 5, 10]), np.array([1000, 100, 200])  # base rate 65/1300 = .05, three pairs
    assert detectable_in_any_pair(events, n, 0.05) == minimum_detectable(0.05, 100, 200, 3, 0.05)


@pytest.mark.parametrize("events", [0, 200])
def test_no_event_does_not_promise_to_find_everything(events):
    # Wilson limit of 0 out of 400 is 3.84 / 403.84 = .0095.
    expected = minimum_detectable(3.8415 / 403.8415, 200, 200, 1, 0.05)
    assert detectable_in_any_pair(np.array([events, events]), np.array([200, 200]), 0.05) == pytest.approx(expected, rel=1e-4)


def test_more_comparisons_and_fewer_images_hide_more_and_a_difference_cannot_exceed_one():
    many, one, more = (minimum_detectable(0.1, n, n, pairs, 0.05) for n, pairs in ((100, 21), (100, 1), (400, 1)))
    assert many > one > more
    assert minimum_detectable(0.5, 2, 2, 3, 0.05) == 1.0
