"""``python -m contrastive.train RUN --doctor``: reports problems with a run before it starts. Nothing is written.

It reads the data and tokenises captions, computes the initial loss, measures speed and memory, and overfits up to 128 pairs: a model that
cannot memorise those will not learn from millions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch

from contrastive import distributed
from contrastive.config import Config
from contrastive.loss import PerPair
from contrastive.training.doctor.data import (
    ENOUGH,
    Result,
    distinct,
    duplicates,
    end_of_text,
    group_sizes,
    image_check,
    near_duplicates,
    text_ids,
    text_length,
    too_few,
)
from contrastive.training.doctor.learning import OVERFIT, first_loss, generalise, memory, overfit, speed
from contrastive.training.inputs import RunInputs, SmallTableError, prepare
from contrastive.training.state import Training, start
from strictio.errors import UsageError

BATCHES = 4
"""Number of batches for checks of captions and speed."""


def examine(config: Config, say: Callable[[str], None] = print) -> int:
    """Check a run, report each finding immediately, and return 0 if there are no problems, else 3.

    Raises `UsageError`, `TrainingDataError`, `DataError` like a run that cannot start. Also works under torchrun.
    """
    if distributed.world_size() > 1:
        raise UsageError("the doctor examines one process", fix="run it without torchrun")
    output_folder = _output_folder(Path(config.run.out))
    inputs, first = _prepared(config)
    wrong = []
    for name, result in chain(output_folder, first, _checks(inputs, start(inputs))):
        say(f"{result.mark:5}  {name}: {result.words}")
        wrong += [name] if result.wrong else []
    say(f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")
    return 3 if wrong else 0


def _output_folder(out: Path) -> list[tuple[str, Result]]:
    """Return a reason why a run could not write its output, without creating anything."""
    known = next(path for path in (out, *out.parents, Path()) if path.exists())
    if not known.is_dir():
        return [("output folder", Result(f"run.out cannot be {out}: {known} is a file; name another folder", wrong=True))]
    if not os.access(known, os.W_OK | os.X_OK):
        return [
            ("output folder", Result(f"run.out={out}: {known} cannot be written to; name another, or change its permissions", wrong=True))
        ]
    return []


def _prepared(config: Config) -> tuple[RunInputs, list[tuple[str, Result]]]:
    """Return the run's inputs; if a table is smaller than a batch, those for a smaller batch, with the problem."""
    try:
        return prepare(config), []
    except SmallTableError as error:
        if error.batch is None:
            raise
        batch = error.batch
        result = Result(f"{error.what}; set data.batch={batch}, with which the rest was examined", wrong=True)
    optim = replace(config.optim, accumulate=min(config.optim.accumulate, batch))
    return prepare(replace(config, data=replace(config.data, batch=batch), optim=optim)), [("batch size", result)]


def _checks(inputs: RunInputs, training: Training) -> Iterator[tuple[str, Result]]:
    config, rows = inputs.config, [inputs.rows(step) for step in range(BATCHES)]
    yield "images", image_check(inputs)
    if inputs.grouping.groups is not None:
        yield "groups", group_sizes(inputs.grouping.groups)
    yield "text length", text_length(inputs.lengths)
    if len(inputs.held_out_rows):
        yield "near duplicates", near_duplicates(inputs)
    ids = [text_ids(inputs, some) for some in rows]
    if inputs.tokenizer.eot is not None:
        yield "end of text", end_of_text(torch.cat(ids), inputs.tokenizer.eot)
    yield "duplicate captions", duplicates(ids, config.loss.kind)
    yield "first loss", first_loss(training.model, training.objective, inputs, rows[0])
    yield "speed", speed(training, inputs, rows)
    by_heart = distinct(inputs.pairs, inputs.train_rows, OVERFIT)
    if len(by_heart) < ENOUGH:
        yield "distinct captions", too_few(by_heart, inputs.train_rows)
    else:
        yield "overfitting", overfit(training, inputs, by_heart)
    if not isinstance(training.objective, PerPair):  # whose text tower is not trained
        yield "new images", generalise(start(inputs), inputs)
    yield "memory", memory(training.device)
