"""Reads the weights of a model folder without running anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import DataError
from audit.models.runtime import located
from audit.types import Note
from strictio.files import open_file
from strictio.model_folders.configurations import SAVE_AGAIN, read_configuration

if TYPE_CHECKING:
    from torch import Tensor

MAX_INDEX = 64 * 2**20
"""Maximum size in bytes of the index of weight files; the longest on the hub have ten megabytes."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a folder."""

    tensors: Mapping[str, Tensor]
    sha256: str
    """sha256 of the concatenated files, in the order of their names."""
    notes: tuple[Note, ...] = ()


def read_weights(folder: Path, adapter: str | None = None) -> Weights:
    """Read the tensors of a folder: safetensors if there are any, else one `pytorch_model.bin` by the restricted reader.

    Raises DataError for an adapter (LoRA) beside them or among them, unless `adapter` is ``"ignore"``.
    """
    from strictio.weights.adapter import refuse_beside, without_adapter

    with located(str(folder)):
        files = refuse_beside(folder, adapter is not None)
        weights = _read_all(folder)
        tensors, left = without_adapter(weights.tensors, adapter is not None)
    notes = adapter_notes(files, left)
    return replace(weights, tensors=tensors, notes=(*weights.notes, *notes)) if notes else weights


def adapter_notes(files: Sequence[str], tensors: Sequence[str] = ()) -> list[Note]:
    """A note that an adapter was ignored: files beside the weights, tensors among them; empty without one."""
    where = [*files, *([f"{len(tensors)} of the tensors, such as {tensors[0][:80]!r}"] if tensors else [])]
    return [Note("adapter_ignored", {"where": ", ".join(where)})] if where else []


def _read_all(folder: Path) -> Weights:
    files = weight_files(folder)
    if files[0].suffix == ".bin":
        return _read_pickled(files[0])
    from strictio.weights.readers.safetensors_file import read_tensors

    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= read_tensors(file)
    return Weights(tensors, file_sha256(files))


def weight_files(folder: Path) -> list[Path]:
    """The files of weights that are read: safetensors if there are any, else one `pytorch_model.bin`."""
    names = sorted(path.name for path in folder.iterdir())
    if "model.safetensors.index.json" in names:
        return _indexed(folder)
    if one := next((name for name in ("model.safetensors", "pytorch_model.bin") if name in names), None):
        return [folder / one]
    what = "this folder has a configuration but no weights: no model.safetensors"
    raise DataError(what, where=str(folder), why=f"found: {', '.join(names[:20])}", fix="download or save the model again")


def file_sha256(paths: Sequence[Path]) -> str:
    """Hash the concatenated contents of the files."""
    digest = hashlib.sha256()
    for path in paths:
        with open_file(path) as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def _indexed(folder: Path) -> list[Path]:
    mapping = read_configuration(folder / "model.safetensors.index.json", MAX_INDEX).get("weight_map")
    files = sorted(set(mapping.values())) if isinstance(mapping, dict) and all(isinstance(v, str) for v in mapping.values()) else []
    wrong = [name for name in files if Path(name).name != name or not name.endswith(".safetensors") or not (folder / name).is_file()]
    if wrong or not files:
        why = f"not a safetensors file in this folder: {', '.join(map(repr, wrong[:5]))}" if wrong else "it has no weight_map"
        raise DataError("model.safetensors.index.json does not lead to the weights", where=str(folder), why=why, fix=SAVE_AGAIN)
    return [folder / name for name in files]


def _read_pickled(path: Path) -> Weights:
    """Read a torch file with the project's own restricted reader; transformers would use another one."""
    from strictio.weights.torch_file import read_archive

    with located(str(path)):
        archive = read_archive(path)
    return Weights(archive.tensors, archive.sha256, (Note("pickled_weights"), *foreign_class_notes(archive.unknown)))


def foreign_class_notes(names: Iterable[str]) -> list[Note]:
    """A note for each harmless foreign class that a file names."""
    return [Note("foreign_class", {"name": name}) for name in names]
