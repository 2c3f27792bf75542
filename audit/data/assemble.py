"""Builds a `Dataset` from rows and images: one row per image, and a fingerprint that does not depend on the container."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.data.cells.crops import cropped
from audit.data.schema import Attributes, Cells, Schema, counted, quoted, read
from audit.errors import DataError
from audit.types import Dataset, Exclusion, Note
from strictio.images.lazy import image_subset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from jaxtyping import Int

_AS_IT_IS = r"^[ !#-\[\]-~]*$"
"""Text that needs no escaping in JSON."""
_AT_ONCE = 4096
"""Number of equal lines that are hashed together."""


@dataclass(frozen=True)
class Origin:
    """Where data came from, as reports state it."""

    name: str
    source: str
    """In words, without local paths."""
    licence: str
    notes: tuple[Note, ...] = ()


def assemble(images: Sequence[bytes], ids: Sequence[str], cells: Cells, schema: Schema, origin: Origin) -> Dataset:
    """Build the data set of a table, in the order of its rows.

    `ids` identify the images: identical rows are counted once; raises DataError if two rows for one image disagree. With a box, `ids` name
    the source images, and a crop is identified by its source image and box.
    """
    import pandas as pd

    attributes = read(schema, cells)
    left_out: tuple[Exclusion, ...] = ()
    if schema.box is not None:
        images, ids, attributes, cells, left_out = cropped(images, ids, attributes, cells, schema.box)
    rows = first_rows(ids, attributes, cells)
    repeated = len(ids) - len(rows)
    notes = [Note("repeated_rows", {"count": repeated})] if repeated else []
    columns = {name: [values[row] for row in rows] for name, values in attributes.columns.items()}
    frame = pd.DataFrame(columns, index=pd.Index([ids[row] for row in rows]), dtype="str")
    return Dataset(
        name=origin.name,
        images=image_subset(images, rows) if repeated else images,
        attributes=frame,
        levels=attributes.levels,
        fingerprint=fingerprint(frame),
        source=origin.source,
        licence=origin.licence,
        notes=(*origin.notes, *attributes.notes, *notes),
        exclusions=left_out,
        several=attributes.several,
    )


def first_rows(ids: Sequence[str], attributes: Attributes, cells: Cells) -> list[int]:
    """The first row of each image; raises DataError if a later one disagrees."""
    first: dict[str, int] = {}
    conflicts: list[tuple[int, int]] = []
    for row, identifier in enumerate(ids):
        earlier = first.setdefault(identifier, row)
        if earlier != row and _labels(attributes, earlier) != _labels(attributes, row):
            conflicts.append((earlier, row))
    if conflicts:
        earlier, row = conflicts[0]
        statements = [f"{cells.where(at)} says {', '.join(_labels(attributes, at).values())}" for at in (earlier, row)]
        more = f" (and {counted(len(conflicts) - 1, 'row')} more)" if len(conflicts) > 1 else ""
        what, why = f"conflicting labels for the image {quoted(ids[row])}", f"{'; '.join(statements)}{more}"
        raise DataError(what, where=cells.place, why=why, fix="keep one row per image")
    return list(first.values())


def _labels(attributes: Attributes, row: int) -> Mapping[str, str]:
    return {name: values[row] for name, values in attributes.columns.items()}


def fingerprint(attributes: pd.DataFrame, count: Int[np.ndarray, "n"] | None = None) -> str:
    """The sha256 (hex) of a label table, independent of the order of rows and columns and of the container.

    `count` says how many equal rows each row represents: the fingerprint is that of the table with all of them.
    `datasets` stores only the file name of an image, so folder names are included only if file names alone do not identify the rows.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"race": ["A", "B"]}, index=["train/1.jpg", "train/2.jpg"])
    >>> fingerprint(table) == fingerprint(table.set_axis(["1.jpg", "2.jpg"])[::-1])
    True
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = sorted(attributes.columns)
    ids = pa.array(attributes.index.astype("str"), pa.large_string())
    names = pc.replace_substring_regex(ids, "(?s)^.*/", "")
    names = names if pc.count_distinct(names, mode="all").as_py() == len(names) else ids
    # Uses Arrow: a million rows are sorted and written in a second, as JSON lists of text, one per line.
    values = [names, *(pa.array(attributes[name], pa.large_string()) for name in columns)]
    keys = [str(index) for index in range(len(values))]
    table = dict(zip(keys, values, strict=True)) | ({} if count is None else {"count": pa.array(count)})
    rows = pa.table(table).sort_by([(key, "ascending") for key in keys])
    cells = (_quoted(rows[key].combine_chunks()) for key in keys)
    between, start, end = (pa.scalar(text, pa.large_string()) for text in (", ", "[", "]\n"))
    lines = pc.binary_join_element_wise(start, pc.binary_join_element_wise(*cells, between), end, pa.scalar("", pa.large_string()))
    digest = hashlib.sha256(json.dumps(["labels, version 1", *columns]).encode())
    if count is not None:
        for line, times in zip(lines.to_pylist(), rows["count"].to_pylist(), strict=True):
            _update_often(digest, line.encode(), times)
    elif written := pc.sum(pc.binary_length(lines)).as_py():
        digest.update(memoryview(lines.buffers()[2])[:written])  # Arrow stores the lines contiguously
    return digest.hexdigest()


def _update_often(digest: Any, line: bytes, times: int) -> None:
    whole, rest = divmod(times, _AT_ONCE)
    block = line * min(times, _AT_ONCE)
    for _ in range(whole):
        digest.update(block)
    digest.update(block[: len(line) * rest])


def fingerprint_with_texts(attributes: pd.DataFrame, texts: pd.DataFrame | None) -> str:
    """The fingerprint of a label table, and of the questions and options of its rows if they differ between rows."""
    return fingerprint(attributes if texts is None else attributes.join(texts.add_prefix("text: ")))


def _quoted(texts: pa.Array) -> pa.Array:
    """Encode texts as JSON strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.match_substring_regex(texts, _AS_IT_IS)).as_py():
        mark = pa.scalar('"', pa.large_string())
        return pc.binary_join_element_wise(mark, texts, mark, pa.scalar("", pa.large_string()))
    encoded = texts.dictionary_encode()
    quoted = pa.array([json.dumps(text) for text in encoded.dictionary.to_pylist()], pa.large_string())
    return quoted.take(encoded.indices)
