"""A log as a table of predictions: recognises its tool, settles what must be chosen, and reads its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pyarrow as pa

from audit.encoder import Value
from audit.errors import DataError
from audit.predictions.logs import every_eval_ever, inspect_ai, lm_eval, lmms_eval, totals, vlmevalkit
from audit.predictions.logs.base import ALL_EPOCHS, RIGHT, LogChoices, LogOptions, LogReader, settled
from audit.predictions.logs.table import SAMPLE, Columns, reading_of, table_of
from audit.types import FAILED, NOT_ANSWERED, STOPPED, Note

READERS = cast(tuple[LogReader, ...], (inspect_ai, lm_eval, lmms_eval, every_eval_ever, vlmevalkit))


@dataclass(frozen=True)
class LogTable:
    """A log as a table of predictions."""

    table: pa.Table
    source: str
    """What was read, for the report."""
    model: str | None
    """None: the log does not name it."""
    notes: tuple[Note, ...]
    cluster: str | None
    """The column of sampling units, if a sample has several rows."""
    limited: bool
    """Whether only a part of the data set was run, without `LogOptions.chosen_samples`."""


def reader_of(path: Path) -> LogReader | None:
    """The reader that recognises a file; None for any other file. Raises DataError for a log that holds totals only."""
    totals.refuse(path)
    return next((reader for reader in READERS if reader.recognises(path)), None)


def read_log(path: Path, options: LogOptions, prediction: str | None = None, texts: Sequence[str] | None = None) -> LogTable | None:
    """Read a log; None for any other file.

    `prediction` and `texts` name what is read as the answer: ``answer`` or ``correct``. Raises UsageError where a scorer, filter or epoch
    must be chosen; DataError for a damaged log, or one with totals only.
    """
    if not path.is_file():
        return None
    reader = reader_of(path)
    if reader is None:
        return None
    choices, source = reader.choices(path), path.name
    reading = reading_of(prediction, texts, source)
    chosen = replace(settled(options, choices, source), answers=reading != "correct")
    columns = Columns.of(reader.log_rows(path, chosen), source)
    epochs = chosen.epoch == ALL_EPOCHS
    table, notes = table_of(columns, reading, epochs, source)
    ways = Counter(row.outcome or (NOT_ANSWERED if row.answer == "" else "") for row in columns.rows)
    facts = [_origin(reader, choices, chosen), *_counts(columns, ways, choices, chosen), *_part(choices, chosen), *notes]
    facts += [] if reading == "text" else _total(columns, choices, chosen)
    limited = choices.part is not None and not chosen.chosen_samples
    return LogTable(table, f"the {choices.tool} log {source}", choices.model, tuple(facts), SAMPLE if epochs else None, limited)


def _origin(reader: LogReader, choices: LogChoices, chosen: LogOptions) -> Note:
    known = {"task": choices.task, "model": choices.model, "scorer": chosen.scorer, "filter": chosen.filter}
    known["epoch"] = chosen.epoch if choices.epochs > 1 else None
    facts = tuple(f"{name} {value}" for name, value in known.items() if value)
    return Note("log_read", {"tool": choices.tool, "facts": facts or (f"a log of {reader.NAME}",)})


def _part(choices: LogChoices, chosen: LogOptions) -> list[Note]:
    """The note about a run of a part of its data set."""
    if (part := choices.part) is None:
        return []
    code = "log_chosen_samples" if chosen.chosen_samples else "log_limited"
    return [Note(code, {"found": part.samples, "total": part.total, "by": part.by, "tool": choices.tool})]


def _total(columns: Columns, choices: LogChoices, chosen: LogOptions) -> list[Note]:
    """The note about the tool's own total, if it is not the share of rows that are right; none if rows are not judged one by one."""
    rows, totals = columns.rows, choices.totals.get(chosen.scorer, ())
    if not totals or any(row.judged is None for row in rows if row.outcome is None and row.answer != ""):
        return []
    right = sum(row.judged == RIGHT and row.outcome is None for row in rows)
    own = f"{100 * right / len(rows):.1f} %"
    if all(f" {own}" in total for total in totals):
        return []
    return [Note("log_total", {"tool": choices.tool, "totals": totals, "own": own, "right": right, "rows": len(rows)})]


def _counts(columns: Columns, ways: Counter[str], choices: LogChoices, chosen: LogOptions) -> list[Note]:
    """Notes about rows without an answer, and about samples that the run did not reach."""
    total = len(columns.rows)
    values: dict[str, Value] = {"total": total, "errors": ways[FAILED], "limits": ways[STOPPED], "silent": ways[NOT_ANSWERED]}
    notes = [Note("log_without_answer", values)] if any(ways[way] for way in (FAILED, STOPPED, NOT_ANSWERED)) else []
    if chosen.epoch == ALL_EPOCHS:
        samples = len({row.id for row in columns.rows})
        notes.append(Note("log_epochs", {"samples": samples, "rows": total, "column": SAMPLE}))
    if choices.expected is None or (chosen.epoch != ALL_EPOCHS and choices.epochs > 1):
        return notes
    if choices.status:
        return [*notes, Note("log_unfinished", {"found": total, "total": choices.expected, "status": choices.status})]
    if total != choices.expected:
        what, why = "the log does not hold every sample", f"it says {choices.expected:,} samples and holds {total:,}"
        raise DataError(what, why=why, fix="run the evaluation again, or copy the log again")
    return notes
