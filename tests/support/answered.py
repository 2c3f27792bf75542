"""Predictions made up from what each image was answered, for tests that need no model."""

from dataclasses import replace

import numpy as np
import pandas as pd

from audit.types import Predictions

LABELS = ("yes", "no")


def answered(y_pred, attributes, y_true=None, labels=LABELS, **changes):
    """Return the answers to images with these attributes; scores and margins are 0."""
    n = len(y_pred)
    found = Predictions(
        labels, labels, np.zeros((n, len(labels)), np.float32), np.asarray(y_pred), y_true, attributes, np.zeros(n, np.float32)
    )
    return replace(found, **changes)


def selected(cells, labels=LABELS):
    """Return predictions in which k of the n images of each group got the first of two answers, and nothing is true."""
    group = np.repeat(list(cells), [n for _, n in cells.values()])
    return answered(
        np.concatenate([np.repeat(labels, [k, n - k]) for k, n in cells.values()]), pd.DataFrame({"group": group}), None, labels
    )


def confusion(cells, labels=LABELS):
    """Return predictions of group -> (true positives, false negatives, false positives, true negatives); positive is the first answer."""
    four = [(truth, answer) for truth in labels for answer in labels]
    rows = [(group, *kind) for group, counts in cells.items() for kind, n in zip(four, counts, strict=True) for _ in range(n)]
    group, y_true, y_pred = map(np.array, zip(*rows, strict=True))
    return answered(y_pred, pd.DataFrame({"group": group}), y_true, labels)
