"""Images that belong together, such as several of one person: intervals and tests whose independent unit is the cluster.

Equal clusters (the same numbers of images and events in each group) are counted, so the cost depends on the number of kinds of clusters
and not on the number of images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.units.cluster_sums import Sums

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class ClusterTable:
    """Kinds of clusters and how often each occurs."""

    events: Int[np.ndarray, "c g"] | Float[np.ndarray, "c g"]
    n: Int[np.ndarray, "c g"] | Float[np.ndarray, "c g"]
    """Images of a cluster in each group, or their weights."""
    count: Int[np.ndarray, "c"]
    """Number of clusters of the kind."""

    @property
    def totals(self) -> tuple[Int[np.ndarray, "g"], Int[np.ndarray, "g"]]:
        """Events and images of each group."""
        return self.count @ self.events, self.count @ self.n

    @cached_property
    def sums(self) -> Sums:
        """Sums over the clusters, and of products within them."""
        e, n = self.events.astype(float), self.n.astype(float)
        often = self.count[:, None]
        return Sums(self.count @ e, self.count @ n, e.T @ (often * e), e.T @ (often * n), n.T @ (often * n))

    @property
    def clusters(self) -> Int[np.ndarray, "g"]:
        """Number of clusters with images in each group."""
        counted: np.ndarray = self.count @ (self.n > 0)
        return counted

    def of(self, groups: Int[np.ndarray, "h"]) -> ClusterTable:
        """Only some of the groups, and the clusters that have images in them."""
        kept = self.n[:, groups].any(axis=1)
        return ClusterTable(self.events[kept][:, groups], self.n[kept][:, groups], self.count[kept])

    def rest(self) -> ClusterTable:
        """The clusters with the images that are not events as the events."""
        return replace(self, events=self.n - self.events)

    def with_rest(self) -> ClusterTable:
        """The table with additional columns: for each group, all other groups together."""
        events, n = (np.hstack([part, part.sum(axis=1, keepdims=True) - part]) for part in (self.events, self.n))
        return ClusterTable(events, n, self.count)

    def together(self) -> ClusterTable:
        """The clusters with all groups merged into one."""
        events, n = (part.sum(axis=1, keepdims=True) for part in (self.events, self.n))
        return ClusterTable(events, n, self.count)


def cluster_table(cluster: Int[np.ndarray, "n"], codes: Int[np.ndarray, "n"], event: Bool[np.ndarray, "n"], groups: int) -> ClusterTable:
    """Count the kinds of clusters.

    Parameters
    ----------
    cluster : int[n]
        Cluster of each counted image.
    codes : int[n]
        Its group, ``0 <= code < groups``.
    event : bool[n]
        Whether it is an event.
    groups : int
        Number of groups.

    Examples
    --------
    Two people of the first group with two images each, one of the second with one; the first two are equal.

    >>> table = cluster_table(np.array([5, 5, 7, 7, 9]), np.array([0, 0, 0, 0, 1]), np.array([True, False, False, True, True]), 2)
    >>> table.n.tolist(), table.events.tolist(), table.count.tolist()
    ([[2, 0], [0, 1]], [[1, 0], [0, 1]], [2, 1])
    """
    _, owner = np.unique(cluster, return_inverse=True)
    parts, inverse = np.unique(owner.astype(np.int64) * groups + codes, return_inverse=True)
    owner, group = np.divmod(parts, groups)
    n, events = np.bincount(inverse), np.bincount(inverse[event], minlength=len(parts))
    alone = np.bincount(owner)[owner] == 1
    # Most clusters lie in one group: these are counted without a row that spans all groups, which would be too wide for a million of them.
    base = int(n.max(initial=0)) + 1
    kinds, count = np.unique((group[alone] * base + events[alone]) * base + n[alone], return_counts=True)
    rest, sizes = np.divmod(kinds, base)
    where, hits = np.divmod(rest, base)
    narrow = np.zeros((2, len(kinds), groups), np.int64)
    narrow[:, np.arange(len(kinds)), where] = hits, sizes
    wide, often = _spanning(owner[~alone], group[~alone], np.stack([events, n])[:, ~alone], groups)
    both = np.concatenate([narrow, wide], axis=1)
    return ClusterTable(both[0], both[1], np.concatenate([count, often]))


def _spanning(
    owner: Int[np.ndarray, "p"], group: Int[np.ndarray, "p"], counts: Int[np.ndarray, "2 p"] | Float[np.ndarray, "2 p"], groups: int
) -> tuple[Int[np.ndarray, "2 c g"] | Float[np.ndarray, "2 c g"], Int[np.ndarray, "c"]]:
    """Count the kinds of the clusters that lie in several groups."""
    names, row = np.unique(owner, return_inverse=True)
    both = np.zeros((len(names), 2, groups), counts.dtype)
    both[row, :, group] = counts.T
    kinds, often = np.unique(both, axis=0, return_counts=True)
    return kinds.transpose(1, 0, 2), often


def weighted_table(
    cluster: Int[np.ndarray, "n"] | None,
    codes: Int[np.ndarray, "n"],
    event: Bool[np.ndarray, "n"],
    weight: Float[np.ndarray, "n"],
    groups: int,
) -> tuple[ClusterTable, Float[np.ndarray, "g"]]:
    """Clusters (None: single images) whose `n` and `events` are sums of weights, and each group's sum of squared weights.

    Examples
    --------
    Two images of the first group that differ only in the answer, and one of the second.

    >>> table, squares = weighted_table(None, np.array([0, 0, 1]), np.array([True, False, True]), np.array([2.0, 2.0, 0.5]), 2)
    >>> table.n.tolist(), table.events.tolist(), table.count.tolist(), squares.tolist()
    ([[2.0, 0.0], [2.0, 0.0], [0.0, 0.5]], [[0.0, 0.0], [2.0, 0.0], [0.0, 0.5]], [1, 1, 1], [8.0, 0.25])
    """
    # The last digit of a sum of fractions depends on their order; the result must not depend on the order of the images.
    order = np.argsort(weight, kind="stable")
    codes, event, weight = codes[order], event[order], weight[order]
    squares = np.bincount(codes, weight**2, minlength=groups)
    owner = np.arange(len(weight)) if cluster is None else np.unique(cluster[order], return_inverse=True)[1]
    parts, inverse = np.unique(owner.astype(np.int64) * groups + codes, return_inverse=True)
    owner, group = np.divmod(parts, groups)
    n, events = np.bincount(inverse, weight), np.bincount(inverse[event], weight[event], minlength=len(parts))
    alone = np.bincount(owner)[owner] == 1
    kinds, count = np.unique(np.column_stack([group, events, n])[alone], axis=0, return_counts=True)
    narrow = np.zeros((2, len(kinds), groups))
    narrow[:, np.arange(len(kinds)), kinds[:, 0].astype(np.int64)] = kinds[:, 1:].T
    wide, often = _spanning(owner[~alone], group[~alone], np.stack([events, n])[:, ~alone], groups)
    both = np.concatenate([narrow, wide], axis=1)
    return ClusterTable(both[0], both[1], np.concatenate([count, often])), squares


def covariance(table: ClusterTable) -> Float[np.ndarray, "g g"]:
    """Covariance of the groups' rates when clusters are drawn independently; off the diagonal from clusters that span groups.

    ``C / (C - 1) sum_c r_c r_c'`` with ``r_cg = (k_cg - p_g n_cg) / n_g``; C counts the clusters with images in the group, or in both.
    A group without images has 0.
    """
    events, n = table.totals
    rates = events / np.maximum(n, 1)
    residual = (table.events - rates * table.n) / np.maximum(n, 1)
    present = (table.n > 0).astype(float)
    clusters = present.T @ (table.count[:, None] * present)
    spread: np.ndarray = residual.T @ (table.count[:, None] * residual) * clusters / np.maximum(clusters - 1, 1)
    return spread
