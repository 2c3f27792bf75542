"""What every kind of evidence is computed from: a decided audit, its count tables, and how sure the model was of each answer."""

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
from audit.statistics.counts.cells import CellTable, unpack
from audit.statistics.counts.count_table import grouped_counts, row_codes
from audit.statistics.metrics import AnswerRows, RowEvents, resolve, tally
from audit.statistics.units.sampling_unit import SamplingUnits, UnitsOf
from audit.types import Claim, Group, LabelSet, Measurement, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

DRAWS = 1999
"""At most as many draws for an interval that no verdict rests on."""
_SMALLEST = 1e-30
"""Keeps the logarithm of a probability that rounds to zero finite."""


def given(predictions: Predictions) -> Int[np.ndarray, "n"]:
    """Return the place of each given answer among the possible answers; DataError for an unexpected one."""
    codes, names = pd.factorize(predictions.y_pred)
    places = pd.Index(predictions.answers).get_indexer(pd.Index(names))
    if (places < 0).any():
        raise DataError(f"the answer {str(names[places < 0][0])!r} is not among the possible answers")
    return np.asarray(places[codes])


class BestTwo(NamedTuple):
    """How sure the model was of each answer, and what it would have answered otherwise."""

    confidence: Float[np.ndarray, "n"]
    """Probability of the answer that was given."""
    second: Int[np.ndarray, "n"]
    """The second choice, a place among the possible answers."""
    distance: Float[np.ndarray, "n"]
    """By how much that was missed: the difference of their logits, which is the logarithm of the ratio of their probabilities."""


def best_two(predictions: Predictions, label_set: LabelSet) -> BestTwo:
    """Return the first and the second choice about every image; DataError for an answer that is not possible."""
    probabilities = answer_probabilities(predictions.scores, predictions.labels, predictions.answers, label_set)
    rows, first = np.arange(len(probabilities)), given(predictions)
    confidence = probabilities[rows, first]
    probabilities[rows, first] = -1.0
    second = probabilities.argmax(axis=1)
    best, next_best = (np.log(np.maximum(each, _SMALLEST)) for each in (confidence, probabilities[rows, second]))
    return BestTwo(confidence, second, best - next_best)


@dataclass(frozen=True)
class Judged:
    """One row an image: its group, how sure the model was, and whether the answer is the event in question (right; a harm)."""

    groups: tuple[Group, ...]
    codes: Int[np.ndarray, "n"]
    """Index into `groups`."""
    confidence: Float[np.ndarray, "n"]
    event: Bool[np.ndarray, "n"]
    count: Int[np.ndarray, "n"] | None = None
    """How many images each row stands for; None: one."""

    @property
    def images(self) -> Int[np.ndarray, "n"]:
        """How many images each row stands for."""
        return np.ones(len(self.codes), np.int64) if self.count is None else self.count


def has_confidence(predictions: Predictions) -> bool:
    """Whether the scores are probabilities of the answers: external predictions may come with other scores, or none."""
    scores = predictions.scores
    fits = scores.shape[1] == len(predictions.labels) and len(scores) > 0
    return fits and bool(scores.min() >= 0 and scores.max() <= 1 + 1e-6)  # NaN fails both


class Scored:
    """What was answered to a measurement, with probabilities: what needs a look at every image is found once, however often asked."""

    def __init__(self, measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group]):
        self.measurement, self.predictions, self.levels = measurement, predictions, levels
        self.placed = cache(partial(row_codes, predictions.attributes, levels=levels))
        """By the attributes: the groups in the order in which they are shown, and the place of each image's among them."""

    @cached_property
    def usable(self) -> bool:
        """Whether there are probabilities at all."""
        return has_confidence(self.predictions) or bool(self.predictions.binned)

    @cached_property
    def best_two(self) -> BestTwo:
        """What was answered about each image, and what nearly was."""
        return best_two(self.predictions, self.measurement.label_set)

    @cached_property
    def confidence(self) -> Float[np.ndarray, "n"]:
        """Probability of the answer that was given; DataError where it is not between 0 and 1."""
        sure = self.best_two.confidence
        if not ((sure >= 0) & (sure <= 1 + 1e-6)).all():  # NaN fails both
            raise DataError("a confidence lies outside [0, 1]", why="it must be the probability of the answer that was given")
        return np.asarray(np.clip(sure, 0.0, 1.0))

    def rows(self, by: tuple[str, ...]) -> AnswerRows:
        """Return the rows that `judged` counts by one attribute: images, or bins of them."""
        return self.predictions.binned[by[0]] if self.predictions.binned else self.predictions

    def judged(self, by: tuple[str, ...], rows: RowEvents) -> Judged:
        """Return the images that count, as `rows` of the same attributes says; a declared group without images keeps its place."""
        if self.predictions.binned:
            bins, kept = self.predictions.binned[by[0]], rows.counted
            groups, codes = row_codes(pd.DataFrame({by[0]: bins.level}, dtype="str"), by, self.levels)
            return Judged(groups, codes[kept], np.clip(bins.confidence[kept], 0.0, 1.0), rows.event[kept], bins.n[kept])
        (groups, codes), kept = self.placed(by), rows.counted
        return Judged(groups, codes[kept], self.confidence[kept], rows.event[kept])


@dataclass(frozen=True)
class EvidenceInputs:
    """A decided audit, as far as its images are independent: evidence treats them so, and would claim too much of clusters."""

    decided: tuple[ClaimResult, ...]
    counts: tuple[CountRecord, ...]
    answers: Mapping[str, int]
    """measurement -> how many answers are possible."""
    dtype: str
    """Number format of the model."""
    limited: bool
    """Whether only a sample of the data was read."""
    measurements: Mapping[str, Measurement]
    """By name; those whose images come in clusters or have weights are left out."""
    predictions: Mapping[str, Predictions]
    levels: Mapping[str, Group]
    settings: Settings

    @cached_property
    def cells(self) -> Mapping[str, CellTable]:
        """Count table of each measurement: its size does not grow with the number of images."""
        return {record.measurement: unpack(record) for record in self.counts}

    @cached_property
    def scored(self) -> Mapping[str, Scored]:
        """Answers of each measurement with their probabilities."""
        return {name: Scored(measurement, self.predictions[name], self.levels) for name, measurement in self.measurements.items()}

    @property
    def findings(self) -> tuple[ClaimResult, ...]:
        """Every finding of the measurements, but for rates at equal true shares: evidence counts the answers as they were given."""
        return tuple(finding for finding in self.decided if finding.measurement in self.measurements and not finding.shares)

    @property
    def independent(self) -> tuple[ClaimResult, ...]:
        """Findings whose groups are compared as independent images, not inside counterfactual sets."""
        return tuple(finding for finding in self.findings if finding.gap is None or finding.gap.within is None)

    @property
    def tested(self) -> tuple[ClaimResult, ...]:
        """Primary ones of these with a gap."""
        return tuple(finding for finding in self.independent if finding.primary and finding.gap)

    def compared_units(self, finding: ClaimResult, predictions: Predictions | None = None) -> SamplingUnits:
        """Return the groups that are compared, of these or its own predictions: images, or the sets that it is compared inside."""
        predictions = self.predictions[finding.measurement] if predictions is None else predictions
        metric, outcome = resolve(self.measurements[finding.measurement], claim_of(finding), predictions)
        tallied = tally(grouped_counts(predictions, finding.attributes, self.levels), metric, outcome)
        ok = [place for place, status in enumerate(tallied.statuses(self.settings.min_group_size)) if status == "ok"]
        return UnitsOf(predictions, self.levels)(finding.attributes, metric, outcome, tallied).of(np.array(ok, np.int64))


def compared_counts(finding: ClaimResult) -> tuple[tuple[Group, ...], Int[np.ndarray, "g"], Int[np.ndarray, "g"]]:
    """Return groups, events and denominators of the groups that were compared."""
    ok = [rate for rate in finding.by_group if rate.status == "ok"]
    return tuple(rate.group for rate in ok), np.array([rate.events for rate in ok]), np.array([rate.n for rate in ok])


def claim_of(finding: ClaimResult) -> Claim:
    """Return the claim that a finding answers."""
    return Claim(finding.metric, finding.attributes, finding.outcome)


def slices(measurement: Measurement) -> tuple[tuple[str, ...], ...]:
    """Return the single attributes of the primary claims of accuracy; without one, the first that accuracy is compared by."""
    claims = [claim for claim in measurement.claims if claim.metric == "accuracy" and len(claim.by) == 1]
    primary = [claim.by for claim in claims if claim.primary]
    return tuple(dict.fromkeys(primary or [claim.by for claim in claims[:1]]))
