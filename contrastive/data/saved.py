"""Captioned images in the formats of the `datasets` library: a saved folder, Parquet files, or a dataset on the hub.

The library memory-maps its Arrow files, so datasets of any size are read on demand. The library itself refuses datasets that would run
code. Data that cannot be read, or do not contain such pairs, raise `TrainingDataError`.
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

from contrastive.data.source import TrainingDataError, card_of, hash_of, missing_column, nonblank, require_columns
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
        self._data = data
        self._pictures, self._texts = data.select_columns([image_column]), data.select_columns([caption_column])

    @property
    def card(self) -> str:
        return card_of(self, self.title)

    @cached_property
    def identity(self) -> str:
        """Hash of all captions, and of the first bytes of 64 images spread over the dataset."""
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
        if content is None:  # paths in rows are not followed: they refer to the machine that wrote them
            raise UnreadableImage("no image in the row")
        return content

    def captions(self, index: int) -> tuple[str, ...]:
        return _in_cell(self._texts[index][self._caption])

    def caption_blocks(self) -> Iterator[list[tuple[str, ...]]]:
        """Yield the captions of all pairs, in blocks."""
        for batch in self._texts.iter(batch_size=1000):
            yield list(map(_in_cell, batch[self._caption]))

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        require_columns(self.title, names, self._data.column_names)
        for name in names:
            if not _is_scalar(kind := self._data.features[name]):
                raise TrainingDataError(f"column {name!r} of {self.title} holds no single values", why=str(kind)[:80])
        named = {name: self._data.features[name] for name in names}
        batches = self._data.select_columns(list(names)).iter(batch_size=1000)
        columns: dict[str, list[str]] = {name: [] for name in names}
        for batch in batches:
            for name, kind in named.items():
                columns[name] += [_as_text(value, kind) for value in batch[name]]
        return columns

    def _content(self, index: int) -> bytes | None:
        cell = self._pictures[index][self._image]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        return content if isinstance(content, bytes) else None


def _in_cell(cell: Any) -> tuple[str, ...]:
    return nonblank(item for item in (cell if isinstance(cell, list) else [cell]) if item is not None)


def load_saved(folder: Path, image_column: str, caption_column: str) -> StoredPairs:
    """Load a folder written by `save_to_disk`; with splits, the one called ``train``, or the only one."""
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
    """Load the pairs in the Parquet files of a path.

    If some are called ``train...``, as on the hub, only these are read; the others are for testing.
    """
    import datasets

    files = [file for file in files if file.name.startswith("train")] or files
    for file in files:
        check_size(file)
    with _said_of(str(path)):
        data = datasets.load_dataset("parquet", data_files={"train": list(map(str, files))}, split="train")
    return StoredPairs(path.resolve().name, data, image_column, caption_column)


def load_hub(location: str, image_column: str, caption_column: str, others: Sequence[str] = ()) -> StoredPairs:
    """Load a dataset from the hub, anonymously: downloaded completely once or, with ``#ROWS``, streamed up to that many rows.

    `others`: columns to keep besides image and caption.

    Raises `UsageError` if the location is malformed; `TrainingDataError` if the dataset or split (default ``train``) does not exist;
    `MachineError` if the hub cannot be reached and the cache is empty.
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
        data = data if rows is None else first_rows(data, rows, (image_column, caption_column, *others))
    return StoredPairs(location, data, image_column, caption_column)


def first_rows(stream: Any, rows: int, columns: Sequence[str]) -> Any:
    """Return the first rows of a streamed dataset as a random-access dataset, with encoded images.

    Exact resuming needs random access, which a stream lacks, so the rows are read once and kept.
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


def _is_scalar(kind: Any) -> bool:
    import datasets

    return isinstance(kind, datasets.ClassLabel) or (isinstance(kind, datasets.Value) and "binary" not in kind.dtype)


def _as_text(value: Any, kind: Any) -> str:
    """Return a value as text; a class of `datasets` by its name."""
    if value is None:
        return ""
    if hasattr(kind, "int2str"):  # -1 is unlabelled
        return str(kind.int2str(value)) if value >= 0 else ""
    return str(value)


@contextmanager
def _said_of(source: str, fault: str = "") -> Iterator[None]:
    """Translate exceptions of `datasets` about a location, with `fault` as the cause if known; hides its progress bars."""
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
        if source.startswith("hf:") and isinstance(error, FileNotFoundError):  # whose message contains local paths
            why = "the hub has none of that name for readers who are not signed in, or none with data files"
            raise TrainingDataError(f"no data set {source}", why=why, fix=f"look at its name: {SPELLING}") from error
        raise TrainingDataError(f"cannot read {source} with datasets", why=why) from error
    finally:
        if bars:
            datasets.enable_progress_bars()
