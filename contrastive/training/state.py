"""What changes during a run: begun by the seed or from a checkpoint, resumed again, written down. One process or several alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrastive import distributed
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.checkpoint.heads import kind_of, load_head
from contrastive.config import first_difference, with_defaults
from contrastive.errors import DataError, UsageError
from contrastive.loss import UNTAUGHT, Distillation, Objective, PerPair, Together
from contrastive.loss.grad_cache import refuse_batch_statistics
from contrastive.model.blocks import Block, Transformer
from contrastive.model.clip import CLIP, as_portable, load_portable, portable_state
from contrastive.model.towers import Bottleneck, ConvTower, ModifiedResNet
from contrastive.training import average
from contrastive.training.account import Account, emissions_kg
from contrastive.training.inputs import RunInputs
from contrastive.training.loss_scale import LossScale
from contrastive.training.optimizer import lock, make_optimizer, named, rest_locked_norms


@dataclass
class Training:
    """The parameters and the number of steps taken, and what else the next step depends on. With the inputs that is the whole state."""

    model: CLIP
    objective: Objective
    """What it is taught by; with a head of its own or without."""
    learner: nn.Module
    """All that may have parameters: the model, or model and head (`Together`)."""
    wrapped: nn.Module
    """The learner as several processes train it; alone, the learner itself. To be called as a whole."""
    optimizer: torch.optim.AdamW
    device: torch.device
    account: Account
    """Of samples, operations, time, memory and energy."""
    ema: dict[str, Tensor] | None = None
    """Running average of the weights."""
    step: int = 0
    skipped: int = 0
    """Steps left out since the last one that was taken."""
    scale: LossScale = field(default_factory=LossScale)
    seconds: float = 0.0
    """Wall time of the steps so far, over all resumptions."""
    saved: int = 0
    """Steps taken when the state was last written."""


def start(inputs: RunInputs, found: Checkpoint | None = None) -> Training:
    """Return the run before its first step, with the weights of `found` where given, else of ``model.init``, else drawn by the seed.

    Raises `UsageError` if ``optim.multipliers`` finds nothing, or parts of a batch would have a batch norm of their own.
    """
    config, device = inputs.config, distributed.own_device(inputs.config.run.device)
    generator = torch.Generator().manual_seed(config.run.seed)
    model = CLIP(inputs.model, generator)
    objective = inputs.objective(generator)
    given = found or inputs.initial
    if given:
        model.load_state_dict(given.model.state_dict())
    if given and isinstance(objective, PerPair) and (found or kind_of(given) == config.loss.kind):
        load_head(objective, given)
    learner = Together(model, objective) if isinstance(objective, PerPair) else model
    learner.to(device)
    lock(learner, {**(UNTAUGHT if isinstance(objective, PerPair) else {}), **config.optim.multipliers})
    set_up(learner, recompute=config.run.recompute, compiled=config.run.compile)
    if config.optim.accumulate > 1:
        rest_locked_norms(learner.train())
        refuse_batch_statistics(learner)
    wrapped = distributed.wrap(learner, config.run.dist)
    optimizer = make_optimizer(learner, config.optim)
    ema = average.begin(model) if config.optim.ema else None
    account = _account(learner, objective, inputs, device, found.account if found else None)
    scale = LossScale.first(config.run.precision)
    return Training(model, objective, learner, wrapped, optimizer, device, account, ema, scale=scale)


def _account(
    learner: nn.Module, objective: Objective, inputs: RunInputs, device: torch.device, before: Mapping[str, Any] | None
) -> Account:
    config, compute = inputs.config, (before or {}).get("compute")
    learns = {name.startswith("visual."): True for name, parameter in named(learner) if parameter.requires_grad}
    alone = isinstance(objective, PerPair)  # whose parts run the towers once
    return Account.begin(
        inputs.model, device, config.run.precision, before=compute if isinstance(compute, dict) else None,
        seen=1 - config.data.patch_dropout, learns=(True in learns, False in learns), recompute=config.run.recompute,
        accumulate=config.optim.accumulate > 1 and not alone, processes=distributed.world_size(),
        reading=objective.cost if isinstance(objective, PerPair) else None,
        aside=objective.aside if isinstance(objective, Distillation) else None,
    )  # fmt: skip


def set_up(learner: nn.Module, *, recompute: bool, compiled: bool) -> None:
    """Choose how the towers are computed; what they compute stays. Before `distributed.wrap`."""
    for module in learner.modules():
        if isinstance(module, (Transformer, ModifiedResNet)):
            module.recompute = recompute
        # Block by block, as FSDP2 shards them. Other image towers are small in number of operations: they are compiled whole, or in the
        # pieces that run again.
        if compiled and isinstance(module, (Block, ConvTower, Bottleneck if recompute else ModifiedResNet)):
            module.compile()


def resume_file(inputs: RunInputs, found: Checkpoint, path: Path) -> Training:
    """Return the run where its checkpoint left it.

    Raises `UsageError` if the checkpoint belongs to another configuration or to other data; the first difference is named; `DataError` if
    the state in it does not fit.
    """
    account = found.account or {}
    check_same_run(account, inputs, path)
    training = start(inputs, found)
    restore_counters(training, inputs, found.step, account)
    if training.ema is not None and found.ema is not None:
        stored = {name: tensor.reshape(training.ema[name].shape) for name, tensor in found.ema.items() if name in training.ema}
        training.ema = {name: distributed.distribute_like(stored[name], like) for name, like in training.ema.items()}
    if found.training is not None:
        _restore(training, found.training, path)
    return training


def check_same_run(account: Mapping[str, Any], inputs: RunInputs, path: Path) -> None:
    """Raise `UsageError` unless a state's account says that it is of this run; the first difference is named."""
    identity = account.get("identity")
    difference = first_difference(with_defaults(identity if isinstance(identity, dict) else {}), inputs.identity)
    if difference:
        fix = "choose another run.out=DIR, or replace it with --fresh"
        raise UsageError("the output folder holds another run", where=str(path), why=difference, fix=fix)


def restore_counters(training: Training, inputs: RunInputs, step: int, account: Mapping[str, Any]) -> None:
    """Let a run that was started count from where its account ends."""
    if not 0 <= step <= inputs.config.optim.steps:
        raise DataError(f"the state says that {step} steps were taken", why=f"the run has {inputs.config.optim.steps}")
    training.step = training.saved = step
    seconds, compute = account.get("wall_s"), account.get("compute")
    training.seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
    training.account.go_on(compute if isinstance(compute, dict) else {})


def _restore(training: Training, stored: Mapping[str, Any], path: Path) -> None:
    try:
        for name, parameter in optimised(training.optimizer).items():
            moments = stored["optimizer"].get(name, {})
            training.optimizer.state[parameter] = {key: _laid_out(tensor, parameter) for key, tensor in moments.items()}
        training.skipped = int(stored["skipped"])
        training.scale = LossScale(float(stored["loss_scale"][0]), int(stored["loss_scale"][1]))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError("the state of the optimiser does not fit", where=str(path), why=why, fix="start again with --fresh") from error


def _laid_out(tensor: Tensor, parameter: nn.Parameter) -> Tensor:
    """Return a moment as its parameter is; AdamW's count of steps has one element, on every process."""
    if tensor.ndim == 0:
        return tensor.detach().to(parameter.device, copy=True)
    return distributed.distribute_like(tensor.reshape(parameter.shape), parameter)


def optimised(optimizer: torch.optim.Optimizer) -> dict[str, nn.Parameter]:
    """Return name -> parameter of all that the optimiser moves."""
    return {name: p for group in optimizer.param_groups for name, p in zip(group["names"], group["params"], strict=True)}


def moments_by_name(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Return parameter's name -> AdamW's state of it, complete on every process; every process must call it."""
    state = {name: optimizer.state.get(parameter, {}) for name, parameter in optimised(optimizer).items()}
    return {name: distributed.full_tensors(moments) for name, moments in state.items()}


def save_file(training: Training, inputs: RunInputs, measures: Mapping[str, float] | None = None, *, finished: bool = False) -> None:
    """Write ``ckpt.pt``: a model that can be audited at any time; with the optimiser's state as long as the run goes on.

    Every process must call it; the first one writes.
    """
    state = None if finished else _state(training)
    training.saved = training.step
    _write("ckpt.pt", training, inputs, state, measures)


def save_step(training: Training, inputs: RunInputs) -> None:
    """Write ``step-000100.pt`` beside ``ckpt.pt``: the model of this step, to be audited later. Every process must call it.

    Where the schedule has a stable phase, it holds the optimiser's state as well: a cooldown may start from it
    (`contrastive.training.branch`).
    """
    state = None if inputs.config.optim.schedule == "cosine" else _state(training)
    _write(f"step-{training.step:06d}.pt", training, inputs, state, None)


def _write(name: str, training: Training, inputs: RunInputs, state: dict[str, Any] | None, measures: Mapping[str, float] | None) -> None:
    weights = distributed.full_tensors(portable_state(training.model))
    ema = None if training.ema is None else distributed.full_tensors(as_portable(training.ema))
    head = distributed.full_tensors(training.objective.state_dict())
    if not distributed.rank0():
        return
    account = account_record(training, inputs, measures)
    content = Checkpoint(
        load_portable(inputs.model, weights), inputs.preprocess, inputs.tokenizer, training.step, inputs.data_card,
        ema=ema, training=state, account=account, head={"kind": inputs.config.loss.kind, "state_dict": head} if head else None,
    )  # fmt: skip
    save(Path(inputs.config.run.out) / name, content)


def account_record(training: Training, inputs: RunInputs, measures: Mapping[str, float] | None) -> dict[str, Any]:
    """Return the account of a checkpoint."""
    compute = training.account.totals()
    return {
        "identity": inputs.identity,
        "samples": training.step * inputs.config.data.batch,
        "wall_s": training.seconds,
        "compute": compute,
        "kg_co2e": emissions_kg(compute, inputs.config.run.kg_co2e_per_kwh),
        "held_out": dict(measures or {}),
    }


def _state(training: Training) -> dict[str, Any]:
    return {
        "optimizer": moments_by_name(training.optimizer),
        "skipped": training.skipped,
        "loss_scale": [training.scale.factor, training.scale.good],
    }
