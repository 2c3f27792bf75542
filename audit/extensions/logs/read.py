"""A log as a table of predictions: settles what must be chosen, and reads its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from audit.encoder import Value
from audit.errors import DataError, UsageError
from audit.extensions.logs.base import RIGHT, LogReader
from audit.extensions.logs.options import ALL_EPOCHS, LogChoices, LogOptions, settled
from audit.extensions.logs.recognise import tool_of
from audit.extensions.logs.table import SAMPLE, Columns, reading_of, table_of
from audit.predictions.readers import AnswerTable
from audit.predictions.rows import ColumnOptions
from audit.types import FAILED, NOT_ANSWERED, STOPPED, Note


def log_reader(path: Path) -> LogReader | None:
    """What reads the logs of the tool that wrote a file; None for any other file. Raises DataError for a log that holds totals only."""
    tool = tool_of(path)
    return None if tool is None else cast(LogReader, import_module(f"{__package__}.{tool}"))


def read_log(path: Path, wanted: ColumnOptions) -> AnswerTable:
    """Read a log.

    `wanted.prediction` and `wanted.texts` name what is read as the answer: ``answer`` or ``correct``. Raises UsageError where a scorer,
    filter or epoch must be chosen; DataError for a damaged log, or one with totals only.
    """
    reader = log_reader(path)
    assert reader is not None  # noqa: S101  (it was recognised)
    choices, source = reader.choices(path), path.name
    reading = reading_of(wanted.prediction, wanted.texts, source)
    chosen = replace(settled(LogOptions.of(wanted), choices, source), answers=reading != "correct")
    columns = Columns.of(reader.log_rows(path, chosen), source)
    epochs = chosen.epoch == ALL_EPOCHS
    table, notes = table_of(columns, reading, epochs, source)
    ways = Counter(row.outcome or (NOT_ANSWERED if row.answer == "" else "") for row in columns.rows)
    facts = [_origin(reader, choices, chosen), *_counts(columns, ways, choices, chosen), *_part(choices, chosen), *notes]
    facts += [] if reading == "text" else _total(columns, choices, chosen)
    limited = choices.part is not None and not chosen.chosen_samples
    if wanted.truth is not None and wanted.join is None:
        what = f"--truth-column cannot be used with {source}"
        raise UsageError(what, why="the log says what the right answer is", fix="leave it out; it is for the table of --join")
    return AnswerTable(table, f"the {choices.tool} log {source}", choices.model, tuple(facts), SAMPLE if epochs else None, limited)


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
