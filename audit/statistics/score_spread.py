"""How the scores themselves lie in each group: a rate of answers says nothing of how near the others came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from audit.evidence import GroupSpread, ScoreSpread
from audit.statistics.confident import has_confidence, slices
from audit.statistics.rows import row_codes
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Float

    from audit.types import Group, Measurement, Predictions

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def score_spreads(measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group]) -> tuple[ScoreSpread, ...]:
    """Return quantiles of the probability of the true answer, and of each outcome that counts, by group.

    Parameters
    ----------
    measurement : Measurement
    predictions : Predictions
        Without probabilities (answers given elsewhere) there is nothing to return.
    levels : mapping of str to tuple of str
        attribute -> declared levels.

    Returns
    -------
    tuple of ScoreSpread
        One for each single attribute of the claims and each probability; groups without images are left out. A probability depends on
        the label set and on the logit scale of the model.
    """
    if not has_confidence(predictions):
        return ()
    spreads = []
    for by in _slices(measurement):
        groups, codes = row_codes(predictions.attributes, by, levels)
        for outcome, values in _probabilities(measurement, predictions):
            known = np.isfinite(values)
            cells = [(group, values[known & (codes == i)]) for i, group in enumerate(groups)]
            found = tuple(_spread(group, each) for group, each in cells if len(each))
            spreads.append(ScoreSpread(measurement.name, outcome, by, found))
    return tuple(spreads)


def _spread(group: Group, values: Float[np.ndarray, "n"]) -> GroupSpread:
    low, quarter, middle, three, high = np.quantile(values, QUANTILES).tolist()
    return GroupSpread(group, len(values), (low, quarter, middle, three, high))


def _slices(measurement: Measurement) -> tuple[tuple[str, ...], ...]:
    """Return the single attributes of accuracy, and of the other claims that count."""
    others = [claim.by for claim in measurement.claims if claim.primary and len(claim.by) == 1]
    return tuple(dict.fromkeys((*slices(measurement), *others)))


def _probabilities(measurement: Measurement, predictions: Predictions) -> list[tuple[str | None, Float[np.ndarray, "n"]]]:
    """Return (outcome, probability of each image); None: of the true answer, NaN where that is not known."""
    answer_of = np.array([measurement.label_set.answers.get(label, label) for label in predictions.labels], object)
    found: list[tuple[str | None, np.ndarray]] = []
    if predictions.y_true is not None:
        wanted = answer_of[None, :] == predictions.y_true.astype(object)[:, None]
        value = _together(np.where(wanted, predictions.scores, 0.0), predictions)
        found.append((None, np.where((predictions.y_true != UNKNOWN) & wanted.any(axis=1), value, np.nan)))
    asked = dict.fromkeys(claim.outcome for claim in measurement.claims if claim.primary and claim.outcome is not None)
    for outcome in asked:
        inside = np.isin(answer_of.astype(str), measurement.outcomes[outcome])
        found.append((outcome, _together(predictions.scores * inside, predictions)))
    return found


def _together(scores: Float[np.ndarray, "n k"], predictions: Predictions) -> Float[np.ndarray, "n"]:
    """Return the probability of any of several labels: their sum where all labels share one, the best where each has its own."""
    shared = np.allclose(predictions.scores.sum(axis=1, dtype=float), 1.0, atol=1e-3)
    return np.asarray(scores.sum(axis=1, dtype=float) if shared else scores.max(axis=1).astype(float))
