"""Sequential tests of a difference between two groups by betting: valid no matter when, and how often, one looks.

A fictitious gambler starts with a wealth of 1 and bets, round by round, that the rate of one group exceeds that of another by more than
the tolerance. If it does not, the wealth is a non-negative supermartingale, so the probability that it *ever* reaches 1 / error is at
most `error` (Ville's inequality). Chugg, Cortes-Gomez, Wilder and Ramdas 2023, https://arxiv.org/abs/2305.17570, sections 3.1 and 3.2,
bet so on fairness; their proof allows any bets that depend on earlier rounds alone. These bets are fixed fractions, with the stakes
divided equally among them (Waudby-Smith and Ramdas 2024, https://arxiv.org/abs/2010.09686, grid Kelly): no bet depends on the data.

A bet that began with the first row would have lost nearly everything by the time a late gap begins. So the gambler bets half at the
beginning, and a part of the rest in every later round: a mixture over all starting times, with weights that sum to 1 (Shin, Ramdas and
Rinaldo 2022, https://arxiv.org/abs/2203.03532). All bets on one fraction move alike, so that their sum is one number, however many began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

FRACTIONS = 2.0 ** -np.arange(1, 9)
"""The bets, as fractions of the largest bet that cannot lose more than there is: 1/2, 1/4, ... 1/256."""
_STEPS = 16
"""Bisections of an interval of length 2: an end is known to 0.00003, and rounded to the side that is wider."""


@dataclass(frozen=True)
class Rounds:
    """The rounds of two groups."""

    differences: Float[np.ndarray, "t"]
    """Mean of the first group's observations of the round, less that of the second's."""
    rows: Int[np.ndarray, "t"]
    """Index of the row that ended each round."""


def rounds_of(in_first: Bool[np.ndarray, "n"], event: Bool[np.ndarray, "n"]) -> Rounds:
    """Divide the rows of two groups, in their order, into rounds: a round ends with the row by which both groups have one in it.

    So one of the groups has a single row in a round, and the other has all its rows since the last one. Where rounds end depends on which
    group each row belongs to, never on its outcome, and not on when the looks were.

    Examples
    --------
    >>> done = rounds_of(np.array([True, True, False, False, True]), np.array([True, False, True, False, True]))
    >>> done.differences.tolist(), done.rows.tolist()
    ([-0.5, 1.0], [2, 4])
    """
    n = len(in_first)
    if n == 0:
        return Rounds(np.zeros(0), np.zeros(0, np.int64))
    runs = np.flatnonzero(np.concatenate([[True], in_first[1:] != in_first[:-1]]))
    ends = runs[_ending(np.diff(np.concatenate([runs, [n]])) == 1)]
    after = np.concatenate([[0], ends[:-1] + 1])
    events = np.concatenate([[0], np.cumsum(event)])
    difference = event[ends] - (events[ends] - events[after]) / (ends - after)
    return Rounds(np.where(in_first[ends], difference, -difference), ends)


def _ending(single: Bool[np.ndarray, "r"]) -> Bool[np.ndarray, "r"]:
    """Whether the first row of each run of one group ends a round.

    It does not if that row begins a round: it is the very first, or the run before it was a single row, which ended a round. So among
    runs that follow single rows, every second one ends a round.
    """
    position = np.arange(len(single))
    surely = (position == 1) | np.concatenate([[False], ~single[:-1]])
    surely[0] = False
    since = position - np.maximum.accumulate(np.where(surely, position, 0))
    ending: Bool[np.ndarray, "r"] = (position > 0) & (since % 2 == 0)
    return ending


def log_wealth(differences: Float[np.ndarray, "t"], tolerance: float) -> Float[np.ndarray, "t"]:
    """Natural logarithm of the wealth after each round of betting that the mean difference exceeds `tolerance`, -1 < tolerance <= 1.

    A round multiplies the money on a fraction f by 1 + f (difference - tolerance) / (1 + tolerance), which is at least 1 - f. If the mean
    difference of every round is at most `tolerance`, given the rounds before it, the expected wealth after each round is at most 1.

    Examples
    --------
    Won once at a tolerance of 0: half was bet, the money on each fraction f grew by f, and the mean of the fractions is 255 / 2048.

    >>> round(float(np.exp(log_wealth(np.array([1.0]), 0.0))[0]), 6) == round(1 + 255 / 2048 / 2, 6)
    True
    """
    stakes, wealth = _log_stakes(len(differences))
    for bet in FRACTIONS / (1 + tolerance):
        gains = np.log1p(bet * (differences - tolerance)).cumsum()
        before = np.concatenate([[0.0], gains[:-1]])[: len(gains)]
        bets = gains + np.logaddexp.accumulate(stakes - before)
        wealth = np.logaddexp(wealth, bets - np.log(len(FRACTIONS)))
    return wealth


def _log_stakes(rounds: int) -> tuple[Float[np.ndarray, "t"], Float[np.ndarray, "t"]]:
    """Logarithms of what is bet from each round on, and of what is not yet bet after it.

    After round t, 1 / (2 log2(t + 1)) of the first wealth is not yet bet. What is bet from round t on falls nearly as slowly as any
    sequence with a finite sum can: about 1 / (t log(t)^2).
    """
    t = np.arange(2, rounds + 2)
    rest = -np.log(2 * np.log2(t))
    later = np.log(np.log1p(1 / t[:-1])) - np.log(2 * np.log(t[:-1])) - np.log(np.log2(t[1:]))
    return np.concatenate([[-np.log(2)], later])[:rounds], rest


def lower_bound(differences: Float[np.ndarray, "t"], log_threshold: float) -> float:
    """The largest tolerance at which the wealth has ever reached the threshold; -1 if it never did.

    The mean difference of at least one round is above it: of all rounds, if it is the same in all. The bound holds at all times together,
    with the same probability as the test. The wealth falls as the tolerance grows, since every factor of `log_wealth` does, so that
    bisection is exact.
    """
    low, high = -1.0, 1.0
    for _ in range(_STEPS if len(differences) else 0):
        middle = (low + high) / 2
        reached = log_wealth(differences, middle).max() >= log_threshold
        low, high = (middle, high) if reached else (low, middle)
    return low


def simultaneous_interval(differences: Float[np.ndarray, "t"], log_threshold: float) -> tuple[float, float]:
    """Bounds of the mean difference, each with the error rate of one test; the lower one may be above the upper one if it has changed."""
    return lower_bound(differences, log_threshold), -lower_bound(-differences, log_threshold)
