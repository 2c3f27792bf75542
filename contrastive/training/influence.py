"""How much groups of training pairs should move an answer of the model, by gradients alone: TracIn and gradient similarity.

Both are proxies for training again without a group, and cost a few backward passes instead. They compare two gradients with respect to
the trained parameters, at checkpoints that a run kept (``run.keep_every``):

* that of the answer: the mean probability of an answer on some images, or a difference of such means (`Target`);
* that of the group: the part of the training loss that its pairs contribute.

The loss of a pair in contrastive training depends on the other pairs of its batch, so its gradient exists only for a batch. Here the
batches are the first ones of the run itself, with its batch size, the same ones at every checkpoint. The part of a group is the sum of the
losses of its pairs, divided by the batch size, averaged over the batches. All pairs of a batch remain as wrong answers; what a pair does
as a wrong answer for others belongs to those others.

TracIn (Pruthi et al. 2020, https://arxiv.org/abs/2002.08484) assumes gradient descent. The optimiser is AdamW with clipping, so the values
have no unit: only their order and sign can be compared.

Symbols: n images, k texts, g groups, b pairs of a batch, p parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from contrastive.checkpoint.file import Checkpoint, load
from contrastive.config import OptimConfig, first_difference, with_defaults
from contrastive.data import open_source
from contrastive.data.intervention import pairs_of
from contrastive.distributed import own_device
from contrastive.loss import Contrast
from contrastive.model.clip import CLIP, unit_length
from contrastive.model.tokenizer import trimmed
from contrastive.settings import LeaveOutConfig
from contrastive.training.inputs import RunInputs
from contrastive.training.optimizer import learning_rate, lock, multiplier, named
from contrastive.training.step import batch_of
from strictio.errors import DataError, UsageError

CHUNK = 256
"""Images at a time."""


@dataclass(frozen=True)
class Target:
    """What the groups may move: the sum over images of weight times probability of the answer."""

    images: Sequence[Image.Image]
    weight_n: NDArray[np.float64]
    answer_nk: NDArray[np.bool_]
    """Which texts mean the answer of each image."""
    prompts_k: Sequence[Sequence[str]]
    """The prompts of each text, whose embeddings are averaged."""


@dataclass(frozen=True)
class Members:
    """Which training pairs belong to each group; a pair may belong to several."""

    row_gn: NDArray[np.bool_]
    """By row of the data."""
    pairs_g: NDArray[np.int64]
    """Number of training pairs."""
    sampled_g: NDArray[np.int64]
    """Number of these in the reference batches."""
    batches: int
    """Number of reference batches: at most those of an epoch."""


@dataclass(frozen=True)
class Influences:
    """The proxies of g groups: above 0 where training without the group should raise the target."""

    tracin_g: NDArray[np.float64]
    similarity_g: NDArray[np.float64]
    """Cosine of the two gradients at the last checkpoint."""
    target: float
    """Its value at the last checkpoint."""
    steps: tuple[int, ...]
    """Steps of the checkpoints."""


def find_members(inputs: RunInputs, groups: Mapping[str, LeaveOutConfig], batches: int) -> Members:
    """Find the training pairs of groups.

    Raises `UsageError` if a group has none, or none in the reference batches, or the run has a loss other than that of its pairs alone;
    `TrainingDataError` if a column is missing.
    """
    loss, optim = inputs.config.loss, inputs.config.optim
    if loss.teacher or not loss.contrastive or inputs.group_loss() is not None or optim.lora_rank:
        why = "influence is computed for the weights of the model and the contrastive loss of the pairs alone"
        fix = "leave out loss.teacher, optim.objective, optim.loss_weights and optim.lora_rank"
        raise UsageError("influence cannot be computed for this run", why=why, fix=fix)
    if inputs.config.data.leave_out:
        raise UsageError(
            "influence cannot be computed with data.leave_out", why="each group is left out with this setting", fix="remove it"
        )
    columns: dict[str, str | list[str]] = {name: "" for group in groups.values() for name in group.where}
    source = open_source(replace(inputs.config.data, leave_out=LeaveOutConfig(columns) if columns else None))  # it reads these columns
    row_gn = np.stack([pairs_of(source, group, f"influence.groups.{name}") for name, group in groups.items()])
    pairs_g = row_gn[:, inputs.train_rows].sum(axis=1)
    batches = min(batches, inputs.epoch_draws // inputs.config.data.batch)
    drawn = np.concatenate([inputs.rows(step) for step in range(batches)])
    sampled_g = row_gn[:, drawn].sum(axis=1)
    for name, pairs, sampled in zip(groups, pairs_g, sampled_g, strict=True):
        if len(inputs.train_rows) - pairs < inputs.config.data.batch:
            why = f"it has {pairs} of {len(inputs.train_rows)} training pairs, and the rest does not fill a batch"
            raise UsageError(f"influence.groups.{name} cannot be left out", why=why, fix="name fewer pairs, or set a smaller data.batch")
        if not sampled:
            why = f"it has {pairs} training pairs, and none is among the first {len(drawn):,} drawn"
            raise UsageError(f"influence.groups.{name} is in no reference batch", why=why, fix="raise influence.batches, or join groups")
    return Members(row_gn, pairs_g, sampled_g, batches)


def influences(inputs: RunInputs, paths: Sequence[Path], members: Members, target: Target) -> Influences:
    """Compute the proxies at the checkpoints in `paths`, in the order of their steps.

    Raises `DataError` if one cannot be read or is of another run.
    """
    device = own_device(inputs.config.run.device)
    batches = [
        (batch_of(inputs, step, device), torch.from_numpy(members.row_gn[:, inputs.rows(step)]).to(device))
        for step in range(members.batches)
    ]
    identity = inputs.identity
    steps = [_step_of(path, identity) for path in paths]
    tracin_g, cosine_g, value = np.zeros(len(members.row_gn)), np.zeros(len(members.row_gn)), 0.0
    for path, step, after in zip(paths, steps, [*steps[1:], steps[-1]], strict=True):
        checkpoint = load(path)
        lock(checkpoint.model.to(device).eval(), inputs.config.optim.multipliers)
        parameters, factor_p = trained(checkpoint.model, inputs.config.optim)
        value, toward_p = target_gradient(checkpoint, target, parameters)
        group_gp = group_gradients(checkpoint.model, batches, parameters)
        tracin_g += rate_between(step, after, inputs.config.optim) * (group_gp @ (factor_p * toward_p)).numpy()
        cosine_g = nn.functional.cosine_similarity(group_gp, toward_p[None], dim=1).numpy()
    return Influences(tracin_g, cosine_g, value, tuple(steps))


def rate_between(step: int, after: int, config: OptimConfig) -> float:
    """Return the sum of the learning rates of the steps from one checkpoint to the next; 0 for the last one.

    >>> config = OptimConfig(steps=4, lr=1.0, schedule="constant")
    >>> rate_between(0, 3, config), rate_between(4, 4, config)
    (3.0, 0)
    """
    return sum(learning_rate(at, config) for at in range(step, after))


def trained(model: nn.Module, config: OptimConfig) -> tuple[list[nn.Parameter], Tensor]:
    """Return the parameters that are trained, and the factor of the learning rate for each of their numbers, on the CPU."""
    chosen = [(name, parameter) for name, parameter in named(model) if parameter.requires_grad]
    factors = [torch.full((parameter.numel(),), multiplier(name, config.multipliers)) for name, parameter in chosen]
    return [parameter for _, parameter in chosen], torch.cat(factors).double()


def target_gradient(checkpoint: Checkpoint, target: Target, parameters: Sequence[Tensor]) -> tuple[float, Tensor]:
    """Return the target and its gradient: float64[p], on the CPU.

    A probability is the softmax of the scaled cosines over the texts, also for a model that scores by a sigmoid: the order is the same.
    """
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    ids = trimmed(tokenizer([prompt for prompts in target.prompts_k for prompt in prompts], truncate=True), tokenizer.eot)
    device = model.logit_scale.device
    prompt_md = unit_length(model.encode_text(ids.to(device)))
    text_kd = unit_length(torch.stack([own.mean(dim=0) for own in torch.split(prompt_md, [len(prompts) for prompts in target.prompts_k])]))
    value, gradient_p = 0.0, torch.zeros(sum(parameter.numel() for parameter in parameters), dtype=torch.float64)
    for start in range(0, len(target.images), CHUNK):
        part = slice(start, start + CHUNK)
        image_nd = unit_length(model.encode_image(checkpoint.preprocess(target.images[part]).to(device)))
        probability_nk = (model.logit_scale.exp() * (image_nd @ text_kd.T)).softmax(dim=1)
        weight_nk = torch.from_numpy(target.weight_n[part, None] * target.answer_nk[part]).to(probability_nk)
        chunk = (weight_nk * probability_nk).sum()
        value += float(chunk.detach())
        gradient_p += _flat_gradient(chunk, parameters)
    return value, gradient_p


def group_gradients(model: CLIP, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]], parameters: Sequence[Tensor]) -> Tensor:
    """Return the gradient of each group's part of the loss, averaged over batches: float64[g, p], on the CPU.

    `batches`: the arguments of the model, and bool[g, b]: which of the pairs belong to each group.
    """
    per_batch = []
    for batch, member_gb in batches:
        image_bd, text_bd, _ = model(*batch)
        parts = [_part_of_loss(model, batch, (image_bd, text_bd), member_b) for member_b in member_gb]
        per_batch.append(torch.stack([_flat_gradient(part, parameters) for part in parts]))
    return torch.stack(per_batch).mean(dim=0)


def _part_of_loss(model: CLIP, batch: tuple[Tensor, ...], features: tuple[Tensor, Tensor], member_b: Tensor) -> Tensor:
    """Return the sum of the losses of a group's pairs, divided by the batch size."""
    return Contrast().share(model, [batch], None, member_b.to)(*features)


def _flat_gradient(value: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    parts = [torch.zeros_like(like) if part is None else part for part, like in zip(gradients, parameters, strict=True)]
    return torch.cat([part.flatten() for part in parts]).double().cpu()


def _step_of(path: Path, identity: Mapping[str, Any]) -> int:
    """Return the step of a checkpoint; raises `DataError` if it is of another run."""
    checkpoint = load(path)
    difference = first_difference(with_defaults((checkpoint.account or {}).get("identity")), identity)
    if difference:
        raise DataError("the checkpoint is of another run", where=str(path), why=difference, fix="train the run again with --fresh")
    return checkpoint.step
