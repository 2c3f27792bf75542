"""Distribution of the scores in each group: rates of answers do not show how close the other answers were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.answers import are_shares, of_any
from audit.evidence.base import EvidenceInputs, Scored, slices
from audit.records.base import record
from audit.types import UNKNOWN, Group, Measurement, Predictions

if TYPE_CHECKING:
    from jaxtyping import Float


@record
class GroupSpread:
    """Quantiles of a probability in one group."""

    group: Group
    n: int
    quantiles: tuple[float, float, float, float, float]
    """At 5, 25, 50, 75 and 95 %."""


@record
class ScoreSpread:
    """Distribution of a probability in each group."""

    measurement: str
    outcome: str | None
    """The outcome whose probability it is; None: the true answer's."""
    attributes: tuple[str, ...]
    groups: tuple[GroupSpread, ...]


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def of_audit(inputs: EvidenceInputs) -> tuple[ScoreSpread, ...]:
    """Quantiles, by group, of the probability of the true answer and of each primary outcome.

    One for each single attribute of the claims and each probability; groups without images are left out. A probability depends on the
    label set and on the logit scale of the model.
    """
    return tuple(spread for scored in inputs.scored.values() for spread in score_spreads(scored))


def score_spreads(scored: Scored) -> Iterator[ScoreSpread]:
    """Yield the distributions of one measurement; nothing unless every image has probabilities."""
    if not scored.usable or scored.predictions.binned:
        return
    probabilities = _probabilities(scored.measurement, scored.predictions)
    for by in _slices(scored.measurement):
        groups, codes = scored.placed(by)
        for outcome, values in probabilities:
            known = np.isfinite(values)
            cells = [(group, values[known & (codes == i)]) for i, group in enumerate(groups)]
            spreads = tuple(_spread(group, own) for group, own in cells if len(own))
            yield ScoreSpread(scored.measurement.name, outcome, by, spreads)


def _spread(group: Group, values: Float[np.ndarray, "n"]) -> GroupSpread:
    low, quarter, middle, three, high = np.quantile(values, QUANTILES).tolist()
    return GroupSpread(group, len(values), (low, quarter, middle, three, high))


def _slices(measurement: Measurement) -> tuple[tuple[str, ...], ...]:
    """The single attributes of accuracy, and of the other primary claims."""
    others = [claim.by for claim in measurement.claims if claim.primary and len(claim.by) == 1]
    return tuple(dict.fromkeys((*slices(measurement), *others)))


def _probabilities(measurement: Measurement, predictions: Predictions) -> list[tuple[str | None, Float[np.ndarray, "n"]]]:
    """(Outcome, probability of each image); None: of the true answer, NaN if that is unknown."""
    answer_of = np.array([measurement.label_set.answers.get(label, label) for label in predictions.labels], object)
    shares = are_shares(predictions.scores)
    summed = shares or measurement.label_set.combine == "sum"

    def together(scores: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n"]:
        """The probability of any of several labels; of the best if they are independent and compete."""
        return of_any(scores, shares=shares) if summed else np.asarray(scores.max(axis=1).astype(float))

    probabilities: list[tuple[str | None, np.ndarray]] = []
    if predictions.y_true is not None:
        truth, names = pd.factorize(predictions.y_true)
        wanted = (names[:, None] == answer_of)[truth]
        value = together(np.where(wanted, predictions.scores, 0.0))
        probabilities.append((None, np.where((predictions.y_true != UNKNOWN) & wanted.any(axis=1), value, np.nan)))
    outcomes = dict.fromkeys(claim.outcome for claim in measurement.claims if claim.primary and claim.outcome is not None)
    for outcome in outcomes:
        inside = np.isin(answer_of.astype(str), measurement.outcomes[outcome])
        probabilities.append((outcome, together(predictions.scores * inside)))
    return probabilities
