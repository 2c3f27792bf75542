"""A model folder is untrusted data: what may be in it, and its weights, read without running anything of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import DataError, UnsafeError
from audit.models.runtime import located
from audit.types import Note

if TYPE_CHECKING:
    from torch import Tensor

MAX_ENTRIES = 10_000
SAVE_AGAIN = "download or save it again"
_CODE_KEYS = ("auto_map", "trust_remote_code", "attn_implementation", "experts_implementation")
"""Keys (or parts of them) by which a configuration has transformers fetch or run code."""
_OF_ADAPTERS = "auto_mapping"
"""In peft's `adapter_config.json`: names of classes. Adapters are never applied."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a folder."""

    tensors: Mapping[str, Tensor]
    sha256: str
    """Of the files, one after the other in the order of their names."""
    notes: tuple[Note, ...] = ()


def check_folder(folder: Path, inside: Path, required: str | None = "config.json") -> None:
    """Refuse a folder that asks for foreign code, points out of itself or holds no model.

    `inside` is where links may lead: the folder itself, or the hub's cache of one repository. Without `required`, the configuration of a
    model, the folder may hold a part of one, such as a tokenizer. What is unsafe (a DCP checkpoint, a link that leaves `inside`, a
    configuration that names code) raises UnsafeError before what is merely bad raises DataError.
    """
    from contrastive.formats.readers.safetensors_file import refuse_other_kind

    names = sorted(path.name for path in folder.iterdir())
    if ".metadata" in names:
        what = "a distributed (DCP) checkpoint is not read: loading one unpickles its .metadata, which can run code"
        fix = "convert it where it was made, with torch.distributed.checkpoint.format_utils.dcp_to_torch_save"
        raise UnsafeError(what, where=str(folder), fix=fix)
    if "shards.json" in names:
        why = "it is the state of a training run in pieces, one a process"
        fix = f"python -m contrastive.unshard {folder} ckpt.pt, and audit that"
        raise DataError("a sharded (DCP) checkpoint is not read as a model", where=str(folder), why=why, fix=fix)
    # Unsafe content is reported before damaged content, wherever in the folder it is.
    irregular = _check_links(folder, inside.resolve())
    regular = [name for name in names if (folder / name).is_file()]
    unreadable = [error for name in regular if name.endswith("config.json") and (error := _refuse_code(folder / name))]
    for name in regular:
        if name.endswith(".safetensors"):
            refuse_other_kind(folder / name)
    if irregular or unreadable:
        raise irregular or unreadable[0]
    if required is not None and required not in names:
        kind = "Hugging Face" if required == "config.json" else "open_clip"
        raise DataError(f"no {kind} model in this folder: it has no {required}", where=str(folder), **_found(folder, names))


def read_weights(folder: Path, adapter: str | None = None) -> Weights:
    """Return the tensors of a folder: safetensors where there are any, else one `pytorch_model.bin` by the restricted reader.

    An adapter (LoRA) beside them or among them raises DataError, unless `adapter` is ``"ignore"``.
    """
    from contrastive.formats.adapter import refuse_beside, without_adapter

    with located(str(folder)):
        files = refuse_beside(folder, adapter is not None)
        weights = _read_all(folder)
        tensors, left = without_adapter(weights.tensors, adapter is not None)
    found = adapter_notes(files, left)
    return replace(weights, tensors=tensors, notes=(*weights.notes, *found)) if found else weights


def adapter_notes(files: Sequence[str], tensors: Sequence[str] = ()) -> list[Note]:
    """Return the note that an adapter was ignored: files beside the weights, tensors among them; none without one."""
    where = [*files, *([f"{len(tensors)} of the tensors, such as {tensors[0][:80]!r}"] if tensors else [])]
    return [Note("adapter_ignored", {"where": ", ".join(where)})] if where else []


def _read_all(folder: Path) -> Weights:
    names = sorted(path.name for path in folder.iterdir())
    if "model.safetensors.index.json" in names:
        files = _indexed(folder)
    elif "model.safetensors" in names:
        files = [folder / "model.safetensors"]
    elif "pytorch_model.bin" in names:
        return _read_pickled(folder / "pytorch_model.bin")
    else:
        what = "this folder has a configuration but no weights: no model.safetensors"
        raise DataError(what, where=str(folder), why=f"found: {', '.join(names[:20])}", fix="download or save the model again")
    from contrastive.formats.readers.safetensors_file import read_tensors

    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= read_tensors(file)
    return Weights(tensors, file_sha256(files))


def file_sha256(paths: Sequence[Path]) -> str:
    """Return the sha256 of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def _check_links(folder: Path, inside: Path) -> DataError | None:
    """Refuse links that leave a folder, and far too many files; return, not raise, that one is not a regular file."""
    count, irregular = 0, None
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            path = Path(place, name)
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                fix = "copy the file itself, or name a model of the hub's cache as hf:ORG/NAME"
                raise UnsafeError(f"the link {path.relative_to(folder)} leaves the model's folder", where=str(folder), fix=fix)
            if name in files and not path.is_file():
                what = f"{path.relative_to(folder)} is not a regular file"
                why = "a pipe or a device could be waited for without end"
                irregular = irregular or DataError(what, where=str(folder), why=why, fix="give a folder of files")
        if count > MAX_ENTRIES:
            raise UnsafeError(f"more than {MAX_ENTRIES:,} files in a model's folder", where=str(folder), fix="name the folder of one model")
    return irregular


def _refuse_code(path: Path) -> DataError | None:
    """Refuse a configuration that names code; return, not raise, what else is wrong with it."""
    try:
        content = _read_json(path)
    except DataError as error:
        return error
    names = (key for _, key, _ in entries(content) if key != _OF_ADAPTERS)
    if key := next((key for key in names if any(part in key for part in _CODE_KEYS)), None):
        why = "through such keys a model's author has code fetched and run; here a configuration is data, and no option changes that"
        fix = f"if the architecture is one that transformers has built in, remove {key!r} from {path.name}"
        raise UnsafeError(f"the configuration asks for code: key {key!r}", where=str(path), why=why, fix=fix)
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        why = str(error) or "nested too deeply"
        raise DataError(f"{path.name} is not readable JSON", where=str(path), why=why, fix=SAVE_AGAIN) from error
    if not isinstance(content, dict):
        raise DataError(f"{path.name} is not a JSON object", where=str(path), why=f"found {type(content).__name__}", fix=SAVE_AGAIN)
    return content


def entries(content: object, place: str = "") -> Iterator[tuple[str, str, object]]:
    """Yield place, key and value of everything in a configuration's tables and lists, at every depth (which json.loads has bounded)."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list | tuple) else ()
    for key, value in pairs:
        yield place, str(key), value
        yield from entries(value, f"{place}{key}.")


def is_three_numbers(value: object) -> bool:
    """Tell whether a value can be a mean or a standard deviation of an image's channels."""
    return isinstance(value, list) and len(value) == 3 and all(type(number) in (int, float) for number in value)


def _found(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return why and fix for a folder without `config.json`."""
    fix = "give the folder that holds config.json and model.safetensors"
    if "shards" in names:
        fix = f"it holds a training run in pieces: python -m contrastive.unshard {folder} ckpt.pt, and audit that"
    elif any(name.startswith("adapter_") for name in names):
        fix = "it holds an adapter (LoRA) alone: merge it into its base model (peft: merge_and_unload()), and name the result"
    return {"why": f"found: {', '.join(names[:20]) or 'nothing'}", "fix": fix}


def _indexed(folder: Path) -> list[Path]:
    mapping = _read_json(folder / "model.safetensors.index.json").get("weight_map")
    files = sorted(set(mapping.values())) if isinstance(mapping, dict) and all(isinstance(v, str) for v in mapping.values()) else []
    wrong = [name for name in files if Path(name).name != name or not name.endswith(".safetensors") or not (folder / name).is_file()]
    if wrong or not files:
        why = f"not a safetensors file in this folder: {', '.join(map(repr, wrong[:5]))}" if wrong else "it has no weight_map"
        raise DataError("model.safetensors.index.json does not lead to the weights", where=str(folder), why=why, fix=SAVE_AGAIN)
    return [folder / name for name in files]


def _read_pickled(path: Path) -> Weights:
    """Read a torch file by the project's one restricted reader; transformers would use its own."""
    from contrastive.checkpoint.torch_file import read_archive

    with located(str(path)):
        archive = read_archive(path)
    return Weights(archive.tensors, archive.sha256, (Note("pickled_weights"), *foreign_class_notes(archive.unknown)))


def foreign_class_notes(names: Iterable[str]) -> list[Note]:
    """Return a note for each harmless foreign class that a file names."""
    return [Note("foreign_class", {"name": name}) for name in names]
