"""Questions that rows provide, for a generative model: in fixed and shuffled order of each row's options, each only once ever."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.measure.asked.likelihood import PLAIN
from audit.measure.row_options import asked_rows, row_questions
from audit.types import Answerer, Dataset, Embeddings, Manner, Measurement, Question, Served

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float
    from PIL import Image

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
