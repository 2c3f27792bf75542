"""``python -m contrastive.train RUN --doctor``: what is wrong with a run before it is started, in words. Nothing is written.

It reads the data and the captions' ids, takes the first loss, measures speed and memory, and overfits up to 128 pairs: a model that
cannot learn those by heart will not learn from millions.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive import distributed
from contrastive.config import Config
from contrastive.data.order import batch_positions
from contrastive.errors import UsageError
from contrastive.loss import Objective
from contrastive.model.clip import CLIP
from contrastive.training.account import peak_memory_mib
from contrastive.training.inputs import RunInputs, prepare
from contrastive.training.optimizer import clamp_logit_scale, clip, set_learning_rate
from contrastive.training.state import Training, start

OVERFIT, STEPS, LIMIT_S = 128, 300, 120.0
"""At most so many pairs, steps and seconds of overfitting."""
LEARNED, STUCK = 0.25, 0.9
"""Of the loss of a model that guesses: below the first the pairs are learned, above the second nothing is."""
BATCHES = 4
"""Batches whose captions and speed are looked at."""


class Result(NamedTuple):
    """What one check found: numbers, and where something is wrong what it means and what to do."""

    words: str
    wrong: bool = False


def examine(config: Config, say: Callable[[str], None] = print) -> int:
    """Check a run, say each finding as it comes, and return 0 if nothing is wrong, 3 if something is.

    Raises `UsageError`, `TrainingDataError`, `DataError` as a run would: what keeps it from starting at all. Also under torchrun.
    """
    if distributed.world_size() > 1:
        raise UsageError("the doctor examines one process", fix="run it without torchrun")
    inputs = prepare(config)
    wrong = []
    for name, found in _checks(inputs, start(inputs)):
        say(f"{'WRONG' if found.wrong else 'ok   '}  {name}: {found.words}")
        wrong += [name] if found.wrong else []
    say(f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")
    return 3 if wrong else 0


def _checks(inputs: RunInputs, training: Training) -> Iterator[tuple[str, Result]]:
    config, n = inputs.config, len(inputs.train_rows)
    rows = [inputs.train_rows[batch_positions(config.run.seed, step, n, config.data.batch)] for step in range(BATCHES)]
    yield "images", image_check(inputs)
    ids = [_ids(inputs, some) for some in rows]
    yield "end of text", end_of_text(torch.cat(ids), inputs.tokenizer.eot)
    yield "duplicate captions", duplicates(ids, config.loss.kind)
    yield "first loss", first_loss(training.model, training.objective, inputs, rows[0])
    yield "speed", speed(training, inputs, rows)
    yield "overfitting", overfit(training, inputs, distinct(inputs, OVERFIT))
    yield "memory", memory(training.device)


def image_check(inputs: RunInputs) -> Result:
    """How many pairs there are and how many of them are broken; whether any two of the first images differ."""
    pixels, _ = inputs.pairs.plain(inputs.train_rows[:64])
    replaced = inputs.pairs.replaced
    counts = f"{len(inputs.train_rows)} pairs to train on, {len(inputs.held_out_rows)} held out, {len(replaced)} broken"
    counts += f" (first: {replaced[0]})" if replaced else ""
    if len(pixels) > 1 and bool((pixels == pixels[:1]).all()):
        return Result(f"{counts}; the first {len(pixels)} images are all the same: look at the paths and the files", wrong=True)
    return Result(counts)


def end_of_text(ids_nl: Tensor, eot: int) -> Result:
    """Whether every text has an end, and how many were cut to get one."""
    ends_nl, (n, length) = ids_nl == eot, ids_nl.shape
    if missing := int((~ends_nl.any(dim=1)).sum()):
        return Result(f"{missing} of {n} texts have no end: their feature would be that of another token", wrong=True)
    full = float((ends_nl.int().argmax(dim=1) == length - 1).float().mean())
    cut = f"; {full:.0%} fill all {length} places, so some may have been cut" if full > 0.5 else ""
    return Result(f"every one of {n} texts has one{cut}")


def duplicates(batches: list[Tensor], kind: str) -> Result:
    """How many pairs have a caption that another pair of their batch has too: each is told that a right answer is wrong."""
    everything = torch.cat(batches)
    repeated = 1 - len(np.unique(everything.numpy(), axis=0)) / len(everything)
    found = [np.unique(ids.numpy(), axis=0, return_inverse=True, return_counts=True) for ids in batches]
    times = np.concatenate([counts[inverse.reshape(-1)] for _, inverse, counts in found])
    shared, floor = float((times > 1).mean()), float(np.log(times).mean())
    words = f"{shared:.1%} of the pairs share their caption with another of their batch; "
    words += f"{repeated:.1%} of {len(everything)} captions are repeats"
    words += f"; because of that the loss cannot fall below about {floor:.2f}" if kind == "softmax" and shared else ""
    if shared <= 0.5:
        return Result(words)
    words += ": more right answers are called wrong than not; take a smaller data.batch, "
    return Result(f"{words}or, if captions were cut to the same beginning, a larger model.text.context", wrong=True)


def first_loss(model: CLIP, objective: Objective, inputs: RunInputs, rows: NDArray[np.int64]) -> Result:
    """Whether a model that has learned nothing guesses: a loss of ln(batch). A given model should do no worse."""
    guess = math.log(len(rows))
    with torch.no_grad():
        loss = float(objective(model.train(), *_inputs(inputs, rows, model.logit_scale.device)))
    if not math.isfinite(loss):
        return Result(f"{loss}: a pixel, a weight or the scale is not a finite number", wrong=True)
    if inputs.config.loss.kind != "softmax" or inputs.teacher:
        return Result(f"{loss:.3f} (of this loss it is not known what value a guess has)")
    words = f"{loss:.3f}, a guess among {len(rows)} has {guess:.3f}"
    if loss > guess + 1:
        return Result(f"{words}: it is sure of wrong answers; are scale, pixels and captions as they should be?", wrong=True)
    if inputs.initial is None and loss < guess - 1:
        return Result(f"{words}: a model without training cannot know; something gives the answers away", wrong=True)
    return Result(words)


def speed(training: Training, inputs: RunInputs, rows: list[NDArray[np.int64]]) -> Result:
    """How fast batches are made, and how fast the model takes them: the fastest of each, because others may use the machine too."""
    config, n = inputs.config, len(rows[0])
    images, ids = _inputs(inputs, rows[0], training.device)

    def step() -> None:
        training.objective(training.model.train(), images, ids).backward()
        if training.device.type == "cuda":
            torch.cuda.synchronize()

    data = n / min(_seconds(partial(inputs.pairs.batch, some, 0, config.run.seed, config.data.shift)) for some in rows)
    model = n / min(_seconds(step) for _ in range(2))
    training.optimizer.zero_grad()
    words = f"data {data:,.0f} pairs/s, model {model:,.0f} pairs/s"
    if data < model:
        return Result(f"{words}: data-bound, the model waits; store smaller images or take more data.workers", wrong=True)
    return Result(words)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def overfit(training: Training, inputs: RunInputs, rows: NDArray[np.int64]) -> Result:
    """Learn a few pairs with distinct captions by heart, at the run's own learning rate, without decay and augmentation."""
    model, objective, config, n = training.model.train(), training.objective, inputs.config, len(rows)
    if n < 8:
        return Result(f"too few captions are distinct ({n}): there is nothing to learn", wrong=True)
    images, ids = _inputs(inputs, rows, training.device)
    first = float(objective(model, images, ids).detach())
    guess = math.log(n) if config.loss.kind == "softmax" and not inputs.teacher else first
    began, value, steps, warmup = time.perf_counter(), math.inf, 0, 10
    for group in training.optimizer.param_groups:
        group["weight_decay"] = 0.0
    while steps < STEPS and value > LEARNED * guess and time.perf_counter() - began < LIMIT_S:
        set_learning_rate(training.optimizer, config.optim.lr * min(1.0, (steps + 1) / warmup))
        training.optimizer.zero_grad()
        loss = objective(model, images, ids)
        loss.backward()
        clip(training.learner, config.optim.clip)
        training.optimizer.step()
        clamp_logit_scale(model.logit_scale)
        value, steps = float(loss.detach()), steps + 1
        if not math.isfinite(value):
            break
    return _verdict(value, guess, f"{n} pairs, {steps} steps: loss from {first:.3f} to {value:.3f}, a guess has {guess:.3f}", config)


def _verdict(value: float, guess: float, words: str, config: Config) -> Result:
    rate = f"optim.lr (now {config.optim.lr:g})"
    if not math.isfinite(value):
        return Result(f"{words}: it diverged; take a lower {rate}", wrong=True)
    if value > STUCK * guess:
        words += f": nothing is learned; {rate} is far too high or too low, or the captions belong to other images"
        return Result(words, wrong=True)
    unfinished = ": it learns, and had not finished; a higher optim.lr may be faster" if value > LEARNED * guess else ""
    return Result(f"{words}{unfinished}")


def memory(device: torch.device) -> Result:
    """The most that was held, of what there is."""
    used, have = peak_memory_mib(device), _memory_mib(device)
    words = f"{used:,.0f} MiB at most" + (f", of {have:,.0f}" if have is not None else "")
    if have is not None and used > 0.9 * have:
        return Result(f"{words}: nearly all; take a larger optim.accumulate, run.recompute=true or a smaller data.batch", wrong=True)
    return Result(words)


def distinct(inputs: RunInputs, most: int) -> NDArray[np.int64]:
    """Return the first training rows whose captions all differ."""
    rows = inputs.train_rows[: 64 * most]
    _, ids = inputs.pairs.plain(rows)
    _, first = np.unique(ids.numpy(), axis=0, return_index=True)
    return rows[np.sort(first)[:most]]


def _ids(inputs: RunInputs, rows: NDArray[np.int64]) -> Tensor:
    """Return the ids of texts as training draws them, filled up to the context: batches are cut behind their longest text."""
    _, ids = inputs.pairs.batch(rows, 0, inputs.config.run.seed, 0)
    return torch.nn.functional.pad(ids, (0, inputs.model.text.context - ids.shape[1]))


def _inputs(inputs: RunInputs, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
    pixels, ids = inputs.pairs.plain(rows)
    return inputs.preprocess.normalise(pixels.to(device)), ids.to(device)


def _memory_mib(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 2**20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 if "SC_PHYS_PAGES" in os.sysconf_names else None
