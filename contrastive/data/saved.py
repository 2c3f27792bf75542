"""Captioned images in the formats of the `datasets` library: a folder it saved, Parquet files, or a data set of the hub.

The library maps its Arrow files into memory, so a set of any size is read from the disk as it is needed. Data sets that would run code
are refused by the library itself. What cannot be read, or does not hold such pairs, is a `TrainingDataError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contrastive.data.source import TrainingDataError, card_of, hash_of, missing_column, nonblank
from strictio.errors import MachineError, UsageError, nearest
from strictio.hub import hub_fault, offline
from strictio.images.decode import UnreadableImage
from strictio.images.in_process import decode_rgb
from strictio.tables.arrow_stream import check_saved
from strictio.tables.parquet import check_size

SPELLING = "hf:ORG/NAME[@REVISION][:CONFIG[/SPLIT]][#ROWS]"
_LOCATION = re.compile(
    r"hf:(?P<id>\w[\w.-]*(/\w[\w.-]*)?)(@(?P<revision>\w[\w./-]*))?(:(?P<config>[\w.-]*)(/(?P<split>\w+))?)?(#(?P<rows>[1-9]\d*))?"
)


class StoredPairs:
    """The image and caption columns of a `datasets.Dataset`, at least one row. A caption may be a list of several."""

    def __init__(self, title: str, data: Any, image_column: str, caption_column: str):
        import datasets

        if error := missing_column(title, image_column, caption_column, data.column_names):
            raise error
        if not len(data):
            raise TrainingDataError(f"{title} has no rows")
        image, caption = data.features[image_column], data.features[caption_column]
        if not _is_encoded(image):
            raise TrainingDataError(f"column {image_column!r} of {title} holds no encoded images", why=str(image)[:80])
        if not _is_text(caption):
            raise TrainingDataError(f"column {caption_column!r} of {title} holds no text", why=str(caption)[:80])
        if isinstance(image, datasets.Image):
            data = data.cast_column(image_column, datasets.Image(decode=False))
        self.title, self._image, self._caption = title, image_column, caption_column
        self._pictures, self._texts = data.select_columns([image_column]), data.select_columns([caption_column])

    @property
    def card(self) -> str:
        return card_of(self, self.title)

    @cached_property
    def identity(self) -> str:
        """Of every caption, and of the first bytes of 64 images spread over the set."""
        probes = sorted({int(index) for index in np.linspace(0, len(self) - 1, 64)})
        images = [(self._content(index) or b"")[:4096].hex() for index in probes]
        texts = (str(batch[self._caption]) for batch in self._texts.iter(batch_size=1000))
        return hash_of(len(self), *images, *texts)

    def __len__(self) -> int:
        return len(self._pictures)

    def name(self, index: int) -> str:
        return f"row {index}"

    def image(self, index: int) -> Image.Image:
        return decode_rgb(self.content(index))

    def content(self, index: int) -> bytes:
        content = self._content(index)
        if content is None:  # a path that a row names is not followed: it is a path of the machine that wrote it
            raise UnreadableImage("no image in the row")
        return content

    def captions(self, index: int) -> tuple[str, ...]:
        cell = self._texts[index][self._caption]
        return nonblank(item for item in (cell if isinstance(cell, list) else [cell]) if item is not None)

    def _content(self, index: int) -> bytes | None:
        cell = self._pictures[index][self._image]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        return content if isinstance(content, bytes) else None


def load_saved(folder: Path, image_column: str, caption_column: str) -> StoredPairs:
    """Return what `save_to_disk` left in a folder; of a set with splits the one called ``train``, or the only one."""
    import datasets

    check_saved(folder)
    with _said_of(str(folder)):
        data = datasets.load_from_disk(str(folder))
    if isinstance(data, datasets.DatasetDict):
        split = next(iter(data)) if len(data) == 1 else "train"
        if split not in data:
            raise TrainingDataError(f"{folder} has no split 'train'", fix=nearest("train", data))
        data = data[split]
    return StoredPairs(folder.resolve().name, data, image_column, caption_column)


def load_parquet(path: Path, files: list[Path], image_column: str, caption_column: str) -> StoredPairs:
    """Return the pairs in the Parquet files of a path.

    Where some are called ``train...``, as the hub calls them, only they are read: what stands beside them is for testing.
    """
    import datasets

    files = [file for file in files if file.name.startswith("train")] or files
    for file in files:
        check_size(file)
    with _said_of(str(path)):
        data = datasets.load_dataset("parquet", data_files={"train": list(map(str, files))}, split="train")
    return StoredPairs(path.resolve().name, data, image_column, caption_column)


def load_hub(location: str, image_column: str, caption_column: str) -> StoredPairs:
    """Return a data set of the hub, asked anonymously: downloaded once as a whole, or, with ``#ROWS``, streamed that far only.

    Raises `UsageError` if the location is malformed; `TrainingDataError` if the data set or split does not exist (``train`` unless named);
    `MachineError` if the hub cannot be reached and nothing is in the cache.
    """
    import datasets

    match = _LOCATION.fullmatch(location)
    if match is None:
        raise UsageError(f"data.train = {location!r} is malformed", fix=f"write {SPELLING}")
    rows = int(match["rows"]) if match["rows"] else None
    wanted = {"name": match["config"] or None, "revision": match["revision"], "token": False}
    fault = hub_fault()
    with _said_of(location, fault), offline(bool(fault)):
        data = datasets.load_dataset(match["id"], split=match["split"] or "train", streaming=rows is not None, **wanted)
        data = data if rows is None else first_rows(data, rows, (image_column, caption_column))
    return StoredPairs(location, data, image_column, caption_column)


def first_rows(stream: Any, rows: int, columns: Sequence[str]) -> Any:
    """Return the first rows of a streamed data set as one that can be read at random, images as they are encoded.

    Exact resume needs any pair at any time, which a stream does not give: it is read once, as far as asked, and kept.
    """
    import datasets

    stream = stream.select_columns([name for name in columns if name in (stream.column_names or columns)])
    for name, kind in (stream.features or {}).items():
        stream = stream.cast_column(name, datasets.Image(decode=False)) if isinstance(kind, datasets.Image) else stream
    return datasets.Dataset.from_list(list(islice(stream, rows)), features=stream.features)


def _is_encoded(kind: Any) -> bool:
    import datasets

    struct = isinstance(kind, dict) and "bytes" in kind
    return isinstance(kind, datasets.Image) or struct or (isinstance(kind, datasets.Value) and kind.dtype in ("binary", "large_binary"))


def _is_text(kind: Any) -> bool:
    import datasets

    kind = getattr(kind, "feature", kind)  # a list of texts
    return isinstance(kind, datasets.Value) and kind.dtype in ("string", "large_string")


@contextmanager
def _said_of(source: str, fault: str = "") -> Iterator[None]:
    """Say in words what `datasets` raises about a place, and `fault` where that is known to be the cause; its progress bars stay away."""
    import datasets
    import pyarrow as pa
    from datasets.exceptions import DatasetGenerationError

    bars = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, pa.ArrowException, DatasetGenerationError) as error:
        cause = error if isinstance(error, ConnectionError) else error.__cause__ or error
        why = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        if isinstance(error, ConnectionError) or (fault and isinstance(error, OSError)):
            what = f"cannot get {source}: the hub is out of reach, and no copy is in the cache of datasets"
            fix = "name a local copy: a folder of Parquet files, or one that save_to_disk wrote"
            raise MachineError(what, why=fault or why, fix=fix) from error
        if source.startswith("hf:") and isinstance(error, FileNotFoundError):  # whose own words name folders of this machine
            why = "the hub has none of that name for readers who are not signed in, or none with data files"
            raise TrainingDataError(f"no data set {source}", why=why, fix=f"look at its name: {SPELLING}") from error
        raise TrainingDataError(f"cannot read {source} with datasets", why=why) from error
    finally:
        if bars:
            datasets.enable_progress_bars()
