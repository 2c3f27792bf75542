"""A label table with an image column of paths and attribute columns, beside the images."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.data.arrow import row_id
from audit.data.assemble import Origin, assemble
from audit.data.schema import Cells, Schema, check_columns, counted, image_column, quoted, with_known_columns
from audit.errors import DataError
from audit.types import Dataset, Group, Note
from strictio.images.files import image_files, inspect_names, name_fault
from strictio.tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa

_PROBED_NAMES = 1000


@dataclass(frozen=True)
class DataLocation:
    """A location of data and how to read its table: the options of `--data` and its companions. Path-like."""

    path: str
    encoding: str | None = None
    """Encoding of a text table; None: UTF-8."""
    image_root: Path | None = None
    """The folder that contains the images; None: the table's."""
    image_column: str | None = None
    splits: Group = ()
    """The splits of a folder that are read; empty: all."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> the column that it is read from."""
    held: Any = None
    """A data frame or a `datasets.Dataset` instead of files; `path` then names it in messages."""

    def __fspath__(self) -> str:
        return self.path

    __str__ = __fspath__


def read_cells(path: Path, encoding: str | None = None) -> Cells:
    """Read a text table as cells; DataError names the line of an error."""
    table = read_table(path, encoding)
    columns = {name: _texts(table.columns[name]) for name in table.columns.column_names}
    return Cells(columns, table.numbers, table.place, table.unit)


def _texts(column: pa.ChunkedArray) -> Sequence[str]:
    """The cells of a column, with each distinct text stored once."""
    encoded = column.combine_chunks().dictionary_encode()
    levels = encoded.dictionary.to_pylist()
    return [levels[code] for code in encoded.indices.to_numpy(zero_copy_only=False).tolist()]


def with_files(cells: Cells, folder: Path, schema: Schema, origin: Origin, image_root: Path | None = None) -> Dataset:
    """Build the data set of a table whose image column contains paths: files in `image_root`, else in `folder` or its parent.

    Paths that leave `folder` (``../pics/1.jpg``) are allowed below `image_root`; they are relative to `folder`.
    """
    schema, notes = with_known_columns(schema, list(cells.columns))
    check_columns(schema, list(cells.columns), cells.place)
    column = image_column(schema, list(cells.columns), cells.place)
    roots = (image_root,) if image_root is not None else (folder, folder.absolute().parent)
    written = cells.columns[column]
    root, names = _below(roots, written if image_root is None else _climbed(folder, image_root, written))
    _check_files(root, names, cells, roots, folder)
    if root != roots[0]:
        notes = (*notes, Note("paths_from_above", {"table": cells.place}))
    ids = list(map(row_id, names))
    return assemble(image_files(root, ids), ids, cells, schema, replace(origin, notes=(*origin.notes, *notes)))


def _below(roots: Sequence[Path], names: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """The first folder that contains any of the names, else the first of all, and the names relative to it.

    Absolute names may lie below the first folder only; others stay unchanged, and are rejected later.
    """
    names = _relative_to(roots[0], names)
    allowed = [name for name in names[:_PROBED_NAMES] if name_fault(name) is None]
    return next((root for root in roots if any((root / name).is_file() for name in allowed)), roots[0]), names


def _climbed(folder: Path, root: Path, names: Sequence[str]) -> Sequence[str]:
    """The names; those that leave `folder` but lie below `root` become relative to `root`."""
    climbing = [name for name in set(names) if os.path.normpath(name).startswith("..")]
    targets = {name: _target(folder, name) for name in climbing}
    below = dict(zip(climbing, _relative_to(root, list(targets.values())), strict=True))
    moved = {name: short for name, short in below.items() if short != targets[name]}
    return [moved.get(name, name) for name in names] if moved else names


def _target(folder: Path, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.realpath(folder), name))  # noqa: PTH118  # as text, without opening anything


def _relative_to(root: Path, names: Sequence[str]) -> Sequence[str]:
    starts = tuple(f"{folder.rstrip(os.sep)}{os.sep}" for folder in (os.path.abspath(root), os.path.realpath(root)))  # noqa: PTH100
    relative = {name: next((name[len(start) :].lstrip(os.sep) for start in starts if name.startswith(start)), name) for name in set(names)}
    return [relative[name] for name in names]


def _check_files(root: Path, names: Sequence[str], cells: Cells, roots: Sequence[Path], folder: Path) -> None:
    if not names:
        return  # `read` reports that there are no rows
    seen = inspect_names(root, names)
    if seen.forbidden:
        # One of each kind first, so that the truncated message still covers every kind.
        kinds = {kind: row for row, kind in reversed(seen.forbidden)}
        first = {row: kind for kind, row in reversed(kinds.items())} | dict(seen.forbidden)
        problems = [f"{kind} {quoted(names[row])} ({cells.where(row)})" for row, kind in list(first.items())[:10]]
        more = f"; and {len(first) - 10} more" if len(first) > 10 else ""
        what, fix = (
            f"{counted(len(first), 'image path')} not allowed",
            "take these rows out of the table, or use paths of regular files inside its folder",
        )
        if "absolute path" in kinds:
            fix += ", or name the folder that holds them: --image-root DIR"
        elif "path that leaves the folder" in kinds:
            climbing = [_target(folder, names[row]) for row, kind in first.items() if kind == "path that leaves the folder"]
            above = os.path.commonpath([os.path.realpath(folder), *climbing])
            fix += f", or name a folder above them: --image-root {shlex.quote(above)}"
        raise DataError(what, where=cells.place, why="; ".join(problems) + more, fix=fix)
    if not seen.present:
        looked = " and ".join(quoted(os.path.abspath(root)) for root in roots)  # noqa: PTH100  # as named
        why = f"the first is {quoted(names[0])} ({cells.where(0)}), looked for below {looked}"
        fix = "name the folder that the paths are relative to: --image-root DIR"
        raise DataError(f"none of the {len(names)} images of {cells.place} exists", why=why, fix=fix)
