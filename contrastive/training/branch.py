"""Continues from another run's state with a different end, such as a cooldown from any checkpoint of the stable phase (``run.resume``).

Exact or refused: the new run is bit-identical to one with this configuration from its first step. So the two
configurations may differ only in the end of the schedule, and the learning rates of the steps already taken must be the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from contrastive.checkpoint import shards
from contrastive.checkpoint.file import Checkpoint, load
from contrastive.checkpoint.shards import Shards
from contrastive.config import OptimConfig, first_difference, with_defaults
from contrastive.training import checkpointing
from contrastive.training.inputs import RunInputs
from contrastive.training.optimizer import learning_rate
from contrastive.training.state import Training
from strictio.errors import DataError, UsageError
from strictio.schema import from_dict, to_dict

END = ("optim.steps", "optim.schedule", "optim.cooldown")
"""Settings that define how a run ends."""


def branch(inputs: RunInputs) -> Training:
    """Resume a run from the state named by ``run.resume``. Every process must call it.

    Raises `UsageError` if its past does not match this configuration; `DataError` if it lacks optimiser state.
    """
    path = Path(inputs.config.run.resume or "")
    state = _state_at(path)
    stored = state.table("account") if isinstance(state, Shards) else dict(state.account or {})
    _check(with_defaults(stored.get("identity")), inputs, state.step)
    account = {**stored, "identity": inputs.identity}
    if isinstance(state, Shards):
        return checkpointing.resume(inputs, replace(state, content={**state.content, "account": account}), path)
    return checkpointing.resume(inputs, replace(state, account=account), path)


def _state_at(path: Path) -> Checkpoint | Shards:
    if path.is_dir():
        opened = shards.open_shards(path)
        shards.check_hashes(opened)
        return opened
    checkpoint = load(path)
    if checkpoint.training is None:
        fix = "a checkpoint of an unfinished run, or one of run.keep_every of a run with optim.schedule = wsd or constant"
        why = "that run was finished, or the checkpoint was kept or released without it"
        raise DataError("the checkpoint to resume has no state of the optimiser", where=str(path), why=why, fix=fix)
    return checkpoint


def _check(identity: Mapping[str, Any], inputs: RunInputs, step: int) -> None:
    path, new, wanted = inputs.config.run.resume, inputs.config.optim, inputs.identity
    if difference := first_difference({**identity, **{name: wanted[name] for name in END}}, wanted):
        fix = f"only {', '.join(END)} may differ; start a new run from its weights with model.init={path}"
        raise UsageError("the state to resume is of another run", where=path, why=difference, fix=fix)
    old = from_dict(OptimConfig, {**to_dict(new), **{name.removeprefix("optim."): identity.get(name) for name in END}}, "its optim")
    if step >= new.steps:
        raise UsageError(f"the state to resume has taken {step} steps, optim.steps is {new.steps}", where=path, fix="a larger optim.steps")
    for before in range(step):
        was, would = learning_rate(before, old), learning_rate(before, new)
        if was != would:
            why = f"the learning rate of step {before + 1} was {was:.4g}, with this schedule it would have been {would:.4g}"
            fix = f"a state from where the rate is at its peak (wsd, constant), and optim.steps - optim.cooldown of {step} or more"
            raise UsageError("the state to resume has another past than this configuration", where=path, why=why, fix=fix)
