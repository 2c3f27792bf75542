"""Exact prompts: every text that the model received, and how often each answer was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

from audit.extension import what_ifs
from audit.naming import natural_order
from audit.records.inputs import RowTexts, TextSet
from audit.results import AuditResult, MeasurementRecord, Results
from audit.types import Group
from reports.context import AuditContext
from reports.table import Columns, Table, headers, table_rows


@dataclass(frozen=True)
class MeasurementPrompts:
    """The prompts of a measurement, and how often each answer was given."""

    key: str
    record: MeasurementRecord
    prompts: tuple[tuple[str, tuple[str, ...], str], ...]
    """Label, its prompts, and the answer it stands for."""
    has_prompts: bool
    """False if labels were not sent as prompts: for answers read from a file, and options of a question."""
    outcomes: tuple[tuple[str, tuple[str, ...]], ...]
    examples: Table | None
    answers: Sequence[tuple[str, int]]
    same_as: str
    """The key of an earlier measurement with the same prompts, if any."""


@dataclass(frozen=True)
class Prompts:
    """Every text that the model of an audit received."""

    measurements: tuple[MeasurementPrompts, ...]
    texts: tuple[str, ...]
    texts_as: str
    """The key of an earlier audit with the same texts, if any."""
    sets: Table


def view(context: AuditContext) -> Prompts | None:
    """Return the measurements of an audit, and every text that its model received; prompts are printed once per page.

    None for an image classifier, which reads no text.
    """
    audit = context.audit
    if audit.model.labels:
        return None
    measurements = tuple(_view(f"{context.key}-m{i}", record, context.results) for i, record in enumerate(audit.measurements, 1))
    first = next(f"a{i}" for i, other in enumerate(context.results.audits, 1) if _texts(other) == _texts(audit))
    return Prompts(
        measurements=measurements,
        texts=audit.texts,
        texts_as="" if first == context.key else first,
        sets=Table("Sets of texts", "Texts by their use", headers(_SETS), table_rows(_SETS, audit.text_sets), kind="wrapped"),
    )


def _texts(audit: AuditResult) -> tuple[object, ...]:
    return audit.texts, audit.text_sets


def _use(text_set: TextSet) -> str:
    if text_set.preset:
        return f"{text_set.preset}: {text_set.variant}"
    tried = what_ifs()
    return tried.methods.get(text_set.use, text_set.use) if tried else text_set.use


def _numbers(positions: Sequence[int]) -> str:
    """Format indices as numbers from 1, with ranges: "1–4, 9".

    Examples
    --------
    >>> _numbers([0, 1, 2, 8, 4])
    '1–3, 9, 5'
    """
    starts = [i for i, position in enumerate(positions) if i == 0 or position != positions[i - 1] + 1]
    runs = [positions[start:end] for start, end in pairwise([*starts, len(positions)])]
    return ", ".join(f"{run[0] + 1}–{run[-1] + 1}" if len(run) > 1 else f"{run[0] + 1}" for run in runs)


_SETS: Columns[TextSet] = (
    ("Prompt template and variant, or what-if", _use),
    ("Question", lambda text_set: "; ".join(text_set.questions)),
    ("Texts", lambda text_set: _numbers(text_set.texts)),
)


def _examples(texts: RowTexts) -> Columns[Group]:
    """Return the columns of a table of questions and options."""
    question: Columns[Group] = (("Question", itemgetter(0)),) if texts.questions else ()
    return (*question, *((label, itemgetter(column)) for column, label in enumerate(texts.labels, 1)))


def _view(key: str, record: MeasurementRecord, results: Results) -> MeasurementPrompts:
    first = next(
        f"a{i}-m{j}"
        for i, audit in enumerate(results.audits, 1)
        for j, other in enumerate(audit.measurements, 1)
        if _asked(other) == _asked(record)
    )
    by_count = sorted(natural_order(record.answer_counts), key=lambda answer: -record.answer_counts[answer])
    return MeasurementPrompts(
        key=key,
        record=record,
        prompts=tuple((label, record.prompts[label], record.answers.get(label, label)) for label in record.labels),
        has_prompts=any(record.prompts.values()),
        outcomes=tuple((outcome, record.outcomes[outcome]) for outcome in natural_order(record.outcomes)),
        examples=None
        if record.row_texts is None
        else Table(
            f"Examples of {record.name}",
            "Questions and options of a few rows",
            headers(columns := _examples(record.row_texts)),
            table_rows(columns, record.row_texts.examples),
        ),
        answers=[(answer, record.answer_counts[answer]) for answer in by_count],
        same_as="" if first == key else first,
    )


def _asked(record: MeasurementRecord) -> tuple[object, ...]:
    return record.name, record.labels, record.prompts, record.answers, record.combine, record.asked
