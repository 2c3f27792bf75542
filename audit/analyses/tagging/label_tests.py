"""Labels above a threshold: probabilities of many labels and groups in, how often each group is given each label out.

A label is given to an image when its probability exceeds a threshold, as vision services do. A softmax shares one probability over the
whole label set, so a threshold means nothing without the number of labels: of 300 equal ones each has .33 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from audit.statistics.intervals import FEWEST_EXPECTED, newcombe
from audit.statistics.null import two_proportion_p

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

MORE_DRAWS = 10
"""Times as many shuffles for a label that none of the first reaches: corrected for hundreds of labels, 1 in 10,000 decides nothing."""
_SLACK = 1e-9


@dataclass(frozen=True)
class TagTests:
    """Of each label: do groups get it equally often?"""

    chi2: Float[np.ndarray, "k"]
    """Pearson's, without correction; NaN where no image or every image has the label."""
    p: Float[np.ndarray, "k"]
    """1 where no image or every image has the label."""
    exact: Bool[np.ndarray, "k"]
    """Whether an expected count is under 5: then p is Fisher's of two groups, and drawn from shuffled groups of more."""


@dataclass(frozen=True)
class ExtremeGroups:
    """Of each label: the groups that get it most and least often, and how far they lie apart."""

    most: Int[np.ndarray, "k"]
    least: Int[np.ndarray, "k"]
    difference: Float[np.ndarray, "k"]
    low: Float[np.ndarray, "k"]
    high: Float[np.ndarray, "k"]


def tag_counts(kept: Bool[np.ndarray, "n k"], groups: Int[np.ndarray, "n"], n_groups: int) -> Int[np.ndarray, "k g"]:
    """Return how many images of each group have each label.

    Examples
    --------
    >>> tag_counts(np.array([[True, False], [True, True], [False, True]]), np.array([0, 0, 1]), 2).tolist()
    [[2, 0], [1, 1]]
    """
    return np.stack([kept[groups == group].sum(axis=0, dtype=np.int64) for group in range(n_groups)], axis=1)


def chi_squares(events: Int[np.ndarray, "*k g"], n: Int[np.ndarray, "g"]) -> Float[np.ndarray, "*k"]:
    """Pearson's chi-square of "all groups get a label equally often", for many labels at once.

    Parameters
    ----------
    events : int[k, g]
        Images of each group that have the label.
    n : int[g]
        Images of each group, each at least 1.

    Returns
    -------
    float[k]
        With g - 1 degrees of freedom, no continuity correction; 0 where groups are alike. NaN where no image or every image has the label.

    References
    ----------
    Schwemmer et al. 2020, https://doi.org/10.1177/2378023120967171, rank the labels of image services by it; so do Radford et al. 2021,
    https://arxiv.org/abs/2103.00020, section 7.1

    Examples
    --------
    30 and 10 of 100 each, 20 due: 10 ** 2 / 20 twice, and 10 ** 2 / 80 twice.

    >>> chi_squares(np.array([[30, 10], [0, 0]]), np.array([100, 100])).tolist()
    [12.5, nan]
    """
    events, n = np.asarray(events, float), np.asarray(n, float)
    rate = events.sum(axis=-1, keepdims=True) / n.sum()
    varies = (rate > 0) & (rate < 1)
    due, not_due = n * np.where(varies, rate, 0.5), n * (1 - np.where(varies, rate, 0.5))
    off = (events - due) ** 2
    return np.where(varies[..., 0], (off / due + off / not_due).sum(axis=-1), np.nan)


def tag_tests(events: Int[np.ndarray, "k g"], n: Int[np.ndarray, "g"], rng: np.random.Generator, *, draws: int = 9999) -> TagTests:
    """Test of each label whether groups get it equally often.

    The chi-square test; where an expected count is under 5, Fisher's exact test of two groups, and of more the chi-square under shuffled
    groups (`draws` of them, ten times as many where none reaches it).

    Parameters
    ----------
    events : int[k, g]
        Images of each group that have the label; every image is a case of its own.
    n : int[g]
        Images of each group, at least two groups, each at least 1.
    rng : Generator
        Source of the shuffles. Labels of as many images share them, so that the order of the labels changes nothing.

    Returns
    -------
    TagTests
        p is of one label: correct it for all that were looked at.

    References
    ----------
    Fisher 1922, https://doi.org/10.2307/2340521; permutation p: Phipson and Smyth 2010, https://arxiv.org/abs/1603.05766

    Examples
    --------
    >>> found = tag_tests(np.array([[30, 10], [3, 0]]), np.array([100, 100]), np.random.default_rng(0))
    >>> found.p.round(4).tolist(), found.exact.tolist()
    ([0.0004, 0.2462], [False, True])
    """
    events, n = np.asarray(events), np.asarray(n)
    total, trials = events.sum(axis=1), int(n.sum())
    chi2 = chi_squares(events, n)
    testable = np.isfinite(chi2)
    thin = testable & (n.min() * np.minimum(total, trials - total) / trials < FEWEST_EXPECTED)
    p = np.where(testable, chdtrc(len(n) - 1, np.nan_to_num(chi2)), 1.0)
    if len(n) == 2 and thin.any():
        p[thin] = two_proportion_p(events[thin, 0], n[:1].repeat(thin.sum()), events[thin, 1], n[1:].repeat(thin.sum()))
    elif thin.any():
        p[thin] = _shuffled_p(chi2[thin], total[thin], n, draws, rng)
    return TagTests(chi2, p, thin)


def _shuffled_p(
    chi2: Float[np.ndarray, "k"], total: Int[np.ndarray, "k"], n: Int[np.ndarray, "g"], draws: int, rng: np.random.Generator
) -> Float[np.ndarray, "k"]:
    """Return the p of chi-squares whose labels are on `total` images: those under shuffled groups, drawn once for each total."""
    p = np.ones(len(chi2))
    for images in np.unique(total).tolist():
        alike = np.flatnonzero(total == images)
        for size in (draws, MORE_DRAWS * draws):
            drawn = np.sort(chi_squares(rng.multivariate_hypergeometric(n, images, size=size, method="marginals"), n))
            reached = size - np.searchsorted(drawn, chi2[alike] * (1 - _SLACK))
            p[alike] = (1 + reached) / (size + 1)
            # Further draws replace the first: valid, since a label gets there only by the smallest p that the first can give.
            alike = alike[reached == 0]
            if not len(alike):
                break
    return p


def extreme_groups(events: Int[np.ndarray, "k g"], n: Int[np.ndarray, "g"], alpha: float) -> ExtremeGroups:
    """Return which groups get each label most and least often, and the difference of their shares with Newcombe's interval.

    The pair is chosen by what was seen, and the interval takes no account of that: it says how large a difference is, not whether.

    Parameters
    ----------
    events, n
        As in `tag_tests`.
    alpha : float
        One minus the level.

    Returns
    -------
    ExtremeGroups
        Of equal shares the earlier group; where all are equal, the first and the last.

    References
    ----------
    Newcombe 1998, method 10, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I

    Examples
    --------
    >>> found = extreme_groups(np.array([[48, 56]]), np.array([80, 70]), 0.05)
    >>> found.most.tolist(), found.low.round(4).tolist(), found.high.round(4).tolist()
    ([1], [0.0524], [0.3339])
    """
    events, n = np.asarray(events), np.asarray(n)
    rates = events / n
    most = rates.argmax(axis=1)
    least = np.where(np.ptp(rates, axis=1) > 0, rates.argmin(axis=1), len(n) - 1)
    rows = np.arange(len(events))
    low, high = newcombe(events[rows, most], n[most], events[rows, least], n[least], alpha)
    return ExtremeGroups(most, least, rates[rows, most] - rates[rows, least], low, high)
