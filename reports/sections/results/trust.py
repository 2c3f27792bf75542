"""Can it be trusted? One line for each thing that could overturn a verdict, with a link to its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext
from reports.text.detail.trust import TrustLine, trust_lines
from reports.text.notes import sentence


@dataclass(frozen=True)
class Trust:
    """What could overturn a verdict, and what the data of the audit warn of."""

    lines: Sequence[TrustLine]
    warnings: tuple[str, ...]


def view(context: AuditContext) -> Trust | None:
    """Return the lines of an audit, and what its own data warn of."""
    lines, warnings = trust_lines(context.audit, context.results), tuple(map(sentence, context.audit.warnings))
    return Trust(lines, warnings) if lines or warnings else None
