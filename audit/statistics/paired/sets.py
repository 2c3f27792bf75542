"""Sets of images that differ in one attribute: how far the answers and scores of their members disagree and shift.

Axes: s sets, m members (in declared order), c clusters. Whole clusters are the independent units of every interval and test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.sampling_unit import ImageUnits

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_BLOCK = 1 << 21
"""Entries of permuted sets held in memory at once."""


def differing_pairs(answers: np.ndarray) -> Int[np.ndarray, "s"]:
    """Count the pairs of members of each set whose answers differ, out of ``m (m - 1) / 2``: 0 if all members get the same answer.

    Parameters
    ----------
    answers : str[s, m]
        Answer of each member.

    Examples
    --------
    A pair that flips; and three members, one of which differs from both others.

    >>> differing_pairs(np.array([["nurse", "doctor"], ["cook", "cook"]])).tolist()
    [1, 0]
    >>> differing_pairs(np.array([["nurse", "doctor", "nurse"]])).tolist()
    [2]
    """
    return np.asarray(pairs_differ(answers).sum(axis=1))


def pairs_differ(answers: np.ndarray) -> Bool[np.ndarray, "s p"]:
    """Whether the answers of each pair of members differ; pairs in the order (0, 1), (0, 2), ..., (1, 2), ..."""
    first, second = np.triu_indices(answers.shape[1], 1)
    return np.asarray(answers[:, first] != answers[:, second])


def cochran_q(events: Bool[np.ndarray, "s m"]) -> float:
    """Cochran's Q: do the members of sets have an event equally often?

    ``Q = (m - 1) sum_j (C_j - mean C)^2 / (sum_i R_i (m - R_i) / m)``, C_j the events of member j, R_i those of set i. For two members it
    is McNemar's statistic without correction. 0 if members have equally many events, or no set is discordant.

    Parameters
    ----------
    events : bool[s, m]
        Whether each member has the event; at least two members.

    Returns
    -------
    float
        At least 0; approximately chi-square with ``m - 1`` degrees of freedom for many independent sets if members do not differ.

    Raises
    ------
    ValueError
        If a set has fewer than two members.

    References
    ----------
    Cochran 1950, https://doi.org/10.1093/biomet/37.3-4.256

    Examples
    --------
    Three members and four sets: the first has the event in all, the others in one. C = 4, 1, 1; all R but one are 1.

    >>> events = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]], bool)
    >>> round(cochran_q(events), 12)
    6.0
    """
    members = events.shape[1]
    if members < 2:
        raise ValueError(f"sets of {members}: Cochran's Q compares two members at least")
    own, of_set = events.sum(axis=0), events.sum(axis=1)
    discordant = float((of_set * (members - of_set)).sum()) / members
    return float((members - 1) * ((own - own.mean()) ** 2).sum() / discordant) if discordant else 0.0


def permuted_members_p(values: Float[np.ndarray, "s m"], clusters: Int[np.ndarray, "s"], draws: int, rng: np.random.Generator) -> float:
    """Permutation p of "no difference between members": ``(1 + permutations at least as extreme) / (draws + 1)``.

    The statistic is the sum of the squared distances of the members' sums from their mean, which orders permutations like Cochran's Q (for
    events) and Friedman's F (for scores). Members are permuted within sets; the sets of one cluster are permuted together.

    Parameters
    ----------
    values : float[s, m]
        Score, or event, of each member.
    clusters : int[s]
        Number of each set's cluster, from 0.
    draws : int
        Number of permutations.
    rng : Generator
        Source of the permutations.

    Examples
    --------
    Twelve sets whose first member always scores highest.

    >>> permuted_members_p(np.tile([3.0, 1.0, 1.0], (12, 1)), np.arange(12), 999, np.random.default_rng(0))
    0.001
    """
    sums = np.zeros((int(clusters.max()) + 1, values.shape[1]))
    np.add.at(sums, clusters, values - values.mean(axis=1, keepdims=True))
    if not sums.any():
        return 1.0
    sums /= np.abs(sums).max()  # with tiny scores, rounding would produce ties
    observed = float((sums.sum(axis=0) ** 2).sum())
    drawn = []
    step = max(1, _BLOCK // sums.size)
    for start in range(0, draws, step):
        permuted = rng.permuted(np.tile(sums, (min(step, draws - start), 1, 1)), axis=2)
        drawn.append((permuted.sum(axis=1) ** 2).sum(axis=1))
    return exceedance_p(np.concatenate(drawn), observed)


def excess_p(
    differing: Bool[np.ndarray, "s p"],
    changed: Bool[np.ndarray, "s k"],
    clusters: Int[np.ndarray, "s"],
    draws: int,
    rng: np.random.Generator,
) -> float:
    """Permutation p of at least this many differing pairs, if changing the person were one more harmless change (one-sided).

    Every set has p pairs of members and k harmless changes of an image, each of which flips the answer or not. Within a set (or cluster,
    whose sets are permuted together) any of them may have been the pairs.

    Parameters
    ----------
    differing : bool[s, p]
        Whether each pair of members gets different answers.
    changed : bool[s, k]
        Whether each harmless change of a member flips its answer.
    clusters : int[s]
        Number of each set's cluster, from 0.
    draws : int
        Number of permutations.
    rng : Generator
        Source of the permutations.

    Examples
    --------
    Ten pairs that all flip, and none under one harmless change: one of 2^10 permutations. Equally many of both: no excess.

    >>> flips, none = np.ones((10, 1), bool), np.zeros((10, 1), bool)
    >>> excess_p(flips, none, np.arange(10), 9999, np.random.default_rng(0)) < 0.003
    True
    >>> excess_p(flips, flips, np.arange(10), 99, np.random.default_rng(0))
    1.0
    """
    both = np.concatenate([differing, changed], axis=1).astype(np.int64)
    sums = np.zeros((int(clusters.max()) + 1, both.shape[1]), np.int64)
    np.add.at(sums, clusters, both)
    pairs = differing.shape[1]
    drawn = []
    step = max(1, _BLOCK // sums.size)
    for start in range(0, draws, step):
        permuted = rng.permuted(np.tile(sums, (min(step, draws - start), 1, 1)), axis=2)
        drawn.append(permuted[:, :, :pairs].sum(axis=(1, 2)))
    return exceedance_p(np.concatenate(drawn), float(differing.sum()))


def mean_shift(
    differences: Float[np.ndarray, "s"], clusters: Int[np.ndarray, "s"], alpha: float
) -> tuple[float, float | None, float | None]:
    """Mean difference within sets, with Student's interval; clusters are the independent units.

    ``mean +- t_(C-1) sqrt(C / (C - 1) sum_c (sum over c of (difference - mean))^2) / s``; with one set per cluster this is the paired t
    interval.

    Parameters
    ----------
    differences : float[s]
        Score of one member minus that of the other, at least one.
    clusters : int[s]
        Number of each set's cluster, from 0.
    alpha : float
        One minus the level, two-sided.

    Returns
    -------
    mean, low, high : float
        The ends are None with fewer than two clusters, or if all have one difference: nothing is known about how clusters vary.

    References
    ----------
    Liang and Zeger 1986, https://doi.org/10.1093/biomet/73.1.13

    Examples
    --------
    Differences 1, 2 and 3: mean 2, standard error 1 / sqrt(3), Student's quantile 4.303.

    >>> [round(value, 3) for value in mean_shift(np.array([1.0, 2.0, 3.0]), np.arange(3), 0.05)]
    [2.0, -0.484, 4.484]
    >>> mean_shift(np.array([1.0, 3.0]), np.zeros(2, int), 0.05)
    (2.0, None, None)
    """
    mean = float(differences.mean())
    apart = np.bincount(clusters, differences - mean)
    many = len(np.unique(clusters))
    if many < 2 or np.ptp(differences) == 0:
        return mean, None, None
    error = float(np.sqrt(many / (many - 1) * (apart**2).sum())) / len(differences)
    reach = float(stdtrit(many - 1, 1 - alpha / 2)) * error
    return mean, mean - reach, mean + reach


def share_interval(
    events: Int[np.ndarray, "s"], trials: Int[np.ndarray, "s"], clusters: Int[np.ndarray, "s"], alpha: float
) -> tuple[float, float]:
    """Interval of a share whose events and trials are counted by set, at least one trial: as for any rate of images in clusters.

    Wilson's if every cluster has a single trial, else at the effective number of trials.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(np.array([1, 0, 0, 1]), np.ones(4, int), np.arange(4), 0.05)]
    [0.15, 0.85]
    """
    names, clusters = np.unique(clusters, return_inverse=True)
    happened, tried = (np.bincount(clusters, part).astype(np.int64)[:, None] for part in (events, trials))
    alone = bool((tried <= 1).all())
    once = np.ones(len(names), np.int64)
    units = ImageUnits(happened.sum(axis=0), tried.sum(axis=0)) if alone else ClusterUnits(ClusterTable(happened, tried, once))
    (low,), (high,) = (end.tolist() for end in units.intervals(alpha))
    return low, high
