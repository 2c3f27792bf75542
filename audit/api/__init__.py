"""Audits and comparisons from Python: takes a request with all options of the commands, returns an `Audit` or `Changes`.

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
    from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest

_MODULES = {
    name: module
    for module, names in {
        "audit.api.audits": ("Audit", "load"),
        "audit.api.changes": ("Changes", "load_changes"),
        "audit.api.pipeline": ("audit", "run_audit"), "audit.api.compare_models": ("compare", "run_comparison"),
        "audit.options.audits": ("AuditRequest",), "audit.options.comparisons": ("CompareRequest",),
    }.items()
    for name in names
}  # fmt: skip
__all__ = [
    "Audit", "AuditRequest", "Changes", "CompareRequest", "audit", "compare", "load", "load_changes", "run_audit", "run_comparison",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported on demand: the parser only needs the requests.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'audit.api' has no attribute {name!r}")
