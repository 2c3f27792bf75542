"""Tests by betting: wealth worked by hand, exact expectation, and what must not matter."""

import math
from itertools import product

import numpy as np
import pytest

from audit.extensions.watch.betting import FRACTIONS, _log_stakes, log_wealth, lower_bound, rounds_of, simultaneous_interval

NO_ROUNDS = np.zeros(0)


def rounds(groups, events):
    return rounds_of(np.array([group == "a" for group in groups]), np.array([event == "1" for event in events]))


def wealth(differences, tolerance=0.0):
    return np.exp(log_wealth(np.array(differences, float), tolerance))


def test_a_round_ends_with_the_first_row_of_the_other_group_and_counts_every_row_once():
    """a a b | b a | b b b a: means 1/2 - 0, then 1 - 1, then 1 - 1/3; the last b waits."""
    done = rounds("aabbabbbab", "100110101" + "1")
    assert done.differences.tolist() == pytest.approx([0.5, 0.0, 1 - 1 / 3])
    assert done.rows.tolist() == [2, 4, 8]


def test_without_two_groups_there_is_no_round():
    assert rounds("aaaa", "1111").differences.tolist() == []
    assert rounds("", "").rows.tolist() == []


def test_rounds_are_those_of_a_reader_who_goes_row_by_row():
    """All orders of up to eight rows of two groups."""

    def row_by_row(in_first, event):
        seen = {True: [], False: []}
        for row, (first, happened) in enumerate(zip(in_first, event, strict=True)):
            seen[first].append(happened)
            if seen[True] and seen[False]:
                yield np.mean(seen[True]) - np.mean(seen[False]), row
                seen = {True: [], False: []}

    event = np.random.default_rng(6).random(8) < 0.5
    for n in range(9):
        for groups in product([True, False], repeat=n):
            done, expected = rounds_of(np.array(groups, bool), event[:n]), list(row_by_row(groups, event[:n]))
            assert list(zip(done.differences.tolist(), done.rows.tolist(), strict=True)) == expected


def test_the_wealth_of_two_rounds_worked_by_hand():
    """Won 1 and lost 1/2 at a tolerance of 1/4: the factors are 1 + f (3/4)/(5/4) and 1 - f (3/4)/(5/4), with f = 1/2, 1/4, ... 1/256.

    Half is bet from the first round on. Of the other half, 1/log2(3) is left after the second round: the rest is bet on it.
    """
    left = 1 / math.log2(3) / 2
    first = [(1 + f * 3 / 5) / 2 for f in FRACTIONS]
    second = [(bet + 1 / 2 - left) * (1 - f * 3 / 5) for bet, f in zip(first, FRACTIONS, strict=True)]
    assert wealth([1, -0.5], 0.25) == pytest.approx([sum(first) / 8 + 1 / 2, sum(second) / 8 + left])


def test_stakes_are_positive_and_no_more_than_the_wealth():
    """Bets that neither win nor lose leave a wealth of 1: nothing is bet twice, and nothing is lost. Every round has a stake."""
    assert wealth([0.05] * 10_000, 0.05) == pytest.approx(np.ones(10_000))
    stakes, rest = map(np.exp, _log_stakes(10_000))
    assert (stakes > 0).all()
    assert stakes.cumsum() + rest == pytest.approx(np.ones(10_000))


def test_a_loss_costs_little_and_never_everything():
    assert (wealth([-1] * 50) > 0).all()
    assert wealth([-1])[0] == pytest.approx(1 - 255 / 2048 / 2)


def test_history_delays_the_detection_of_a_gap_by_the_logarithm_of_its_length():
    """90 and 70 % from a row on, 60 streams: with bets from the first row alone, 10,000 rows made the median delay 5 times as long."""

    def delay(quiet, seed):
        rng = np.random.default_rng(seed)
        first = rng.random(quiet + 3000) < 0.5
        rates = np.where(first | (np.arange(len(first)) < quiet), 0.9, 0.7)
        done = rounds_of(first, rng.random(len(first)) < rates)
        return done.rows[np.argmax(log_wealth(done.differences, 0.0) >= math.log(40))] - quiet

    without, after = (np.median([delay(quiet, seed) for seed in range(60)]) for quiet in (0, 10_000))
    assert without < after < 3 * without


@pytest.mark.parametrize(("groups", "rate"), [("abab", 0.3), ("aabbab", 0.9), ("aaaab", 0.02), ("baab", 0.5)])
def test_the_expected_wealth_of_equal_rates_is_one_exactly(groups, rate):
    """The martingale property, over all 2^n outcomes: not by simulation."""
    total = 0.0
    for events in product("01", repeat=len(groups)):
        done = rounds(groups, events)
        total += math.prod(rate if event == "1" else 1 - rate for event in events) * wealth(done.differences)[-1]
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_the_expected_wealth_within_the_tolerance_is_at_most_one(tolerance):
    """Rates of .6 and .5: a gap of .1 is within .1; with a tolerance of 0 only the bet on the lower group must not gain."""
    for sign in (1, -1):
        total = 0.0
        for events in product("01", repeat=6):
            chance = math.prod((r if e == "1" else 1 - r) for e, r in zip(events, [0.6, 0.5] * 3, strict=True))
            total += chance * wealth(sign * rounds("ababab", events).differences, tolerance)[-1]
        holds = sign == -1 or tolerance == 0.1
        assert (total <= 1 + 1e-12) == holds


def test_mean_wealth_under_the_null_is_one_by_simulation():
    """Unequal groups and a rate near 1, 4,000 streams of 60 rows: the mean is 1 within five standard errors."""
    rng = np.random.default_rng(0)
    last = []
    for _ in range(4000):
        done = rounds_of(rng.random(60) < 0.2, rng.random(60) < 0.95)
        last.append(wealth(done.differences)[-1] if len(done.differences) else 1.0)
    assert abs(np.mean(last) - 1) < 5 * np.std(last) / math.sqrt(len(last))


@pytest.mark.slow_except("0.03-0.5", "0.3-0.995")
@pytest.mark.parametrize(("share", "rate"), [(0.5, 0.8), (0.03, 0.5), (0.3, 0.995)])
def test_equal_rates_rarely_ever_raise_an_alarm_however_often_one_looks(share, rate):
    """300 streams of 600 rows, looked at after every row, both directions at 5 %: at most 5 % alarm; 23 would be 2 standard errors more."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(300):
        d = rounds_of(rng.random(600) < share, rng.random(600) < rate).differences
        alarms += any(log_wealth(sign * d, 0.0).max(initial=0) >= math.log(2 / 0.05) for sign in (1, -1))
    assert alarms <= 22


def test_a_planted_difference_is_detected():
    rng = np.random.default_rng(2)
    first = rng.random(3000) < 0.3
    d = rounds_of(first, rng.random(3000) < np.where(first, 0.9, 0.8)).differences
    assert log_wealth(d, 0.0).max() > math.log(40)
    assert log_wealth(-d, 0.0).max() < math.log(40)
    low, high = simultaneous_interval(d, math.log(40))
    assert 0 < low < 0.1 < high < 0.25


def test_changed_roles_of_groups_and_outcomes_mirror_the_differences():
    rng = np.random.default_rng(3)
    first, event = rng.random(200) < 0.4, rng.random(200) < 0.7
    plain, groups, outcomes = rounds_of(first, event), rounds_of(~first, event), rounds_of(first, ~event)
    np.testing.assert_allclose(groups.differences, -plain.differences)
    np.testing.assert_allclose(outcomes.differences, -plain.differences)
    assert simultaneous_interval(groups.differences, 2.0) == tuple(-x for x in reversed(simultaneous_interval(plain.differences, 2.0)))


def test_rows_that_come_later_change_no_earlier_wealth():
    """So it does not matter when, or how often, one looks."""
    rng = np.random.default_rng(4)
    first, event = rng.random(500) < 0.4, rng.random(500) < 0.7
    whole = log_wealth(rounds_of(first, event).differences, 0.05)
    for stop in (1, 7, 250):
        part = log_wealth(rounds_of(first[:stop], event[:stop]).differences, 0.05)
        np.testing.assert_array_equal(part, whole[: len(part)])


def test_a_bound_is_the_tolerance_at_which_the_threshold_was_reached():
    d = np.array([1.0, 0.5, 1.0, 0.0, 1.0, 1.0] * 20)
    low = lower_bound(d, math.log(20))
    assert log_wealth(d, low).max() >= math.log(20)
    assert log_wealth(d, low + 1e-3).max() < math.log(20)
    assert np.all(np.diff([log_wealth(d, t).max() for t in np.linspace(-0.9, 0.9, 50)]) <= 0)


def test_without_rounds_nothing_is_known():
    assert simultaneous_interval(NO_ROUNDS, 1.0) == (-1.0, 1.0)


def test_bounds_hold_at_all_times_together():
    """200 streams, rates .7 and .6: the 90 % interval ever excludes .1 in at most 10 % of them; 32 would be 2.8 standard errors more."""
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(200):
        first = rng.random(400) < 0.5
        d = rounds_of(first, rng.random(400) < np.where(first, 0.7, 0.6)).differences
        low, high = simultaneous_interval(d, math.log(2 / 0.1))  # the bounds never widen: those at the end are the tightest
        missed += not low <= 0.1 <= high
    assert missed <= 31
