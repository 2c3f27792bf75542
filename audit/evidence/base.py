"""Common inputs of all evidence: a decided audit, its count tables, and the model's confidence in each answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from audit.answers import answer_probabilities
from audit.errors import DataError
from audit.records.counts import CountRecord
from audit.records.finding import ClaimResult
from audit.statistics.counts import CellTable, grouped_counts, row_codes, unpack
from audit.statistics.metrics import AnswerRows, RowEvents, resolve, tally
from audit.statistics.units.cluster_units import UnitsOf
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.types import Claim, Group, LabelSet, Measurement, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

DRAWS = 1999
"""Maximum number of draws for an interval that no verdict depends on."""
_SMALLEST = 1e-30
"""Keeps the logarithm finite for a probability that rounds to zero."""


def given(predictions: Predictions) -> Int[np.ndarray, "n"]:
    """The index of each prediction among the possible answers; raises DataError for an unexpected one."""
    codes, names = pd.factorize(predictions.y_pred)
    places = pd.Index(predictions.answers).get_indexer(pd.Index(names))
    if (places < 0).any():
        raise DataError(f"the answer {str(names[places < 0][0])!r} is not among the possible answers")
    return np.asarray(places[codes])


class BestTwo(NamedTuple):
    """The model's confidence in each answer, and its second choice."""

    confidence: Float[np.ndarray, "n"]
    """Probability of the answer."""
    second: Int[np.ndarray, "n"]
    """The second choice, an index into the possible answers."""
    distance: Float[np.ndarray, "n"]
    """Margin over the second choice: the difference of their logits, which is the logarithm of the ratio of their probabilities."""


def best_two(predictions: Predictions, label_set: LabelSet) -> BestTwo:
    """The first and the second choice for every image; raises DataError for an answer that is not possible."""
    probabilities = answer_probabilities(predictions.scores, predictions.labels, predictions.answers, label_set)
    rows, first = np.arange(len(probabilities)), given(predictions)
    confidence = probabilities[rows, first]
    probabilities[rows, first] = -1.0
    second = probabilities.argmax(axis=1)
    best, next_best = (np.log(np.maximum(probability, _SMALLEST)) for probability in (confidence, probabilities[rows, second]))
    return BestTwo(confidence, second, best - next_best)


@dataclass(frozen=True)
class Judged:
    """One row per image: its group, the confidence, and whether the answer is the event in question (right; a harm)."""

    groups: tuple[Group, ...]
    codes: Int[np.ndarray, "n"]
    """Index into `groups`."""
    confidence: Float[np.ndarray, "n"]
    event: Bool[np.ndarray, "n"]
    count: Int[np.ndarray, "n"] | None = None
    """Number of images that each row represents; None: one."""

    @property
    def images(self) -> Int[np.ndarray, "n"]:
        """Number of images that each row represents."""
        return np.ones(len(self.codes), np.int64) if self.count is None else self.count


def has_confidence(predictions: Predictions) -> bool:
    """Whether the scores are probabilities of the answers: external predictions may have other scores, or none."""
    scores = predictions.scores
    fits = scores.shape[1] == len(predictions.labels) and len(scores) > 0
    return fits and bool(scores.min() >= 0 and scores.max() <= 1 + 1e-6)  # False for NaN


class Scored:
    """Answers to a measurement with probabilities; results that need a pass over the images are cached."""

    def __init__(self, measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group]):
        self.measurement, self.predictions, self.levels = measurement, predictions, levels
        self.placed = cache(partial(row_codes, predictions.attributes, levels=levels))
        """By attributes: the groups in display order, and the index of each image's group."""

    @cached_property
    def usable(self) -> bool:
        """Whether there are probabilities at all."""
        return has_confidence(self.predictions) or bool(self.predictions.binned)

    @cached_property
    def best_two(self) -> BestTwo:
        """The answer for each image, and the runner-up."""
        return best_two(self.predictions, self.measurement.label_set)

    @cached_property
    def confidence(self) -> Float[np.ndarray, "n"]:
        """Probability of the answer; raises DataError if it is not between 0 and 1."""
        sure = self.best_two.confidence
        if not ((sure >= 0) & (sure <= 1 + 1e-6)).all():  # True for NaN
            raise DataError("a confidence lies outside [0, 1]", why="it must be the probability of the answer that was given")
        return np.asarray(np.clip(sure, 0.0, 1.0))

    def rows(self, by: tuple[str, ...]) -> AnswerRows:
        """The rows that `judged` counts for one attribute: images, or bins of them."""
        return self.predictions.binned[by[0]] if self.predictions.binned else self.predictions

    def judged(self, by: tuple[str, ...], rows: RowEvents) -> Judged:
        """The images that count according to `rows` for the same attributes; a declared group without images keeps its index."""
        if self.predictions.binned:
            bins, kept = self.predictions.binned[by[0]], rows.counted
            groups, codes = row_codes(pd.DataFrame({by[0]: bins.level}, dtype="str"), by, self.levels)
            return Judged(groups, codes[kept], np.clip(bins.confidence[kept], 0.0, 1.0), rows.event[kept], bins.n[kept])
        (groups, codes), kept = self.placed(by), rows.counted
        return Judged(groups, codes[kept], self.confidence[kept], rows.event[kept])


@dataclass(frozen=True)
class EvidenceInputs:
    """A decided audit, restricted to independent images: evidence treats them as independent, and would be overconfident with clusters."""

    decided: tuple[ClaimResult, ...]
    counts: tuple[CountRecord, ...]
    answers: Mapping[str, int]
    """measurement -> number of possible answers."""
    dtype: str
    """Number format of the model."""
    limited: bool
    """Whether only a sample of the data was read."""
    measurements: Mapping[str, Measurement]
    """By name; without those whose images come in clusters or have weights."""
    predictions: Mapping[str, Predictions]
    levels: Mapping[str, Group]
    settings: Settings

    @cached_property
    def cells(self) -> Mapping[str, CellTable]:
        """Count table of each measurement, whose size does not grow with the number of images."""
        return {record.measurement: unpack(record) for record in self.counts}

    @cached_property
    def scored(self) -> Mapping[str, Scored]:
        """Answers to each measurement with their probabilities."""
        return {name: Scored(measurement, self.predictions[name], self.levels) for name, measurement in self.measurements.items()}

    @property
    def findings(self) -> tuple[ClaimResult, ...]:
        """All findings of the measurements, except for rates at equal true shares: evidence uses the raw answers."""
        return tuple(finding for finding in self.decided if finding.measurement in self.measurements and not finding.shares)

    @property
    def independent(self) -> tuple[ClaimResult, ...]:
        """Findings whose groups are compared as independent images, not inside counterfactual sets."""
        return tuple(finding for finding in self.findings if finding.gap is None or finding.gap.within is None)

    @property
    def tested(self) -> tuple[ClaimResult, ...]:
        """Those that are primary and have a gap."""
        return tuple(finding for finding in self.independent if finding.primary and finding.gap)

    def compared_units(self, finding: ClaimResult, predictions: Predictions | None = None) -> SamplingUnits:
        """The groups that are compared, from the given or its own predictions: images, or the sets within which they are compared."""
        predictions = self.predictions[finding.measurement] if predictions is None else predictions
        metric, outcome = resolve(self.measurements[finding.measurement], claim_of(finding), predictions)
        tallied = tally(grouped_counts(predictions, finding.attributes, self.levels), metric, outcome)
        ok = [index for index, status in enumerate(tallied.statuses(self.settings.min_group_size)) if status == "ok"]
        return UnitsOf(predictions, self.levels)(finding.attributes, metric, outcome, tallied).of(np.array(ok, np.int64))


def compared_counts(finding: ClaimResult) -> tuple[tuple[Group, ...], Int[np.ndarray, "g"], Int[np.ndarray, "g"]]:
    """Groups, events and denominators of the groups that were compared."""
    ok = [rate for rate in finding.by_group if rate.status == "ok"]
    return tuple(rate.group for rate in ok), np.array([rate.events for rate in ok]), np.array([rate.n for rate in ok])


def claim_of(finding: ClaimResult) -> Claim:
    """The claim of a finding."""
    return Claim(finding.metric, finding.attributes, finding.outcome)


def slices(measurement: Measurement) -> tuple[tuple[str, ...], ...]:
    """The single attributes of the primary claims of accuracy; without such claims, the first attribute of any claim of accuracy."""
    claims = [claim for claim in measurement.claims if claim.metric == "accuracy" and len(claim.by) == 1]
    primary = [claim.by for claim in claims if claim.primary]
    return tuple(dict.fromkeys(primary or [claim.by for claim in claims[:1]]))
