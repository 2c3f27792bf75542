"""What a measurement's own scores add: calibration, equalised odds, and what changes when only sure answers are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.records.evidence import Calibration, Odds, ThresholdCurve
from audit.statistics.counts.cells import CellTable, regrouped
from audit.statistics.counts.rows import RowEvents, row_events
from audit.statistics.evidence.calibration import calibration
from audit.statistics.evidence.confidence import Scored
from audit.statistics.evidence.equalized_odds import odds_difference
from audit.statistics.evidence.thresholds import threshold_curve, thresholds_at
from audit.statistics.metrics import resolve
from audit.types import UNKNOWN, finding_id

if TYPE_CHECKING:
    from audit.types import Claim, Group, Measurement, Settings

DRAWS = 1999
"""At most as many draws for an interval beside the verdicts."""
MOST_OUTCOMES = 10
"""Answers one by one, up to so many; of more, only the outcomes that the measurement declares."""


def slices(measurement: Measurement) -> tuple[tuple[str, ...], ...]:
    """Return the single attributes that accuracy is compared by for the verdict; where there are none, the first that it is compared by."""
    claims = [claim for claim in measurement.claims if claim.metric == "accuracy" and len(claim.by) == 1]
    primary = [claim.by for claim in claims if claim.primary]
    return tuple(dict.fromkeys(primary or [claim.by for claim in claims[:1]]))


def calibrations(scored: Scored, settings: Settings) -> tuple[Calibration, ...]:
    """Return the calibration by each slice; empty without a true answer or without probabilities."""
    truth = scored.predictions.y_true
    if truth is None or not scored.usable:
        return ()
    known = truth != UNKNOWN
    rows = RowEvents(known, known & (truth == scored.predictions.y_pred))
    name = scored.measurement.name
    return tuple(
        Calibration(by, calibration(scored.judged(by, rows), settings, f"{name}/{' x '.join(by)}")) for by in slices(scored.measurement)
    )


def odds(measurement: Measurement, cells: CellTable, levels: Mapping[str, Group], settings: Settings) -> tuple[Odds, ...]:
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


def threshold_curves(scored: Scored, settings: Settings) -> tuple[ThresholdCurve, ...]:
    """Return, for every claim that counts for the verdict and is by one attribute, its rate against the confidence threshold."""
    measurement = scored.measurement
    claims = [claim for claim in measurement.claims if claim.primary and len(claim.by) == 1]
    if not claims or not scored.usable:
        return ()

    def curve(claim: Claim) -> ThresholdCurve:
        rows = row_events(scored.predictions, *resolve(measurement, claim, scored.predictions))
        judged = scored.judged(claim.by, rows)
        points = threshold_curve(judged, thresholds_at(judged.confidence), max(settings.min_group_size, 2), settings.alpha)
        return ThresholdCurve(finding_id(measurement.name, claim), points)

    return tuple(map(curve, claims))
