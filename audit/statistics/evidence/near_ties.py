"""Near-ties: decisions that rounding in the model's number format could turn, and the verdicts if all of them were turned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.records.results import Finding, Verdict
from audit.statistics.bounds import two_apart
from audit.statistics.counts.count_table import grouped_counts
from audit.statistics.equivalence import equivalence_bound, equivalence_ratio
from audit.statistics.evidence.inputs import BestTwo, EvidenceInputs, claim_of, compared_counts, has_confidence
from audit.statistics.metrics import resolve, tally
from audit.statistics.multiplicity import holm
from audit.statistics.null import gap_p, generator
from audit.statistics.verdict import verdicts, within
from audit.types import Predictions

if TYPE_CHECKING:
    from jaxtyping import Int

    Counts = tuple[Int[np.ndarray, "g"], Int[np.ndarray, "g"]]

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
    if not any(count for _, count in flipped.values()) or inputs.result.data.limited:
        return {}
    found = [finding for finding in inputs.findings if finding.primary]
    counts = [_counts(finding, flipped.get(finding.measurement), inputs) for finding in found]
    tested = [i for i, (_, n) in enumerate(counts) if len(n) > 1]
    close, apart, p = np.zeros(len(found), bool), np.zeros(len(found), bool), np.full(len(found), np.nan)
    for i in tested:
        apart[i] = two_apart(*counts[i], inputs.settings.alpha)
        close[i] = _within(found[i], counts[i], inputs.settings.alpha)
        p[i] = _p(found[i], counts[i], inputs)
    p[tested] = holm(p[tested])
    ruled = verdicts(close, p, inputs.settings.alpha, np.array([len(n) for _, n in counts]), apart=apart).tolist()
    return {finding.id: verdict for finding, verdict in zip(found, ruled, strict=True) if not finding.unresponsive}


def _p(finding: Finding, counts: Counts, inputs: EvidenceInputs) -> float:
    if finding.gap and finding.measurement in inputs.measurements and all(map(np.array_equal, counts, compared_counts(finding)[1:])):
        return finding.gap.p  # no image of a compared group was turned
    # The same shuffles as those of the finding.
    return gap_p(*counts, inputs.settings.draws, generator(inputs.settings.seed, finding.id))


def _within(finding: Finding, counts: Counts, alpha: float) -> bool:
    ratio = None if finding.ratio_tolerance is None else equivalence_ratio(*counts, alpha)
    return bool(within(equivalence_bound(*counts, alpha), finding.tolerance, ratio, finding.ratio_tolerance))


def _flipped(inputs: EvidenceInputs) -> dict[str, tuple[Predictions, int]]:
    dtype = inputs.result.model.dtype
    usable = {name: each for name, each in inputs.scored.items() if dtype in LOGIT_TOLERANCE and has_confidence(each.predictions)}
    return {name: flip_near_ties(each.predictions, each.best_two, dtype) for name, each in usable.items()}


def _counts(finding: Finding, flipped: tuple[Predictions, int] | None, inputs: EvidenceInputs) -> Counts:
    """Return events and denominators of the groups that are compared once the open decisions went the other way."""
    if flipped is None or not flipped[1]:
        return compared_counts(finding)[1:]
    metric, outcome = resolve(inputs.measurements[finding.measurement], claim_of(finding), flipped[0])
    tallied = tally(grouped_counts(flipped[0], finding.attributes, inputs.levels), metric, outcome)
    ok = [status == "ok" for status in tallied.statuses(inputs.settings.min_group_size)]
    return tallied.events[ok], tallied.n[ok]


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
