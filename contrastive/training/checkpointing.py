"""What of a run is kept on the disk: one ``ckpt.pt``, or while it goes on (``run.sharded``) a folder of shards; written and taken up.

Which of the two is written, the setting says; which is taken up, only which is newer: so the setting may change between one start and
the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from contrastive.checkpoint import file as files
from contrastive.checkpoint import shards as pieces
from contrastive.checkpoint.shard_writer import remove_old
from contrastive.checkpoint.shards import Shards
from contrastive.distributed import processes as distributed
from contrastive.errors import DataError
from contrastive.training import sharded, state
from contrastive.training.inputs import RunInputs
from contrastive.training.state import Training

KEPT = 2
"""Folders of shards: the newest, and the one before, in case a disk damages it."""


def last(out: Path, warn: Callable[[str], None] = print) -> files.Checkpoint | Shards | None:
    """Return the newest state in an output folder, None if there is none. Damaged shards are passed over with a warning.

    Raises
    ------
    DataError, UnsafeError
        If ``ckpt.pt`` cannot be read, or there are shards and all are damaged.
    """
    path, failed = out / "ckpt.pt", None
    single = files.load(path) if path.exists() else None
    for folder in pieces.folders(out / sharded.FOLDER):
        if single is not None and pieces.step_of(folder) <= single.step:
            break
        try:
            found = pieces.open_folder(folder)
            pieces.verify(found)
        except DataError as error:
            warn(f"warning: passed over, {error}")
            failed = failed or error
        else:
            return found
    if single is None and failed is not None:
        raise DataError("no state can be taken up", where=str(out / sharded.FOLDER), why=failed.what, fix="start again with --fresh")
    return single


def resume(material: RunInputs, found: files.Checkpoint | Shards, path: Path) -> Training:
    """Return the run where it was left; `path` is of the single file. Raises as `state.resume` does. Every process must call it."""
    if isinstance(found, files.Checkpoint):
        return state.take_up(material, found, path)
    account = found.table("account")
    state.refuse_another(account, material, found.folder)
    training = state.start(material)
    state.go_on(training, material, found.step, account)
    sharded.restore(training, found)
    return training


def where(material: RunInputs) -> Path:
    """Return what the state is written to."""
    return Path(material.config.run.out) / (sharded.FOLDER if material.config.run.sharded else "ckpt.pt")


def save(training: Training, material: RunInputs, measures: Mapping[str, float] | None = None, *, finished: bool = False) -> None:
    """Write the state in the way that the run asks for; at its end always one ``ckpt.pt``. Every process must call it.

    What it takes the place of is removed: after it is complete, or before, if it is of a run that this one replaces (``--fresh``).

    Raises
    ------
    VlmAuditError
        If a weight is NaN or infinite; the state before stays.
    MachineError
        If it cannot be written.
    """
    root = Path(material.config.run.out) / sharded.FOLDER
    training.account.settle()
    first = not training.saved
    if first and distributed.rank0():
        remove_old(root, keep=0)
    if not material.config.run.sharded:
        state.save(training, material, measures, finished=finished)
    else:
        _save_sharded(training, material, measures, finished, first)
    if distributed.rank0():
        remove_old(root, KEPT if material.config.run.sharded and not finished else 0, training.step)
    distributed.barrier()


def _save_sharded(training: Training, material: RunInputs, measures: Mapping[str, float] | None, finished: bool, first: bool) -> None:
    path = Path(material.config.run.out) / "ckpt.pt"
    if first and distributed.rank0():
        path.unlink(missing_ok=True)
    folder = sharded.save(training, material)
    training.saved = training.step
    if not distributed.rank0():
        return
    if not finished:
        path.unlink(missing_ok=True)  # of an earlier step, from before the setting was changed
        return
    whole = sharded.assemble(folder)
    files.save(path, replace(whole, training=None, account=state.told(training, material, measures)))
