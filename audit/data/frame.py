"""Reads a pandas data frame or a `datasets.Dataset` with a column of image paths or images, as strictly as a file."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import ExifTags, Image

from audit.data import arrow
from audit.data.assemble import Origin, assemble
from audit.data.schema import Schema, check_distinct, image_column, with_known_columns
from audit.data.table import DataLocation, with_files
from audit.errors import UsageError, nearest
from audit.types import Dataset
from strictio.images.decode import UnreadableImage, pillow_errors
from strictio.images.lazy import LazyImages

PLACE = "data frame"
"""Its name in messages and results."""
_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


def load_held(source: DataLocation, schema: Schema, name: str, *, licence: str = "not stated") -> Dataset:
    """Build the data set of a data frame or of a `datasets.Dataset`; raises the same errors as for a file."""
    held, root = source.held, source.image_root
    columns = held.columns if isinstance(held, pd.DataFrame) else getattr(held, "column_names", None) or ()
    if source.image_column is not None and source.image_column not in map(str, columns):
        what = f"the {PLACE if isinstance(held, pd.DataFrame) else 'Dataset'} has no column {source.image_column!r}"
        raise UsageError(what, where="--image-column", fix=nearest(source.image_column, map(str, columns)))
    if isinstance(held, pd.DataFrame):
        return load_frame(held, schema, name, licence=licence, image_root=root)
    from audit.data.hf_datasets import from_object

    return from_object(held, schema, Origin(name, "a datasets.Dataset", licence), root)


def load_frame(frame: pd.DataFrame, schema: Schema, name: str, *, licence: str = "not stated", image_root: Path | None = None) -> Dataset:
    """Build the data set of a data frame with one row per image.

    Its image column has paths (absolute, or relative to `image_root`; None: the working directory) or images: PIL images, encoded bytes,
    ``{bytes, path}``. A named index is a column like the others.
    """
    origin = Origin(name, "a data frame", licence)
    frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
    check_distinct(list(frame.columns), PLACE)
    schema, alike = with_known_columns(schema, [*map(str, frame.index.names), *frame.columns])
    held = next((column for column in (*schema.image_columns, *frame.columns) if column in frame and _holds_images(frame[column])), None)
    table = arrow.from_frame(_with_text_paths(frame.drop(columns=held) if held else frame, schema), PLACE)
    cells = arrow.cells(table.select(arrow.text_columns(schema, table.schema, PLACE)), {}, schema, PLACE)
    if held is None:
        column = image_column(schema, list(cells.columns), PLACE)
        folder, names = _relative(cells.columns[column]) if image_root is None else (Path(), cells.columns[column])
        origin = replace(origin, notes=alike)
        return with_files(replace(cells, columns={**cells.columns, column: names}), folder, schema, origin, image_root)
    images = frame[held].tolist()
    ids, notes = arrow.image_ids(schema, cells.columns, [_stored_name(image) for image in images])
    return assemble(_lazy(images, image_root or Path.cwd()), ids, cells, schema, replace(origin, notes=(*alike, *notes)))


def _lazy(cells: Sequence[Any], root: Path) -> LazyImages:
    """The images in cells: PIL images, bytes, or ``{bytes, path}`` as stored by `datasets`, with paths below `root`."""
    lock = threading.Lock()

    def read(position: int) -> bytes:
        cell = cells[position]
        if isinstance(cell, Image.Image):
            with lock:  # Pillow decodes lazily, and several rows may share one image object
                return _png(cell)
        return arrow.image_content(cell if isinstance(cell, bytes | dict) else None, [root])

    return LazyImages(len(cells), read)


def _holds_images(column: pd.Series) -> bool:
    first = column.dropna().head(1).tolist()
    return bool(first) and isinstance(first[0], Image.Image | bytes | dict)


def _stored_name(image: object) -> str | None:
    """The file name that an image has: from PIL, or stored by `datasets`."""
    name = image.get("path") if isinstance(image, dict) else getattr(image, "filename", None)
    return str(name) if name else None


def _with_text_paths(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The frame with `Path` objects converted to text."""
    named = [column for column in schema.image_columns if column in frame and frame[column].dtype == object]
    return frame.assign(**{column: [os.fspath(p) if isinstance(p, os.PathLike) else p for p in frame[column]] for column in named})


def _relative(names: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """Base folder and relative paths: if all are absolute, the base is their deepest common folder."""
    if not names or not all(map(os.path.isabs, names)):
        return Path(), names
    folder = os.path.commonpath([Path(os.path.normpath(name)).parent for name in names])
    return Path(folder), [os.path.relpath(name, folder) for name in names]


def _png(image: Image.Image) -> bytes:
    """Encode an image losslessly, with the camera's orientation applied."""
    if image.mode == "F":
        raise UnreadableImage("pixel format not accepted")
    buffer = io.BytesIO()
    with pillow_errors(b""):
        turned = {"exif": image.getexif()} if image.getexif().get(ExifTags.Base.Orientation, 1) != 1 else {}
        (image if image.mode in _PNG_MODES else image.convert("RGB")).save(buffer, "PNG", compress_level=1, **turned)
    return buffer.getvalue()
