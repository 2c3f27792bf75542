"""Writes a model again in the form it came in, with other tensors in its output layers; nothing else changes.

A copy of a folder has no weights in another format: they would still be those of the original.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from audit.extensions.mitigate.record import Form
from strictio.files import open_file
from strictio.folders import Folder

if TYPE_CHECKING:
    from torch import Tensor

    from audit.extensions.mitigate.models.output_layers import Layers

WEIGHTS = "model.safetensors"
OTHER_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".npz", ".pkl", ".tflite", ".gguf")
"""How names of weights end, by any program."""
_INDEXES = (".bin.index.json", ".safetensors.index.json")


class EditableModel(Protocol):
    """A model whose output layers can be replaced."""

    @property
    def form(self) -> Form:
        """What a copy is, to load it by."""
        ...

    @property
    def layers(self) -> Layers:
        """The output layer of each tower; None: it has none."""
        ...

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Its weights, as in the file."""
        ...

    def write(self, folder: Folder, changed: Mapping[str, Tensor]) -> None:
        """Write a copy with changed output layers into an empty folder; raises `OSError` as the system does."""
        ...


@dataclass(frozen=True)
class EditableFolder:
    """A folder with safetensors files, or one ``pytorch_model.bin`` (written as safetensors)."""

    source: Path
    files: tuple[Path, ...]
    """Its files of weights."""
    layers: Layers
    tensors: Mapping[str, Tensor]
    form: Form = "Hugging Face folder"

    def write(self, folder: Folder, changed: Mapping[str, Tensor]) -> None:
        in_parts = any(file.suffix == ".safetensors" and file.name != WEIGHTS for file in self.files)
        copy_without_weights(self.source, folder, indexes=(f"{WEIGHTS}.index.json",) if in_parts else ())
        for file in self.files:
            name, own = (file.name, _names_in(file)) if file.suffix == ".safetensors" else (WEIGHTS, set(self.tensors))
            here = {key: tensor for key, tensor in changed.items() if key in own}
            write_weights(file, name, folder, self.tensors, here)


def write_weights(source: Path, name: str, folder: Folder, tensors: Mapping[str, Tensor], changed: Mapping[str, Tensor]) -> None:
    """Write a file of safetensors: a patched copy of `source` if it is one with these names, else `tensors` with the changes."""
    from safetensors.torch import save_file

    from strictio.weights.patch import write_patched

    if source.suffix == ".safetensors" and changed.keys() <= _names_in(source):
        with folder.replacing(name) as target:
            write_patched(source, target, changed)
        return
    # Cloned: a file of torch may have two names for the same memory, which safetensors refuses.
    state = {key: tensor.detach().clone().contiguous() for key, tensor in {**tensors, **changed}.items()}
    with folder.drafted(name) as draft:
        save_file(state, draft, metadata={"format": "pt"})


def _names_in(file: Path) -> set[str]:
    """The names of the tensors in a file of safetensors."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return set(opened.keys())


def copy_without_weights(source: Path, folder: Folder, *, indexes: Collection[str] = (), left_out: Collection[str] = ()) -> None:
    """Copy all files but weights and those named in `left_out`; `indexes` of weights are copied all the same."""
    for directory, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # such as the hub's records of a download
        below = Path(directory).relative_to(source)
        for name in sorted(set(names) - {*left_out}):
            if name.endswith((*OTHER_WEIGHTS, *_INDEXES)) and name not in indexes:
                continue
            if below.parts:
                folder.folder(below.as_posix(), make=True)
            with open_file(Path(directory, name)) as file, folder.replacing((below / name).as_posix()) as target:
                shutil.copyfileobj(file, target)
