"""Sums over clusters, and what follows from them: rates, their standard errors, effective clusters, a statistic for any two groups.

Everything has leading axes ``*b``: the observed table has none, shuffled tables have one. A table and its shuffles are treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Pairs = Int[np.ndarray, "m"]

FEWEST_WITH_EVENTS = 5
"""If events (or images without one) lie in effectively fewer clusters, the correlation within clusters cannot be estimated."""
_TINY, _ROUNDING = 1e-12, 1e-9


def products(parts: Int[np.ndarray, "*b k 2"]) -> Float[np.ndarray, "*b f"]:
    """Flattened: events e and images n of a cluster's k parts, and the products of any two parts: e e, e n, n n."""
    e, n = parts[..., 0].astype(float), parts[..., 1].astype(float)
    flat = (*parts.shape[:-2], parts.shape[-2] ** 2)
    pairs = [(one[..., :, None] * two[..., None, :]).reshape(flat) for one, two in ((e, e), (e, n), (n, n))]
    return np.concatenate([e, n, *pairs], axis=-1)


def sums_of_products(parts: Int[np.ndarray, "b c k 2"]) -> Float[np.ndarray, "b f"]:
    """The `products` summed over c clusters; bit-identical in any order, since all are integers."""
    k = parts.shape[2]
    sides = np.concatenate([parts[..., 0], parts[..., 1]], axis=-1).astype(float)
    gram = sides.swapaxes(-1, -2) @ sides
    pairs = [gram[:, :k, :k], gram[:, :k, k:], gram[:, k:, k:]]
    return np.concatenate([sides.sum(axis=1), *(pair.reshape(len(parts), k * k) for pair in pairs)], axis=-1)


@dataclass(frozen=True)
class Sums:
    """Events e and images n of each group, and the products of two groups' within a cluster, summed over clusters."""

    e: Float[np.ndarray, "*b g"]
    n: Float[np.ndarray, "*b g"]
    ee: Float[np.ndarray, "*b g g"]
    en: Float[np.ndarray, "*b g g"]
    nn: Float[np.ndarray, "*b g g"]
    borrowed: float | None = None
    """Correlation of two images of a cluster for groups in which too few clusters have an event; None: all images of one are alike."""

    @cached_property
    def rates(self) -> Float[np.ndarray, "*b g"]:
        return np.asarray(self.e / _or_one(self.n))

    @cached_property
    def effective_clusters(self) -> Float[np.ndarray, "*b g"]:
        """Number of equally large clusters with the same information (Kish 1965): ``(sum n)^2 / sum n^2``."""
        return np.asarray(self.n**2 / _or_one(_own(self.nn)))

    @cached_property
    def images_per_cluster(self) -> Float[np.ndarray, "*b g"]:
        """Mean size of an image's cluster, ``sum n^2 / sum n``: the design effect if all images of a cluster are alike."""
        return np.asarray(_own(self.nn) / _or_one(self.n))

    @cached_property
    def freedom(self) -> Float[np.ndarray, "*b g"]:
        """Degrees of freedom of each rate's variance."""
        return np.asarray(np.maximum(self.effective_clusters - 1, 0.5))

    @cached_property
    def residuals(self) -> Float[np.ndarray, "*b g g"]:
        """Sums of ``(e_a - p_a n_a)(e_b - p_b n_b)``; divided by ``n_a n_b``, the covariance of rates up to a bias for few clusters."""
        one, two = self.rates[..., :, None], self.rates[..., None, :]
        return np.asarray(self.ee - two * self.en - one * self.en.swapaxes(-1, -2) + one * two * self.nn)

    @property
    def standard_errors(self) -> Float[np.ndarray, "*b g"]:
        """Taylor-linearised, without a correction for few clusters: ``sqrt(sum (e - p n)^2) / sum n``."""
        return np.asarray(np.sqrt(np.maximum(_own(self.residuals), 0.0)) / _or_one(self.n))

    @cached_property
    def own_design_effects(self) -> Float[np.ndarray, "*b g"]:
        """Variance of each rate divided by that of independent images, estimated from the group's own clusters.

        The sum of squared residuals is unbiased for independent images: that of m equal clusters is multiplied by m / (m - 1).
        """
        squares = np.maximum(_own(self.residuals), 0.0) * (self.freedom + 1) / self.freedom
        return np.asarray(squares / np.maximum(self.rates * (1 - self.rates) * self.n, _TINY))

    @cached_property
    def clusters_with_events(self) -> Float[np.ndarray, "*b g"]:
        """Effective number of clusters with events of a group, or with images without one: the smaller of the two."""
        others = self.n - self.e
        without = _own(self.nn) - 2 * _own(self.en) + _own(self.ee)
        return np.asarray(np.minimum(self.e**2 / np.maximum(_own(self.ee), _TINY), others**2 / np.maximum(without, _TINY)))

    @cached_property
    def design_effects(self) -> Float[np.ndarray, "*b g"]:
        """The same; if clusters do not suffice, as if all images of a cluster were alike, or from the borrowed correlation."""
        alike = self.images_per_cluster if self.borrowed is None else 1 + (self.images_per_cluster - 1) * self.borrowed
        few = self.clusters_with_events < FEWEST_WITH_EVENTS
        return np.asarray(np.where(few, np.maximum(self.own_design_effects, alike), self.own_design_effects))

    @property
    def intracluster_correlations(self) -> Float[np.ndarray, "*b g"]:
        """Correlation of two images of a cluster that gives the design effect; NaN if clusters have one image each."""
        others = self.images_per_cluster - 1
        several = others > _ROUNDING
        return np.where(several, np.minimum((self.design_effects - 1) / np.where(several, others, 1.0), 1.0), np.nan)

    def variances(self, pooled: Float[np.ndarray, "*b m"] | float, groups: Pairs) -> Float[np.ndarray, "*b m"]:
        """Variance of some groups' rates, half-way between its own and the `pooled` rate, which is the true rate if none differs.

        With its own alone, a group in few clusters whose images all agree has no error at all and gives false positives; with the pooled
        one alone, a rate far from it has the wrong error.
        """
        middle = (self.rates[..., groups] + pooled) / 2
        return np.asarray(middle * (1 - middle) * self.design_effects[..., groups] / _or_one(self.n[..., groups]))

    def correlations(self, first: Pairs, second: Pairs) -> Float[np.ndarray, "*b m"]:
        """Correlation of two groups' rates through the clusters that span both."""
        scale = np.sqrt(np.maximum(_own(self.residuals)[..., first] * _own(self.residuals)[..., second], 0.0))
        return np.clip(np.where(scale > _TINY, self.residuals[..., first, second] / np.maximum(scale, _TINY), 0.0), -1, 1)


def below_one(correlation: Float[np.ndarray, "*b m"], clusters: Float[np.ndarray, "*b m"], alpha: float) -> Float[np.ndarray, "*b m"]:
    """A correlation of two rates, below 1 even if no cluster tells them apart: c clusters do not show that no other would.

    Wilson's upper limit of "a cluster tells them apart", observed in none of c, is z² / (c + z²); two rates of one half then have the
    correlation 1 - 2 z² / (c + z²). Any other correlation is returned unchanged.

    Examples
    --------
    >>> below_one(np.array([1.0, 0.9]), np.array([60.0, 60.0]), 0.05).round(3).tolist()
    [0.88, 0.9]
    """
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    return np.where(correlation > 1 - _ROUNDING, np.maximum(1 - 2 * z2 / (clusters + z2), 0.0), correlation)


def difference_errors(
    sums: Sums, pooled: Float[np.ndarray, "*b m"] | float, first: Pairs, second: Pairs
) -> tuple[Float[np.ndarray, "*b m"], Float[np.ndarray, "*b m"]]:
    """Standard errors of the differences of two groups' rates, and their degrees of freedom (Satterthwaite's).

    The rates of groups with common clusters are correlated, and so are the estimates of their errors.
    """
    one, two = sums.variances(pooled, first), sums.variances(pooled, second)
    error = one + two - 2 * sums.correlations(first, second) * np.sqrt(one * two)
    sizes = _own(sums.nn)
    common = sums.nn[..., first, second] ** 2 / _or_one(sizes[..., first] * sizes[..., second])
    parts = one / np.sqrt(sums.freedom[..., first]), two / np.sqrt(sums.freedom[..., second])
    spread = parts[0] ** 2 + parts[1] ** 2 + 2 * common * parts[0] * parts[1]
    freedom = np.where(spread > 0, (one + two) ** 2 / np.where(spread > 0, spread, 1.0), 1.0)
    return np.sqrt(np.maximum(error, _TINY)), np.maximum(freedom, 0.5)


def standardized_differences(
    sums: Sums, pooled: Float[np.ndarray, "*b m"] | float, first: Pairs, second: Pairs
) -> tuple[Float[np.ndarray, "*b m"], Float[np.ndarray, "*b m"]]:
    """Differences of two groups' rates in standard errors, and their degrees of freedom."""
    error, freedom = difference_errors(sums, pooled, first, second)
    return (sums.rates[..., first] - sums.rates[..., second]) / error, freedom


def as_normal(t: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Convert values of Student's t to those of the standard normal with (nearly) the same p.

    References
    ----------
    Wallace 1959, Bounds on normal approximations to Student's and the chi-square distributions, https://doi.org/10.1214/aoms/1177706096

    Examples
    --------
    >>> as_normal(np.array([2.093024]), np.array([19.0])).round(2).tolist()
    [1.96]
    """
    return np.asarray(np.sign(t) * (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t**2 / freedom)))


def as_student(z: float | np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Convert a value of the standard normal to Student's t: the inverse of `as_normal`.

    Examples
    --------
    >>> as_student(1.96, np.array([19.0])).round(2).tolist()
    [2.09]
    """
    return np.asarray(np.sqrt(freedom * np.expm1((z * (8 * freedom + 3) / (8 * freedom + 1)) ** 2 / freedom)))


def _or_one(total: Float[np.ndarray, "*b m"]) -> Float[np.ndarray, "*b m"]:
    """A divisor that is not 0: for an empty group, whose sums are 0, any will do. Weights may sum to less than 1."""
    return np.where(total > 0, total, 1.0)


def _own(matrix: Float[np.ndarray, "*b g g"]) -> Float[np.ndarray, "*b g"]:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def unpacked(flat: Float[np.ndarray, "*b f"], groups: int) -> Sums:
    """Unflatten the sums of `products` of all groups."""
    e, n, *both = np.split(flat, [groups, 2 * groups, 2 * groups + groups**2, 2 * groups + 2 * groups**2], axis=-1)
    ee, en, nn = (block.reshape(*block.shape[:-1], groups, groups) for block in both)
    return Sums(e, n, ee, en, nn)
