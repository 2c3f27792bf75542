"""How often an answer is predicted and how often it is true, on the same images: shown side by side, never tested."""

from __future__ import annotations

import numpy as np

from audit.records.finding import TruthShare
from audit.statistics.counts import GroupedCounts
from audit.statistics.metrics import Outcome
from audit.statistics.paired.intervals import agresti_min


def truth_shares(counts: GroupedCounts, outcome: Outcome, alpha: float, *, independent: bool) -> tuple[TruthShare, ...]:
    """How often an outcome is predicted and how often it is true in each group, and the excess; for images with a true answer.

    A perfect model has an excess of 0. With equal error rates, groups still differ in it if the true shares do, so it is shown but
    never tested. Its interval is Agresti and Min's for the two kinds of errors, on the same images; none for clusters and weights.
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
