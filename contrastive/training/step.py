"""One training step: this process's rows of the batch, the exact gradient of the whole batch, and checks of the result."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contrastive import distributed
from contrastive.checkpoint.shards import FOLDER
from contrastive.data.order import place, stream
from contrastive.loss import GroupDRO, GroupLoss, PerPair
from contrastive.loss.grad_cache import accumulate, add_up, split_parts
from contrastive.model.architecture import ViTConfig
from contrastive.model.clip import kept_patches
from contrastive.training import average
from contrastive.training.account import DTYPES
from contrastive.training.inputs import RunInputs
from contrastive.training.optimizer import clamp_logit_scale, clip, learning_rate, rest_locked_norms, set_learning_rate
from contrastive.training.state import Training
from strictio.errors import VlmAuditError


def take_step(training: Training, inputs: RunInputs, batch: tuple[Tensor, ...] | None = None) -> dict[str, float]:
    """Take one step and return its numbers. Every process must call it; all get the same. `batch`: the result of `batch_of` for the step.

    A step with a non-finite loss or gradient is skipped: parameters, statistics and average do not change. Raises `VlmAuditError`
    after more than ``optim.skip`` such steps in a row.
    """
    config, step, model, learner = inputs.config, training.step, training.model, training.learner
    learner.train()
    rest_locked_norms(learner)
    before = [buffer.clone() for buffer in learner.buffers()], deepcopy(training.group_loss)
    training.optimizer.zero_grad()
    value = _backward(training, inputs, batch_of(inputs, step, training.device) if batch is None else batch)
    norm = clip(learner, config.optim.clip)
    finite = not distributed.all_reduce_max(int(not (math.isfinite(value) and math.isfinite(norm))))
    rate = learning_rate(step, config.optim)
    if finite:
        set_learning_rate(training.optimizer, rate)
        training.optimizer.step()
        clamp_logit_scale(model.logit_scale)
        training.skipped = 0
    else:
        _leave_out(training, before, (value, norm), inputs)
    training.scale = training.scale.after(finite, config.run.precision)
    training.step = step + 1
    if finite and training.ema is not None:
        average.update(training.ema, model, training.step, config.optim.ema)
    return {
        "step": training.step, "epoch": place(step, inputs.epoch_draws, config.data.batch)[0], "loss": value, "lr": rate,
        "grad_norm": norm, "logit_scale": float(distributed.local_tensor(model.logit_scale).detach().exp()),
        "samples": training.step * config.data.batch, "skipped": int(not finite), **_group_weights(training, inputs),
    }  # fmt: skip


def _group_weights(training: Training, inputs: RunInputs) -> dict[str, float]:
    """Return the learned weight of each group, by its name in the logs."""
    if inputs.grouping.groups is None or not isinstance(training.group_loss, GroupDRO):
        return {}
    return {f"weight/{name}": float(q) for name, q in zip(inputs.grouping.groups.names, training.group_loss.q_g, strict=True)}


def batch_of(inputs: RunInputs, step: int, device: torch.device) -> tuple[Tensor, ...]:
    """Return this process's share of a step's batch: images, ids and, with patch dropout, the visible patches.

    It depends only on (seed, step) and the row, not on the number of processes or parts.
    """
    config = inputs.config
    epoch, _ = place(step, inputs.epoch_draws, config.data.batch)
    own = distributed.rank_slice(config.data.batch)
    rows, before = (part[own] for part in inputs.draws(step))
    pixels, ids = inputs.pairs.batch(rows, epoch, config.run.seed, config.data.shift, before)
    images = inputs.preprocess.normalise(pixels.to(device))
    vision = inputs.model.vision
    if not config.data.patch_dropout or not isinstance(vision, ViTConfig):
        return images, ids.to(device)
    seed = int(stream(config.run.seed, "model", 0, step).integers(2**62, dtype=np.int64))
    generator = torch.Generator(device).manual_seed(seed)
    # Drawn for the whole batch on every process, so that a pair's patches do not depend on the number of processes.
    kept = kept_patches(config.data.batch, (vision.image_size // vision.patch_size) ** 2, config.data.patch_dropout, generator)
    return images, ids.to(device), kept[own]


def _backward(training: Training, inputs: RunInputs, batch: tuple[Tensor, ...]) -> float:
    """Accumulate the whole batch's gradient in the parameters; return its loss."""
    config, objective, factor = inputs.config, training.objective, training.scale.factor
    half, parts = DTYPES[config.run.precision], split_parts(batch, config.optim.accumulate)

    def within() -> torch.autocast:
        return torch.autocast(training.device.type, half, enabled=half != torch.float32)

    if isinstance(objective, PerPair):
        shares = add_up(training.wrapped, parts, within=within, factor=factor)
    else:
        with within():  # the teacher uses the same precision as the student
            weigh = None if training.group_loss is None else training.group_loss.weigh(inputs.batch_groups(training.step))
            loss = objective.share(training.model, parts, config.loss.tile, weigh)
        shares = accumulate(training.wrapped, parts, lambda image_nd, text_nd: factor * loss(image_nd, text_nd), within=within)
    for parameter in training.learner.parameters() if factor != 1 else ():
        if parameter.grad is not None:
            parameter.grad.div_(factor)
    return float(distributed.all_mean(shares)) / factor


def _leave_out(training: Training, before: tuple[list[Tensor], GroupLoss | None], numbers: tuple[float, float], inputs: RunInputs) -> None:
    """Restore what the forward pass changed; count the step, unless only fp16's loss scale was too large; raise if too many."""
    buffers, training.group_loss = before
    for buffer, old in zip(training.learner.buffers(), buffers, strict=True):
        buffer.copy_(old)
    training.skipped += int(training.scale.factor == 1)
    optim, run = inputs.config.optim, inputs.config.run
    if training.skipped <= optim.skip:
        return
    path = Path(run.out) / (FOLDER if run.sharded else "ckpt.pt")
    last = f"the last good state, after step {training.saved}, is in {path}" if training.saved else "no state had been saved yet"
    first = training.step + 2 - training.skipped
    again = f", and none of the {training.skipped} steps from there on could be taken" if training.skipped > 1 else ""
    fix = f"a lower optim.lr (now {optim.lr:g}) or a longer optim.warmup (now {optim.warmup}), with --fresh"
    why = f"a number became infinite or NaN; {last}"
    raise VlmAuditError(f"training diverged in step {first}: loss {numbers[0]}, gradient length {numbers[1]}{again}", why=why, fix=fix)
