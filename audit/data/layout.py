"""Checks the folder of a published data set: returns it, or raises an error that shows the expected layout."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from audit.data.table import DataLocation
from audit.errors import DataError, MachineError, UsageError
from audit.types import ProbeData

_SHOWN = 8


def folder_of(location: Any, data: ProbeData) -> Path:
    """The folder named by `--data`.

    Without a location, raises MachineError if the data are gated, otherwise UsageError; both say how to get the data. Raises DataError if
    it is not a folder.
    """
    if location is None:
        if data.gate:
            raise MachineError(f"{data.name} is gated: {data.gate}", why=data.obtain, fix="apply, then name its folder: --data DIR")
        raise UsageError(f"no location for the data of {data.name}", why=data.obtain, fix="name its folder: --data DIR")
    held = location.held if isinstance(location, DataLocation) else None if isinstance(location, str | os.PathLike) else location
    if held is not None:
        raise UsageError(f"{data.name} is read from its own files, not from {type(held).__name__}", fix="name its folder: --data DIR")
    if isinstance(location, DataLocation):
        used = [name for name in ("encoding", "image_root", "image_column", "columns") if getattr(location, name)]
        flags = [f"--{name.removesuffix('s').replace('_', '-')}" for name in used]
        if flags:
            raise UsageError(f"{flags[0]} cannot be used with {data.name}", why="it is read from its own files", fix="leave it out")
    folder = Path(os.fspath(location))
    if not folder.is_dir():
        raise wrong_layout(data, folder, "it is a file" if folder.exists() else "it does not exist")
    return folder


def wrong_layout(data: ProbeData, location: Path, present: str | Iterable[str]) -> DataError:
    """The error for a folder or file with another layout than the data set's: what was found, then the expected layout, line by line."""
    shown = present if isinstance(present, str) else _listed(sorted(present))
    lines = "\n".join(f"  {line}" for line in data.layout)
    return DataError(
        f"{location.name or location} is not laid out as {data.name} is",
        why=f"found: {shown}; expected:\n{lines}",
        fix=f"name the folder that holds these files. {data.obtain}",
    )


def names_in_folder(folder: Path) -> list[str]:
    """The names in a folder, with a trailing slash for folders, for `wrong_layout`."""
    return sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir() if not path.name.startswith("."))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"
