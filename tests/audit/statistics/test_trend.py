"""The trend of a rate along ordered levels: by hand, against references, and how often it is right."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr

from audit.records.finding import Rate
from audit.statistics.intervals import wilson
from audit.statistics.trend import LevelRates, spanning_error


def levels(events, n, alpha=0.05):
    low, high = wilson(np.array(events), np.array(n), alpha)
    return [
        Rate((str(i),), n[i], events[i], events[i] / n[i], float(low[i]), float(high[i]), "ok") if n[i] else None for i in range(len(n))
    ]


def trend(events, n):
    return LevelRates.of(levels(events, n), 0.05, at_equal_truth=False)


def test_three_levels_worked_by_hand():
    """10, 20 and 30 of 100 each: 10 points a step. Coefficients -1/2, 0, 1/2; z = .1 / sqrt(.2 .8 / 200) = 3.5355."""
    found = trend([10, 20, 30], [100, 100, 100])
    assert found.slope == pytest.approx(0.1)
    assert found.coefficients.tolist() == [-0.5, 0.0, 0.5]
    assert found.p == pytest.approx(0.000406952, rel=1e-4)


def test_the_test_is_the_correlation_of_level_and_event():
    """Cochran and Armitage's chi-square is n times the squared correlation; the slope is that of least squares."""
    rng = np.random.default_rng(0)
    step = rng.integers(0, 5, 400)
    event = rng.random(400) < 0.2 + 0.04 * step
    n, events = np.bincount(step), np.bincount(step, event).astype(int)
    found = trend(events.tolist(), n.tolist())
    r = pearsonr(step, event).statistic
    from scipy.stats import chi2

    assert found.p == pytest.approx(chi2.sf(400 * r**2, 1))
    assert found.slope == pytest.approx(np.polyfit(step, event, 1)[0])


def test_a_level_without_images_keeps_its_place():
    """The step from the first to the third level counts twice."""
    assert trend([10, 0, 30], [100, 0, 100]).slope == pytest.approx(0.1)


def test_no_event_is_no_trend_and_is_not_certain():
    found = trend([0, 0, 0], [50, 50, 50])
    low, high = found.interval(0.05)
    assert (found.slope, found.p) == (0.0, 1.0)
    assert low < -0.02 < 0.02 < high


def test_clusters_that_lie_in_several_levels_widen_the_interval():
    """Persons seen at three ages who always get the same answer: 30 independent units, not 90 images."""
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(30), 3)
    step = np.tile([0, 1, 2], 30)
    event = (rng.random(30) < 0.4)[person]
    found = trend(np.bincount(step, event).astype(int).tolist(), [30, 30, 30])
    assert spanning_error(step, event, person, None, None, found.coefficients) == pytest.approx(0.0)  # no person changes
    moved = event ^ (rng.random(90) < 0.2)
    error = spanning_error(step, moved, person, None, None, found.coefficients)
    low, high = replace(found, extra_error=error, independent=False).interval(0.05)
    assert high - low >= 2 * 1.96 * error - 1e-9
    assert spanning_error(step, event, np.arange(90), None, None, found.coefficients) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 0.03])
@pytest.mark.parametrize("base", [0.03, 0.4])
def test_intervals_cover_the_truth_and_the_test_keeps_its_level(base, slope):
    rng = np.random.default_rng([int(100 * base), int(100 * slope)])
    n = np.array([25, 90, 60, 30, 40])
    rates = base + slope * np.arange(5)
    inside, rejected = 0, 0
    for _ in range(1000):
        found = trend(rng.binomial(n, rates).tolist(), n.tolist())
        low, high = found.interval(0.05)
        inside += low <= slope <= high
        rejected += found.p <= 0.05
    assert inside >= 930
    assert slope or rejected <= 70


@pytest.mark.slow
def test_clusters_of_several_levels_keep_coverage():
    """40 persons with up to six images at different ages, whose answers are alike."""
    rng = np.random.default_rng(9)
    inside = 0
    for _ in range(1000):
        owner = np.repeat(np.arange(40), rng.integers(2, 7, 40))
        step = (rng.integers(0, 4, 40)[owner] + rng.integers(0, 2, len(owner))).clip(0, 4)
        chance = np.clip(rng.beta(2, 4, 40)[owner] + 0.03 * (step - 2), 0, 1)
        event = rng.random(len(owner)) < chance
        n, events = np.bincount(step, minlength=5), np.bincount(step, event, minlength=5).astype(int)
        found = trend(events.tolist(), n.tolist())
        error = spanning_error(step, event, owner, None, None, found.coefficients) if (n > 0).all() else 0.0
        low, high = replace(found, extra_error=error).interval(0.05)
        inside += low <= 0.03 <= high
    assert inside >= 930
