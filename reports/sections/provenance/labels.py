"""Labels of an image classifier: what they mean in every question, and how often each answer was given."""

from __future__ import annotations

from dataclasses import dataclass

from audit.naming import natural_order
from audit.results import MeasurementRecord
from audit.types import Group
from reports.context import AuditContext
from reports.table import Row, Table

SHOWN = 100
"""Maximum number of labels that are listed; results.json has all."""


@dataclass(frozen=True)
class MeasurementLabels:
    """The labels of a classifier in one measurement."""

    key: str
    record: MeasurementRecord
    labels: Table
    outcomes: tuple[tuple[str, Group], ...]
    answers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Labels:
    """The labels of the classifier of an audit."""

    measurements: tuple[MeasurementLabels, ...]
    listed: Group
    more: int
    """Number of labels that are not listed."""


def view(context: AuditContext) -> Labels | None:
    """Return the labels of a classifier; None for other models."""
    labels = context.audit.model.labels
    if not labels:
        return None
    measurements = tuple(_view(f"{context.key}-m{i}", record) for i, record in enumerate(context.audit.measurements, 1))
    return Labels(measurements, labels[:SHOWN], len(labels[SHOWN:]))


def _view(key: str, record: MeasurementRecord) -> MeasurementLabels:
    title = f"Labels of “{record.name}” and the answers that they mean"
    rows = tuple(Row((label, record.answers.get(label, label))) for label in record.labels[:SHOWN])
    by_count = sorted(natural_order(record.answer_counts), key=lambda answer: -record.answer_counts[answer])
    return MeasurementLabels(
        key=key,
        record=record,
        labels=Table(title, title, ("Label of the classifier", "Answer"), rows, kind="wrapped"),
        outcomes=tuple((outcome, record.outcomes[outcome]) for outcome in natural_order(record.outcomes)),
        answers=tuple((answer, record.answer_counts[answer]) for answer in by_count[:SHOWN]),
    )
