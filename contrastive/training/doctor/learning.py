"""Checks whether a model can learn from the data, how fast, and with how much memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.config import Config
from contrastive.data.order import split, stream
from contrastive.data.prefetch import prefetched
from contrastive.loss import Objective
from contrastive.model.clip import CLIP
from contrastive.training.account import peak_memory_mib
from contrastive.training.doctor.data import Result, distinct
from contrastive.training.evaluate import recall
from contrastive.training.inputs import RunInputs
from contrastive.training.optimizer import clamp_logit_scale, clip, set_learning_rate
from contrastive.training.state import Training
from contrastive.training.step import batch_of

OVERFIT, STEPS, LIMIT_S = 128, 300, 120.0
"""Limits of overfitting: pairs, steps and seconds."""
HUNDRED, WARMUP, LOOKED = 100, 10, 4096
"""Steps after which a model must generalise; warm-up steps; pairs of which some are set aside if there are no held-out pairs."""
FIRST, FEWEST = 0.1, 16
"""The right text should be in this top share of all texts; minimum number of pairs for a meaningful check."""
LEARNED, STUCK = 0.25, 0.9
"""Shares of the loss of a guess: below the first, the pairs are learned; above the second, nothing is."""
WAITS = 0.2
"""Share of waiting time from which a model is data-bound; smaller shares are within measurement noise."""


def first_loss(model: CLIP, objective: Objective, inputs: RunInputs, rows: NDArray[np.int64]) -> Result:
    """Whether an untrained model guesses, with a loss of ln(batch). A pretrained model should not be worse."""
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
    """How fast batches load, as in a run, and how fast the model processes them: the fastest of each, as the machine may be shared."""
    data, n = inputs.config.data, len(rows[0])
    images, ids = _inputs(inputs, rows[0], training.device)

    def step() -> None:
        training.objective(training.model.train(), images, ids).backward()
        if training.device.type == "cuda":
            torch.cuda.synchronize()

    with closing(prefetched(partial(batch_of, inputs, device=training.device), range(len(rows)), data.prefetch)) as batches:
        loaded = n / min(_seconds(partial(next, batches)) for _ in rows)
    model = n / min(_seconds(step) for _ in range(2))
    training.optimizer.zero_grad()
    words = f"data {loaded:,.0f} pairs/s, model {model:,.0f} pairs/s"
    if loaded <= (1 - WAITS) * model:
        return Result(f"{words}: data-bound, the model waits; store smaller images or take more data.workers", wrong=True)
    return Result(words)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def overfit(training: Training, inputs: RunInputs, rows: NDArray[np.int64]) -> Result:
    """Memorise a few pairs with distinct captions, at the run's learning rate, without decay and augmentation."""
    model, objective, config, n = training.model.train(), training.objective, inputs.config, len(rows)
    images, ids = _inputs(inputs, rows, training.device)
    first = float(objective(model, images, ids).detach())
    guess = math.log(n) if config.loss.kind == "softmax" and not inputs.teacher else first
    began, value, steps = time.perf_counter(), math.inf, 0
    for group in training.optimizer.param_groups:
        group["weight_decay"] = 0.0
    while steps < STEPS and value > LEARNED * guess and time.perf_counter() - began < LIMIT_S:
        value, steps = _learn(training, inputs, (images, ids), steps), steps + 1
        if not math.isfinite(value):
            break
    return _verdict(value, guess, f"{n} pairs, {steps} steps: loss from {first:.3f} to {value:.3f}, a guess has {guess:.3f}", config)


def generalise(training: Training, inputs: RunInputs) -> Result:
    """Train for a hundred steps without augmentation, and evaluate on other pairs.

    `training`: a run before its first step. The right text for a new image is ranked among those of all new images; a guess puts it
    in the top tenth once in ten times. Overfitting does not show this, because even shuffled captions can be memorised.
    """
    own, others = _new_pairs(inputs)
    if len(own) < FEWEST:
        return Result(f"too few new images with distinct captions ({len(own)}) to tell what holds for them")
    chance, sure = FIRST, FIRST + 3 * math.sqrt(FIRST * (1 - FIRST) / len(own))
    before, began, steps = _among_first(training, inputs, own), time.perf_counter(), 0
    rng, batch = stream(inputs.config.run.seed, "order"), min(len(others), inputs.config.data.batch, OVERFIT)
    while steps < HUNDRED and time.perf_counter() - began < LIMIT_S:
        _learn(training, inputs, _inputs(inputs, rng.choice(others, batch, replace=False), training.device), steps)
        steps += 1
    after = _among_first(training, inputs, own)
    words = f"{steps} steps: the right one of {len(own)} new texts is among the first tenth for {after:.0%} of new images, "
    words += f"{before:.0%} before training, {chance:.0%} by a guess"
    if after > sure:
        return Result(words)
    why = f"nothing that holds for new images is learned (above {sure:.0%} would be more than chance)"
    return Result(f"{words}: {why}; do the captions belong to these images? If so, it needs more steps or another optim.lr", wrong=True)


def _new_pairs(inputs: RunInputs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows with distinct captions for evaluation, and rows to train on."""
    if len(inputs.held_out_rows) >= FEWEST:
        return distinct(inputs.held_out, inputs.held_out_rows, OVERFIT), inputs.train_rows
    looked = inputs.train_rows[:LOOKED]
    pixels, _ = inputs.pairs.plain(looked)
    _, image = np.unique(pixels.numpy().reshape(len(looked), -1), axis=0, return_inverse=True)
    others, own = split(inputs.config.run.seed, image.reshape(-1), share=0.2)
    return distinct(inputs.pairs, looked[own], OVERFIT), looked[others]


@torch.no_grad()
def _among_first(training: Training, inputs: RunInputs, rows: NDArray[np.int64]) -> float:
    pairs = inputs.held_out if len(inputs.held_out_rows) >= FEWEST else inputs.pairs
    pixels, ids = pairs.plain(rows)
    model = training.model.eval()
    image_nd, text_nd, _ = model(inputs.preprocess.normalise(pixels.to(training.device)), ids.to(training.device))
    return recall(image_nd @ text_nd.T, max(1, round(FIRST * len(rows))))


def _learn(training: Training, inputs: RunInputs, batch: tuple[Tensor, Tensor], step: int) -> float:
    """Take one step at the run's learning rate, with ten steps of warm-up; return the loss before it."""
    optim = inputs.config.optim
    set_learning_rate(training.optimizer, optim.lr * min(1.0, (step + 1) / WARMUP))
    training.optimizer.zero_grad()
    loss = training.objective(training.model.train(), *batch)
    loss.backward()
    clip(training.learner, optim.clip)
    training.optimizer.step()
    clamp_logit_scale(training.model.logit_scale)
    return float(loss.detach())


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
    """Peak memory, and the memory available."""
    used, have = peak_memory_mib(device), _memory_mib(device)
    words = f"{used:,.0f} MiB at most" + (f", of {have:,.0f}" if have is not None else "")
    if have is not None and used > 0.9 * have:
        return Result(f"{words}: nearly all; take a larger optim.accumulate, run.recompute=true or a smaller data.batch", wrong=True)
    return Result(words)


def _inputs(inputs: RunInputs, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
    pixels, ids = inputs.pairs.plain(rows)
    return inputs.preprocess.normalise(pixels.to(device)), ids.to(device)


def _memory_mib(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 2**20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 if "SC_PHYS_PAGES" in os.sysconf_names else None
