"""Shrinkage against numbers worked by hand, and the numbers measured on FairFace-sized cells."""

import numpy as np
import pytest
from scipy.stats import beta, betabinom

from audit.evidence.shrinkage import intra_group_correlation, shrink
from audit.statistics.intervals import wilson
from audit.statistics.metrics import Tally
from audit.types import UNKNOWN

RACES = np.array([2085, 1623, 1556, 1550, 1516, 1415, 1209]) / 10_954
GENDERS = np.array([5162, 5792]) / 10_954
AGES = np.array([199, 1356, 1181, 3300, 2330, 1353, 796, 321, 118]) / 10_954
CELLS = np.maximum(1, np.rint(10_954 * np.einsum("i,j,k->ijk", RACES, GENDERS, AGES).ravel())).astype(int)


def tally(events, n, groups=None):
    groups = groups or tuple((f"g{i}",) for i in range(len(n)))
    return Tally(groups, np.array(events), np.array(n), np.array(n))


def test_by_hand():
    """10, 30, 50 of 100: mu = .3, S = 100 (.04 + 0 + .04) = 8, S / .21 - 2 = 36.095; 300 - 100 - 2 = 198; rho = .18230.

    M = (1 - rho) / rho = 4.4854, so the first group becomes (10 + 1.34561) / 104.4854 = .10859.
    """
    shrunk = shrink(tally([10, 30, 50], [100, 100, 100]), 0.05)
    assert shrunk.mean == pytest.approx(0.3)
    assert shrunk.correlation == pytest.approx(0.18230, abs=1e-5)
    first = shrunk.rates[0]
    assert (first.events, first.n, first.raw) == (10, 100, 0.1)
    assert first.shrunk == pytest.approx(0.10859, abs=1e-5)
    weight = (1 - shrunk.correlation) / shrunk.correlation
    assert (first.low, first.high) == pytest.approx(beta(10 + 0.3 * weight, 90 + 0.7 * weight).interval(0.95))
    assert shrunk.rates[1].shrunk == pytest.approx(0.3)


@pytest.mark.parametrize("events", [[20, 20, 20], [0, 0, 0], [100, 100, 100]])
def test_no_spread_is_one_rate_with_wilsons_interval(events):
    shrunk = shrink(tally(events, [100, 100, 100]), 0.05)
    assert shrunk.correlation == 0
    assert {rate.shrunk for rate in shrunk.rates} == {events[0] / 100}
    assert {(rate.low, rate.high) for rate in shrunk.rates} == {tuple(map(float, wilson(sum(events), 300, 0.05)))}


def test_small_groups_borrow_more_and_complete_separation_keeps_the_rates_apart():
    rates = shrink(tally([1, 50, 10], [2, 100, 100]), 0.05).rates
    assert abs(rates[0].shrunk - rates[0].raw) > 5 * abs(rates[1].shrunk - rates[1].raw)
    shrunk = shrink(tally([0, 100], [100, 100]), 0.05)
    assert shrunk.correlation == 0.999
    assert [rate.shrunk for rate in shrunk.rates] == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize("n", [[50], [1, 1, 1], [0, 0]])
def test_nothing_to_tell_spread_from_sampling(n):
    assert shrink(tally([0] * len(n), n), 0.05) is None


def test_empty_and_unknown_groups_take_no_part():
    groups = (("a",), ("b",), ("empty",), (UNKNOWN,))
    shrunk = shrink(tally([10, 50, 0, 90], [100, 100, 0, 100], groups), 0.05)
    assert [rate.group for rate in shrunk.rates] == [("a",), ("b",)]
    assert shrunk == shrink(tally([10, 50], [100, 100], groups[:2]), 0.05)


def test_the_correlation_is_recovered():
    """Beta-binomial cells with a correlation of .0196 (a spread of 5 points at .15), as many and as large as FairFace's 126."""
    source = np.random.default_rng(0)
    total = (1 - 0.0196) / 0.0196
    drawn = betabinom(CELLS, 0.15 * total, 0.85 * total).rvs(size=(400, len(CELLS)), random_state=source)
    found = [intra_group_correlation(events, CELLS) for events in drawn]
    assert np.mean(found) == pytest.approx(0.0196, abs=0.0015)


@pytest.mark.parametrize(("spread", "raw", "shrunk"), [(0.0, 0.079, 0.005), (0.02, 0.077, 0.019), (0.05, 0.077, 0.035)])
def test_shrunk_rates_lie_closer_to_the_truth(spread, raw, shrunk):
    """RMSE as the rules measured it on 126 cells of FairFace size, mean rate .15."""
    source = np.random.default_rng(1)
    total = 0.15 * 0.85 / spread**2 - 1 if spread else None
    errors = []
    for _ in range(60):
        truth = source.beta(0.15 * total, 0.85 * total, len(CELLS)) if spread else np.full(len(CELLS), 0.15)
        rates = shrink(tally(source.binomial(CELLS, truth), CELLS), 0.05).rates
        errors.append([[rate.raw - p, rate.shrunk - p] for rate, p in zip(rates, truth, strict=True)])
    measured = np.sqrt(np.square(errors).mean(axis=(0, 1)))
    assert measured[0] == pytest.approx(raw, abs=0.02)
    assert measured[1] == pytest.approx(shrunk, abs=0.004)
