"""Bounds over all groups at once, and how many images would settle a question."""

import numpy as np
import pytest

from audit.evidence.effect_size import ratio
from audit.statistics.bounds import MOST_IMAGES, gap_bounds, images_needed, rate_bounds, ratio_bounds
from audit.statistics.equivalence import equivalence_bound
from audit.statistics.intervals import newcombe, wilson


def test_a_gap_of_two_groups_is_newcombes_interval():
    """56 of 70 against 48 of 80: [.0524, .3339] at 95 %; the upper bound is that of the 90 % interval, corrected for continuity."""
    found = gap_bounds(np.array([56, 48]), np.array([70, 80]), 0.05)
    assert (found.value, found.low) == (pytest.approx(0.2), pytest.approx(newcombe(56, 70, 48, 80, 0.05)[0]))
    assert found.high == pytest.approx(newcombe(56, 70, 48, 80, 0.10, continuity=True)[1])
    swapped = gap_bounds(np.array([48, 56]), np.array([80, 70]), 0.05)
    assert (swapped.low, swapped.high) == pytest.approx((found.low, found.high))
    # A claim about some of many findings takes a wider interval.
    wide = gap_bounds(np.array([56, 48]), np.array([70, 80]), 0.05, 4)
    assert wide.low == pytest.approx(newcombe(56, 70, 48, 80, 0.0125)[0])
    assert (wide.low < found.low, wide.high) == (True, found.high)


def test_the_upper_bound_of_a_gap_is_that_of_every_pair_not_of_the_widest():
    """.50 against .47 with 10,000 images each; the third group, at .49, has 40: its pairs are the ones that may lie far apart."""
    events, n = np.array([5000, 4700, 20]), np.array([10_000, 10_000, 41])
    found = gap_bounds(events, n, 0.05)
    assert found.value == pytest.approx(0.03)
    assert found.high > newcombe(5000, 10_000, 4700, 10_000, 0.10)[1] + 0.05
    assert found.low == pytest.approx(newcombe(5000, 10_000, 4700, 10_000, 0.05 / 3)[0])
    assert gap_bounds(np.array([50, 50]), np.array([100, 100]), 0.05).low == 0.0  # no gap


@pytest.mark.parametrize("seed", range(20))
def test_the_upper_bound_of_a_gap_is_that_of_an_equivalence(seed):
    source = np.random.default_rng(seed)
    n = source.integers(500, 4000, 4)
    events = source.binomial(n, 0.2 + 0.02 * source.random(4))
    assert gap_bounds(events, n, 0.05).high == equivalence_bound(events, n, 0.05)


def test_the_highest_and_the_lowest_rate_by_hand():
    """10 of 100, 30 of 100, 6 of 20: the highest is .3; with 20 images it could be as much as Wilson's upper limit of 6 of 20."""
    events, n = np.array([10, 30, 6]), np.array([100, 100, 20])
    high, low = (rate_bounds(events, n, 0.05, end) for end in ("highest", "lowest"))
    assert (high.value, low.value) == (0.3, 0.1)
    assert high.low == pytest.approx(wilson(30, 100, 0.05 / 3)[0])
    assert high.high == pytest.approx(wilson(6, 20, 0.10, continuity=True)[1])
    assert low.low == pytest.approx(wilson(10, 100, 0.10, continuity=True)[0])
    assert low.high == pytest.approx(wilson(10, 100, 0.05 / 3)[1])


def test_a_ratio_is_the_log_delta_interval():
    found = ratio_bounds(np.array([20, 40]), np.array([100, 100]), 0.05)
    # Both orders of the two groups are looked at, so the upper limit is that of alpha / 2.
    assert (found.low, found.high) == pytest.approx((ratio(20, 100, 40, 100, 0.10).low, ratio(20, 100, 40, 100, 0.05).high))
    assert found.value == 0.5
    assert ratio_bounds(np.array([0, 40]), np.array([100, 100]), 0.05) is None
    assert ratio_bounds(np.array([40, 40]), np.array([100, 100]), 0.05).high == 1.0


@pytest.mark.slow_except("ratio_bounds")
@pytest.mark.parametrize("bound", [gap_bounds, ratio_bounds])
def test_the_bounds_of_both_kinds_cover(bound):
    """The true gap (.1) or ratio (.5) of four groups: above the lower bound, and below the upper, in at least 95 of 100 samples each."""
    source, n, p = np.random.default_rng(0), np.array([300, 200, 250, 400]), np.array([0.1, 0.2, 0.15, 0.15])
    truth = 0.1 if bound is gap_bounds else 0.5
    found = [bound(source.binomial(n, p), n, 0.05) for _ in range(600)]
    assert np.mean([each.low <= truth for each in found]) >= 0.94
    assert np.mean([each.high >= truth for each in found]) >= 0.94


def test_how_many_images_settle_a_gap():
    """.5 against .4 with 200 images each; more than .05? With f times as many the lower bound passes .05."""
    events, n = np.array([100, 80]), np.array([200, 200])
    needed = images_needed(events, n, lambda k, m: gap_bounds(k, m, 0.05), lambda found: found.low > 0.05)
    assert needed is not None
    enough, fewer = (needed / 400, needed / 400 * 0.98)
    assert gap_bounds(events * enough, n * enough, 0.05).low > 0.05
    assert gap_bounds(events * fewer, n * fewer, 0.05).low <= 0.05
    assert len(str(needed).rstrip("0")) <= 3


def test_a_rate_on_the_limit_is_never_settled_and_enough_already_needs_no_more_than_a_few():
    half, most = (
        images_needed(np.array([k]), np.array([100]), lambda k, m: rate_bounds(k, m, 0.05, "highest"), lambda found: found.low > 0.5)
        for k in (50, 90)
    )
    assert (half, most <= 102, MOST_IMAGES >= 1e6) == (None, True, True)
