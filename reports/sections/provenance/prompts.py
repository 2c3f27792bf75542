"""Exact prompts: every text that the model was given, and how often each answer was given."""

from __future__ import annotations

from dataclasses import dataclass

from audit.naming import natural_order
from audit.records.results import MeasurementRecord, Results
from reports.sections.context import AuditContext


@dataclass(frozen=True)
class PromptsView:
    """The prompts of a measurement."""

    key: str
    record: MeasurementRecord
    prompts: tuple[tuple[str, tuple[str, ...], str], ...]
    """Label, its prompts, and the answer it stands for."""
    has_prompts: bool
    """False where labels were not given as prompts: answers read from a file, options of a question."""
    outcomes: tuple[tuple[str, tuple[str, ...]], ...]
    answers: tuple[tuple[str, int], ...]
    """How often each answer was given, the most common first."""
    same_as: str
    """Key of the measurement whose prompts are the same and printed before; empty for none."""


def view(context: AuditContext) -> tuple[PromptsView, ...]:
    """Return the measurements of an audit; prompts are printed once a page."""
    return tuple(_view(f"{context.key}-m{i}", record, context.results) for i, record in enumerate(context.audit.measurements, 1))


def _view(key: str, record: MeasurementRecord, results: Results) -> PromptsView:
    first = next(
        f"a{i}-m{j}"
        for i, audit in enumerate(results.audits, 1)
        for j, other in enumerate(audit.measurements, 1)
        if _asked(other) == _asked(record)
    )
    return PromptsView(
        key=key,
        record=record,
        prompts=tuple((label, record.prompts[label], record.answers.get(label, label)) for label in record.labels),
        has_prompts=any(record.prompts.values()),
        outcomes=tuple((outcome, record.outcomes[outcome]) for outcome in natural_order(record.outcomes)),
        answers=tuple(
            sorted(((answer, record.answer_counts[answer]) for answer in natural_order(record.answer_counts)), key=lambda each: -each[1])
        ),
        same_as="" if first == key else first,
    )


def _asked(record: MeasurementRecord) -> tuple[object, ...]:
    return record.name, record.labels, record.prompts, record.answers, record.combine, record.asked
