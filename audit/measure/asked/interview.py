"""Asks a generative model every question of a probe about every image, each only once ever, and turns the answers into predictions.

The scores of all questions about an image form one row, which is cached by the content of the image under a name that depends on the model
and the exact text of every question: reading, caching, smaller batches and resuming after a crash work as for embeddings
(`audit.embedding.embed`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_images
from audit.measure.asked.likelihood import PLAIN, agreement, predict
from audit.measure.asked.questionnaire import questionnaire
from audit.measure.asked.row_interview import RowInterview, SentRowInterview, askings
from audit.types import Answerer, Dataset, Embeddings, Measurement, ModelRecord, Predictions, Probe, Question, Served, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from PIL import Image

log = logging.getLogger("audit")


@dataclass(frozen=True)
class Interview:
    """The probe as asked, and the answers."""

    record: ModelRecord
    """Record of the model, with its prompts."""
    probe: Probe
    """The probe in its form for generative models (`audit.measure.asked.questionnaire`)."""
    scores: Embeddings
    """One row per image: the scores of all questions in adjacent columns."""
    attributes: pd.DataFrame
    """Attributes of the images that were read."""
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""
    specifications: Sequence[Sequence[Predictions]]
    """One list per plan of the probe, with one entry per specification."""


def interview(
    model: Answerer,
    probe: Probe,
    dataset: Dataset,
    settings: Settings,
    *,
    cache_root: CacheRoot = None,
    batch_size: int = 32,
    progress: Callable[[int, int], object] | None = None,
) -> Interview:
    """Ask a generative model the questions of a probe, with options shuffled by the seed of `settings`; otherwise like `embed_images`."""
    manner = model.manner if isinstance(model, Served) else PLAIN
    prepared = questionnaire(probe, settings.seed, manner)
    questions = prepared.questions
    rows = SentRowInterview if isinstance(model, Served) else RowInterview
    by_row = rows(model, prepared.probe.measurements, dataset, settings.seed, manner)
    if isinstance(model, Served):
        batch_size = model.images_at_once(len(questions) or by_row.distinct_of_a_row)
    how: dict[str, Any] = {"batch_size": batch_size, "max_skip": settings.max_skip, "progress": progress}
    passes: list[Embeddings] = []
    if questions:
        questioned = _Sent(model, questions) if isinstance(model, Served) else _Questioned(model, questions)
        log.info("asking %d questions with %d options of each image", len(questions), sum(len(question.options) for question in questions))
        passes.append(embed_images(questioned, dataset, cache_root, **how))
    if by_row.measurements:
        log.info("asking each row its own questions: %d in all", by_row.distinct)
        passes.append(embed_images(by_row, dataset, cache_root, **how))
    scores = passes[0]
    attributes = dataset.attributes.iloc[scores.rows]
    ends = np.cumsum([question.width for question in questions])
    columns: dict[Question | None, np.ndarray] = (
        dict(zip(questions, np.split(scores.vectors, ends[:-1], axis=1), strict=True)) if questions else {}
    )

    def answers(measurement: Measurement) -> Predictions:
        """The answers to a measurement; for one that compares ways to ask, whether they agree."""
        compared = prepared.compared.get(measurement.name)
        put = compared.fixed if compared else measurement
        if put.options is not None:
            predictions = [predict(put, *scored_rows) for scored_rows in by_row.answered(put, passes[-1], attributes)]
            return agreement(predictions[0], *predictions[compared.askings]) if compared else predictions[0]
        questions = (put.asked, *(compared.others if compared else ()))
        predictions = [predict(put, columns[question], attributes) for question in questions]
        return agreement(*predictions) if compared else predictions[0]

    return Interview(
        record=replace(model.record, asked=(*model.record.asked, *prepared.asked)),
        probe=prepared.probe,
        scores=scores,
        attributes=attributes,
        predictions={measurement.name: answers(measurement) for measurement in prepared.probe.measurements},
        specifications=[[answers(point.measurement) for point in plan.specifications] for plan in prepared.probe.specifications],
    )


def questions_of(probe: Probe, dataset: Dataset, seed: int) -> list[Question]:
    """All distinct questions about any image of the data, for a generative model whose likelihoods are read."""
    prepared = questionnaire(probe, seed, PLAIN)
    own = [] if dataset.texts is None else [
        question for measurement in prepared.probe.measurements if measurement.options is not None
        for asking in askings(measurement, dataset.texts, seed, PLAIN) for question in asking if question
    ]  # fmt: skip
    return list(dict.fromkeys([*prepared.questions, *own]))


class _Questioned:
    """A model and its questions, as an encoder that turns images into rows."""

    def __init__(self, model: Answerer, questions: Sequence[Question]):
        self._model, self._questions = model, questions
        digest = hashlib.sha256(model.record.fingerprint.encode())
        for question in questions:
            for text in (question.text, *question.options):
                digest.update(hashlib.sha256(text.encode()).digest())
            digest.update(len(question.options).to_bytes(4, "big"))
        width = sum(question.width for question in questions)
        self.record = replace(model.record, fingerprint=digest.hexdigest(), dimensions=width)

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n k"]:
        return self._model.log_likelihoods(images, self._questions)


class _Sent(_Questioned):
    """The same for a model behind an endpoint."""

    def __init__(self, model: Served, questions: Sequence[Question]):
        super().__init__(model, questions)
        self._begin = model.begin

    def begin(self, seen: Sequence[tuple[Image.Image, int]]) -> Callable[[], Float[np.ndarray, "n k"]]:
        return self._begin([image for image, _ in seen], self._questions)
