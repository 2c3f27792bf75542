"""Asks a generative model every question of a probe about every image, each only once ever, and turns the answers into predictions.

The scores of all questions about an image form one row, which is cached by the content of the image under a name that depends on the model
and the exact text of every question: reading, caching, smaller batches and resuming after a crash work as for embeddings
(`audit.embedding.embed`).
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_images
from audit.measure.asked.likelihood import PLAIN, agreement, predict
from audit.measure.asked.questionnaire import questionnaire
from audit.measure.row_options import asked_rows, row_questions
from audit.types import Answerer, Dataset, Embeddings, Manner, Measurement, ModelRecord, Predictions, Probe, Question, Served, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from PIL import Image

# Questions that rows provide, for a generative model: in fixed and shuffled order of each row's options, each only once ever.


_Where = tuple[np.ndarray, ...]


class RowInterview:
    """A model and its questions about each row, as an encoder that turns images into rows of scores.

    The scores of a row are cached by the content of its image and the text of its questions. Rows of a batch that share their questions are
    asked together.
    """

    def __init__(self, model: Answerer, measurements: Sequence[Measurement], dataset: Dataset, seed: int, manner: Manner = PLAIN):
        self._model, self._texts = model, dataset.texts
        self._askings = 1 + manner.repeats
        """Number of ways: the fixed order, the shuffled one, and repetitions of the fixed one."""
        self.measurements = tuple(measurement for measurement in measurements if measurement.options is not None)
        lists = [] if self._texts is None else [
            asking for measurement in self.measurements for asking in askings(measurement, self._texts, seed, manner)
        ]  # fmt: skip
        self._questions = list(zip(*lists, strict=True))
        self._widths = [len(measurement.label_set.labels) for measurement in self.measurements for _ in range(self._askings)]
        self.distinct = len({question for questions in set(self._questions) for question in questions if question})
        self.distinct_of_a_row = max((len(set(questions) - {None}) for questions in set(self._questions)), default=0)
        digest = hashlib.sha256(f"{model.record.fingerprint} rows {self._widths}".encode())
        self.record = replace(model.record, fingerprint=digest.hexdigest(), dimensions=sum(self._widths))

    def row_key(self, row: int, image: str) -> str:
        """The key of a row's scores."""
        digest = hashlib.sha256(image.encode())
        for question in self._questions[row]:
            for text in (question.text, *question.options) if question else ():
                digest.update(hashlib.sha256(text.encode()).digest())
            digest.update(bytes([question is not None]))  # repeated questions have separate columns of scores
        return digest.hexdigest()

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n k"]:
        """Raise TypeError: an image alone has no question."""
        raise TypeError("rows are asked, not images")

    def encode_rows(self, seen: Sequence[tuple[Image.Image, int]]) -> Float[np.ndarray, "n k"]:
        """The scores of the options of each row, by measurement and way to ask; 0 for missing questions."""
        return self._filled(len(seen), [(where, self._model.log_likelihoods(*batch)) for where, batch in self._together(seen)])

    def _together(self, seen: Sequence[tuple[Image.Image, int]]) -> Iterator[tuple[_Where, tuple[list[Image.Image], list[Question]]]]:
        """Yield the images of rows that share their questions, the questions, and the position of the answers among a batch's scores."""
        positions: dict[tuple[Question | None, ...], list[int]] = defaultdict(list)
        for position, (_, row) in enumerate(seen):
            positions[self._questions[row]].append(position)
        for questions, rows in positions.items():
            if to_ask := [question for question in questions if question is not None]:
                columns = np.repeat([question is not None for question in questions], self._widths)
                yield np.ix_(np.array(rows), np.flatnonzero(columns)), ([seen[row][0] for row in rows], to_ask)

    def _filled(self, rows: int, scored: Iterable[tuple[_Where, Float[np.ndarray, "m j"]]]) -> Float[np.ndarray, "n k"]:
        scores = np.zeros((rows, sum(self._widths)), np.float32)
        for where, values in scored:
            scores[where] = values
        return scores

    def answered(
        self, measurement: Measurement, scores: Embeddings, attributes: pd.DataFrame
    ) -> list[tuple[Float[np.ndarray, "n k"], pd.DataFrame]]:
        """The scores of a measurement, one list entry per way to ask, with the attributes of the rows that have a question."""
        texts = self._texts
        assert texts is not None  # noqa: S101  (guaranteed by `check_rows`)
        is_asked = asked_rows(measurement, texts.iloc[scores.rows])
        first = self._askings * [other.name for other in self.measurements].index(measurement.name)
        parts = np.split(scores.vectors, np.cumsum(self._widths)[:-1], axis=1)
        return [(part[is_asked], attributes[is_asked]) for part in parts[first : first + self._askings]]


class SentRowInterview(RowInterview):
    """The same for a model behind an endpoint: all rows of a batch are sent before waiting for the first."""

    _model: Served

    def begin(self, seen: Sequence[tuple[Image.Image, int]]) -> Callable[[], Float[np.ndarray, "n k"]]:
        """Send the questions of rows; returns a function that waits for their scores."""
        begun = [(where, self._model.begin(*batch)) for where, batch in self._together(seen)]
        return lambda: self._filled(len(seen), [(where, wait()) for where, wait in begun])


def askings(measurement: Measurement, texts: pd.DataFrame, seed: int, manner: Manner) -> list[list[Question | None]]:
    """The questions of each row: in fixed order, shuffled, and in fixed order again as often as questions are repeated."""
    fixed, shuffled = (row_questions(measurement, texts, seed=order, manner=manner) for order in (None, seed))
    again = [[question and replace(question, repeat=repeat) for question in fixed] for repeat in range(1, manner.repeats)]
    return [fixed, shuffled, *again]


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
