"""The rows of `predictions.parquet`, and which of them a metric counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

UNKNOWN = "unknown"
NO_ANSWER = ("unclear", "refusal", "unparsed", "(no answer)", "(error)", "(limit)")
OWN = ("model", "probe", "measurement", "id", "y_true", "y_pred", "scores")
SCORE = "score:"

#: metric -> (images that count, images of these that are events, better, whether true answers are needed)
METRICS = {
    "accuracy": ("all", "correct", "high", True),
    "selection_rate": ("all", "selected", "neither", False),
    "true_positive_rate": ("positive", "selected", "high", True),
    "false_negative_rate": ("positive", "missed", "low", True),
    "false_positive_rate": ("negative", "selected", "low", True),
    "true_negative_rate": ("negative", "missed", "high", True),
    "precision": ("selected", "positive", "high", True),
    "rate_among_answered": ("answered", "selected", "neither", False),
    "retrieval_rate": ("all", "selected", "neither", False),
}


@dataclass(frozen=True)
class Answers:
    """The answers to one measurement, one row per image (or per group of an image that is in several)."""

    columns: Mapping[str, np.ndarray]
    y_pred: np.ndarray
    y_true: np.ndarray | None
    cluster: np.ndarray | None = None
    """Number of each row's cluster."""
    weight: np.ndarray | None = None
    scores: Mapping[str, np.ndarray] | None = None
    """label -> score of each row."""

    def take(self, rows: np.ndarray) -> Answers:
        """Only some rows, in this order."""
        return replace(
            self, columns={name: column[rows] for name, column in self.columns.items()}, y_pred=self.y_pred[rows],
            y_true=None if self.y_true is None else self.y_true[rows], cluster=None if self.cluster is None else self.cluster[rows],
            weight=None if self.weight is None else self.weight[rows],
        )  # fmt: skip


class AnswerFile:
    """A file of predictions."""

    def __init__(self, content: bytes):
        self._table = pq.read_table(pa.BufferReader(content))
        metadata = self._table.schema.metadata or {}
        self.facts = {key.decode().removeprefix("vlm_audit."): json.loads(value) for key, value in metadata.items() if b"vlm_audit." in key}
        self._names = [np.asarray(self._table[name].to_pylist(), object) for name in ("model", "probe", "measurement")]

    def answers(self, audit: Mapping[str, Any], measurement: str) -> Answers:
        """The answers to one measurement of an audit, with its clusters and weights."""
        model, probe, data = audit["model"]["name"], audit["probe"]["name"], audit["data"]
        wanted = (model, probe, measurement)
        rows = np.flatnonzero(np.logical_and.reduce([column == name for column, name in zip(self._names, wanted, strict=True)]))
        part = self._table.take(rows)
        columns = {name: _texts(part, name) for name in part.column_names if not name.startswith(SCORE)}
        truth = columns.pop("y_true")
        weights = columns.get(column_of(data["weights"])) if data["weights"] is not None else None
        labels = self.facts.get("labels", {}).get(f"{probe}/{measurement}", [])
        return Answers(
            columns, columns.pop("y_pred"), None if all(value is None for value in truth) else truth,
            cluster=_clusters(self.facts.get("cluster", {}).get(probe), columns),
            weight=None if weights is None else weights.astype(float),
            scores={name: part[SCORE + name].to_numpy() for name in labels if SCORE + name in part.column_names},
        )  # fmt: skip


def _texts(table: Any, name: str) -> np.ndarray:
    return np.asarray(table[name].to_pylist(), object)


def column_of(attribute: str) -> str:
    """The column of an attribute, which has another name if that is one of the table's own."""
    if attribute.startswith(SCORE):
        return f"attribute_{attribute}"
    return f"{attribute}_attribute" if attribute in OWN else attribute


def _clusters(column: str | None, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The number of each row's cluster; a row with an unknown one is alone in its own."""
    if column is None:
        return None
    names, number = np.unique(columns[column].astype(str), return_inverse=True)
    alone = np.flatnonzero(columns[column] == UNKNOWN)
    number = number.astype(np.int64)
    number[alone] = len(names) + np.arange(len(alone))
    return number


def numbered(answers: Answers, attributes: Sequence[str], groups: Sequence[Sequence[str]]) -> np.ndarray:
    """The position of each row's group in `groups`; -1 if it is none of them."""
    code = {tuple(group): at for at, group in enumerate(groups)}
    rows = zip(*(answers.columns[column_of(name)].tolist() for name in attributes), strict=True)
    return np.fromiter((code.get(row, -1) for row in rows), np.int64, len(answers.y_pred))


def counted(answers: Answers, metric: str, outcome: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row counts for a metric, and whether it is an event; every event counts."""
    out_of, event, _, needs_truth = METRICS[metric]
    everything = np.ones(len(answers.y_pred), bool)
    truth = np.full(len(answers.y_pred), "", object) if answers.y_true is None else answers.y_true
    known = truth != UNKNOWN if needs_truth else everything
    if outcome is None:
        return known, known & (truth == answers.y_pred)
    positive, selected = (np.isin(values.astype(str), list(outcome)) for values in (truth, answers.y_pred))
    kinds = {"all": everything, "positive": positive, "negative": ~positive, "selected": selected}
    kinds["answered"] = ~np.isin(answers.y_pred.astype(str), NO_ANSWER)
    events = {"correct": positive == selected, "selected": selected, "missed": ~selected, "positive": positive}
    counts = known & kinds[out_of]
    return counts, counts & events[event]


def commonest(values: np.ndarray, measurement: Mapping[str, Any], weight: np.ndarray | None = None) -> tuple[str, float]:
    """The most frequent value, of equals the first declared, and its share."""
    names, code = np.unique(values.astype(str), return_inverse=True)
    totals = dict(zip(names.tolist(), np.bincount(code, weight).tolist(), strict=True))
    declared = [name for name in possible(measurement) if name in totals]
    first = max([*declared, *(name for name in totals if name not in declared)], key=lambda name: totals[name])
    return first, totals[first] / sum(totals.values())


def possible(measurement: Mapping[str, Any]) -> list[str]:
    """The possible answers in declared order."""
    return list(dict.fromkeys(measurement["answers"].get(label, label) for label in measurement["labels"]))


def split(answers: Answers, attributes: Sequence[str]) -> Answers:
    """One row per value of attributes with several (``3|3|4``), weighted by the share of the value; the image is then the cluster."""
    rows, share, columns = np.arange(len(answers.y_pred)), np.ones(len(answers.y_pred)), dict[str, np.ndarray]()
    for name in map(column_of, attributes):
        votes = [Counter(text.split("|")) for text in answers.columns[name][rows]]
        many = np.array([len(chosen) for chosen in votes])
        repeat = np.repeat(np.arange(len(rows)), many)
        parts = np.array([count / chosen.total() for chosen in votes for count in chosen.values()])
        rows, share = rows[repeat], share[repeat] * parts
        columns = {other: values[repeat] for other, values in columns.items()}
        columns[name] = np.array([level for chosen in votes for level in chosen], object)
    several = answers.take(rows)
    several = replace(several, columns={**several.columns, **columns})
    if len(rows) == len(answers.y_pred):
        return several
    cluster = np.arange(len(answers.y_pred)) if answers.cluster is None else answers.cluster
    return replace(several, cluster=cluster[rows], weight=share if answers.weight is None else share * answers.weight[rows])
