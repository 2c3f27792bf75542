"""Intervals of clustered rates and of their differences: by hand, monotone in events, and covering where few clusters tell little."""

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from audit.statistics.intervals import newcombe, score_ratio, wilson
from audit.statistics.paired.intervals import agresti_min
from audit.statistics.units.cluster_units import difference_intervals, rate_intervals, rate_limits, ratio_intervals
from audit.statistics.units.clusters import ClusterTable, cluster_table

FIRST, SECOND = np.array([0]), np.array([1])


def one_group(events, sizes):
    return ClusterTable(np.array(events)[:, None], np.array(sizes)[:, None], np.ones(len(sizes), int))


def interval(events, sizes, alpha=0.05):
    low, high = rate_intervals(rate_limits(one_group(events, sizes)), alpha)
    return float(low[0]), float(high[0])


def differences(table, alpha=0.05):
    low, high = difference_intervals(table, rate_limits(table), FIRST, SECOND, alpha)
    return float(low[0]), float(high[0])


def test_without_an_event_each_cluster_counts_once_with_students_quantile():
    reliable = 20 * (ndtri(0.975) / stdtrit(19, 0.975)) ** 2
    low, high = interval([0] * 20, [50] * 20)
    assert low == 0
    assert high == pytest.approx(float(wilson(0, reliable, 0.05)[1]))
    assert high == pytest.approx(0.180, abs=5e-4)


def test_one_event_tells_no_more_than_none():
    """Twenty clusters of 50: .180 without an event. Their own design effect of one event is 1, and its limit would be .006."""
    assert interval([1] + [0] * 19, [50] * 20)[1] >= interval([0] * 20, [50] * 20)[1]


@pytest.mark.parametrize("seed", range(40))
def test_an_event_more_never_lowers_a_limit(seed):
    source = np.random.default_rng(seed)
    sizes = source.integers(1, 12, source.integers(2, 15))
    events = source.binomial(sizes, source.beta(0.5, 0.5, len(sizes)))
    for alpha in (0.05, 0.1):
        low, high = interval(events, sizes, alpha)
        for cluster in np.flatnonzero(events < sizes):
            more = interval(events + (np.arange(len(sizes)) == cluster), sizes, alpha)
            assert more[0] >= low - 1e-12
            assert more[1] >= high - 1e-12


def test_single_images_have_wilsons_interval_and_copies_change_nothing():
    events = (np.arange(400) < 100).astype(int)
    assert interval(events, np.ones(400, int)) == pytest.approx([float(end) for end in wilson(100, 400, 0.05)], abs=2e-3)
    assert interval(7 * events, np.full(400, 7)) == pytest.approx(interval(events, np.ones(400, int)))


def test_the_other_answer_has_the_mirrored_interval():
    events, sizes = np.array([3, 0, 4, 1, 2, 7]), np.array([5, 5, 6, 2, 2, 9])
    low, high = interval(events, sizes)
    assert interval(sizes - events, sizes) == pytest.approx((1 - high, 1 - low))


def test_of_one_cluster_nothing_is_known():
    assert interval([3], [5]) == (0, 1)


@pytest.mark.slow_except("few")
@pytest.mark.parametrize(
    ("sizes", "rate", "correlation"),
    [([5] * 100, 0.8, 0.9), ([50] * 20, 0.05, 0.3), ([1] * 180 + [200] * 20, 0.5, 0.5), ([10] * 30, 0.05, 0.3)],
    ids=["alike", "rare", "unequal", "few"],
)
def test_the_interval_covers(sizes, rate, correlation):
    source, weight = np.random.default_rng(2), (1 - correlation) / correlation
    held = []
    for _ in range(300):
        events = source.binomial(sizes, source.beta(rate * weight, (1 - rate) * weight, len(sizes)))
        low, high = interval(events, sizes)
        held.append(low <= rate <= high)
    assert np.mean(held) >= 0.93 - 2 * np.sqrt(0.07 * 0.93 / 300)


def test_the_difference_of_separate_clusters_is_newcombes():
    """200 + 200 people with one image: as if there were no clusters."""
    events = np.concatenate([np.arange(200) < 140, np.arange(200) < 110])
    table = cluster_table(np.arange(400), np.repeat([0, 1], 200), events, 2)
    assert differences(table) == pytest.approx(newcombe(140, 200, 110, 200, 0.05), abs=2e-3)


def test_the_difference_within_common_clusters_is_paired():
    """300 sets of two images, one a group: 150 both, 60 only the first, 30 only the second."""
    both = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    low, high = differences(ClusterTable(both, np.ones_like(both), np.array([150, 60, 30, 60])))
    assert (low, high) == pytest.approx(agresti_min(60, 30, 300, 0.05), abs=4e-3)
    apart = newcombe(210, 300, 180, 300, 0.05)
    assert high - low < 0.9 * (apart[1] - apart[0])


def test_many_kinds_of_clusters_are_looked_at_in_larger_steps():
    source = np.random.default_rng(0)
    sizes = source.integers(1, 400, 3000)
    events = source.binomial(sizes, source.beta(1, 3, 3000))
    low, high = interval(events, sizes)
    rate = events.sum() / sizes.sum()
    error = np.sqrt(((events - rate * sizes) ** 2).sum()) / sizes.sum()
    assert (rate - low, high - rate) == pytest.approx((1.96 * error, 1.96 * error), rel=0.05)


# ---- ratios --------------------------------------------------------------------------------------------------------------------------


def ratios(table, alpha=0.1):
    low, high = ratio_intervals(table, rate_limits(table), FIRST, SECOND, alpha)
    return float(low[0]), float(high[0])


def two_groups(events, size, counts=(1, 1)):
    """Clusters of one size, all with as many events, in either of two groups."""
    e, n = np.diag(events), np.diag([size, size])
    rest = np.diag([0, 0])
    return ClusterTable(np.vstack([e, rest]), np.vstack([n, n]), np.array([*counts, *(400 - count for count in counts)]))


def test_single_images_have_nearly_the_score_interval_and_copies_change_nothing():
    """40 and 20 of 400 images."""
    found = ratios(two_groups((1, 1), 1, (40, 20)))
    assert found == pytest.approx([float(end) for end in score_ratio(40, 400, 20, 400, 0.1)], rel=0.03)
    assert ratios(two_groups((7, 7), 7, (40, 20))) == pytest.approx(found)


def test_a_ratio_of_clusters_by_hand():
    """The logarithm of the ratio, and from it the root of both distances to the limits of the rates."""
    table = two_groups((1, 1), 1, (40, 20))
    low, high = rate_intervals(rate_limits(table), 0.1)
    down = np.hypot(np.log(0.1 / low[0]), np.log(high[1] / 0.05))
    up = np.hypot(np.log(high[0] / 0.1), np.log(0.05 / low[1]))
    assert ratios(table) == pytest.approx((2 * np.exp(-down), 2 * np.exp(up)))


def test_without_an_event_the_ratio_of_clusters_has_no_bound():
    assert ratios(two_groups((1, 1), 5, (0, 20)))[0] == 0.0
    # The upper limit of the rate without an event over the lower limit of the other.
    table = two_groups((1, 1), 5, (0, 20))
    low, high = rate_intervals(rate_limits(table), 0.1)
    assert ratios(table)[1] == pytest.approx(high[0] / low[1])
    assert ratios(two_groups((1, 1), 5, (20, 0)))[1] == np.inf
    assert ratios(two_groups((1, 1), 5, (0, 0))) == (0.0, np.inf)


def test_events_in_few_clusters_bound_a_ratio_less():
    """40 events of 2,000 images in each group: in 40 clusters of 5, or in 8 that have nothing else."""
    scattered, gathered = (ratios(two_groups((each, each), 5, (40 // each, 40 // each))) for each in (1, 5))
    assert gathered[0] < scattered[0] < 1 < scattered[1] < gathered[1]
