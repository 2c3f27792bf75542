"""Can it be trusted? One line for everything that could overturn a verdict, with a link to the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext
from reports.text.detail.trust import TrustLine, trust_lines
from reports.text.notes import sentence


@dataclass(frozen=True)
class Trust:
    """What could overturn a verdict, and the warnings about the audit's data."""

    lines: Sequence[TrustLine]
    warnings: tuple[str, ...]


def view(context: AuditContext) -> Trust | None:
    """Return the lines of an audit, and the warnings about its data."""
    lines, warnings = trust_lines(context.audit, context.results), tuple(map(sentence, context.audit.warnings))
    return Trust(lines, warnings) if lines or warnings else None
