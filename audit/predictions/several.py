"""Several files of predictions that are audited together: what may be answered is the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.naming import natural_order
from audit.predictions.read import PredictionFile
from audit.predictions.rows import MeasurementAnswers


def with_all_answers(files: Sequence[PredictionFile]) -> list[PredictionFile]:
    """Return files whose answers to a question may be any that one of them gives: what a model never answers has the rate 0 there."""
    all_answers: dict[tuple[str | None, str], set[str]] = {}
    for answers in (answer for file in files for answer in file.answers):
        all_answers.setdefault((answers.probe, answers.measurement), set()).update(answers.predictions.answers)

    def widened(answers: MeasurementAnswers) -> MeasurementAnswers:
        known = answers.predictions
        new = all_answers[answers.probe, answers.measurement] - {*known.answers}
        if known.scores.shape[1]:  # each label has a column of them
            return replace(answers, predictions=replace(known, answers=(*known.answers, *natural_order(new))))
        labels = natural_order({*known.answers, *new})
        return replace(answers, predictions=replace(known, labels=labels, answers=labels))

    return [replace(file, answers=tuple(map(widened, file.answers))) for file in files]
