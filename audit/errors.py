"""Errors that a user can act on: one tree, which the trainer shares (see `strictio.errors` for a diagram)."""

from strictio.errors import DataError, MachineError, UnsafeError, UsageError, VlmAuditError, nearest, nearest_file

AuditError = VlmAuditError
"""The base of the tree, under the name that users of the audit know."""

__all__ = ["AuditError", "DataError", "MachineError", "UnsafeError", "UsageError", "nearest", "nearest_file"]
