"""Writes a sharded checkpoint (`contrastive.checkpoint.shards.folder`): a folder that is complete or absent.

It is written as ``.step-00000100.tmp`` and renamed once all its files are on disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from contrastive import distributed
from contrastive.checkpoint.shards.folder import MANIFEST, PREFIX, dcp_errors, folders, open_shards, step_of
from strictio.errors import DataError, MachineError, VlmAuditError
from strictio.folders import Folder
from strictio.weights.torch_file import check_finite


def write(root: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any], above: Folder | None = None) -> Path:
    """Write the folder of step ``content["step"]``, replacing an existing one. Every process must call it.

    `root` must not be a link; `above`: its parent folder, if held open. All processes pass the same `root`, and the same
    `tensors` if these are complete and not sharded: one process writes each. `content`: strings, numbers, lists and dicts.

    Raises `VlmAuditError` if a number is not finite (nothing is written); `MachineError` if a process cannot write.
    """
    _refuse_not_finite(tensors)
    folder = root / f"{PREFIX}{content['step']:08d}"
    name = f".{folder.name}.tmp"
    _on_first(lambda: _begin(_opened(root, above), name), folder)
    opened = _opened(root, above)
    draft = opened.folder(name)
    try:
        _save(tensors, draft.reachable, folder)
        files = _described(draft)
        manifest = json.dumps({"content": dict(content), "files": files})
        _on_first(lambda: _complete(opened, draft, folder.name, manifest), folder)
    except VlmAuditError:
        if distributed.rank0():
            with suppress(OSError):
                opened.remove(name)  # half a checkpoint on a full disk is of no use
        raise
    return folder


def remove_old(root: Path, keep: int, step: int | None = None, above: Folder | None = None) -> None:
    """Remove all but the `keep` newest folders, and any with a step later than `step`; with 0, also `root`. One process calls it.

    A later step than the run has taken means damage, or a run that this one replaces. `MachineError` if a folder cannot be removed.
    """
    try:
        for folder in folders(root):
            if step is not None and step_of(folder) > step:
                _remove(_opened(root, above), folder.name)
        for folder in folders(root)[keep:]:
            _remove(_opened(root, above), folder.name)
    except OSError as error:
        what, fix = "the checkpoint cannot be written in the place of an older one", "make room, then the same command again"
        raise MachineError(what, where=str(root), why=error.strerror, fix=fix) from error
    if not keep and root.is_dir():
        with suppress(OSError):
            (above or Folder.of(root.parent)).remove(root.name)


def _opened(root: Path, above: Folder | None) -> Folder:
    """Open the folder of all steps; create it if it is missing."""
    return (above or Folder.of(root.parent, make=True)).folder(root.name, make=True)


def _refuse_not_finite(tensors: Mapping[str, Tensor]) -> None:
    what = ""
    try:
        check_finite({name: distributed.local_tensor(tensor.detach()) for name, tensor in tensors.items()})
    except DataError as error:
        what = error.what
    if distributed.all_reduce_max(int(bool(what))):
        raise VlmAuditError("the checkpoint was not saved", why=what or "another process holds values that are NaN or infinite")


def _begin(root: Folder, draft: str) -> None:
    for left in root.names():
        if left.startswith(f".{PREFIX}"):  # left by a killed process: only this run uses the output folder
            root.remove(left)
    root.folder(draft, make=True)


def _save(tensors: Mapping[str, Tensor], draft: Path, folder: Path) -> None:
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    writer, planner = HuggingFaceStorageWriter(str(draft), save_distributed=True), DefaultSavePlanner(flatten_state_dict=False)
    with dcp_errors(folder, MachineError, "the checkpoint cannot be written"):
        save({name: tensor.detach() for name, tensor in tensors.items()}, storage_writer=writer, planner=planner,
             no_dist=not dist.is_initialized())  # fmt: skip


def _described(draft: Folder) -> dict[str, dict[str, Any]]:
    """Return the size and hash of every file; each process hashes its share of the files."""
    sizes = {name: status.st_size for name in draft.names() if (status := draft.status(name))}
    own_names = sorted(sizes)[distributed.rank() :: distributed.world_size()]
    own = {name: {"bytes": sizes[name], "sha256": draft.sha256(name)} for name in own_names}
    gathered: list[Any] = [own]
    if dist.is_initialized():
        gathered = [None] * distributed.world_size()
        dist.all_gather_object(gathered, own)
    return {name: entry for part in gathered for name, entry in part.items()}


def _complete(root: Folder, draft: Folder, name: str, manifest: str) -> None:
    """Check that the draft is complete, flush it to disk, and rename it."""
    draft.write(MANIFEST, manifest.encode())
    open_shards(draft.reachable)  # all shards are here: the processes share the output folder
    draft.sync_all()
    if root.exists(name):
        _remove(root, name)
    root.rename(f".{name}.tmp", name)
    root.sync()


def _remove(root: Folder, name: str) -> None:
    """Rename a folder before deleting its files, so that it never appears half deleted."""
    aside = f".{name}.old"
    root.remove(aside)
    root.rename(name, aside)
    with suppress(OSError):
        root.remove(aside)


def _on_first(action: Callable[[], object], folder: Path) -> None:
    """Run a file operation on the first process; if it fails, all processes stop."""
    failed: Exception | None = None
    if distributed.rank0():
        try:
            action()
        except (OSError, DataError) as error:
            failed = error
    if distributed.all_reduce_max(int(failed is not None)):
        why = str(failed)[:200] if failed else "the first process says why"
        raise MachineError("the checkpoint cannot be written", where=str(folder), why=why) from failed
