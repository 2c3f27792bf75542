"""A difference between groups, adjusted for other attributes: compared, and shuffled, within their strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import chdtrc, ndtri

from audit.evidence.base import DRAWS, EvidenceInputs, claim_of, compared_counts
from audit.records.base import Estimate, record
from audit.records.finding import ClaimResult, pair_of
from audit.statistics.counts import CellTable
from audit.statistics.intervals import newcombe
from audit.statistics.metrics import Metric, Outcome, resolve, row_events
from audit.statistics.most_significant import max_standardized_difference, stratified_errors
from audit.statistics.null import generator
from audit.statistics.resampling import exceedance_p
from audit.types import Group, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int


Shift = Literal["reversed", "weakened"]
"""How a difference changes at equal other attributes: its sign is reversed, or little of it remains (`evidence.adjustment.shift`)."""


@record
class Adjusted:
    """Two groups compared within the strata of other attributes (Mantel-Haenszel)."""

    first: Group
    second: Group
    others: tuple[str, ...]
    crude: float
    """Difference of the raw rates."""
    difference: Estimate
    """Common difference over the strata."""
    odds_ratio: Estimate | None
    """Common odds ratio; None if no stratum is informative."""
    p: float
    """Cochran-Mantel-Haenszel test."""
    strata: int
    """Number of strata in which both groups have images."""
    strata_left_out: int
    images_left_out: int
    """Images of the two groups in strata without the other."""
    opposite: int
    """Number of strata whose difference has the opposite sign."""
    shift: Shift | None = None


@record
class AdjustedGap:
    """The gap when groups may differ in other attributes: labels are shuffled only within strata."""

    gap: float
    p: float
    explained: float
    """Gap of the rates that the strata alone predict for the groups."""
    adjusted: float
    """Gap of observed minus predicted rates."""
    adjusted_p: float
    others: tuple[str, ...] = ()
    """Attributes whose combinations are the strata."""


@record
class Adjustment:
    """A finding at equal other attributes."""

    pairs: tuple[Adjusted, ...]
    """The most significant pair within the levels of each other attribute, then of all of them together."""
    gap: AdjustedGap | None


_ROUNDING = 1e-15
MOST_STRATA = 500
"""With more strata, labels are not shuffled."""


@dataclass(frozen=True)
class Strata:
    """Events and denominators by stratum of the other attributes and by group."""

    groups: tuple[Group, ...]
    others: tuple[str, ...]
    events: Int[np.ndarray, "s g"]
    n: Int[np.ndarray, "s g"]
    left_out: int
    """Counted images with an unknown level, which are in no stratum."""


def by_finding(inputs: EvidenceInputs) -> dict[str, Adjustment]:
    """The comparison within the levels of the other attributes, for each primary finding if they divide the images.

    The count table drops attributes if there are too many: findings by these are not adjusted.
    """
    counted = [finding for finding in inputs.tested if inputs.cells[finding.measurement].has(finding.attributes)]
    return {finding.id: adjusted for finding in counted if (adjusted := _of_finding(finding, inputs))}


def _of_finding(finding: ClaimResult, inputs: EvidenceInputs) -> Adjustment | None:
    gap, cells, alpha = finding.gap, inputs.cells[finding.measurement], inputs.settings.alpha
    assert gap is not None  # noqa: S101  (only findings with a gap are tested)
    metric, outcome = resolve(inputs.measurements[finding.measurement], claim_of(finding), cells.answered)
    high, low = pair_of(gap)
    significant = gap.p_adjusted <= alpha

    def within(others: tuple[str, ...]) -> tuple[Strata, Adjusted | None]:
        counted = strata(cells, metric, outcome, finding.attributes, others)
        adjusted = mantel_haenszel(counted, counted.groups.index(high), counted.groups.index(low), alpha)
        # A sample settles nothing, so its differences do not shift either.
        return counted, adjusted and replace(adjusted, shift=None if inputs.limited else shift(adjusted, significant=significant))

    others = [name for name in cells.answered.attributes.columns if name not in finding.attributes]
    single = {name: adjusted for name in others for _, adjusted in [within((name,))] if adjusted and adjusted.strata > 1}
    if not single:
        return None
    counted, together = within(tuple(single))
    joint = (together,) if together and len(single) > 1 else ()
    return Adjustment((*single.values(), *joint), _adjusted_gap(finding, counted, inputs.settings))


def _adjusted_gap(finding: ClaimResult, counted: Strata, settings: Settings) -> AdjustedGap | None:
    if len(counted.n) > MOST_STRATA:
        return None
    columns = [counted.groups.index(group) for group in compared_counts(finding)[0]]
    events, n = counted.events[:, columns], counted.n[:, columns]
    if not n.sum(axis=0).all():  # a group in which all other attributes are unknown
        return None
    rng = generator(settings.seed, f"{finding.id}/within {' x '.join(counted.others)}")
    return replace(stratified_gap_test(events, n, min(settings.draws, DRAWS), rng), others=counted.others)


def strata(cells: CellTable, metric: Metric, outcome: Outcome | None, by: Sequence[str], others: Sequence[str]) -> Strata:
    """Count events and denominators of a metric by group of `by` within every combination of the `others` that has images."""
    flags = row_events(cells.answered, metric, outcome)
    groups, code = cells.place(by)
    stratum = cells.codes_of(others)
    known = (code >= 0) & (stratum >= 0)
    used, stratum = np.unique(stratum[known], return_inverse=True)
    events, n = np.zeros((2, len(used), len(groups)), np.int64)
    for counts, flag in ((events, flags.event), (n, flags.counted)):
        np.add.at(counts, (stratum, code[known]), (cells.n * flag)[known])
    return Strata(groups, tuple(others), events, n, int((cells.n * flags.counted)[~known].sum()))


def mantel_haenszel(counted: Strata, first: int, second: int, alpha: float) -> Adjusted | None:
    """Common difference of two groups over the strata of the other attributes, and their common odds ratio.

    `first` and `second` are indices into `counted.groups`; None if no stratum contains both. A common difference hides strata with the
    opposite sign, which are counted.

    Difference ``sum (k1 n2 - k2 n1) / N / sum n1 n2 / N`` with Sato's variance, which is valid for few large and for many small strata;
    odds ratio with the variance of Robins, Breslow and Greenland; test of Cochran, Mantel and Haenszel without continuity correction.
    If no counted image or every one is an event, Sato's variance is 0, and Newcombe's interval of the pooled counts is used instead. It is
    also 0 if each group of each stratum has no event or only events: then the limits are as far from the common difference as those of
    Newcombe's intervals of the strata together (Yan and Su 2010, https://doi.org/10.1198/sbr.2009.0049).
    Sato, Greenland and Robins 1989, Biometrics 45, 1323-1324; Robins, Breslow and Greenland 1986, Biometrics 42, 311-323.
    """
    used = (counted.n[:, first] > 0) & (counted.n[:, second] > 0)
    if not used.any():
        return None
    pair = [first, second]
    events, n = counted.events[used][:, pair].astype(float), counted.n[used][:, pair].astype(float)
    all_events, all_n = counted.events[:, pair].sum(axis=0), counted.n[:, pair].sum(axis=0)
    difference = _common_difference(events, n, alpha)
    by_stratum = events[:, 0] / n[:, 0] - events[:, 1] / n[:, 1]
    return Adjusted(
        first=counted.groups[first],
        second=counted.groups[second],
        others=counted.others,
        crude=float(all_events[0] / all_n[0] - all_events[1] / all_n[1]),
        difference=difference,
        odds_ratio=_common_odds_ratio(events, n, alpha),
        p=_cochran_mantel_haenszel(events, n),
        strata=int(used.sum()),
        strata_left_out=int((counted.n[~used][:, pair].sum(axis=1) > 0).sum()),
        images_left_out=int(counted.n[~used][:, pair].sum()),
        opposite=int((by_stratum * difference.value < 0).sum()),
    )


def shift(adjusted: Adjusted, *, significant: bool) -> Shift | None:
    """How a raw difference changes at equal other attributes; `significant`: whether the finding's own test rejects.

    "reversed": the interval of the adjusted difference lies entirely on the other side of 0 than the raw difference, regardless of the
    test. "weakened": the test rejects, and the adjusted difference is less than half of the raw one, or its interval includes 0.
    """
    side = np.sign(adjusted.crude)
    low, high = sorted((side * adjusted.difference.low, side * adjusted.difference.high))
    if high < 0:
        return "reversed"
    return "weakened" if significant and (low <= 0 or side * adjusted.difference.value < side * adjusted.crude / 2) else None


def _common_difference(events: Float[np.ndarray, "s 2"], n: Float[np.ndarray, "s 2"], alpha: float) -> Estimate:
    (k_1, k_2), (n_1, n_2) = events.T, n.T
    total = n_1 + n_2
    weight = (n_1 * n_2 / total).sum()
    value = float(((k_1 * n_2 - k_2 * n_1) / total).sum() / weight)
    tilt = ((n_1**2 * k_2 - n_2**2 * k_1 + n_1 * n_2 * (n_2 - n_1) / 2) / total**2).sum()
    mixed = ((k_1 * (n_2 - k_2) + k_2 * (n_1 - k_1)) / (2 * total)).sum()
    variance = float((value * tilt + mixed) / weight**2)
    if events.sum() in (0, n.sum()):
        (all_1, all_2), (of_1, of_2) = events.sum(axis=0).astype(int), n.sum(axis=0).astype(int)
        low, high = newcombe(all_1, of_1, all_2, of_2, alpha)
        return Estimate(value, float(low), float(high))
    if variance < _ROUNDING:
        low, high = newcombe(k_1, n_1, k_2, n_2, alpha)
        share, apart = n_1 * n_2 / total / weight, k_1 / n_1 - k_2 / n_2
        below, above = (float(np.sqrt(((share * reach) ** 2).sum())) for reach in (apart - low, high - apart))
        return Estimate(value, max(-1.0, value - below), min(1.0, value + above))
    half = float(ndtri(1 - alpha / 2)) * max(variance, 0.0) ** 0.5
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half))


def _common_odds_ratio(events: Float[np.ndarray, "s 2"], n: Float[np.ndarray, "s 2"], alpha: float) -> Estimate | None:
    (k_1, k_2), (m_1, m_2), total = events.T, (n - events).T, n.sum(axis=1)
    r, s = k_1 * m_2 / total, m_1 * k_2 / total
    if not (r.sum() and s.sum()):
        return None
    p, q = (k_1 + m_2) / total, (m_1 + k_2) / total
    variance = (p * r).sum() / (2 * r.sum() ** 2) + (p * s + q * r).sum() / (2 * r.sum() * s.sum()) + (q * s).sum() / (2 * s.sum() ** 2)
    value, factor = float(r.sum() / s.sum()), float(np.exp(ndtri(1 - alpha / 2) * np.sqrt(variance)))
    return Estimate(value, value / factor, value * factor)


def _cochran_mantel_haenszel(events: Float[np.ndarray, "s 2"], n: Float[np.ndarray, "s 2"]) -> float:
    total, k = n.sum(axis=1), events.sum(axis=1)
    expected = (k * n[:, 0] / total).sum()
    # A stratum has n >= 2, since both groups have images in it.
    variance = (n.prod(axis=1) * k * (total - k) / (total**2 * (total - 1))).sum()
    return float(chdtrc(1, (events[:, 0].sum() - expected) ** 2 / variance)) if variance > 0 else 1.0


def stratified_gap_test(events: Int[np.ndarray, "s g"], n: Int[np.ndarray, "s g"], draws: int, rng: np.random.Generator) -> AdjustedGap:
    """Permutation test of the gap of at least two groups when labels are exchangeable only within strata; all groups have images in some.

    `p` is for the most significant pair (`max_standardized_difference`) of the raw rates, with labels shuffled within strata, so
    differences explained by the strata are expected. `adjusted` is the gap of observed minus expected rates; its p, for the most
    significant pair under the same shuffles, also detects differences that the strata hide.

    Examples
    --------
    Two strata with the same rates in both groups, .8 and .2; most of group a is in the first, of b in the second. The strata explain the
    raw gap completely.

    >>> n = np.array([[90, 10], [10, 90]])
    >>> found = stratified_gap_test(np.array([[72, 8], [2, 18]]), n, 999, np.random.default_rng(0))
    >>> round(found.gap, 2), round(found.explained, 2), round(found.adjusted, 2), found.p > 0.3, found.adjusted_p
    (0.48, 0.48, 0.0, True, 1.0)
    """
    sizes = n.sum(axis=0)
    drawn = np.zeros((draws, n.shape[1]), np.int64)
    for k, m in zip(events, n, strict=True):
        shuffled = 0 < k.sum() < m.sum()  # otherwise shuffling has no effect: no event, or only events
        drawn += rng.multivariate_hypergeometric(m, int(k.sum()), size=draws, method="marginals") if shuffled else k
    expected = (n * (events.sum(axis=1) / np.maximum(n.sum(axis=1), 1))[:, None]).sum(axis=0)
    observed = events.sum(axis=0)
    errors = stratified_errors(events.sum(axis=1), n)
    p, adjusted_p = (
        exceedance_p(
            max_standardized_difference((drawn - less) / sizes, errors),
            float(max_standardized_difference((observed - less) / sizes, errors)),
        )
        for less in (np.zeros_like(expected), expected)
    )
    return AdjustedGap(
        gap=float(np.ptp(observed / sizes)),
        p=p,
        explained=float(np.ptp(expected / sizes)),
        adjusted=float(np.ptp((observed - expected) / sizes)),
        adjusted_p=adjusted_p,
    )
