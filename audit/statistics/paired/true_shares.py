"""How often an answer is given and how often it is true, on the same images: shown beside each other, never tested."""

from __future__ import annotations

import numpy as np

from audit.records.finding import TruthShare
from audit.statistics.counts.count_table import GroupedCounts
from audit.statistics.metrics import Outcome
from audit.statistics.paired.intervals import agresti_min


def truth_shares(counts: GroupedCounts, outcome: Outcome, alpha: float, *, independent: bool) -> tuple[TruthShare, ...]:
    """Return how often an outcome is given and how often it is true in each group, and by how much more; of images with a true answer.

    The excess of a perfect model is 0. Of equal error rates it differs between groups all the same, where the true shares do: it is shown
    and never tested. Its interval is Agresti and Min's for the two kinds of errors, on the same images; none for clusters and weights.
    """
    known = counts.known_truth()
    true, selected = (np.isin(known.table[name].to_numpy(object), list(outcome)) for name in ("y_true", "y_pred"))
    parts = (np.ones(len(true), bool), selected, true, selected & ~true, true & ~selected)
    by_group = [known.by_group(part, known.measure) for part in parts]
    images = known.by_group(parts[0])
    shares = []
    for position, (group, n) in enumerate(zip(counts.groups, images.tolist(), strict=True)):
        total, *kinds = (float(column[position]) for column in by_group)
        if not n:
            shares.append(TruthShare(group, 0, None, None, None, None, None))
            continue
        selection_rate, base_rate, wrongly, missed = (kind / total for kind in kinds)
        low, high = agresti_min(kinds[2], kinds[3], n, alpha) if independent else (None, None)
        shares.append(TruthShare(group, n, selection_rate, base_rate, wrongly - missed, low, high))
    return tuple(shares)
