"""The rows of a log as the columns of a table of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from audit.data.schema import counted, quoted
from audit.errors import DataError, UsageError
from audit.extensions.logs.base import BY_SCORE, LogRow, flat
from audit.predictions.answers import Y_PRED, Y_TRUE
from audit.predictions.own_tables import OWN_COLUMNS, SCORE
from audit.predictions.rows import FEW_LEVELS
from audit.predictions.texts import TEXT
from audit.types import NOT_ANSWERED, Note

SAMPLE = "sample"
"""The column with the sample of each row, if a sample has several."""
ANSWER, CORRECT = "answer", "correct"
"""What `--prediction-column` and `--texts` may name in a log."""
Reading = Literal["answer", "answer by name", "correct", "text"]
_MOST_KEYS, _MOST_CELLS = 1000, 50_000_000
_NAMED = 20
_RESERVED = (*OWN_COLUMNS, SAMPLE, ANSWER)


@dataclass
class Columns:
    """The cells of all rows; a value that a sample lacks is an empty cell."""

    rows: list[LogRow] = field(default_factory=list)
    metadata: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)
    """Names of values that are no cells."""

    @classmethod
    def of(cls, rows: Iterable[LogRow], source: str) -> Columns:
        """Collect the rows; raises DataError without any, or if they have more values than fit into memory."""
        columns = cls()
        for row in rows:
            columns._add(row, source)
        if not columns.rows:
            raise DataError(f"{source} holds no samples", fix="log them: --log_samples in lm-eval, log_samples=True in Inspect")
        for cells in columns.metadata.values():
            cells.extend([""] * (len(columns.rows) - len(cells)))
        return columns

    def _add(self, row: LogRow, source: str) -> None:
        position = len(self.rows)
        for key, cell in flat(row.metadata):
            name = f"metadata.{key}" if key in _RESERVED or key.startswith((SCORE, TEXT, f"{Y_PRED}:", f"{Y_TRUE}:")) else key
            if cell is None:
                self.skipped[name] = None
                self.metadata.pop(name, None)
            if name in self.skipped:
                continue
            cells = self.metadata.setdefault(name, [])
            cells += [""] * (position - len(cells))
            cells.append(cell or "")
        if len(self.metadata) + len(self.skipped) > _MOST_KEYS or len(self.metadata) * position > _MOST_CELLS:
            why = f"at most {_MOST_KEYS:,} keys and {_MOST_CELLS:,} cells are read"
            raise DataError(f"the samples of {source} have too many different keys", why=why, fix="write a table of the columns to compare")
        self.rows.append(LogRow(row.id, row.targets, row.answer, row.judged, row.outcome, {}, row.epoch))

    def notes(self) -> list[Note]:
        """What was not used."""
        names = [quoted(name) for name in self.skipped]
        shown = (*names[:_NAMED], *(["…"] if len(names) > _NAMED else []))
        return [Note("unused_columns", {"columns": shown})] if names else []


def reading_of(prediction: str | None, texts: Sequence[str] | None, source: str) -> Reading:
    """What is read of a log as the answer; raises UsageError for another column than those a log has."""
    if texts is not None:
        if tuple(texts) != (ANSWER,):
            raise UsageError(f"{source} has no column {quoted(texts[0])}", where="--texts", fix=f"a log has one: --texts {ANSWER}")
        return "text"
    if prediction not in (None, ANSWER, CORRECT):
        why, fix = "a log has two", f"{ANSWER}: what the model answered; {CORRECT}: whether the scorer judged it right"
        raise UsageError(f"{source} has no column {quoted(prediction or '')}", where="--prediction-column", why=why, fix=fix)
    return "answer" if prediction is None else "answer by name" if prediction == ANSWER else "correct"


def table_of(columns: Columns, reading: Reading, epochs: bool, source: str) -> tuple[pa.Table, list[Note]]:
    """The table, and notes; `epochs`: whether a sample may have several rows, which then are clusters."""
    rows = columns.rows
    ids = [f"{row.id}#{row.epoch}" for row in rows] if epochs else [row.id for row in rows]
    table = {"id": ids} | ({SAMPLE: [row.id for row in rows]} if epochs else {})
    answers, notes = {"answer": _answers, "answer by name": _answers, "correct": _judged, "text": _texts}[reading](rows, source)
    if reading == "answer":
        _refuse_many(answers[Y_PRED], rows, source)
    cells = {**table, **answers, **columns.metadata}
    try:
        made = pa.table({name: pa.array(column, pa.string()) for name, column in cells.items()})
    except UnicodeEncodeError as error:
        raise DataError(f"{source} holds half a character", why="a lone surrogate", fix="write the text as UTF-8") from error
    return made, [*notes, *columns.notes()]


def _answers(rows: Sequence[LogRow], source: str) -> tuple[dict[str, list[str]], list[Note]]:
    """The answer and the right answer of each row; one that the scorer accepted is the right answer in its own spelling."""
    if several := [row.id for row in rows if len(row.targets) > 1]:
        what = f"{source}: {counted(len(several), 'row')} with several right answers, first in the sample {quoted(several[0])}"
        raise UsageError(what, why="which of them a wrong answer missed is not known", fix=BY_SCORE)
    told = [row for row in rows if row.outcome is None]
    if told and all(row.answer is None for row in [row for row in told if row.judged] or told):
        fix = BY_SCORE if any(row.judged for row in rows) else "choose another scorer, or write a table of the answers"
        raise UsageError(f"{source} records no answers, only scores", fix=fix)
    refused = [row.id for row in rows if row.judged == "wrong" and row.answer and row.targets == (row.answer.strip(),)]
    if refused:
        what = f"{source}: {counted(len(refused), 'answer')} equal to the target but judged as wrong"
        why = f"the first is in the sample {quoted(refused[0])}; rates computed here would differ from those of the tool"
        raise UsageError(what, why=why, fix=BY_SCORE)
    truths = [row.targets[0].strip() if row.targets else "" for row in rows]
    answers = [_answer(row, truth) for row, truth in zip(rows, truths, strict=True)]
    answered = {answer for row, answer in zip(rows, answers, strict=True) if row.outcome is None} - {NOT_ANSWERED}
    if any(truths) and answered and answered.isdisjoint(truths):
        why = f"for example, {quoted(min(answered))} is not among them"
        raise UsageError(f"no answer in {source} is one of the right answers of any sample", why=why, fix=BY_SCORE)
    other = sum(answer == truth != (row.answer or "") for row, answer, truth in zip(rows, answers, truths, strict=True))
    notes = [Note("log_respelled", {"count": other})] if other else []
    return {Y_PRED: answers} | ({Y_TRUE: truths} if any(truths) else {}), notes


def _answer(row: LogRow, truth: str) -> str:
    if row.outcome is not None:
        return row.outcome
    return truth if row.judged == "right" and truth else (row.answer or "").strip() or NOT_ANSWERED


def _judged(rows: Sequence[LogRow], source: str) -> tuple[dict[str, list[str]], list[Note]]:
    if not any(row.judged for row in rows):
        why = "its scores are not 1 or 0 for each sample"
        raise UsageError(f"{source} does not say which answers are right", why=why, fix="choose another scorer")
    return {Y_PRED: [row.outcome or (NOT_ANSWERED if row.answer == "" else row.judged) or NOT_ANSWERED for row in rows]}, []


def _texts(rows: Sequence[LogRow], source: str) -> tuple[dict[str, list[str]], list[Note]]:
    if all(row.answer is None for row in rows):
        raise UsageError(f"{source} records no answers, only scores", where="--texts", fix="write a table of the texts")
    return {ANSWER: [row.answer or "" for row in rows]}, []


def _refuse_many(answers: Sequence[str], rows: Sequence[LogRow], source: str) -> None:
    """Raise UsageError if the answers are so many that they are probably texts, unless they were chosen by name."""
    labels = {*answers, *(target.strip() for row in rows for target in row.targets)} - {""}
    if len(labels) > FEW_LEVELS:
        fix = (
            f"--prediction-column {CORRECT} audits right and wrong; --texts {ANSWER} audits words; --prediction-column {ANSWER} takes them "
        )
        what = f"{source} has {len(labels):,} different answers, such as {quoted(min(labels))}"
        raise UsageError(what, why=f"more than {FEW_LEVELS} are rarely labels", fix=f"{fix}as labels")
