"""``python -m contrastive.train RUN --doctor``: what is wrong with a run before it is started, in words. Nothing is written.

It reads the data and the captions' ids, takes the first loss, measures speed and memory, and overfits up to 128 pairs: a model that
cannot learn those by heart will not learn from millions.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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

OVERFIT = 128
STEPS, LIMIT_S = 300, 120.0
"""At most so many steps and seconds of overfitting."""
LEARNED, STUCK = 0.25, 0.9
"""Of the loss of a model that guesses: below the first the pairs are learned, above the second nothing is."""
BATCHES = 4
"""Batches whose captions and speed are looked at."""


@dataclass(frozen=True)
class Result:
    """What one check found."""

    name: str
    wrong: bool
    words: str
    """Numbers, and where something is wrong what it means and what to do."""


def examine(config: Config, say: Callable[[str], None] = print) -> int:
    """Check a run, say each finding as it comes, and return 0 if nothing is wrong, 3 if something is.

    Raises `UsageError`, `TrainingDataError`, `DataError` as a run would: what keeps it from starting at all. Also under torchrun.
    """
    if distributed.world_size() > 1:
        raise UsageError("the doctor examines one process", fix="run it without torchrun")
    inputs = prepare(config)
    training = start(inputs)
    rows = [inputs.train_rows[_positions(inputs, step)] for step in range(BATCHES)]
    checks: list[Callable[[], Result]] = [
        lambda: image_check(inputs),
        lambda: end_of_text(_ids(inputs, rows), inputs.tokenizer.eot),
        lambda: duplicates([_ids(inputs, [some]) for some in rows], config.loss.kind),
        lambda: first_loss(training.model, training.objective, inputs, rows[0]),
        lambda: speed(training, inputs, rows),
        lambda: overfit(training, inputs, distinct(inputs, OVERFIT)),
        lambda: memory(training.device),
    ]
    wrong = []
    for check in checks:
        result = check()
        say(f"{'WRONG' if result.wrong else 'ok   '}  {result.name}: {result.words}")
        wrong += [result.name] if result.wrong else []
    say(f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")
    return 3 if wrong else 0


def image_check(inputs: RunInputs) -> Result:
    """How many pairs there are and how many of them are broken; whether any two of the first images differ."""
    pixels, _ = inputs.pairs.plain(inputs.train_rows[:64])
    same = len(pixels) > 1 and bool((pixels == pixels[:1]).all())
    replaced = inputs.pairs.replaced
    counts = f"{len(inputs.train_rows)} pairs to train on, {len(inputs.held_out_rows)} held out, {len(replaced)} broken"
    counts += f" (first: {replaced[0]})" if replaced else ""
    if same:
        return Result("images", True, f"{counts}; the first {len(pixels)} images are all the same: look at the paths and the files")
    return Result("images", False, counts)


def end_of_text(ids_nl: Tensor, eot: int) -> Result:
    """Whether every text has an end, and how many were cut to get one."""
    has = (ids_nl == eot).any(dim=1)
    if not has.all():
        missing = int((~has).sum())
        return Result("end of text", True, f"{missing} of {len(ids_nl)} texts have no end: their feature would be that of another token")
    full = float(((ids_nl == eot).int().argmax(dim=1) == ids_nl.shape[1] - 1).float().mean())
    words = f"every one of {len(ids_nl)} texts has one"
    if full > 0.5:
        return Result("end of text", False, f"{words}; {full:.0%} fill all {ids_nl.shape[1]} places, so some may have been cut")
    return Result("end of text", False, words)


def duplicates(batches: list[Tensor], kind: str) -> Result:
    """How many pairs have a caption that another pair of their batch has too: each is told that a right answer is wrong."""
    everything = torch.cat(batches)
    distinct_share = len(np.unique(everything.numpy(), axis=0)) / len(everything)
    found = [np.unique(ids.numpy(), axis=0, return_inverse=True, return_counts=True) for ids in batches]
    times = np.concatenate([counts[inverse.reshape(-1)] for _, inverse, counts in found])
    shared, floor = float((times > 1).mean()), float(np.log(times).mean())
    repeats = f"{1 - distinct_share:.1%} of {len(everything)} captions are repeats"
    words = f"{shared:.1%} of the pairs share their caption with another of their batch; {repeats}"
    if kind == "softmax" and shared:
        words += f"; because of that the loss cannot fall below about {floor:.2f}"
    if shared > 0.5:
        return Result(
            "duplicate captions",
            True,
            f"{words}: more right answers are called wrong than not; take a smaller data.batch, "
            "or, if captions were cut to the same beginning, a larger model.text.context",
        )
    return Result("duplicate captions", False, words)


def first_loss(model: CLIP, objective: Objective, inputs: RunInputs, rows: NDArray[np.int64]) -> Result:
    """Whether a model that has learned nothing guesses: a loss of ln(batch). A given model should do no worse."""
    kind, guess = inputs.config.loss.kind, math.log(len(rows))
    images, ids = _inputs(inputs, rows, model.logit_scale.device)
    with torch.no_grad():
        loss = float(objective(model.train(), images, ids))
    if not math.isfinite(loss):
        return Result("first loss", True, f"{loss}: a pixel, a weight or the scale is not a finite number")
    if kind != "softmax" or inputs.teacher:
        return Result("first loss", False, f"{loss:.3f} (of this loss it is not known what value a guess has)")
    words = f"{loss:.3f}, a guess among {len(rows)} has {guess:.3f}"
    if loss > guess + 1:
        return Result("first loss", True, f"{words}: it is sure of wrong answers; are scale, pixels and captions as they should be?")
    if inputs.initial is None and loss < guess - 1:
        return Result("first loss", True, f"{words}: a model without training cannot know; something gives the answers away")
    return Result("first loss", False, words)


def speed(training: Training, inputs: RunInputs, rows: list[NDArray[np.int64]]) -> Result:
    """How fast batches are made, and how fast the model takes them: the fastest of each, because others may use the machine too."""
    config = inputs.config
    images, ids = _inputs(inputs, rows[0], training.device)

    def step() -> None:
        training.objective(training.model.train(), images, ids).backward()
        if training.device.type == "cuda":
            torch.cuda.synchronize()

    n = len(rows[0])
    data = n / min(_seconds(partial(inputs.pairs.batch, some, 0, config.run.seed, config.data.shift)) for some in rows)
    model = n / min(_seconds(step) for _ in range(2))
    training.optimizer.zero_grad()
    words = f"data {data:,.0f} pairs/s, model {model:,.0f} pairs/s"
    if data < model:
        return Result("speed", True, f"{words}: data-bound, the model waits; store smaller images or take more data.workers")
    return Result("speed", False, words)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def overfit(training: Training, inputs: RunInputs, rows: NDArray[np.int64]) -> Result:
    """Learn a few pairs with distinct captions by heart, at the run's own learning rate, without decay and augmentation."""
    model, objective, config, n = training.model.train(), training.objective, inputs.config, len(rows)
    if n < 8:
        return Result("overfitting", True, f"too few captions are distinct ({n}): there is nothing to learn")
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
    if not math.isfinite(value):
        return Result("overfitting", True, f"{words}: it diverged; take a lower optim.lr (now {config.optim.lr:g})")
    if value > STUCK * guess:
        why = f"nothing is learned; optim.lr (now {config.optim.lr:g}) is far too high or too low, or the captions belong to other images"
        return Result("overfitting", True, f"{words}: {why}")
    if value > LEARNED * guess:
        return Result("overfitting", False, f"{words}: it learns, and had not finished; a higher optim.lr may be faster")
    return Result("overfitting", False, words)


def memory(device: torch.device) -> Result:
    """The most that was held, of what there is."""
    used = peak_memory_mib(device)
    have = _memory_mib(device)
    if have is None:
        return Result("memory", False, f"{used:,.0f} MiB at most")
    words = f"{used:,.0f} MiB at most, of {have:,.0f}"
    if used > 0.9 * have:
        return Result("memory", True, f"{words}: nearly all; take a larger optim.accumulate, run.recompute=true or a smaller data.batch")
    return Result("memory", False, words)


def distinct(inputs: RunInputs, most: int) -> NDArray[np.int64]:
    """Return the first training rows whose captions all differ."""
    rows = inputs.train_rows[: 64 * most]
    _, ids = inputs.pairs.plain(rows)
    _, first = np.unique(ids.numpy(), axis=0, return_index=True)
    return rows[np.sort(first)[:most]]


def _positions(inputs: RunInputs, step: int) -> NDArray[np.int64]:
    config = inputs.config
    return batch_positions(config.run.seed, step, len(inputs.train_rows), config.data.batch)


def _ids(inputs: RunInputs, rows: list[NDArray[np.int64]]) -> Tensor:
    """Return the ids of texts as training draws them, filled up to the context: batches are cut behind their longest text."""
    config, context = inputs.config, inputs.model.text.context
    cut = [inputs.pairs.batch(some, 0, config.run.seed, 0)[1] for some in rows]
    return torch.cat([torch.nn.functional.pad(ids, (0, context - ids.shape[1])) for ids in cut])


def _inputs(inputs: RunInputs, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
    pixels, ids = inputs.pairs.plain(rows)
    return inputs.preprocess.normalise(pixels.to(device)), ids.to(device)


def _memory_mib(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 2**20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 if "SC_PHYS_PAGES" in os.sysconf_names else None
