"""Does a change differ between groups? A permutation test on what each image, or each cluster of images, gained or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, Kinds
from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_null import shuffles
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Float

    from audit.statistics.units.cluster_sums import Sums


class UnequalChanges(NamedTuple):
    """The two groups whose changes differ most, and how often two differ as much by chance."""

    p: float
    first: int
    """Index of the group whose rate rose more (or fell less)."""
    second: int


def unequal_changes(joint: JointCounts, draws: int, rng: np.random.Generator) -> UnequalChanges:
    """Test "the rate changes equally in every group" by the most significant pair of groups.

    Each image gains (+1), loses (-1) or keeps (0) its event. Under the null, images are exchangeable between groups, or whole clusters if
    images come in clusters. Every shuffle is divided by its own standard errors, so that the test is asymptotically valid for groups
    whose changes have equal means but different variances, such as groups with different rates before.

    Parameters
    ----------
    joint : JointCounts
        Images of at least two groups, none empty, by event before x event after.
    draws : int
        Shuffles; ``p = (1 + #{t* >= t}) / (draws + 1)`` is never 0. t is the largest difference of two groups' mean changes in its own
        standard errors, with half an image (or cluster) gained and lost added to each group, so that an unchanged group has an error, too.
    rng : Generator
        Source of the shuffles.

    Returns
    -------
    UnequalChanges
        p, and the indices of the two groups.

    References
    ----------
    Janssen 1997, Studentized permutation tests, https://doi.org/10.1016/S0167-7152(97)00043-6;
    Chung and Romano 2013, https://doi.org/10.1214/13-AOS1090

    Examples
    --------
    One group keeps its 80 right answers out of 100, the other loses 40 of its 80.

    >>> from audit.statistics.paired.joint import JointCounts
    >>> lost = JointCounts((("a",), ("b",)), np.array([[80, 0, 0, 20], [40, 40, 0, 20]]), np.array([100, 100]))
    >>> unequal_changes(lost, 999, np.random.default_rng(0))
    UnequalChanges(p=0.001, first=0, second=1)
    """
    table = (joint.kinds or _single(joint)).net
    observed, places = _largest(table.sums)
    drawn = np.concatenate([_largest(sums)[0] for sums in shuffles(table, draws, rng)])
    rates = table.sums.rates[list(places)]
    first, second = places if rates[0] >= least_equal(rates[1]) else places[::-1]
    return UnequalChanges(exceedance_p(drawn, float(observed)), first, second)


def _single(joint: JointCounts) -> Kinds:
    """The images as clusters of one."""
    groups = len(joint.groups)
    cells = np.zeros((4 * groups, groups, 4), np.int64)
    for group in range(groups):
        for cell in (BOTH, ONLY_BEFORE, ONLY_AFTER, NEITHER):
            cells[4 * group + cell, group, cell] = 1
    often = joint.cells.ravel().astype(np.int64)
    return Kinds(cells[often > 0], often[often > 0])


def _largest(sums: Sums) -> tuple[Float[np.ndarray, "*b"], tuple[int, int]]:
    """The largest standardised difference of any two groups' mean changes, and which two (in the first table)."""
    first, second = np.triu_indices(sums.n.shape[-1], 1)
    spread = sums.residuals
    own = np.diagonal(spread, axis1=-2, axis2=-1) + np.diagonal(sums.nn, axis1=-2, axis2=-1) / sums.effective_clusters
    variance = own / sums.n**2
    together = spread[..., first, second] / (sums.n[..., first] * sums.n[..., second])
    error = np.sqrt(np.maximum(variance[..., first] + variance[..., second] - 2 * together, 1e-12))
    t = np.abs(sums.rates[..., first] - sums.rates[..., second]) / error
    at = first_largest(t.reshape(-1, len(first))[0])
    return t.max(axis=-1), (int(first[at]), int(second[at]))
