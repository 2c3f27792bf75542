"""Audits and comparisons from Python: a request with every option of the commands goes in, an `Audit` or `Changes` comes out.

Prints nothing, never exits, raises `AuditError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.api.audits import Audit, load
    from audit.api.changes import Changes, load_changes
    from audit.api.compare_models import compare, run_comparison
    from audit.api.pipeline import audit, run_audit
    from audit.api.requests import AuditRequest, CompareRequest

_MODULES = {
    "Audit": "audits", "load": "audits", "Changes": "changes", "load_changes": "changes", "compare": "compare_models",
    "run_comparison": "compare_models", "audit": "pipeline", "run_audit": "pipeline", "AuditRequest": "requests",
    "CompareRequest": "requests",
}  # fmt: skip
__all__ = [
    "Audit", "AuditRequest", "Changes", "CompareRequest", "audit", "compare", "load", "load_changes", "run_audit", "run_comparison",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported when asked for: a parser is made from the requests alone.
    if name in _MODULES:
        return getattr(import_module(f"audit.api.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'audit.api' has no attribute {name!r}")
