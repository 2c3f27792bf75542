"""A folder with one folder per split (``train/``, ``test/``), each with a table or class folders, as the hub's imagefolder has them."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from audit.data.schema import Cells, Schema, image_column, quoted, with_known_columns
from audit.data.table import read_cells
from audit.errors import DataError, UsageError, nearest
from audit.types import Group, Note
from strictio.images.files import LEAVES, name_fault

SPLITS = ("train", "training", "val", "valid", "validation", "test", "dev", "eval")
"""Names of folders that are splits, never classes; case is ignored."""
_PROBED_NAMES, _MOST_FOLDERS, _DEEPEST = 1000, 200, 3


def is_split(name: str) -> bool:
    """Whether a folder of this name is a split.

    Examples
    --------
    >>> is_split("Train"), is_split("trainer")
    (True, False)
    """
    return name.lower() in SPLITS


def split_folders(folder: Path, wanted: Group = ()) -> list[Path]:
    """The folders of the splits in `folder`, or the `wanted` ones of them; raises UsageError for a wanted one that is not there."""
    present = sorted(path for path in folder.iterdir() if is_split(path.name) and path.is_dir())
    names = [path.name for path in present]
    if unknown := [name for name in wanted if name not in names]:
        fix = nearest(unknown[0], names) if names else f"its folders may be called {', '.join(SPLITS)}"
        raise UsageError(f"{str(folder)!r} has no split {unknown[0]!r}", where="--split", fix=fix)
    return [path for path in present if not wanted or path.name in wanted]


def no_splits(location: str) -> UsageError:
    """The error for ``--split`` with data that have no folders of splits."""
    return UsageError(
        f"--split cannot be used with {location!r}",
        why="it chooses among the folders train, val, test … of a folder",
        fix="leave it out, or name the file or folder of the split; on the hub: hf:ORG/NAME:CONFIG/SPLIT",
    )


def splits_note(folder: Path, rows: Mapping[str, int]) -> Note:
    """A note that says which splits were read, with their rows, and which were not."""
    others = [split.name for split in split_folders(folder) if split.name not in rows]
    return Note(
        "splits_left_out" if others else "splits", {"read": tuple(f"{name} ({n:,})" for name, n in rows.items()), "others": tuple(others)}
    )


def folder_with_data(folder: Path, has_data: Callable[[Path], bool]) -> Path | None:
    """The first folder below `folder`, level by level, that has data; None if none of the nearest 200 has."""
    queue = [folder]
    for path in queue:
        if path is not folder and has_data(path):
            return path
        if len(path.relative_to(folder).parts) < _DEEPEST and len(queue) < _MOST_FOLDERS:
            queue += sorted(below for below in path.iterdir() if below.is_dir() and not below.name.startswith("."))
    return None


def read_splits(tables: Sequence[Path], schema: Schema, encoding: str | None, *, below_split: bool) -> Cells:
    """The rows of all tables, one per split; raises DataError if their columns differ.

    With `below_split`, paths of images are relative to the folder of their split, or to the one above if nothing is found there; those
    returned are relative to the one above.
    """
    parts = [read_cells(path, encoding) for path in tables]
    places = [f"{path.parent.name}/{path.name}" for path in tables]
    columns = list(parts[0].columns)
    for part, place in zip(parts[1:], places[1:], strict=True):
        if differ := sorted({*columns} ^ {*part.columns}):
            raise DataError(
                f"{place} has other columns than {places[0]}",
                why=f"only one of them has {', '.join(map(quoted, differ[:10]))}",
                fix=f"give them the same columns, or read one: --split {shlex.quote(tables[0].parent.name)}",
            )
    texts = {name: [text for part in parts for text in part.columns[name]] for name in columns}
    if below_split:
        image = image_column(with_known_columns(schema, columns)[0], columns, places[0])
        texts[image] = [name for part, path in zip(parts, tables, strict=True) for name in _below(path.parent, part.columns[image])]
    numbers = [number for part in parts for number in part.numbers]
    rows = [place for part, place in zip(parts, places, strict=True) for _ in part.numbers]
    return Cells(texts, numbers, " and ".join(places), parts[0].unit, rows if len(places) > 1 else ())


def _below(split: Path, names: Sequence[str]) -> Sequence[str]:
    """Paths relative to the folder above `split`, from paths relative to `split`, or already to the one above."""
    inside = [name if name_fault(name) not in (None, LEAVES) else posixpath.normpath(f"{split.name}/{name}") for name in names]
    as_they_are, moved = (_any_file(split.parent, some) for some in (names, inside))
    return names if as_they_are and not moved else inside


def _any_file(root: Path, names: Sequence[str]) -> bool:
    return any((root / name).is_file() for name in names[:_PROBED_NAMES] if name_fault(name) is None)
