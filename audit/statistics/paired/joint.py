"""Joint counts of two models' images: for each group, by event before x event after; by cluster if images belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from audit.records.finding import CellStatus
from audit.statistics.draws import binomial
from audit.statistics.metrics import Tally
from audit.statistics.null import EXACT_CLUSTERS, generator, mcnemar_p, sign_flip_p
from audit.statistics.paired.intervals import agresti_min, tango
from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import ClusterTable, covariance
from audit.statistics.units.sampling_unit import ImageUnits, SamplingUnits
from audit.types import Group, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int

BOTH, ONLY_BEFORE, ONLY_AFTER, NEITHER = range(4)
"""Cells of a group's table of events before x after."""


@dataclass(frozen=True)
class Kinds:
    """Kinds of clusters of images that belong together, and the number of clusters of each kind."""

    cells: Int[np.ndarray, "c g 4"]
    """Images of a cluster in each group, by event before x event after."""
    often: Int[np.ndarray, "c"]

    @property
    def n(self) -> Int[np.ndarray, "c g"]:
        return np.asarray(self.cells.sum(axis=2))

    @property
    def net(self) -> ClusterTable:
        """Images gained minus images lost, instead of events."""
        return ClusterTable(self.cells[..., ONLY_AFTER] - self.cells[..., ONLY_BEFORE], self.n, self.often)

    def of(self, places: Sequence[int]) -> Kinds:
        """Only some of the groups, and the kinds that have images in them."""
        cells = self.cells[:, places]
        kept = cells.any(axis=(1, 2))
        return Kinds(cells[kept], self.often[kept])

    @property
    def reach(self) -> Int[np.ndarray, "g"]:
        """Number of clusters with images in each group."""
        return self.net.clusters


@dataclass(frozen=True)
class JointCounts:
    """The images of each group by event before x event after."""

    groups: tuple[Group, ...]
    cells: Int[np.ndarray, "g 4"]
    images: Int[np.ndarray, "g"]
    """Number of images of the group, whether they count for the metric or not."""
    kinds: Kinds | None = None
    """The same images by cluster, if they come in clusters; None: images are independent."""

    @property
    def n(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells.sum(axis=1))

    @property
    def before(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells[:, BOTH] + self.cells[:, ONLY_BEFORE])

    @property
    def after(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells[:, BOTH] + self.cells[:, ONLY_AFTER])

    def units(self, *, after: bool) -> SamplingUnits:
        """One model's events with their sampling units."""
        if self.kinds is None:
            return ImageUnits(self.after if after else self.before, self.n)
        events = self.kinds.cells[..., BOTH] + self.kinds.cells[..., ONLY_AFTER if after else ONLY_BEFORE]
        return ClusterUnits(ClusterTable(events, self.kinds.n, self.kinds.often))

    def statuses(self, fewest: int) -> tuple[CellStatus, ...]:
        """Status of each group, by the rules of an audit."""
        pairs = zip(Tally(self.groups, self.before, self.n, self.images).statuses(fewest), self.units(after=False).enough(), strict=True)
        return tuple(status if status != "ok" or enough else "small" for status, enough in pairs)

    def compared(self, fewest: int) -> JointCounts:
        """Only the groups that can be compared."""
        return self.of([i for i, status in enumerate(self.statuses(fewest)) if status == "ok"])

    def of(self, places: Sequence[int]) -> JointCounts:
        """Only some of the groups, and the clusters that have images in them."""
        kinds = None if self.kinds is None else self.kinds.of(places)
        return JointCounts(tuple(self.groups[i] for i in places), self.cells[places], self.images[places], kinds)

    def together(self) -> JointCounts:
        """All images as one group."""
        kinds = None if self.kinds is None else Kinds(self.kinds.cells.sum(axis=1, keepdims=True), self.kinds.often)
        return JointCounts(((),), self.cells.sum(axis=0, keepdims=True), self.images.sum(keepdims=True), kinds)


def cluster_kinds(cluster: pd.Series, places: Int[np.ndarray, "r"], counted: Int[np.ndarray, "r"], groups: int) -> Kinds:
    """Count the kinds of clusters; clusters of one kind have the same cells in every group.

    `places` is four times the index of a row's group, plus its cell; `counted` is the row's number of images that count.
    """
    owner, names = pd.factorize(cluster)
    cells = np.bincount(owner * 4 * groups + places, weights=counted, minlength=4 * groups * len(names)).astype(np.int64)
    kinds, often = np.unique(cells.reshape(len(names), 4 * groups), axis=0, return_counts=True)
    return Kinds(kinds.reshape(len(kinds), groups, 4), often)


def change_ends(joint: JointCounts, alpha: float) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
    """Agresti and Min's interval of each group's change, at its effective number of images if they come in clusters."""
    gained, lost, n = effective(joint, alpha)
    ends = [agresti_min(*row, alpha) for row in zip(gained.tolist(), lost.tolist(), n.tolist(), strict=True)]
    low, high = np.array(ends).reshape(-1, 2).T
    return low, high


def score_ends(joint: JointCounts, alpha: float) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
    """Tango's interval of each group's change with continuity correction, at its effective number of images."""
    gained, lost, n = effective(joint, alpha)
    return tango(gained, lost, n, alpha, continuity=True)


def effective(joint: JointCounts, alpha: float) -> tuple[Float[np.ndarray, "g"], ...]:
    """Gained, lost and all images as if they were independent: fewer, if clusters vary more than images would.

    The variance of the change between clusters determines how many independent images have the same information, at most the actual number;
    with few clusters the quantile is Student's; if no cluster changed, each counts as one image. Like `clustered_rates` for a rate.
    """
    gained, lost, n = (joint.cells[:, ONLY_AFTER].astype(float), joint.cells[:, ONLY_BEFORE].astype(float), joint.n.astype(float))
    if joint.kinds is None:
        return gained, lost, n
    images = np.maximum(n, 1)
    single = (gained + lost) / images - ((gained - lost) / images) ** 2
    spread = np.diag(covariance(joint.kinds.net))
    equal = images**2 / np.maximum(joint.kinds.often @ joint.kinds.n**2, 1)
    independent = np.where(spread > 1e-20, np.minimum(single / np.maximum(spread, 1e-20), images), equal)
    freedom = np.maximum(joint.kinds.net.sums.freedom, 1)
    reliable = np.maximum(1.0, independent * (ndtri(1 - alpha / 2) / stdtrit(freedom, 1 - alpha / 2)) ** 2)
    share = np.where(n > 0, reliable / images, 0.0)
    return gained * share, lost * share, n * share


def change_p(joint: JointCounts, settings: Settings) -> Float[np.ndarray, "g"]:
    """The p of "no change", for each group by itself."""
    if joint.kinds is None:
        return np.array([mcnemar_p(int(cell[ONLY_BEFORE]), int(cell[ONLY_AFTER])) for cell in joint.cells])
    net, often = joint.kinds.net.events, joint.kinds.often
    named = zip(joint.groups, net.T, strict=True)
    return np.array([_flip_p(column, often, settings.draws, generator(settings.seed, f"{group}/flip")) for group, column in named])


def _flip_p(net: Int[np.ndarray, "c"], often: Int[np.ndarray, "c"], draws: int, rng: np.random.Generator) -> float:
    """Two-sided p under random signs of the clusters; clusters with the same size of change are drawn together."""
    sizes, inverse = np.unique(np.abs(net), return_inverse=True)
    clusters = np.bincount(inverse, weights=often, minlength=len(sizes)).astype(np.int64)
    clusters[sizes == 0] = 0
    if clusters.sum() <= EXACT_CLUSTERS:
        return sign_flip_p(np.repeat(net, often).astype(float), draws, rng)
    ups = binomial(clusters, 0.5, (draws, len(sizes)), rng)
    return exceedance_p(np.abs((2 * ups - clusters) @ sizes), float(abs(net @ often)))
