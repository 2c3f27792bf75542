"""Errors that a person can act on: one tree, which the trainer shares (`strictio.errors`, where it is drawn)."""

from strictio.errors import DataError, MachineError, UnsafeError, UsageError, VlmAuditError, nearest

AuditError = VlmAuditError
"""The base of the tree, by the name that users of the audit know."""

__all__ = ["AuditError", "DataError", "MachineError", "UnsafeError", "UsageError", "nearest"]
