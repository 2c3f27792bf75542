"""The answers of an audit, as `verify` reads them."""

from __future__ import annotations

from audit.results import AuditResult
from verify.answers import AnswerFile, Answers


def recorded_answers(audit: AuditResult, measurement: str, table: AnswerFile) -> Answers:
    """The answers to one measurement."""
    record = {"model": {"name": audit.model.name}, "probe": {"name": audit.probe.name}, "data": {"weights": audit.data.weights}}
    return table.answers(record, measurement)
