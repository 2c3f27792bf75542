"""Many label sets on the same images, all in one pass over the embeddings. NumPy only.

Each image is normalised once and compared once with each distinct text direction, regardless of how many label sets share it; only the
answers to each label set are kept, one or two bytes per image. The answers are those of `audit.measure.zero_shot.predict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.answers import answer_probabilities, answers_of
from audit.embedding.cores import on_all_cores
from audit.measure.zero_shot import (
    check_answers,
    check_truth,
    chosen_answers,
    directions,
    gives_shares,
    logits_of,
    probabilities_of_logits,
    scored_images,
    unit_vectors,
)
from audit.types import CodedAnswers, Group, LabelSet, Measurement, ModelRecord

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int

COMMON_KIND = "zero_shot"
"""The kind of measurement that this module computes."""
_CHUNK = 2048


@dataclass(frozen=True)
class _Asked:
    """A label set, and the positions of its labels' directions among all directions."""

    label_set: LabelSet
    answers: Group
    columns: Int[np.ndarray, "k"]

    @property
    def key(self) -> tuple[object, ...]:
        """The properties that determine an image's answer."""
        answer_of = tuple(self.label_set.answers.get(label, label) for label in self.label_set.labels)
        return tuple(self.columns.tolist()), answer_of, self.label_set.combine

    def chosen(self, logits: Float64[np.ndarray, "all n"], record: ModelRecord) -> Int[np.ndarray, "n"]:
        """The index of each image's answer."""
        own = logits[self.columns].T
        shares = None
        if self.label_set.combine == "sum":
            scores, of_one = probabilities_of_logits(own, record), gives_shares(record)
            by_answer = answer_probabilities(scores, self.label_set.labels, self.answers, self.label_set, shares=of_one)
            shares = by_answer if of_one else None
        return chosen_answers(self.label_set, self.answers, own, shares)


def answer_all(
    measurements: Sequence[Measurement],
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
) -> list[CodedAnswers]:
    """Answer every measurement by zero-shot classification, with the answers and errors of `zero_shot.predict`.

    The cost is that of one product of the images with the distinct directions, for any number of measurements.
    """
    prompts, columns = _distinct_prompts(measurements)
    texts = directions(prompts, text_embeddings) if prompts else np.empty((0, 0))
    queries = [
        _Asked(measurement.label_set, check_answers(measurement.label_set), places)
        for measurement, places in zip(measurements, columns, strict=True)
    ]
    distinct = {query.key: query for query in queries}  # a label set may occur with several attributes
    chosen = {key: np.zeros(len(image_embeddings), np.min_scalar_type(len(query.answers))) for key, query in distinct.items()}
    known = {(one.truth, one.only): scored_images(one, attributes) for one in measurements}
    rows = np.flatnonzero(np.any(list(known.values()), axis=0)) if known else np.empty(0, np.int64)

    def answer(start: int) -> None:
        part = rows[start : start + _CHUNK]
        logits = logits_of(unit_vectors(image_embeddings[part]) @ texts.T, record)
        by_direction = np.ascontiguousarray(logits.T)  # its rows are contiguous, which halves the time to copy and compare them
        for asked, query in distinct.items():
            chosen[asked][part] = query.chosen(by_direction, record)

    for _ in on_all_cores(answer, range(0, len(rows), _CHUNK)):
        pass  # `chosen` is filled in by the workers
    truths = {key: _truth(key[0], attributes[kept]) for key, kept in known.items()}
    coded = []
    for measurement, query in zip(measurements, queries, strict=True):
        key = measurement.truth, measurement.only
        kept, (shown, names, codes) = known[key], truths[key]
        if names is not None:
            check_truth(names, answers_of(measurement.label_set), measurement)
        coded.append(
            CodedAnswers(
                answers_of(measurement.label_set), chosen[query.key] if kept.all() else chosen[query.key][kept], names, codes, shown
            )
        )
    return coded


def _distinct_prompts(measurements: Sequence[Measurement]) -> tuple[list[tuple[str, ...]], list[Int[np.ndarray, "k"]]]:
    """Distinct tuples of prompts, and for each measurement the positions of its labels' prompts among them."""
    positions: dict[tuple[str, ...], int] = {}
    columns = [
        np.array(
            [positions.setdefault(tuple(measurement.label_set.prompts[label]), len(positions)) for label in measurement.label_set.labels]
        )
        for measurement in measurements
    ]
    return list(positions), columns


def _truth(name: str | None, attributes: pd.DataFrame) -> tuple[pd.DataFrame, Group | None, Int[np.ndarray, "n"] | None]:
    """The images, the distinct true answers, and the index of each image's true answer; None without a truth."""
    if name is None:
        return attributes, None, None
    codes, names = pd.factorize(attributes[name])
    return attributes, tuple(map(str, names)), codes
