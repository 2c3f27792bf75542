"""Reads an untrusted weight file with the reader for its suffix (`readers`), without running code from it."""

from __future__ import annotations

import json
import pkgutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from strictio.errors import DataError
from strictio.files import read_bytes
from strictio.weights import readers
from strictio.weights.torch_file import Archive, read_archive

MAX_JSON = 16 * 2**20
SIGLIP_FOLDER = "name the model's folder in Hugging Face layout; the hub has it, such as google/siglip-base-patch16-224"
"""The way for weights of SigLIP in one file, which does not say how texts and images are prepared."""


@dataclass(frozen=True)
class Contents:
    """What a file of weights holds."""

    data: Any  # nested tables of tensors. Untrusted.
    kind: str
    sha256: str
    unknown: tuple[str, ...] = ()  # harmless foreign classes that the file names
    archive: Archive | None = None  # where it is a torch file
    configured: frozenset[str] = frozenset()  # facts that the configuration beside it states


def read(path: Path) -> Contents:
    """Read a file of weights by the reader for its suffix, of any other suffix as a torch file; nothing else is tried.

    Raises `DataError` if it is damaged or not a file of weights; `UnsafeError` if it asks for code or could exhaust the machine.
    """
    if not path.exists():
        raise DataError("file not found", where=str(path), fix="give a file of weights")
    if not path.is_file():
        why = "a pipe or a device could block forever"
        raise DataError("this is not a regular file", where=str(path), why=why, fix="give a file of weights")
    if path.suffix == ".npz":
        why = "weights are read from torch files and safetensors; big_vision writes SigLIP's in this form"
        raise DataError("the file holds NumPy arrays (.npz)", where=str(path), why=why, fix=SIGLIP_FOLDER)
    for name in (module.name for module in pkgutil.iter_modules(readers.__path__)):
        reader = import_module(f"{readers.__name__}.{name}")
        if path.suffix in reader.SUFFIXES:
            contents: Contents = reader.read(path)
            return contents
    archive = read_archive(path)
    return Contents(archive.data, archive.kind, archive.sha256, archive.unknown, archive)


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a JSON file of a model's folder; `DataError` if it is too large, not JSON or not a table."""
    try:
        content = json.loads(read_bytes(path, MAX_JSON))
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or str(error)[:200]
        raise DataError(f"{path.name} is not readable JSON", why=why) from error
    if not isinstance(content, dict):
        raise DataError(f"{path.name} is not a JSON object")
    return content
