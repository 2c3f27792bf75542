"""Selects the Parquet files of a folder: one configuration, one split, named as on the hub."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from audit.errors import DataError, nearest

_PREFERRED_SPLITS = ("validation", "val", "test")
_SAME_SPLIT = {"validation": ("val", "valid", "dev"), "val": ("validation",)}


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder and of two levels below it, except in hidden folders."""
    paths = [path for pattern in ("*.parquet", "*/*.parquet", "*/*/*.parquet") for path in folder.glob(pattern)]
    return sorted(path for path in paths if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts))


def choose_shards(folder: Path, config: str | None, split: str | None) -> list[Path]:
    """The Parquet files of one configuration and one split, named as on the hub: ``CONFIG/SPLIT-00000-of-00001.parquet``."""
    files = parquet_files(folder)
    files = [path for path in files if config in path.relative_to(folder).parts[:-1]] or files
    by_split: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_split[_split_of(path)].append(path)
    if not by_split:
        raise DataError(f"{str(folder)!r} has no Parquet file", fix="give a folder with a label table beside its images")
    shards = by_split[choose_split(list(by_split), split, str(folder))]
    folders = sorted({path.parent.relative_to(folder).as_posix() for path in shards})
    if len(folders) > 1:
        raise DataError(f"{str(folder)!r} holds several configurations", why=f"found {', '.join(folders)}", fix="give one of these folders")
    return shards


def _split_of(path: Path) -> str:
    """The split of a shard: the part of its name before the numbers, else its folder."""
    word = re.split(r"[-.]\d|\.parquet$", path.name)[0]
    return word if word and not word.isdigit() else path.parent.name


def choose_split(available: Sequence[str], wanted: str | None, source: str) -> str:
    """The split to read: the wanted one, the only one, else the one for validation or testing; raises DataError if that is ambiguous.

    Examples
    --------
    >>> choose_split(["train", "val"], "validation", "here"), choose_split(["train"], "validation", "here")
    ('val', 'train')
    """
    if len(available) == 1:
        return available[0]
    names = (wanted, *_SAME_SPLIT.get(wanted, ())) if wanted else _PREFERRED_SPLITS
    if present := [name for name in names if name in available]:
        return present[0]
    raise DataError(f"{source} has no split {names[0]!r}", fix=nearest(names[0], available))
