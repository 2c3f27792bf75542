"""Near-ties: decisions that rounding in the model's number format could flip, and the verdicts if all of them were flipped."""

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
"""dtype -> observed variation of a logit (cosine x 100) with the batch size or the machine."""
SAFETY = 10.0
"""A decision closer than this many tolerances counts as a near-tie."""


def by_measurement(inputs: EvidenceInputs) -> dict[str, int]:
    """The number of near-ties of each measurement; nothing if the number format or the probabilities are unknown."""
    return {name: count for name, (_, count) in _flipped(inputs).items()}


def by_finding(inputs: EvidenceInputs) -> dict[str, Verdict]:
    """The verdicts of the primary findings if all near-ties were flipped; nothing if there are no near-ties."""
    flipped = _flipped(inputs)
    if not any(count for _, count in flipped.values()) or inputs.limited:
        return {}
    primary = [finding for finding in inputs.findings if finding.primary]
    compared = [_units(finding, flipped.get(finding.measurement), inputs) for finding in primary]
    tested = [i for i, units in enumerate(compared) if len(units.n) > 1]
    close, apart, p = np.zeros(len(primary), bool), np.zeros(len(primary), bool), np.full(len(primary), np.nan)
    for i in tested:
        low, high = compared[i].differences(np.array([0]), np.array([1]), inputs.settings.alpha)
        apart[i] = low[0] > 0 or high[0] < 0
        close[i] = _within(primary[i], compared[i], inputs.settings.alpha)
        p[i] = _p(primary[i], compared[i], inputs)
    p[tested] = holm(p[tested])
    ruled = verdicts(close, p, inputs.settings.alpha, np.array([len(units.n) for units in compared]), apart=apart).tolist()
    return {finding.id: verdict for finding, verdict in zip(primary, ruled, strict=True) if not finding.unresponsive}


def _p(finding: ClaimResult, units: SamplingUnits, inputs: EvidenceInputs) -> float:
    if finding.gap and isinstance(units, ImageUnits) and all(map(np.array_equal, (units.events, units.n), compared_counts(finding)[1:])):
        return finding.gap.p  # no image of a compared group was flipped
    # With the shuffles of the finding.
    return units.null(inputs.settings.draws, generator(inputs.settings.seed, finding.id)).p


def _within(finding: ClaimResult, units: SamplingUnits, alpha: float) -> bool:
    rare = units.rest() if finding.ratio_of_rest else units
    ratio = None if finding.ratio_tolerance is None else rare.equivalence_ratio(alpha)
    return bool(within(units.equivalence_bound(alpha), finding.tolerance, ratio, finding.ratio_tolerance))


def _units(finding: ClaimResult, flipped: tuple[Predictions, int] | None, inputs: EvidenceInputs) -> SamplingUnits:
    """The groups that are compared once the near-ties are flipped."""
    if flipped is not None and flipped[1]:
        return inputs.compared_units(finding, flipped[0])
    if finding.gap is not None and finding.gap.within is not None:
        return inputs.compared_units(finding)
    return ImageUnits(*compared_counts(finding)[1:])


def _flipped(inputs: EvidenceInputs) -> dict[str, tuple[Predictions, int]]:
    dtype = inputs.dtype
    usable = {name: scored for name, scored in inputs.scored.items() if dtype in LOGIT_TOLERANCE and has_confidence(scored.predictions)}
    return {name: flip_near_ties(scored.predictions, scored.best_two, dtype) for name, scored in usable.items()}


def flip_near_ties(predictions: Predictions, best_two: BestTwo, dtype: str) -> tuple[Predictions, int]:
    """Replace every answer that rounding could flip by its second choice: a verdict that changes depends on rounding.

    A decision is a near-tie if the two best logits differ by less than ten times the variation of a logit in the number format `dtype`.
    Also returns the number of flipped decisions.
    """
    near = best_two.distance < SAFETY * LOGIT_TOLERANCE[dtype]
    if not near.any():
        return predictions, 0
    answers = np.array(predictions.y_pred, object)
    answers[near] = np.array(predictions.answers, object)[best_two.second[near]]
    return replace(predictions, y_pred=answers), int(near.sum())
