"""Rates by confidence threshold: the effect of giving only confident answers, and the groups that then get none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.evidence.base import EvidenceInputs, Judged, Scored
from audit.naming import finding_id
from audit.records.base import Estimate, record
from audit.statistics.intervals import wilson
from audit.statistics.metrics import resolve, row_events
from audit.types import UNKNOWN, Group, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@record
class ThresholdCell:
    """A group when only answers above a confidence are given."""

    group: Group
    n: int
    answered: int
    events: int
    coverage: float | None
    """Share of images with an answer; unequal coverage is a disparity, too."""
    rate: Estimate | None
    """Events as a share of the images with an answer."""
    of_all: Estimate | None
    """Events as a share of all images of the group."""


@record
class ThresholdPoint:
    """All groups at one confidence threshold."""

    threshold: float
    coverage: float
    gap: float | None
    """Gap of the rates among images with an answer, over groups with enough of them."""
    coverage_gap: float | None
    by_group: tuple[ThresholdCell, ...]


@record
class ThresholdCurve:
    """A claim when only answers above a confidence are given."""

    finding: str
    """Id of the finding with this rate."""
    points: tuple[ThresholdPoint, ...]


COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the images that still get an answer, at which a curve is shown unless thresholds are given."""


def of_audit(inputs: EvidenceInputs) -> tuple[ThresholdCurve, ...]:
    """The rate of every primary claim by one attribute, for each confidence threshold."""
    return tuple(curve for scored in inputs.scored.values() if scored.usable for curve in _curves(scored, inputs.settings))


def _curves(scored: Scored, settings: Settings) -> Iterator[ThresholdCurve]:
    measurement = scored.measurement
    for claim in measurement.claims:
        if claim.primary and len(claim.by) == 1:
            judged = scored.judged(claim.by, row_events(scored.rows(claim.by), *resolve(measurement, claim, scored.predictions)))
            thresholds = thresholds_at(judged.confidence, images=judged.count)
            points = threshold_curve(judged, thresholds, max(settings.min_group_size, 2), settings.alpha)
            yield ThresholdCurve(finding_id(measurement.name, claim), points)


def thresholds_at(
    confidence: Float[np.ndarray, "n"], coverages: Sequence[float] = COVERAGES, images: Int[np.ndarray, "n"] | None = None
) -> tuple[float, ...]:
    """The largest threshold at which at least each share of the images has an answer; 0 for all of them.

    An answer is given if its confidence exceeds the threshold. `images` is the number of images that each row represents; None: one.

    Examples
    --------
    >>> thresholds_at(np.array([0.2, 0.4, 0.6, 0.8]), (1.0, 0.5))
    (0.0, 0.4)
    """
    values, index = np.unique(confidence, return_inverse=True)
    up_to = np.cumsum(np.bincount(index, images, minlength=len(values))).astype(np.int64)
    total = int(up_to[-1]) if len(values) else 0
    return tuple(_threshold(values, up_to, int(np.floor((1 - coverage) * total + 1e-9))) for coverage in coverages)


def _threshold(values: Float[np.ndarray, "v"], up_to: Int[np.ndarray, "v"], silent: int) -> float:
    """The largest confidence that at most `silent` images do not exceed; else 0: ties lose their answers together."""
    silenced = int(np.searchsorted(up_to, silent, side="right"))
    return float(values[silenced - 1]) if silenced else 0.0


def threshold_curve(judged: Judged, thresholds: Sequence[float], fewest: int, alpha: float) -> tuple[ThresholdPoint, ...]:
    """Coverage and rate of every group at each threshold, in their order.

    An answer is given if its confidence exceeds the threshold; at 0 every answer is given. A group needs `fewest` answers to count for
    the gap. Without an answer the rate among the answered is None, not 0.
    """
    groups, images = len(judged.groups), judged.images
    everybody = _summed(judged.codes, images, groups)
    known = np.array([UNKNOWN not in group for group in judged.groups])
    curve = []
    for threshold in thresholds:
        # At 0 all answers are given, even one whose probability rounds to 0.
        kept = judged.confidence > threshold if threshold > 0 else np.ones(len(judged.codes), bool)
        answered = _summed(judged.codes, images * kept, groups)
        events = _summed(judged.codes, images * (kept & judged.event), groups)
        cells = _cells(judged, everybody, answered, events, alpha)
        compared, counted = known & (answered >= fewest), known & (everybody >= fewest)
        share = int(images[kept].sum()) / int(images.sum()) if len(kept) else 0.0
        curve.append(ThresholdPoint(threshold, share, _gap(events, answered, compared), _gap(answered, everybody, counted), cells))
    return tuple(curve)


def _summed(codes: Int[np.ndarray, "n"], images: Int[np.ndarray, "n"], groups: int) -> Int[np.ndarray, "g"]:
    """Number of images of each group."""
    return np.bincount(codes, images, minlength=groups).astype(np.int64)


def _gap(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], compared: Bool[np.ndarray, "g"]) -> float | None:
    return float(np.ptp(events[compared] / n[compared])) if compared.sum() > 1 else None


def _cells(
    judged: Judged, n: Int[np.ndarray, "g"], answered: Int[np.ndarray, "g"], events: Int[np.ndarray, "g"], alpha: float
) -> tuple[ThresholdCell, ...]:
    among, of_all = (_estimates(events, trials, alpha) for trials in (answered, n))
    return tuple(
        ThresholdCell(group, int(n[i]), int(answered[i]), int(events[i]), float(answered[i] / n[i]) if n[i] else None, among[i], of_all[i])
        for i, group in enumerate(judged.groups)
    )


def _estimates(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float) -> list[Estimate | None]:
    low, high = wilson(events, n, alpha)
    return [Estimate(float(k / m), float(a), float(b)) if m else None for k, m, a, b in zip(events, n, low, high, strict=True)]
