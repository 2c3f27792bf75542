"""Can it be trusted? One line for each thing that could overturn a verdict, with a link to its numbers."""

from __future__ import annotations

from types import SimpleNamespace

from reports.context import AuditContext
from reports.text.detail.trust import trust_lines
from reports.text.notes import sentence


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the lines of an audit, and what its own data warn of."""
    lines, warnings = trust_lines(context.audit, context.results), tuple(map(sentence, context.audit.warnings))
    return SimpleNamespace(lines=lines, warnings=warnings) if lines or warnings else None
