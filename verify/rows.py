"""The rows of `predictions.parquet` without their answers, compared with those of a plan lock in any order."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from verify.answers import AnswerFile

Facts = Mapping[str, Any]
Field = tuple[str, ...]
BITS = 18
_OF_FILE = ("model", "probe", "measurement", "id")


def compared(locked: Facts, audit: Facts, file: AnswerFile) -> Iterator[tuple[Field, tuple[Any, ...]]]:
    """Field of the locked table -> its locked and actual hash and, if they differ, the number of rows that do."""
    identified = not audit["data"]["numbered"]
    yield ("identified",), (locked["identified"], identified)
    if locked["identified"] is not identified:
        return
    rows, columns = _of_audit(audit, file, identified=identified)
    compared_rows = _compared(locked["rows"], rows, 0)
    yield ("rows",), compared_rows
    moved = compared_rows[2] if identified and len(compared_rows) > 2 else 0
    for name in {**locked["columns"], **columns}:
        yield ("columns", name), _compared(locked["columns"].get(name), columns.get(name), moved)


def _compared(locked: Facts | None, actual: Counter[bytes] | None, moved: int) -> tuple[Any, ...]:
    """The hashes of a column; of a changed one also the rows that differ, besides those that were added or left out."""
    if locked is None or actual is None:
        own = (None if locked is None else locked["sha256"], None if actual is None else _sha256(actual))
        return (*own, locked["rows"] if locked is not None else actual.total() if actual is not None else 0)
    sha256 = _sha256(actual)
    if locked["sha256"] == sha256:
        return sha256, sha256
    here = np.zeros(2**BITS, np.int64)
    for digest, times in actual.items():
        here[int.from_bytes(digest[:4], "big") >> (32 - BITS)] += times
    more = here - _cells(locked["cells"])
    rows = max(int(more[more > 0].sum()), int(-more[more < 0].sum()), 1) - moved
    return (locked["sha256"], sha256, rows) if rows > 0 else (sha256, sha256)


def _cells(text: str) -> np.ndarray:
    """The numbers of rows by the first bits of their digests; the bytes of equal weight stand together."""
    planes = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), 4 * 2**BITS)
    weights = 256 ** np.arange(4, dtype=np.int64)
    return np.asarray(weights @ np.frombuffer(planes, np.uint8).reshape(4, 2**BITS).astype(np.int64))


def _sha256(rows: Counter[bytes]) -> str:
    ordered = sorted(rows)
    times = b"".join(rows[digest].to_bytes(8, "little") for digest in ordered)
    return hashlib.sha256(b"".join(ordered) + times).hexdigest()


def _of_audit(audit: Facts, file: AnswerFile, *, identified: bool) -> tuple[Counter[bytes], dict[str, Counter[bytes]]]:
    """The rows and the cells of every column; what several questions share counts once."""
    rows: Counter[bytes] = Counter()
    columns: dict[str, Counter[bytes]] = {}
    questions = [(m["name"], file.answers(audit, m["name"])) for m in audit["measurements"]]
    names = _names([str(name) for _, answers in questions for name in answers.columns["id"]])
    for measurement, answers in questions:
        ids = [[names[str(name)]] if identified else [] for name in answers.columns["id"]]
        cells = {name: column for name, column in answers.columns.items() if name not in _OF_FILE}
        cells = {name: column for name, column in cells.items() if any(value is not None for value in column)}
        if answers.y_true is not None:
            cells["y_true" if measurement == "predictions" else f"y_true:{measurement}"] = answers.y_true
        together = ids if identified else zip(*(cells[name] for name in sorted(cells)), strict=True)
        rows |= Counter(map(_digest, together))
        for name, column in cells.items():
            own = Counter(_digest([*row, str(value)]) for row, value in zip(ids, column, strict=True))
            columns[name] = columns.get(name, Counter()) | own
    return rows, columns


def _names(ids: Sequence[str]) -> dict[str, str]:
    """Identifiers without their folders, if these alone are distinct."""
    short = {name: name.rpartition("/")[2] for name in ids}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


def _digest(texts: Sequence[str]) -> bytes:
    written = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).digest()
