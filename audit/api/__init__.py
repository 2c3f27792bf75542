"""Audits and comparisons from Python: `audit`, `load`, and what they return. Prints nothing, never exits, raises `AuditError`."""

from audit.api.audits import Audit, audit, load
from audit.api.changes import Changes, load_changes

__all__ = ["Audit", "Changes", "audit", "load", "load_changes"]
