"""The interval over images and replicates: by hand, against a random-effects model, under what must not matter, and on planted data."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from audit.replicates import MOST_REPLICATES, gap_over_replicates, replicates_needed
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import cluster_table
from audit.statistics.units.sampling_unit import gap_interval
from benchmarks.conclusions.replicates import coverage


@dataclass(frozen=True)
class Given:
    """Units whose intervals of differences go so far down and up, whatever the level."""

    rates: np.ndarray
    down: float
    up: float

    @property
    def events(self):
        return self.rates * 100

    @property
    def n(self):
        return np.full(len(self.rates), 100)

    within_clusters = False

    def contrasts(self, first, second):
        return self.rates[first] - self.rates[second]

    def differences(self, first, second, alpha):
        middle = self.rates[first] - self.rates[second]
        return middle - self.down, middle + self.up


def exact(rates, **ends):
    return gap_over_replicates(np.array(rates), Given(np.mean(rates, axis=0), **ends), 0.05)


def stacked(events, codes, alpha=0.05):
    """Return the gap of bool[r, n] answers about images of some groups."""
    replicates, groups = len(events), codes.max() + 1
    table = cluster_table(np.tile(np.arange(len(codes)), replicates), np.tile(codes, replicates), events.ravel(), groups)
    rates = np.array([np.bincount(codes, weights=event) / np.bincount(codes) for event in events])
    return gap_over_replicates(rates, ClusterUnits(table), alpha), ClusterUnits(table)


def needed(rates, half_width, **ends):
    units = Given(np.mean(rates, axis=0), **ends)
    return replicates_needed(np.array(rates), units, 0.05, gap_over_replicates(np.array(rates), units, 0.05), half_width)


def test_two_replicates_say_how_many_would_be_needed():
    # Differences .20 and .14: s = .06 / sqrt(2) = .04243. Images leave .04 of .05, so t s / sqrt(R) may be .03.
    # R = 10: 2.2622 * .04243 / 3.1623 = .03035, too much. R = 11: 2.2281 * .04243 / 3.3166 = .02850.
    two = [[0.90, 0.70], [0.84, 0.70]]
    replicates, within = needed(two, 0.05, down=0.03, up=0.04)
    assert (replicates, round(within, 12)) == (11, 0.04)
    # The interval of 11 replicates with that spread and mean has that half-width, one of 10 has not.
    for many, wide in ((10, True), (11, False)):
        spread = stats.zscore(np.arange(many), ddof=1) * 0.0424264
        found = exact(np.column_stack([0.87 + spread, np.full(many, 0.70)]).tolist(), down=0.03, up=0.04)
        assert (found.high - found.value > 0.05) is wide
    assert needed(two, 0.04, down=0.03, up=0.04)[0] is None  # the images alone leave as much
    assert needed(two, 0.0401, down=0.03, up=0.04)[0] == 866  # (1.9627 * .04243)^2 / (.0401^2 - .04^2) = 865.7
    assert needed(two, 0.0400001, down=0.03, up=0.04)[0] == MOST_REPLICATES
    assert needed([[0.90, 0.70], [0.90, 0.70]], 0.05, down=0.03, up=0.04)[0] == 3  # as if they never differed
    # Three groups: the level is divided by three pairs, as in the interval.
    three = needed([[0.90, 0.70, 0.80], [0.84, 0.70, 0.80]], 0.05, down=0.03, up=0.04)[0]
    assert three == next(r for r in range(3, 99) if stats.t.ppf(1 - 0.025 / 3, r - 1) * 0.0424264 / r**0.5 <= 0.03)


def test_both_half_widths_are_added_as_squares():
    # Differences .20, .14, .11: mean .15, sum of squares .0025 + .0001 + .0016 = .0042, s = sqrt(.0021) = .04583; t(2) = 4.3027.
    # Between: 4.3027 * .04583 / sqrt(3) = .11384. Below: sqrt(.03^2 + .11384^2) = .11773; above: sqrt(.04^2 + .11384^2) = .12066.
    found = exact([[0.90, 0.70], [0.84, 0.70], [0.81, 0.70]], down=0.03, up=0.04)
    assert (found.highest, found.lowest, round(found.value, 12)) == (0, 1, 0.15)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0323, 0.2707)


def test_equal_replicates_leave_the_interval_of_the_images():
    found = exact([[0.9, 0.7], [0.9, 0.7]], down=0.03, up=0.04)
    assert (round(found.low, 12), round(found.high, 12)) == (0.17, 0.24)


def test_every_pair_is_held_at_its_share_of_the_error():
    # Three pairs: t(1) at 1 - .05 / 6 is 38.19. Only a - c differs between replicates, by .02: s = .02 / sqrt(2), between .3819.
    found = exact([[0.90, 0.85, 0.80], [0.90, 0.85, 0.82]], down=0.0, up=0.0)
    t = stats.t.ppf(1 - 0.05 / 6, 1)
    assert found.high == pytest.approx(0.09 + t * 0.01)
    # a - b has no error at all: at least .05 apart.
    assert found.low == pytest.approx(0.05)


def test_limits_stay_within_0_and_1():
    found = exact([[0.9, 0.1], [0.5, 0.4]], down=0.0, up=0.0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_agrees_with_the_random_effects_model_where_images_are_not_shared():
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    differences, variance = np.array([0.20, 0.14, 0.05, 0.09]), 0.0004
    random = meta.combine_effects(differences, np.full(4, variance), method_re="dl")
    z = stats.norm.ppf(0.975) * np.sqrt(random.tau2 / 4)
    low, high = random.summary_frame().loc["random effect", ["ci_low", "ci_upp"]]
    half = (high - low) / 2
    assert half**2 == pytest.approx(z**2 + stats.norm.ppf(0.975) ** 2 * variance / 4)  # within and between, as squares
    # Ours has Student's t, and all of s^2 / R between replicates, which is the whole variance of that model.
    found = exact(np.column_stack([0.5 + differences, np.full(4, 0.5)]), down=0.0, up=0.0)
    assert found.value == pytest.approx(random.mean_effect_re)
    t = stats.t.ppf(0.975, 3)
    assert (found.high - found.value) / t == pytest.approx(half / stats.norm.ppf(0.975))


@pytest.fixture(scope="module")
def answers():
    rng = np.random.default_rng(3)
    codes = np.repeat([0, 1, 2], [300, 200, 100])
    image = rng.random(600)
    return np.array([0.6 * image + 0.4 * rng.random(600) < np.array([0.7, 0.65, 0.5 + 0.02 * r])[codes] for r in range(4)]), codes


def test_the_order_of_replicates_and_images_does_not_matter(answers):
    events, codes = answers
    order = np.random.default_rng(0).permutation(600)
    assert stacked(events, codes)[0] == stacked(events[::-1], codes)[0] == stacked(events[:, order], codes[order])[0]


def test_groups_by_another_name_have_the_same_gap(answers):
    events, codes = answers
    one, other = stacked(events, codes)[0], stacked(events, 2 - codes)[0]
    assert (one.value, 2 - other.highest, 2 - other.lowest) == (other.value, one.highest, one.lowest)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


def test_images_given_twice_narrow_the_part_of_the_images_alone(answers):
    events, codes = answers
    once, twice = stacked(events, codes)[0], stacked(np.hstack([events, events]), np.tile(codes, 2))[0]
    assert twice.value == pytest.approx(once.value)
    assert once.low < twice.low < twice.value < twice.high < once.high
    # Never narrower than replicates that far apart allow, whatever the number of images.
    many = stacked(np.tile(events, (1, 60)), np.tile(codes, 60))[0]
    differences = np.array([event[codes == 0].mean() - event[codes == 2].mean() for event in events])
    assert many.high > many.value + stats.t.ppf(1 - 0.05 / 6, 3) * differences.std(ddof=1) / 2


def test_another_seed_that_agrees_tells_nothing_new_about_the_images(answers):
    events, codes = answers
    same = np.array([events[0]] * 5)
    found, units = stacked(same, codes)
    low, high = gap_interval(ClusterUnits(cluster_table(np.arange(600), codes, events[0], 3)), 0.05)
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-3)
    assert gap_interval(units, 0.05) == pytest.approx((found.low, found.high))


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 5, 10])
@pytest.mark.parametrize("deviation", [0.0, 0.03])
def test_the_interval_holds_the_truth_of_images_and_replicates(replicates, deviation):
    held, _, alone, _, _ = coverage("two groups", deviation, replicates, 150)
    assert held >= 0.93
    if deviation:
        assert alone < 0.92  # what the images alone would claim
