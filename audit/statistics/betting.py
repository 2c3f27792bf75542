"""Sequential tests of a difference between two groups by betting: valid no matter when, and how often, one looks.

A fictitious gambler starts with a wealth of 1 and bets, round by round, that the rate of one group exceeds that of another by more than
the tolerance. If it does not, the wealth is a non-negative supermartingale, so the probability that it *ever* reaches 1 / error is at
most `error` (Ville's inequality). Chugg, Cortes-Gomez, Wilder and Ramdas 2023, https://arxiv.org/abs/2305.17570, sections 3.1 and 3.2,
bet so on fairness; their proof allows any bets that depend on earlier rounds alone. These bets are fixed fractions, with the wealth
divided equally among them (Waudby-Smith and Ramdas 2024, https://arxiv.org/abs/2010.09686, grid Kelly): no bet depends on the data.
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
    differences, rows = [], []
    n, events = [0, 0], [0, 0]
    for row, (first, happened) in enumerate(zip(in_first.tolist(), event.tolist(), strict=True)):
        n[first] += 1
        events[first] += happened
        if n[not first]:
            differences.append(events[1] / n[1] - events[0] / n[0])
            rows.append(row)
            n, events = [0, 0], [0, 0]
    return Rounds(np.array(differences, float), np.array(rows, np.int64))


def log_wealth(differences: Float[np.ndarray, "t"], tolerance: float) -> Float[np.ndarray, "t"]:
    """Natural logarithm of the wealth after each round of betting that the mean difference exceeds `tolerance`, -1 < tolerance <= 1.

    A round multiplies the money on a fraction f by 1 + f (difference - tolerance) / (1 + tolerance), which is at least 1 - f. If the mean
    difference of every round is at most `tolerance`, given the rounds before it, the expected wealth after each round is at most 1.

    Examples
    --------
    Won once at a tolerance of 0: each fraction f of the wealth became 1 + f, and the mean of the fractions is 255 / 2048.

    >>> round(float(np.exp(log_wealth(np.array([1.0]), 0.0))[0]), 6) == round(1 + 255 / 2048, 6)
    True
    """
    bets = FRACTIONS / (1 + tolerance)
    gains = np.log1p(np.outer(bets, differences - tolerance)).cumsum(axis=1)
    wealth: Float[np.ndarray, "t"] = np.logaddexp.reduce(gains, axis=0) - np.log(len(bets))
    return wealth


def lower_bound(differences: Float[np.ndarray, "t"], log_threshold: float) -> float:
    """The largest tolerance at which the wealth has ever reached the threshold: the mean difference is above it; -1 if it never did.

    The bound holds at all times together, with the same probability as the test. The wealth falls as the tolerance grows, since every
    factor of `log_wealth` does, so that bisection is exact.
    """
    low, high = -1.0, 1.0
    for _ in range(_STEPS if len(differences) else 0):
        middle = (low + high) / 2
        reached = log_wealth(differences, middle).max() >= log_threshold
        low, high = (middle, high) if reached else (low, middle)
    return low


def simultaneous_interval(differences: Float[np.ndarray, "t"], log_threshold: float) -> tuple[float, float]:
    """Bounds of the mean difference, each with the error rate of one test."""
    return lower_bound(differences, log_threshold), -lower_bound(-differences, log_threshold)
