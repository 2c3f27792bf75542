"""Files that other programs write, as tables of predictions: read by what extensions declare (`audit.extension.AnswerReader`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from audit.errors import DataError, UsageError
from audit.extension import AnswerReader, answer_readers, find, import_declared
from audit.predictions.rows import ColumnOptions
from audit.types import Note


@dataclass(frozen=True)
class AnswerTable:
    """The answers of a file as a table with the columns of `audit.predictions.read.load_predictions`, all of them text."""

    table: pa.Table
    source: str
    """What was read, for the report."""
    model: str | None = None
    """The model that the file names."""
    notes: tuple[Note, ...] = ()
    cluster: str | None = None
    """The column of sampling units, if a sample has several rows."""
    limited: bool = False
    """Whether only a part of the data set was run, so that nothing is settled."""


class ReadAnswers(Protocol):
    """Reads a file that its reader recognises."""

    def __call__(self, path: Path, wanted: ColumnOptions) -> AnswerTable:
        """Return the answers; `wanted.given` has the reader's own options, as far as they were given.

        It also settles what is the answer and the true answer: `wanted.prediction`, `wanted.truth` (which is about the table of
        `wanted.join`, if there is one) and `wanted.texts`. Everything else that was wanted is done with the table. Raises an `AuditError`.
        """
        ...


def reader_of(path: Path) -> AnswerReader | None:
    """The reader that recognises a file; raises DataError if one knows the file and that no answers can be read from it."""
    if not path.is_file():
        return None
    asked = (reader for reader in answer_readers() if path.name.lower().endswith(reader.endings))
    return next((reader for reader in asked if import_declared(reader.recognises)(path)), None)


def read_with(reader: AnswerReader, path: Path, wanted: ColumnOptions) -> AnswerTable:
    """The answers of a file that a reader recognises."""
    read: ReadAnswers = import_declared(reader.read)
    return read(path, wanted)


def refuse_given(wanted: ColumnOptions, source: str, reader: AnswerReader | None = None) -> None:
    """Raise `UsageError` for an option of another reader than that of a source; None: it is a table."""
    for other in answer_readers():
        given = [option.name for option in other.options if option.name in wanted.given]
        if given and other != reader:
            why = f"it is for {other.files}{', and this is a table' if reader is None else ''}"
            raise UsageError(f"--{given[0].replace('_', '-')} cannot be used with {source}", why=why, fix="leave it out")


def not_read(error: DataError) -> DataError:
    """The error about a file that cannot be read as a table, with the extensions that are left out: one of them might read it."""
    if not (left_out := find().left_out):
        return error
    why = "; ".join(filter(None, (error.why, *left_out)))
    return DataError(error.what, where=error.where, why=why, fix=f"install again what is left out; otherwise {error.fix}")
