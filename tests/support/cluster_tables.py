"""Tables of clusters."""

import numpy as np

from audit.statistics.units.clusters import ClusterTable


def nested(*groups):
    """Table of clusters that lie in one group each: (events, images) by group."""
    rows = [(g, k, n) for g, (events, sizes) in enumerate(groups) for k, n in zip(events, sizes, strict=True)]
    table = np.zeros((2, len(rows), len(groups)), int)
    for c, (g, k, n) in enumerate(rows):
        table[:, c, g] = k, n
    return ClusterTable(table[0], table[1], np.ones(len(rows), int))
