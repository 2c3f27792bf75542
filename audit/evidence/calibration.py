"""Calibration by group: are answers with confidence .8 right eight times in ten, in every group?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.evidence.base import DRAWS, EvidenceInputs, Judged, Scored, slices
from audit.records.base import Estimate, record
from audit.statistics.draws import binomial
from audit.statistics.intervals import wilson
from audit.statistics.metrics import METRICS, row_events
from audit.statistics.null import generator
from audit.statistics.resampling import resample_counts
from audit.types import UNKNOWN, Group, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@record
class ReliabilityBin:
    """Images whose confidence lies in (`lower`, `upper`]."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    """Mean; None, as is the accuracy, if the bin has fewer than 10 images."""
    accuracy: Estimate | None


@record
class GroupCalibration:
    """Whether confidence matches accuracy in a group."""

    group: Group
    n: int
    error: Estimate | None
    """Expected calibration error; None for a group under the minimum size."""
    error_by_chance: float | None
    """95 % point of the error of a perfectly calibrated model with these confidences."""
    overconfidence: Estimate | None
    """Mean confidence minus accuracy, signed."""
    bins: tuple[ReliabilityBin, ...]


@record
class Calibration:
    """Calibration of a measurement's answers by the groups of one slicing."""

    attributes: tuple[str, ...]
    groups: tuple[GroupCalibration, ...]


BINS = 10
FEWEST_IN_BIN = 10
"""A bin with fewer images shows only their number."""
_ROUNDING = 1e-9
_CLEAR = 2.5
"""Number of standard errors from which the sign of a bin's deviation is treated as certain."""


def by_measurement(inputs: EvidenceInputs) -> dict[str, tuple[Calibration, ...]]:
    """The calibration of each measurement for each slice; empty without a true answer or without probabilities."""
    return {name: _by_slice(scored, inputs.settings) for name, scored in inputs.scored.items()}


def _by_slice(scored: Scored, settings: Settings) -> tuple[Calibration, ...]:
    if scored.predictions.y_true is None or not scored.usable:
        return ()
    name, right = scored.measurement.name, METRICS["accuracy"]
    return tuple(
        Calibration(by, calibration(scored.judged(by, row_events(scored.rows(by), right, None)), settings, f"{name}/{' x '.join(by)}"))
        for by in slices(scored.measurement)
    )


def bin_of(confidence: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """The bin of each confidence: ten bins of equal width that include their upper edge; 0 is in the first.

    Examples
    --------
    >>> bin_of(np.array([0.0, 0.1, 0.11, 0.95, 1.0])).tolist()
    [0, 0, 1, 9, 9]
    """
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence, side="left")


def expected_calibration_error(
    confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], images: Int[np.ndarray, "n"] | None = None
) -> float:
    """Mean distance between accuracy and confidence over ten bins, weighted by their images: ``sum_b n_b / n |acc_b - conf_b|``.

    `images` is the number of images that each row represents; None: one.

    0 is perfectly calibrated; NaN without images. Biased upwards: a perfectly calibrated model has an error of .08 with 100 images.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599

    Examples
    --------
    Four answers at .75, all right, and six at .55, three of them right: .4 x .25 + .6 x .05.

    >>> expected_calibration_error(np.array([0.75] * 4 + [0.55] * 6), np.array([True] * 7 + [False] * 3)).__round__(3)
    0.13
    """
    if not len(confidence):
        return float("nan")
    images = np.ones(len(confidence), np.int64) if images is None else images
    deviation = np.bincount(bin_of(confidence), (correct - confidence) * images, minlength=BINS)
    return float(np.abs(deviation).sum() / images.sum())


def calibration(judged: Judged, settings: Settings, name: str) -> tuple[GroupCalibration, ...]:
    """Reliability, calibration error and overconfidence of every group that is shown.

    The event of `judged` is "the answer is right"; images without a true answer must be left out. `name` is part of the seed.

    The interval of the error accounts for the deviations of resampled counts, summed over the bins; over bins whose sign is clear,
    deviations may cancel. The percentile interval of the bootstrap would never cover a calibrated model (coverage 0 instead of .95,
    measured). Where resampling moves nothing, because one confidence was always right or always wrong, it is as wide as Wilson's for the
    accuracy. The interval of the overconfidence is Wilson's for the accuracy, given the confidences.
    """
    return tuple(_group(judged, code, settings, f"{name}/{group}") for code, group in enumerate(judged.groups))


def _group(judged: Judged, code: int, settings: Settings, name: str) -> GroupCalibration:
    inside = judged.codes == code
    confidence, correct = judged.confidence[inside], judged.event[inside]
    # Sorted, so that sums over the same images in another order agree to the last digit.
    order = np.lexsort((correct, confidence))
    sorted_rows = _Answers(confidence[order], correct[order], judged.images[inside][order])
    n = int(sorted_rows.images.sum())
    bins = _reliability(sorted_rows, settings.alpha)
    group = judged.groups[code]
    if n < max(settings.min_group_size, 2) or UNKNOWN in group:
        return GroupCalibration(group, n, None, None, None, bins)
    rng = generator(settings.seed, f"{name}/calibration")
    error, right = _error(sorted_rows, settings, rng), int(sorted_rows.images[sorted_rows.correct].sum())
    low, high = wilson(right, n, settings.alpha)
    mean = float((sorted_rows.confidence * sorted_rows.images).sum() / n)
    overconfidence = Estimate(mean - right / n, mean - float(high), mean - float(low))
    return GroupCalibration(group, n, error, _error_by_chance(sorted_rows, min(settings.draws, DRAWS), rng), overconfidence, bins)


class _Answers(NamedTuple):
    """Answers of one group: confidence, correctness, and the number of images that each row represents."""

    confidence: Float[np.ndarray, "n"]
    correct: Bool[np.ndarray, "n"]
    images: Int[np.ndarray, "n"]

    def by(self, codes: Int[np.ndarray, "n"], length: int) -> tuple[Int[np.ndarray, "l"], Float[np.ndarray, "l"]]:
        """Number of images, and sum of their confidences, for each value of `codes`."""
        n = np.bincount(codes, self.images, minlength=length).astype(np.int64)
        return n, np.bincount(codes, self.confidence * self.images, minlength=length)


def _reliability(answers: _Answers, alpha: float) -> tuple[ReliabilityBin, ...]:
    bins = bin_of(answers.confidence)
    n, total = answers.by(bins, BINS)
    right = np.bincount(bins, answers.correct * answers.images, minlength=BINS).astype(int)
    mean = total / np.maximum(n, 1)
    low, high = wilson(right, n, alpha)
    return tuple(
        ReliabilityBin(b / BINS, (b + 1) / BINS, int(n[b]), float(mean[b]), Estimate(float(right[b] / n[b]), float(low[b]), float(high[b])))
        if n[b] >= FEWEST_IN_BIN
        else ReliabilityBin(b / BINS, (b + 1) / BINS, int(n[b]), None, None)
        for b in range(BINS)
    )


def _error(answers: _Answers, settings: Settings, rng: np.random.Generator) -> Estimate:
    counts, mean = _cells(answers)
    drawn = resample_counts(counts[None], min(settings.draws, DRAWS), rng)[:, 0]
    observed, moved = (_deviations(table, mean) for table in (counts, drawn))
    moved -= observed
    clear = np.abs(observed) > _CLEAR * moved.std(axis=0)
    moves = np.abs((moved * np.sign(observed))[:, clear].sum(axis=1)) + np.abs(moved[:, ~clear]).sum(axis=1)
    error = expected_calibration_error(*answers)
    band = float(np.quantile(moves, 1 - settings.alpha))
    if band < _ROUNDING:
        right, n = int(answers.images[answers.correct].sum()), int(answers.images.sum())
        low, high = wilson(right, n, settings.alpha)
        band = max(right / n - float(low), float(high) - right / n)
    return Estimate(error, max(0.0, error - band), min(1.0, error + band))


def _cells(answers: _Answers) -> tuple[Int[np.ndarray, "c"], Float[np.ndarray, "c"]]:
    """Number of images and mean confidence of each (bin, right or not), right or not varying fastest.

    Ignoring the variation of confidences within a bin of width .1 changes the variance of its accuracy by less than a hundredth.
    """
    counts, total = answers.by(bin_of(answers.confidence) * 2 + answers.correct, BINS * 2)
    return counts, total / np.maximum(counts, 1)


def _deviations(counts: Int[np.ndarray, "*draws c"], mean: Float[np.ndarray, "c"]) -> Float[np.ndarray, "*draws bins"]:
    """Each bin's share of the images times accuracy minus confidence."""
    right = np.arange(len(mean)) % 2
    by_bin = (counts * (right - mean)).reshape(*counts.shape[:-1], BINS, -1).sum(axis=-1)
    return np.asarray(by_bin / counts.sum(axis=-1)[..., None])


def _error_by_chance(answers: _Answers, draws: int, rng: np.random.Generator) -> float:
    """95 % point of the error of a simulated model whose accuracy equals its confidence."""
    n, total = answers.by(bin_of(answers.confidence), BINS)
    right = binomial(n, np.clip(total / np.maximum(n, 1), 0, 1), (draws, BINS), rng)
    return float(np.quantile(np.abs(right - total).sum(axis=1) / n.sum(), 0.95))
