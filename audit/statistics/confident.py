"""What a measurement's own scores add: calibration, equalised odds, and what changes when only sure answers are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.evidence import Calibration, Odds, ThresholdCurve
from audit.statistics.calibration import calibration
from audit.statistics.confidence import confidence, judge
from audit.statistics.equalised_odds import odds_difference
from audit.statistics.metrics import resolve
from audit.statistics.rows import row_events
from audit.statistics.tables import Cells, regrouped
from audit.statistics.thresholds import threshold_curve, thresholds_at
from audit.types import UNKNOWN, finding_id

if TYPE_CHECKING:
    from audit.types import Claim, Group, Measurement, Predictions, Settings

DRAWS = 1999
"""At most as many draws for an interval beside the verdicts."""
MOST_OUTCOMES = 10
"""Answers one by one, up to so many; of more, only the outcomes that the measurement declares."""


def slices(measurement: Measurement) -> tuple[tuple[str, ...], ...]:
    """Return the single attributes that accuracy is compared by for the verdict; where there are none, the first that it is compared by."""
    claims = [claim for claim in measurement.claims if claim.metric == "accuracy" and len(claim.by) == 1]
    primary = [claim.by for claim in claims if claim.primary]
    return tuple(dict.fromkeys(primary or [claim.by for claim in claims[:1]]))


def has_confidence(predictions: Predictions) -> bool:
    """Whether the scores are probabilities of the answers: predictions made elsewhere may come with other scores, or none."""
    scores = predictions.scores
    fits = scores.shape[1] == len(predictions.labels) and len(scores) > 0
    return fits and bool(scores.min() >= 0 and scores.max() <= 1 + 1e-6)  # NaN fails both


def calibrations(
    measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group], settings: Settings
) -> tuple[Calibration, ...]:
    """Return the calibration by each slice; empty without a true answer or without probabilities."""
    if predictions.y_true is None or not has_confidence(predictions):
        return ()
    sure, known = confidence(predictions, measurement.label_set), predictions.y_true != UNKNOWN
    right = predictions.y_true == predictions.y_pred
    return tuple(
        Calibration(by, calibration(judged, settings, f"{measurement.name}/{' x '.join(by)}"))
        for by in slices(measurement)
        for judged in [judge(predictions.attributes[known], by, levels, sure[known], right[known])]
    )


def odds(measurement: Measurement, cells: Cells, levels: Mapping[str, Group], settings: Settings) -> tuple[Odds, ...]:
    """Return equal opportunity and equalised odds of every outcome by each slice; only those of which something can be estimated.

    Without declared outcomes each answer is one. Of two answers the second says the same as the first, with the two rates swapped.
    """
    if cells.answered.y_true is None:
        return ()
    capped = replace(settings, draws=min(settings.draws, DRAWS))
    found = []
    for by in slices(measurement):
        if by == (measurement.truth,):  # every group has one truth only
            continue
        counts = regrouped(cells, by, levels)
        for name, answers in _outcomes(measurement).items():
            estimate = odds_difference(counts, frozenset(answers), capped, f"{measurement.name}[{name}]/{' x '.join(by)}")
            if estimate.equal_opportunity or estimate.false_positive:
                found.append(Odds(measurement.name, name, by, estimate))
    return tuple(found)


def _outcomes(measurement: Measurement) -> Mapping[str, tuple[str, ...]]:
    if measurement.outcomes:
        return measurement.outcomes
    labels = measurement.label_set
    answers = tuple(dict.fromkeys(labels.answers.get(label, label) for label in labels.labels))
    return {answer: (answer,) for answer in (answers[:1] if len(answers) == 2 else answers)} if len(answers) <= MOST_OUTCOMES else {}


def threshold_curves(
    measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group], settings: Settings
) -> tuple[ThresholdCurve, ...]:
    """Return, for every claim that counts for the verdict and is by one attribute, its rate against the confidence threshold."""
    claims = [claim for claim in measurement.claims if claim.primary and len(claim.by) == 1]
    if not claims or not has_confidence(predictions):
        return ()
    sure = confidence(predictions, measurement.label_set)

    def curve(claim: Claim) -> ThresholdCurve:
        flags = row_events(predictions, *resolve(measurement, claim, predictions))
        kept = flags.counted
        judged = judge(predictions.attributes[kept], claim.by, levels, sure[kept], flags.event[kept])
        points = threshold_curve(judged, thresholds_at(judged.confidence), max(settings.min_group_size, 2), settings.alpha)
        return ThresholdCurve(finding_id(measurement.name, claim), points)

    return tuple(map(curve, claims))
