"""Probability of superiority: how often an image of one group scores higher than an image of another, from scores without a threshold.

It is the area under the ROC curve of the score as a test for the group, and Mann-Whitney's U divided by the number of pairs. Its variance
is DeLong's, from the placements of the images; with clusters from their sums per cluster (Obuchowski 1997), with weights Taylor-linearised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_FEWEST_FREEDOM = 1.0


@dataclass(frozen=True)
class ScoredRows:
    """Scores of the images of two groups."""

    score: Float[np.ndarray, "n"]
    first: Bool[np.ndarray, "n"]
    """Whether the image is of the first group; otherwise it is of the second."""
    weight: Float[np.ndarray, "n"] | None = None
    cluster: Int[np.ndarray, "n"] | None = None
    """None: images are independent."""
    stratum: Int[np.ndarray, "n"] | None = None
    """Only images of one stratum are compared; strata count by their share of all images. None: one stratum."""


@dataclass(frozen=True)
class Superiority:
    """A probability of superiority with its precision."""

    value: float
    """0.5: neither group scores higher."""
    variance: float
    freedom: float
    """Degrees of freedom (Satterthwaite): those of Brunner and Munzel for independent images."""

    @property
    def effective_n(self) -> float:
        """Number of independent comparisons with the same precision: ``value (1 - value) / variance``, at the edges from 0.5."""
        return max(self.value * (1 - self.value), 0.0) / self.variance if 0 < self.value < 1 else 0.25 / self.variance

    def interval(self, alpha: float) -> tuple[float, float]:
        """Wilson's interval with the effective number of comparisons and the quantile of t: inside [0, 1], and never without width."""
        n, t2 = self.effective_n, self._quantile(alpha) ** 2
        centre = (self.value + t2 / (2 * n)) / (1 + t2 / n)
        half = np.sqrt(t2) / (1 + t2 / n) * np.sqrt(self.value * (1 - self.value) / n + t2 / (4 * n**2))
        return max(float(centre - half), 0.0), min(float(centre + half), 1.0)

    def _quantile(self, alpha: float) -> float:
        quantile = stdtrit(self.freedom, 1 - alpha / 2) if self.freedom < 1e6 else ndtri(1 - alpha / 2)
        return float(quantile)

    @property
    def p(self) -> float:
        """Two-sided p of 0.5: below alpha exactly if the interval at 1 - alpha excludes 0.5."""
        t = abs(self.value - 0.5) * 2 * np.sqrt(self.effective_n)
        return float(min(1.0, 2 * stdtr(self.freedom, -t)))

    @property
    def standard_error(self) -> float:
        return float(np.sqrt(self.variance))

    def turned(self) -> Superiority:
        """The same with the groups exchanged."""
        return Superiority(1 - self.value, self.variance, self.freedom)

    def at(self, value: float) -> Superiority:
        """Another value with the same effective number of comparisons."""
        spread = value * (1 - value) if 0 < value < 1 else 0.25
        return Superiority(value, spread / self.effective_n, self.freedom)


def superiority(rows: ScoredRows) -> Superiority | None:
    """Probability that an image of the first group scores higher than one of the second, ties half; None if all scores are equal.

    ``sum_s w_s sum_ij w_i w_j [x_i > y_j] + [x_i = y_j] / 2`` over the pairs within each stratum, normalised. The variance is at least half
    of that under equal distributions (with ties), since an estimate near 0 or 1 says little of its own variance.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson 1988, https://doi.org/10.2307/2531595; Brunner and Munzel 2000,
    https://doi.org/10.1002/(SICI)1521-4036(200001)42:1<17::AID-BIMJ17>3.0.CO;2-U; Obuchowski 1997, https://doi.org/10.2307/2533958

    Examples
    --------
    Of the nine pairs the first group wins seven, and one is tied.

    >>> rows = ScoredRows(np.array([0.3, 0.5, 0.9, 0.1, 0.4, 0.3]), np.array([True] * 3 + [False] * 3))
    >>> round(superiority(rows).value * 9, 6)
    7.5
    """
    n = len(rows.score)
    weight = np.ones(n) if rows.weight is None else rows.weight / rows.weight.max()
    stratum = np.zeros(n, np.int64) if rows.stratum is None else rows.stratum
    owner = np.arange(n) if rows.cluster is None else np.unique(rows.cluster, return_inverse=True)[1]
    usable = [s for s in np.unique(stratum) if len(set(rows.first[stratum == s].tolist())) == 2]
    if not usable:
        return None
    shares = np.array([weight[stratum == s].sum() for s in usable])
    shares = shares / shares.sum()
    value, null, influence = 0.0, 0.0, np.zeros(n)
    for s, share in zip(usable, shares, strict=True):
        inside = np.flatnonzero(stratum == s)
        part = _stratum(rows.score[inside], rows.first[inside], weight[inside], owner[inside])
        value += share * part.value
        null += share**2 * part.null
        influence[inside] = share * part.influence
    if null <= 0:
        return None
    variance, freedom = _precision(influence, owner, rows.first)
    independent = rows.cluster is None
    if variance <= 0 and not independent:
        null *= n / len(np.unique(owner))
    edge = 4 * value * (1 - value) if 0 < value < 1 else 1.0
    return Superiority(float(value), float(max(variance, edge * null * (0.5 if variance > 0 else 1.0))), freedom)


def filled(rows: ScoredRows, lacking: ScoredRows) -> tuple[float, float]:
    """The least and the largest probability of superiority if any stratum may have any of the `lacking` images, whose own is unknown.

    Each stratum is filled by itself, and keeps its share, so that the ends are outer ones.
    """
    stratum = np.zeros(len(rows.score), np.int64) if rows.stratum is None else rows.stratum
    more = [(one.score, np.ones(len(one.score)) if one.weight is None else one.weight, one.first) for one in (rows, lacking)]
    (score, weight, first), (others, others_weight, others_first) = more
    ends, shares = [], []
    for s in np.unique(stratum):
        sides = [_Side(score[own], weight[own], others[out], others_weight[out])
                 for own, out in (((stratum == s) & (first == which), others_first == which) for which in (True, False))]  # fmt: skip
        if all(len(side.score) for side in sides):
            one, other = sides
            ends.append((1 - _most(other, one), _most(one, other)))
            shares.append(float(weight[stratum == s].sum()))
    least, most = np.array(shares) @ np.array(ends) / sum(shares)
    return float(least), float(most)


@dataclass(frozen=True)
class _Side:
    """The images of a group in a stratum, and those that may belong to it."""

    score: Float[np.ndarray, "n"]
    weight: Float[np.ndarray, "n"]
    others: Float[np.ndarray, "m"]
    others_weight: Float[np.ndarray, "m"]

    def mirrored(self) -> _Side:
        return _Side(-self.score, self.weight, -self.others, self.others_weight)


def _most(first: _Side, second: _Side) -> float:
    """An upper limit of the probability that the first scores higher, over all choices of others: the smaller of one from each side."""
    return min(_from_below(first, second), _from_below(second.mirrored(), first.mirrored()))


def _from_below(first: _Side, second: _Side) -> float:
    """The mean over images of the second side, others only if they raise it, of the share of the first that scores higher.

    To each of them, others of the first side that score at least as high are added (a tie counts as won), which no other choice exceeds.
    """

    def share(score: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        total = first.weight.sum()
        won = (1 - _below(score, first.score, first.weight)) * total
        added = _at_least(score, first.others, first.others_weight)
        return np.asarray((won + added) / (total + added))

    known, more = share(second.score), share(second.others)
    order = np.argsort(-more, kind="stable")
    sums, sizes = (
        np.concatenate([[start], start + np.cumsum(part[order])])
        for start, part in (
            (float((second.weight * known).sum()), second.others_weight * more), (float(second.weight.sum()), second.others_weight),
        )
    )  # fmt: skip
    return float((sums / sizes).max())


def _at_least(score: Float[np.ndarray, "n"], others: Float[np.ndarray, "m"], weight: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
    """Weight of the others that score at least as high."""
    order = np.argsort(others, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    return np.asarray(total[-1] - total[np.searchsorted(others[order], score, side="left")])


@dataclass(frozen=True)
class _Stratum:
    value: float
    influence: Float[np.ndarray, "n"]
    """Influence of each image on the value, with the correction of its cluster's leverage."""
    null: float
    """Variance if both groups had the same distribution, independent images."""


def _stratum(
    score: Float[np.ndarray, "n"], first: Bool[np.ndarray, "n"], weight: Float[np.ndarray, "n"], owner: Int[np.ndarray, "n"]
) -> _Stratum:
    influence = np.zeros(len(score))
    sides, sizes, value = (first, ~first), [], 0.0
    for sign, own, other in ((1, *sides), (-1, *sides[::-1])):
        w = weight[own]
        # The share of the other group below each image: its placement.
        placement = _below(score[own], score[other], weight[other])
        mean = float((w * placement).sum() / w.sum())
        share = w / w.sum()
        leverage = np.bincount(np.unique(owner[own], return_inverse=True)[1], share)[np.unique(owner[own], return_inverse=True)[1]]
        influence[own] = sign * share * (placement - mean) / np.sqrt(np.maximum(1 - leverage, 1e-9))
        value = mean if sign == 1 else value
        sizes.append(float(w.sum() ** 2 / (w**2).sum()))
    pooled = _below(score, score, weight)
    spread = float((weight * (pooled - 0.5) ** 2).sum() / weight.sum())
    return _Stratum(value, influence, spread * (1 / sizes[0] + 1 / sizes[1]))


def _below(score: Float[np.ndarray, "n"], others: Float[np.ndarray, "m"], weight: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
    """Share of the others, by weight, with a lower score, ties half."""
    order = np.argsort(others, kind="stable")
    ordered, total = others[order], np.concatenate([[0.0], np.cumsum(weight[order])])
    below, up_to = (total[np.searchsorted(ordered, score, side=side)] for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * total[-1]))


def _precision(influence: Float[np.ndarray, "n"], owner: Int[np.ndarray, "n"], first: Bool[np.ndarray, "n"]) -> tuple[float, float]:
    """Variance and degrees of freedom: clusters of the first group only, of the second only, and of both have a variance each."""
    sums = np.bincount(owner, influence)
    sizes = np.bincount(owner)
    of_first = np.bincount(owner, first) > 0
    of_second = np.bincount(owner, ~first) > 0
    variance, slack = 0.0, 0.0
    for part in (of_first & ~of_second, of_second & ~of_first, of_first & of_second):
        if not part.any():
            continue
        own = float((sums[part] ** 2).sum())
        units = float(sizes[part].sum() ** 2 / (sizes[part].astype(float) ** 2).sum())
        variance += own
        slack += own**2 / max(units - 1, _FEWEST_FREEDOM)
    return variance, float(variance**2 / slack) if slack > 0 else float(max(len(np.flatnonzero(sizes)) - 2, _FEWEST_FREEDOM))
