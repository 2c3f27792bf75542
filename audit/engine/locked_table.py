"""Locks the rows of a table of predictions, in any order, and counts those that differ from a lock."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.errors import DataError
from audit.output.predictions import unit_columns
from audit.predictions.answers import Y_TRUE
from audit.predictions.own_tables import column_of
from audit.predictions.read import PLAIN
from audit.records.plan_lock import FILE, PRESENT, LockDeviation, LockedColumn, LockedTable
from audit.types import Group, Predictions

if TYPE_CHECKING:
    from jaxtyping import Int

_BITS = 18
CELLS = 2**_BITS
"""Of m changed rows, about m² / 262,144 are not counted: those whose digests begin alike."""
_PATH = ("data", "table")


# ---- locking -------------------------------------------------------------------------------------------------------------------------


def locked_table(questions: Mapping[str, Predictions], cluster: str | None, weights: str | None, *, identified: bool) -> LockedTable:
    """All that can move a verdict in the rows of a table, besides the answers. Questions may have different rows and true answers."""
    parts = []
    for measurement, predictions in questions.items():
        ids, columns = predictions.attributes.index.astype(str).tolist(), _columns(measurement, predictions, cluster, weights)
        parts.append(QuestionRows(ids, columns, predictions.images_of_rows))
    return locked_rows(parts, identified=identified)


@dataclass(frozen=True)
class QuestionRows:
    """The rows of one question."""

    ids: Sequence[str]
    columns: Mapping[str, Iterable[object]]
    """All but the identifiers and the answers, by their names in `predictions.parquet`."""
    images: Int[np.ndarray, "n"]
    """Number of images that each row represents."""


def true_answers(measurement: str) -> str:
    """The name of the column with the true answers to a question."""
    return Y_TRUE if measurement == PLAIN else f"{Y_TRUE}:{measurement}"


def locked_rows(questions: Sequence[QuestionRows], *, identified: bool) -> LockedTable:
    """The rows of a table with these questions."""
    names = _names(chain.from_iterable(question.ids for question in questions))
    rows: list[_Rows] = []
    columns: dict[str, list[_Rows]] = {}
    for question in questions:
        own, images = question.ids, question.images
        cells = {name: _texts(values) for name, values in question.columns.items()}
        keys = _texts([names[name] for name in own]) if identified else [""] * len(own)
        rows.append(_Rows.of(keys if identified else map("".join, zip(*(cells[name] for name in sorted(cells)), strict=True)), images))
        for name, texts in cells.items():
            columns.setdefault(name, []).append(_Rows.of(map(add, keys, texts), images))
    return LockedTable(identified, _locked(rows), {name: _locked(of_questions) for name, of_questions in columns.items()})


def _texts(values: Iterable[object]) -> list[str]:
    """Each text with its length, so that texts can be joined without being confused."""
    texts = list(map(str, values))
    written = {text: f"{len(text)}:{text}" for text in set(texts)}
    return [written[text] for text in texts]


def _names(ids: Iterable[str]) -> dict[str, str]:
    """Identifiers without folders if that leaves them distinct, as in the fingerprint of data."""
    short = {name: name.rpartition("/")[2] for name in ids}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


def _columns(measurement: str, predictions: Predictions, cluster: str | None, weights: str | None) -> dict[str, Iterable[object]]:
    """Name -> the cells, as the `predictions.parquet` of an audit has them."""
    columns: dict[str, Any] = {column_of(str(name)): values.tolist() for name, values in predictions.attributes.items()}
    if predictions.y_true is not None:
        columns[true_answers(measurement)] = predictions.y_true.tolist()
    return columns | unit_columns(predictions, cluster, weights)


@dataclass(frozen=True)
class _Rows:
    """A multiset of rows."""

    digests: Int[np.ndarray, "d 4"]
    """Distinct and sorted, each as four big-endian numbers."""
    times: Int[np.ndarray, "d"]

    @classmethod
    def of(cls, rows: Iterable[str], images: Int[np.ndarray, "n"]) -> _Rows:
        """The rows of one question."""
        digests = b"".join([hashlib.sha256(row.encode("utf-8", "surrogatepass")).digest() for row in rows])
        distinct, row = _distinct(np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 4))
        times = np.zeros(len(distinct), np.int64)
        np.add.at(times, row, images)
        return cls(distinct, times)


def _distinct(digests: Int[np.ndarray, "n 4"]) -> tuple[Int[np.ndarray, "d 4"], Int[np.ndarray, "n"]]:
    """The distinct digests in order, and the number of each digest among them."""
    order = np.argsort(digests[:, 0], kind="stable")  # nearly always enough: 64 bits
    if (np.diff(digests[order, 0]) == 0).any():
        order = np.lexsort(digests.T[::-1])
    ordered = digests[order]
    first = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(digests)]
    number = np.empty(len(digests), np.int64)
    number[order] = np.cumsum(first) - 1
    return ordered[first], number


def _locked(questions: Sequence[_Rows]) -> LockedColumn:
    """The rows of all questions, each as often as in the question that has it most often."""
    digests, row = _distinct(np.concatenate([rows.digests for rows in questions]))
    times = np.zeros(len(digests), np.int64)
    np.maximum.at(times, row, np.concatenate([rows.times for rows in questions]))
    cells = np.zeros(CELLS, "<u4")
    np.add.at(cells, (digests[:, 0] >> (64 - _BITS)).astype(np.int64), times)
    planes = cells.view(np.uint8).reshape(CELLS, 4).T.tobytes()  # bytes of equal weight together, of which most are 0
    sha256 = hashlib.sha256(digests.astype(">u8").tobytes() + times.astype("<i8").tobytes()).hexdigest()
    return LockedColumn(int(times.sum()), sha256, base64.b64encode(zlib.compress(planes)).decode())


# ---- comparing -----------------------------------------------------------------------------------------------------------------------


def table_deviations(locked: LockedTable | None, actual: LockedTable | None) -> Iterator[LockDeviation]:
    """Yield the rows and columns that differ; of a column only the rows whose cell differs, not those that were added or left out."""
    if locked is None or actual is None:
        if locked is not actual:
            yield LockDeviation(_PATH, None if locked is None else PRESENT, None if actual is None else PRESENT, "all")
        return
    if locked.identified is not actual.identified:
        yield LockDeviation((*_PATH, "identified"), locked.identified, actual.identified, "all")
        return
    other_rows = _deviation((*_PATH, "rows"), locked.rows, actual.rows, 0)
    yield from other_rows
    moved = sum(deviation.rows or 0 for deviation in other_rows) if locked.identified else 0
    for name in dict.fromkeys((*locked.columns, *actual.columns)):
        yield from _deviation((*_PATH, "columns", name), locked.columns.get(name), actual.columns.get(name), moved)


def _deviation(path: Group, locked: LockedColumn | None, actual: LockedColumn | None, moved: int) -> tuple[LockDeviation, ...]:
    """The deviation of one column, if there is one."""
    if locked is None or actual is None:
        one, other = (None if column is None else column.sha256 for column in (locked, actual))
        return (LockDeviation(path, one, other, "all", sum(column.rows for column in (locked, actual) if column)),)
    if locked.sha256 == actual.sha256:
        return ()
    more = _counted(actual).astype(np.int64) - _counted(locked)
    rows = max(int(more.clip(0).sum()), int((-more).clip(0).sum()), 1) - moved
    return (LockDeviation(path, locked.sha256, actual.sha256, "all", rows),) if rows > 0 else ()


def _counted(column: LockedColumn) -> Int[np.ndarray, "c"]:
    try:
        planes = zlib.decompressobj().decompress(base64.b64decode(column.cells, validate=True), 4 * CELLS)
        return np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(4, CELLS).T).view("<u4").ravel()
    except (ValueError, zlib.error) as error:
        raise DataError(f"{FILE.name} is damaged", why="the rows that it counts cannot be read", fix=FILE.fix) from error
