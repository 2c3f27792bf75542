"""Saves and resumes the state of a run: one ``ckpt.pt`` or, until it ends (``run.sharded``), a folder of shards.

The setting decides which one is written; the newer one is resumed. So the setting may change between starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrastive import distributed
from contrastive.checkpoint import shards
from contrastive.checkpoint.file import Checkpoint, description, load, save
from contrastive.checkpoint.shards import Shards
from contrastive.training import state
from contrastive.training.inputs import RunInputs
from contrastive.training.state import Training
from strictio.errors import DataError

NEWEST = 2
"""Number of shard folders to keep: the newest and, in case it gets damaged, the one before."""


def newest_state(out: Path, warn: Callable[[str], None] = print) -> Checkpoint | Shards | None:
    """Return the newest state in an output folder, or None. Damaged shards are skipped with a warning.

    Raises `DataError` or `UnsafeError` if ``ckpt.pt`` cannot be read, or all existing shards are damaged.
    """
    path, failed = out / "ckpt.pt", None
    single = load(path) if path.exists() else None
    for folder in shards.folders(out / shards.FOLDER):
        if single is not None and shards.step_of(folder) <= single.step:
            break
        try:
            opened = shards.open_shards(folder)
            shards.check_hashes(opened)
        except DataError as error:
            warn(f"warning: skipped: {error}")
            failed = failed or error
        else:
            return opened
    if single is None and failed is not None:
        raise DataError("no state can be resumed", where=str(out / shards.FOLDER), why=failed.what, fix="start again with --fresh")
    return single


def resume(inputs: RunInputs, stored: Checkpoint | Shards, path: Path) -> Training:
    """Resume a run from its stored state; `path`: of the single file. Raises like `state.restart`. Every process must call it."""
    if isinstance(stored, Checkpoint):
        return state.resume_file(inputs, stored, path)
    training = state.restart(inputs, stored.table("account"), stored.step, stored.folder)
    _restore_shards(training, stored)
    return training


def save_run(training: Training, inputs: RunInputs, measures: Mapping[str, float] | None = None, *, finished: bool = False) -> None:
    """Write the state in the configured format; at the end always one ``ckpt.pt``. Every process must call it.

    The previous state is removed once the new one is complete, or before, if it is of a run that is being replaced (``--fresh``). Raises
    `VlmAuditError` if a weight is NaN or infinite (the previous state stays); `MachineError` if it cannot be written.
    """
    root, above = Path(inputs.config.run.out) / shards.FOLDER, inputs.folder
    training.account.settle()
    first, sharded = not training.saved, inputs.config.run.sharded
    if first and distributed.rank0():
        shards.remove_old(root, keep=0, above=above)
    if sharded:
        _save_sharded(training, inputs, measures, finished, first)
    else:
        training.saved = training.step
        state.save_file("ckpt.pt", training, inputs, measures, resumable=not finished)
    if distributed.rank0():
        shards.remove_old(root, NEWEST if sharded and not finished else 0, training.step, above)
    distributed.barrier()


def _save_sharded(training: Training, inputs: RunInputs, measures: Mapping[str, float] | None, finished: bool, first: bool) -> None:
    path = Path(inputs.config.run.out) / "ckpt.pt"
    if first and distributed.rank0():
        inputs.folder.remove(path.name)
    folder = shards.write(path.parent / shards.FOLDER, _tensors(training), _content(training, inputs), inputs.folder)
    training.saved = training.step
    if distributed.rank0() and finished:
        content = replace(shards.assemble(folder), training=None, account=state.account_record(training, inputs, measures))
        save(path, content, inputs.folder)
    elif distributed.rank0():
        inputs.folder.remove(path.name)  # from an earlier step, before the setting changed


def _content(training: Training, inputs: RunInputs) -> dict[str, Any]:
    return {
        **description(inputs.model, inputs.preprocess, inputs.tokenizer, training.step), "data_card": inputs.data_card,
        "account": state.account_record(training, inputs, None), "training": state.counters(training),
        "head": {"kind": inputs.config.loss.kind},
    }  # fmt: skip


def _restore_shards(training: Training, stored: Shards) -> None:
    """Load a folder of shards into a new run; raises `DataError` if it does not fit. Every process must call it."""
    for name, parameter in state.optimised(training.optimizer).items():
        begin = f"optimizer/{name}/"
        moments = {key.removeprefix(begin): like for key, like in stored.layout.items() if key.startswith(begin)}
        training.optimizer.state[parameter] = {
            key: torch.zeros_like(parameter) if like.ndim else torch.zeros((), dtype=like.dtype, device=parameter.device)
            for key, like in moments.items()
        }
    shards.read_into(stored, _tensors(training))
    try:
        state.restore_counters(training, stored.table("training"))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError("the sharded checkpoint does not say where the run stood", where=str(stored.folder)) from error


def _tensors(training: Training) -> dict[str, Tensor]:
    """Return every tensor of the state by its name in the folder, with its distributed layout."""
    tables: dict[str, Mapping[str, Tensor]] = {
        "state_dict": training.model.state_dict(),
        "ema": training.ema or {},
        "head": training.objective.state_dict(),
        **{f"optimizer/{name}": training.optimizer.state.get(p, {}) for name, p in state.optimised(training.optimizer).items()},
    }
    return {f"{table}/{name}": tensor for table, tensors in tables.items() for name, tensor in tensors.items()}
