"""The mutable state of a run: initialised from the seed or a checkpoint, saved and resumed, in one or several processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrastive import distributed
from contrastive.checkpoint.file import Checkpoint, kind_of, load_head, save
from contrastive.config import first_difference, with_defaults
from contrastive.loss import UNTAUGHT, Distillation, GroupDRO, GroupLoss, ModelWithHead, Objective, PerPair
from contrastive.loss.grad_cache import refuse_batch_statistics
from contrastive.model.blocks import Block, Transformer
from contrastive.model.clip import CLIP, as_portable, load_portable, portable_state
from contrastive.model.initialization import reset_as_open_clip
from contrastive.model.lora import add_low_rank, additions, merged
from contrastive.model.towers import Bottleneck, ConvTower, ModifiedResNet
from contrastive.training import average
from contrastive.training.account import Account, emissions_kg
from contrastive.training.inputs import RunInputs
from contrastive.training.optimizer import LossScale, lock, make_optimizer, named, rest_locked_norms
from strictio.errors import DataError, UsageError


@dataclass
class Training:
    """Parameters, number of steps taken, and everything else that the next step depends on. With the inputs, this is the whole state."""

    model: CLIP
    objective: Objective
    """The training objective, with or without a head."""
    learner: nn.Module
    """Everything with parameters: the model, or model and head (`ModelWithHead`)."""
    wrapped: nn.Module
    """The learner, wrapped for distributed training; in a single process, the learner itself. Call it as a whole."""
    optimizer: torch.optim.AdamW
    device: torch.device
    account: Account
    """Samples, operations, time, memory and energy."""
    group_loss: GroupLoss | None = None
    """Weights of the pairs' losses by group."""
    ema: dict[str, Tensor] | None = None
    """Running average of the weights."""
    step: int = 0
    skipped: int = 0
    """Number of steps skipped since the last one taken."""
    scale: LossScale = field(default_factory=LossScale)
    seconds: float = 0.0
    """Wall time of the steps so far, including resumed parts."""
    saved: int = 0
    """Number of steps taken when the state was last saved."""
    best: tuple[float, int] | None = None
    """The best value of ``run.best_by`` so far, and the number of evaluations since."""


def start(inputs: RunInputs, checkpoint: Checkpoint | None = None) -> Training:
    """Start a run, with weights from `checkpoint` if given, else from ``model.init``, else from the seed.

    Raises `UsageError` if ``optim.multipliers`` matches nothing, or batch norm would be applied to parts of a batch separately.
    """
    config, device = inputs.config, distributed.own_device(inputs.config.run.device)
    generator = torch.Generator().manual_seed(config.run.seed)
    model = CLIP(inputs.model, generator)
    if config.model.initialization == "open_clip":
        reset_as_open_clip(model, generator)
    objective = inputs.objective(generator)
    low_rank = config.optim.lora_rank  # whose files hold merged weights: the additions continue from those of model.init
    if initial := inputs.initial if low_rank else checkpoint or inputs.initial:
        model.load_state_dict(initial.model.state_dict())
    if low_rank:
        add_low_rank(model, low_rank, config.optim.lora_alpha, generator)
    if initial and isinstance(objective, PerPair) and (checkpoint or kind_of(initial) == config.loss.kind):
        load_head(objective, initial)
    learner, untaught = (ModelWithHead(model, objective), UNTAUGHT) if isinstance(objective, PerPair) else (model, {})
    lock(learner.to(device), {**untaught, **config.optim.multipliers}, only_additions=low_rank > 0)
    set_up(learner, recompute=config.run.recompute, compiled=config.run.compile)
    if config.optim.accumulate > 1:
        rest_locked_norms(learner.train())
        refuse_batch_statistics(learner)
    wrapped = distributed.wrap(learner, config.run.dist)
    return Training(
        model, objective, learner, wrapped, make_optimizer(learner, config.optim), device, _account(learner, objective, inputs, device),
        inputs.group_loss(), ema=average.begin(model) if config.optim.ema else None, scale=LossScale.first(config.run.precision),
    )  # fmt: skip


def _account(learner: nn.Module, objective: Objective, inputs: RunInputs, device: torch.device) -> Account:
    config, alone = inputs.config, isinstance(objective, PerPair)  # which runs the towers once per part
    learns = {name.startswith("visual.") for name, parameter in named(learner) if parameter.requires_grad}
    return Account.begin(
        inputs.model, device, config.run.precision, processes=distributed.world_size(), seen=1 - config.data.patch_dropout,
        learns=(True in learns, False in learns), backward=1.0 if config.optim.lora_rank else 2.0,
        forwards=1 + config.run.recompute + (config.optim.accumulate > 1 and not alone),
        reading=objective.cost if isinstance(objective, PerPair) else None,
        aside=objective.aside if isinstance(objective, Distillation) else None,
    )  # fmt: skip


def set_up(learner: nn.Module, *, recompute: bool, compiled: bool) -> None:
    """Configure recomputation and compilation of the towers, without changing results. Call it before `distributed.wrap`."""
    for module in learner.modules():
        if isinstance(module, (Transformer, ModifiedResNet)):
            module.recompute = recompute
        # Per block, as FSDP2 shards them. Other image towers have few operations: compile them whole, or in the recomputed parts.
        if compiled and isinstance(module, (Block, ConvTower, Bottleneck if recompute else ModifiedResNet)):
            module.compile()


def resume_file(inputs: RunInputs, checkpoint: Checkpoint, path: Path) -> Training:
    """Resume a run from its checkpoint; raises like `restart`, and `DataError` if its state does not fit."""
    training = restart(inputs, checkpoint.account or {}, checkpoint.step, path, checkpoint)
    if training.ema is not None and checkpoint.ema is not None:
        stored = {name: tensor.reshape(training.ema[name].shape) for name, tensor in checkpoint.ema.items() if name in training.ema}
        training.ema = {name: distributed.distribute_like(stored[name], like) for name, like in training.ema.items()}
    if checkpoint.training is not None:
        _restore(training, checkpoint.training, path)
    return training


def restart(inputs: RunInputs, account: Mapping[str, Any], step: int, where: Path, checkpoint: Checkpoint | None = None) -> Training:
    """Return a run with the weights of `checkpoint` that continues the account of a saved state.

    Raises `UsageError` if the configuration or the data differ; `DataError` if the run has fewer steps than the state.
    """
    identity, seconds, compute = (account.get(name) for name in ("identity", "wall_s", "compute"))
    if difference := first_difference(with_defaults(identity), inputs.identity):
        fix = "choose another run.out=DIR, or replace it with --fresh"
        raise UsageError("the output folder holds another run", where=str(where), why=difference, fix=fix)
    training = start(inputs, checkpoint)
    if not 0 <= step <= inputs.config.optim.steps:
        raise DataError(f"the state says that {step} steps were taken", why=f"the run has {inputs.config.optim.steps}")
    training.step = training.saved = step
    training.seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
    training.account.go_on(compute if isinstance(compute, dict) else {})
    return training


def _restore(training: Training, stored: Mapping[str, Any], path: Path) -> None:
    try:
        _restore_additions(training, stored)
        for name, parameter in optimised(training.optimizer).items():
            moments = stored["optimizer"].get(name, {})
            training.optimizer.state[parameter] = {key: _laid_out(tensor, parameter) for key, tensor in moments.items()}
        restore_counters(training, stored)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError("the state of the optimiser does not fit", where=str(path), why=why, fix="start again with --fresh") from error


@torch.no_grad()
def _restore_additions(training: Training, stored: Mapping[str, Any]) -> None:
    for name, like in additions(training.model.state_dict()).items():
        distributed.local_tensor(like).copy_(distributed.local_tensor(distributed.distribute_like(stored["additions"][name], like)))


def _laid_out(tensor: Tensor, parameter: nn.Parameter) -> Tensor:
    """Distribute a moment like its parameter; AdamW's step count has one element on every process."""
    if tensor.ndim == 0:
        return tensor.detach().to(parameter.device, copy=True)
    return distributed.distribute_like(tensor.reshape(parameter.shape), parameter)


def optimised(optimizer: torch.optim.Optimizer) -> dict[str, nn.Parameter]:
    """Parameters that the optimiser moves, by name."""
    return {name: p for group in optimizer.param_groups for name, p in zip(group["names"], group["params"], strict=True)}


def save_file(name: str, training: Training, inputs: RunInputs, measures: Mapping[str, float] | None = None, *, resumable: bool) -> None:
    """Write ``ckpt.pt``, or another `name` in its folder: a model that can be audited; `resumable`: with optimiser state.

    Every process must call it; the first one writes.
    """
    state = _state(training) if resumable else None
    weights = merged(distributed.full_tensors(portable_state(training.model)))
    ema = None if training.ema is None else distributed.full_tensors(as_portable(training.ema))
    head = distributed.full_tensors(training.objective.state_dict())
    if not distributed.rank0():
        return
    content = Checkpoint(
        load_portable(inputs.model, weights), inputs.preprocess, inputs.tokenizer, training.step, inputs.data_card,
        ema=ema, training=state, account=account_record(training, inputs, measures),
        head={"kind": inputs.config.loss.kind, "state_dict": head} if head else None,
    )  # fmt: skip
    save(Path(inputs.config.run.out) / name, content, inputs.folder)


def account_record(training: Training, inputs: RunInputs, measures: Mapping[str, float] | None) -> dict[str, Any]:
    """What a checkpoint says of the run so far: time, samples, energy, measures, learned weights of groups."""
    compute, groups = training.account.totals(), inputs.grouping.groups
    learned = {}
    if groups is not None and isinstance(training.group_loss, GroupDRO):
        learned = {"group_weights": dict(zip(groups.names, training.group_loss.q_g.tolist(), strict=True))}
    return {
        "identity": inputs.identity, "samples": training.step * inputs.config.data.batch, "wall_s": training.seconds, "compute": compute,
        "kg_co2e": emissions_kg(compute, inputs.config.run.kg_co2e_per_kwh), "held_out": dict(measures or {}),
        **learned,
    }  # fmt: skip


def _state(training: Training) -> dict[str, Any]:
    moments = {name: training.optimizer.state.get(parameter, {}) for name, parameter in optimised(training.optimizer).items()}
    low_rank = distributed.full_tensors(additions(training.model.state_dict()))
    optimizer = {name: distributed.full_tensors(state) for name, state in moments.items()}
    return {"optimizer": optimizer, **({"additions": low_rank} if low_rank else {}), **counters(training)}


def counters(training: Training) -> dict[str, Any]:
    """What of a state is neither a tensor nor the number of steps."""
    best = {} if training.best is None else {"best": list(training.best)}
    learned = {"group_weights": training.group_loss.q_g.tolist()} if isinstance(training.group_loss, GroupDRO) else {}
    return {"skipped": training.skipped, "loss_scale": [training.scale.factor, training.scale.good], **best, **learned}


def restore_counters(training: Training, stored: Mapping[str, Any]) -> None:
    """Restore `counters` from an untrusted file; raises Python's own errors if they do not fit."""
    training.skipped = int(stored["skipped"])
    training.scale = LossScale(float(stored["loss_scale"][0]), int(stored["loss_scale"][1]))
    if (best := stored.get("best")) is not None:
        training.best = float(best[0]), int(best[1])
    if isinstance(training.group_loss, GroupDRO):
        training.group_loss.restore(stored["group_weights"])
