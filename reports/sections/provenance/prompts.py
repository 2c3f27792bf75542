"""Exact prompts: every text that the model was given, and how often each answer was given."""

from __future__ import annotations

from types import SimpleNamespace

from audit.naming import natural_order
from audit.records.results import MeasurementRecord, Results
from reports.sections.context import AuditContext


def view(context: AuditContext) -> tuple[SimpleNamespace, ...]:
    """Return the measurements of an audit; prompts are printed once a page."""
    return tuple(_view(f"{context.key}-m{i}", record, context.results) for i, record in enumerate(context.audit.measurements, 1))


def _view(key: str, record: MeasurementRecord, results: Results) -> SimpleNamespace:
    """Return the prompts of a measurement, and the key of an earlier one whose prompts are the same (empty for none)."""
    first = next(
        f"a{i}-m{j}"
        for i, audit in enumerate(results.audits, 1)
        for j, other in enumerate(audit.measurements, 1)
        if _asked(other) == _asked(record)
    )
    by_count = sorted(natural_order(record.answer_counts), key=lambda answer: -record.answer_counts[answer])
    return SimpleNamespace(
        key=key,
        record=record,
        # Label, its prompts, and the answer it stands for.
        prompts=tuple((label, record.prompts[label], record.answers.get(label, label)) for label in record.labels),
        # False where labels were not given as prompts: answers read from a file, options of a question.
        has_prompts=any(record.prompts.values()),
        outcomes=tuple((outcome, record.outcomes[outcome]) for outcome in natural_order(record.outcomes)),
        answers=[(answer, record.answer_counts[answer]) for answer in by_count],
        same_as="" if first == key else first,
    )


def _asked(record: MeasurementRecord) -> tuple[object, ...]:
    return record.name, record.labels, record.prompts, record.answers, record.combine, record.asked
