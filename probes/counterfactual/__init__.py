"""Pictures that differ in one attribute and in nothing else."""

from __future__ import annotations

from pathlib import Path

from audit.errors import DataError, UsageError
from audit.types import LoadOptions, ProbeData


def data_folder(options: LoadOptions, data: ProbeData) -> Path:
    """Return the folder that ``--data`` names; UsageError without one, DataError if it is not there."""
    if options.location is None:
        raise UsageError(f"no location for {data.name}", where="--data", why=data.obtain, fix="--data FOLDER")
    folder = Path(options.location)
    if not folder.is_dir():
        raise not_this_layout(data, folder, "there is no such folder")
    return folder


def not_this_layout(data: ProbeData, folder: Path, found: str) -> DataError:
    """Return the error that says what was found, and how a folder of these data looks."""
    return DataError(f"{folder.name!r} does not hold {data.name}", why=found, fix="expected: " + "; ".join(data.layout))
