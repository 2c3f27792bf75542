"""Near-ties: decisions that rounding in the model's number format could turn, and the verdicts if all of them were turned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.evidence.base import BestTwo, EvidenceInputs, compared_counts, has_confidence
from audit.records.base import Verdict
from audit.records.finding import ClaimResult
from audit.statistics.multiplicity import holm
from audit.statistics.null import generator
from audit.statistics.units.sampling_unit import ImageUnits, SamplingUnits
from audit.statistics.verdict import verdicts, within
from audit.types import Predictions

LOGIT_TOLERANCE = {"float32": 1.2e-5, "float16": 0.01, "bfloat16": 0.15}
"""dtype -> by how much a logit of cosine x 100 was seen to move with the batch size or the machine."""
SAFETY = 10.0
"""A decision closer than this many tolerances counts as open."""


def by_measurement(inputs: EvidenceInputs) -> dict[str, int]:
    """Return the open decisions of each measurement; nothing where the number format or the probabilities are not known."""
    return {name: count for name, (_, count) in _flipped(inputs).items()}


def by_finding(inputs: EvidenceInputs) -> dict[str, Verdict]:
    """Return the verdicts of the primary findings if every open decision went the other way; nothing where none is open."""
    flipped = _flipped(inputs)
    if not any(count for _, count in flipped.values()) or inputs.limited:
        return {}
    found = [finding for finding in inputs.findings if finding.primary]
    compared = [_units(finding, flipped.get(finding.measurement), inputs) for finding in found]
    tested = [i for i, units in enumerate(compared) if len(units.n) > 1]
    close, apart, p = np.zeros(len(found), bool), np.zeros(len(found), bool), np.full(len(found), np.nan)
    for i in tested:
        low, high = compared[i].differences(np.array([0]), np.array([1]), inputs.settings.alpha)
        apart[i] = low[0] > 0 or high[0] < 0
        close[i] = _within(found[i], compared[i], inputs.settings.alpha)
        p[i] = _p(found[i], compared[i], inputs)
    p[tested] = holm(p[tested])
    ruled = verdicts(close, p, inputs.settings.alpha, np.array([len(units.n) for units in compared]), apart=apart).tolist()
    return {finding.id: verdict for finding, verdict in zip(found, ruled, strict=True) if not finding.unresponsive}


def _p(finding: ClaimResult, units: SamplingUnits, inputs: EvidenceInputs) -> float:
    if finding.gap and isinstance(units, ImageUnits) and all(map(np.array_equal, (units.events, units.n), compared_counts(finding)[1:])):
        return finding.gap.p  # no image of a compared group was turned
    # The same shuffles as those of the finding.
    return units.null(inputs.settings.draws, generator(inputs.settings.seed, finding.id)).p


def _within(finding: ClaimResult, units: SamplingUnits, alpha: float) -> bool:
    ratio = None if finding.ratio_tolerance is None else units.equivalence_ratio(alpha)
    return bool(within(units.equivalence_bound(alpha), finding.tolerance, ratio, finding.ratio_tolerance))


def _units(finding: ClaimResult, flipped: tuple[Predictions, int] | None, inputs: EvidenceInputs) -> SamplingUnits:
    """Return the groups that are compared once the open decisions went the other way."""
    if flipped is not None and flipped[1]:
        return inputs.compared_units(finding, flipped[0])
    if finding.gap is not None and finding.gap.within is not None:
        return inputs.compared_units(finding)
    return ImageUnits(*compared_counts(finding)[1:])


def _flipped(inputs: EvidenceInputs) -> dict[str, tuple[Predictions, int]]:
    dtype = inputs.dtype
    usable = {name: each for name, each in inputs.scored.items() if dtype in LOGIT_TOLERANCE and has_confidence(each.predictions)}
    return {name: flip_near_ties(each.predictions, each.best_two, dtype) for name, each in usable.items()}


def flip_near_ties(predictions: Predictions, best_two: BestTwo, dtype: str) -> tuple[Predictions, int]:
    """Give every image whose decision rounding could turn its second choice: a verdict that changes rests on rounding.

    A decision is a near-tie where the two best logits differ by less than ten times what a logit of the number format `dtype` moves by.
    Returns also how many decisions were turned.
    """
    near = best_two.distance < SAFETY * LOGIT_TOLERANCE[dtype]
    if not near.any():
        return predictions, 0
    answers = np.array(predictions.y_pred, object)
    answers[near] = np.array(predictions.answers, object)[best_two.second[near]]
    return replace(predictions, y_pred=answers), int(near.sum())
