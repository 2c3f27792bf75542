"""Rows of a published table with images in a folder: attributes, texts per row, and missing images, counted by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.data.assemble import Origin, fingerprint_with_texts
from audit.errors import DataError
from audit.naming import natural_order
from audit.types import UNKNOWN, Dataset, Exclusion, Group, Note
from strictio.images.files import image_files, inspect_names

if TYPE_CHECKING:
    import pandas as pd


def row_images(
    folder: Path, names: Sequence[str], attributes: pd.DataFrame, texts: pd.DataFrame, origin: Origin, levels: Mapping[str, Group | None]
) -> Dataset:
    """Build the data set of rows, several of which may share an image: `names` are files below `folder`, one per row.

    `attributes` are strings, "" for unknown values. `levels` names those to slice by; None: all values that occur. The others, such as
    clusters, have no levels. Rows whose file is missing are left out and counted by group. Raises DataError if a name leaves the folder, or
    no file exists.
    """
    seen = inspect_names(folder, names)
    if seen.forbidden:
        row, kind = seen.forbidden[0]
        raise DataError(
            f"an image path is not allowed ({kind})", where=f"the row of {attributes.index[row]!r}", fix="name files below the folder"
        )
    attributes = attributes.replace("", UNKNOWN).astype("str")
    here = [(folder / name).is_file() for name in names]
    if not any(here):
        why = f"looked for {names[0]!r} and {len(names) - 1:,} more" if names else "the tables have no row"
        raise DataError(f"no image of {origin.name} is there", where=folder.name, why=why, fix="download the images first")
    gone, kept = attributes[[not present for present in here]], attributes[here]
    left_out = Exclusion(
        Note("missing_file"), len(gone), {name: dict(Counter(gone[name])) for name in levels}, tuple(map(str, gone.index[:10]))
    )  # fmt: skip
    texts = texts[here]
    return Dataset(
        name=origin.name,
        images=image_files(folder, [name for name, there in zip(names, here, strict=True) if there]),
        attributes=kept,
        levels={name: _levels(declared, kept[name]) for name, declared in levels.items()},
        fingerprint=fingerprint_with_texts(kept, texts),
        source=origin.source,
        licence=origin.licence,
        notes=origin.notes,
        exclusions=(left_out,) if len(gone) else (),
        texts=texts,
    )


def _levels(declared: Group | None, values: pd.Series) -> Group:
    present = set(values) - {UNKNOWN}
    known = declared if declared is not None else natural_order(present)
    return (*known, UNKNOWN) if UNKNOWN in set(values) and UNKNOWN not in known else known
