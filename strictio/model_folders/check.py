"""A model folder is checked before anything in it is read: what is unsafe (links that lead out, code, bombs), then what is damaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from strictio.errors import DataError, UnsafeError
from strictio.model_folders.configurations import check_configurations

MAX_ENTRIES = 10_000


def check_folder(folder: Path, inside: Path, required: str | None = "config.json") -> None:
    """Refuse a folder that asks for foreign code, points out of itself or holds no model.

    `inside` is where links may lead: the folder itself, or the hub's cache of one repository. Without `required`, the configuration of a
    model, the folder may hold a part of one, such as a tokenizer. What is unsafe (a DCP checkpoint, a link that leaves `inside`, a
    configuration that names code) raises UnsafeError before what is merely bad raises DataError.
    """
    from strictio.weights.readers.safetensors_file import refuse_other_kind

    names = sorted(path.name for path in folder.iterdir())
    if ".metadata" in names:
        what = "a distributed (DCP) checkpoint is not read: loading one unpickles its .metadata, which can run code"
        fix = "convert it where it was made, with torch.distributed.checkpoint.format_utils.dcp_to_torch_save"
        raise UnsafeError(what, where=str(folder), fix=fix)
    if "shards.json" in names:
        why = "it is the state of a training run in pieces, one per process"
        fix = f"python -m contrastive.unshard {folder} ckpt.pt, and audit that"
        raise DataError("a sharded (DCP) checkpoint is not read as a model", where=str(folder), why=why, fix=fix)
    # Unsafe content is reported before damaged content, wherever in the folder it is.
    irregular = _check_links(folder, inside.resolve())
    unreadable = check_configurations(folder)
    for name in names:
        if name.endswith(".safetensors") and (folder / name).is_file():
            refuse_other_kind(folder / name)
    if broken := irregular or unreadable:
        raise broken
    if required is not None and required not in names:
        kind = "Hugging Face" if required == "config.json" else "open_clip"
        raise DataError(f"no {kind} model in this folder: it has no {required}", where=str(folder), **_found(folder, names))


def _check_links(folder: Path, inside: Path) -> DataError | None:
    """Refuse links that leave a folder, and far too many files; return, not raise, that one is not a regular file.

    A link to a folder stays within the model's own folder, whose configurations are all checked.
    """
    count, irregular, own = 0, None, folder.resolve()
    for directory, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            path = Path(directory, name)
            if path.is_symlink() and not path.resolve().is_relative_to(own if name in folders else inside):
                fix = "copy the file itself, or name a model of the hub's cache as hf:ORG/NAME"
                raise UnsafeError(f"the link {path.relative_to(folder)} leaves the model's folder", where=str(folder), fix=fix)
            if name in files and not path.is_file():
                what = f"{path.relative_to(folder)} is not a regular file"
                why = "a pipe or a device could block forever"
                irregular = irregular or DataError(what, where=str(folder), why=why, fix="give a folder of files")
        if count > MAX_ENTRIES:
            raise UnsafeError(f"more than {MAX_ENTRIES:,} files in a model's folder", where=str(folder), fix="name the folder of one model")
    return irregular


def _found(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return why and fix for a folder without `config.json`."""
    fix = "give the folder that holds config.json and model.safetensors"
    if "shards" in names:
        fix = f"it holds a training run in pieces: python -m contrastive.unshard {folder} ckpt.pt, and audit that"
    elif any(name.startswith("adapter_") for name in names):
        fix = "it holds an adapter (LoRA) alone: merge it into its base model (peft: merge_and_unload()), and name the result"
    return {"why": f"found: {', '.join(names[:20]) or 'nothing'}", "fix": fix}
