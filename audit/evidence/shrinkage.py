"""Shrunk rates of small groups, which borrow strength from the others: shown together with the raw rates, never instead of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

from audit.evidence.base import EvidenceInputs
from audit.records.base import record
from audit.statistics.intervals import wilson
from audit.statistics.metrics import Tally
from audit.types import UNKNOWN, Group

if TYPE_CHECKING:
    from jaxtyping import Int


@record
class ShrunkRate:
    """A raw rate, and the rate after shrinkage."""

    group: Group
    events: int
    n: int
    raw: float
    shrunk: float
    low: float
    high: float
    """Upper end for the shrunk rate; ignores that the correlation is itself estimated. For display only."""


@record
class Shrinkage:
    """Beta-binomial shrinkage of every group that has images. Verdicts never use it."""

    mean: float
    correlation: float
    """Intra-group correlation; 0: no spread beyond sampling, every shrunk rate is the mean."""
    rates: tuple[ShrunkRate, ...]


LARGEST_CORRELATION = 0.999
_ROUNDING = 1e-9


def by_finding(inputs: EvidenceInputs) -> dict[str, Shrinkage]:
    """The shrunk rates of each finding with a small group."""
    estimates = {}
    for finding in inputs.findings:
        if any(rate.status == "small" for rate in finding.by_group):
            events, n = (np.array([getattr(rate, name) for rate in finding.by_group]) for name in ("events", "n"))
            estimates[finding.id] = shrink(Tally(tuple(rate.group for rate in finding.by_group), events, n, n), inputs.settings.alpha)
    return {name: shrunk for name, shrunk in estimates.items() if shrunk}


def intra_group_correlation(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"]) -> float | None:
    """Moment estimate of the beta-binomial's correlation: the spread of the rates beyond sampling.

    With ``mu = K / N`` and ``S = sum n_g (p_g - mu)^2``, ``rho = (S / (mu (1 - mu)) - (G - 1)) / (N - sum n_g^2 / N - (G - 1))``,
    clipped to [0, 0.999]: 0 if the groups differ by sampling alone. None if spread and sampling cannot be separated: with one group, or one
    image per group. Every `n` is at least 1. Kleinman 1973, https://doi.org/10.1080/01621459.1973.10481332

    Examples
    --------
    Rates .1 and .5 with 100 images each: S = 8, mu (1 - mu) = .21, so (38.1 - 1) / (200 - 100 - 1).

    >>> round(intra_group_correlation(np.array([10, 50]), np.array([100, 100])), 4)
    0.3747
    """
    total, groups = float(n.sum()), len(n)
    freedom = total - float((n.astype(float) ** 2).sum()) / total - (groups - 1)
    if groups < 2 or freedom <= 0:
        return None
    mean = float(events.sum()) / total
    if mean in (0.0, 1.0):
        return 0.0
    spread = float((n * (events / n - mean) ** 2).sum()) / (mean * (1 - mean))
    return min(max((spread - (groups - 1)) / freedom, 0.0), LARGEST_CORRELATION)


def shrink(tallied: Tally, alpha: float) -> Shrinkage | None:
    """Shrink the rate of every group that has images, and a known level, towards the overall rate.

    None if the correlation cannot be estimated. Without spread beyond sampling every group has the overall rate, with Wilson's
    interval of that rate.

    ``(k + mu M) / (n + M)`` with ``M = (1 - rho) / rho``; the interval is that of ``Beta(k + mu M, n - k + (1 - mu) M)``. It treats rho as
    known and so covers less than stated (.889 instead of .95 at a true spread of 2 points): for display, never for a verdict.
    """
    shown = [i for i, group in enumerate(tallied.groups) if tallied.n[i] and UNKNOWN not in group]
    events, n = tallied.events[shown], tallied.n[shown]
    correlation = intra_group_correlation(events, n) if shown else None
    if correlation is None:
        return None
    mean = float(events.sum() / n.sum())
    shrunk, low, high = _posterior(events, n, correlation, alpha)
    rates = (
        ShrunkRate(tallied.groups[i], int(k), int(m), float(k / m), *values)
        for i, k, m, *values in zip(shown, events, n, shrunk.tolist(), low.tolist(), high.tolist(), strict=True)
    )
    return Shrinkage(mean, correlation, tuple(rates))


def _posterior(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], correlation: float, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = events.sum() / n.sum()
    if correlation == 0:
        low, high = wilson(events.sum(), n.sum(), alpha)
        return np.full(len(n), mean), np.full(len(n), float(low)), np.full(len(n), float(high))
    borrowed = (1 - correlation) / correlation
    a, b = events + mean * borrowed, n - events + (1 - mean) * borrowed
    low, high = betaincinv(a, b, alpha / 2), betaincinv(a, b, 1 - alpha / 2)
    own = wilson(events, n, alpha)  # a group that borrows nothing and has no event, or only events, has a posterior at a point
    point = high - low < _ROUNDING
    return a / (a + b), np.where(point, own[0], low), np.where(point, own[1], high)
