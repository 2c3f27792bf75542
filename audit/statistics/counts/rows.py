"""The same rates one row an image: what cannot be read off a count table needs to know which image did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from audit.statistics.counts.count_table import check_complete, group_codes
from audit.types import NO_ANSWER, UNKNOWN, CodedAnswers, Group

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    from audit.statistics.metrics import Metric, Outcome


class AnswerRows(Protocol):
    """What was answered, and what is true: all that a rate needs to know of `Predictions`."""

    @property
    def y_pred(self) -> np.ndarray: ...

    @property
    def y_true(self) -> np.ndarray | None: ...


@dataclass(frozen=True)
class RowEvents:
    """Whether each image counts for a rate, and whether it is an event of it; an event counts."""

    counted: Bool[np.ndarray, "n"]
    event: Bool[np.ndarray, "n"]


def row_events(predictions: AnswerRows, metric: Metric, outcome: Outcome | None) -> RowEvents:
    """Return the images that a metric counts; their sums by group are its `tally`."""
    if isinstance(predictions, CodedAnswers):
        return _coded_events(predictions, metric, outcome)
    truth = np.full(len(predictions.y_pred), "") if predictions.y_true is None else predictions.y_true
    return events_of(truth, predictions.y_pred, metric, outcome)


def _coded_events(coded: CodedAnswers, metric: Metric, outcome: Outcome | None) -> RowEvents:
    """Look at each pair of a true answer and an answer once, and at the images by their pair."""
    truths = ("",) if coded.truths is None else coded.truths
    truth, answers = (grid.ravel() for grid in np.meshgrid(truths, coded.answers, indexing="ij"))
    pairs = events_of(truth, answers, metric, outcome)
    pair = coded.chosen.astype(np.int64) if coded.truth is None else coded.truth * len(coded.answers) + coded.chosen
    return RowEvents(pairs.counted[pair], pairs.event[pair])


def events_of(truth: np.ndarray, answers: np.ndarray, metric: Metric, outcome: Outcome | None) -> RowEvents:
    """Return the rows that a metric counts, by their true and their given answers."""
    everything = np.ones(len(answers), bool)
    known = truth != UNKNOWN if metric.needs_truth else everything
    if outcome is None:
        return RowEvents(known, known & (truth == answers))
    positive, selected = (np.isin(labels, list(outcome)) for labels in (truth, answers))
    kinds = {"all": everything, "positive": positive, "negative": ~positive, "selected": selected}
    counted = known & (_answered(answers) if metric.denominator == "answered" else kinds[metric.denominator])
    event = {"correct": positive == selected, "selected": selected, "missed": ~selected, "positive": positive}[metric.event]
    return RowEvents(counted, counted & event)


def _answered(answers: np.ndarray) -> Bool[np.ndarray, "n"]:
    """Tell whose answer commits itself."""
    commits: np.ndarray = np.logical_and.reduce([answers != label for label in NO_ANSWER])
    return commits


def row_codes(attributes: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Group]) -> tuple[tuple[Group, ...], Int[np.ndarray, "n"]]:
    """Return the groups in the order in which they are shown, and the place of each image's group among them.

    A declared group without images keeps its place. Raises DataError for an undeclared level or a missing value.
    """
    rows = attributes[list(by)].reset_index(drop=True)
    check_complete(rows)
    number = rows.groupby(list(by), observed=True, sort=True).ngroup().to_numpy()
    observed = rows.iloc[np.unique(number, return_index=True)[1]]
    groups, codes = group_codes(observed, by, levels)
    return groups, codes[number]
