"""Audits and comparisons from Python: takes a request with all options of the commands, returns an `Audit` or `Changes`.

Prints nothing, never exits, raises `AuditError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.api.audits import Audit, load
    from audit.api.causes import CausesRun, find_causes, load_causes
    from audit.api.changes import Changes, load_changes
    from audit.api.compare_models import compare, run_comparison
    from audit.api.dose_models import RayModels
    from audit.api.pipeline import audit, run_audit
    from audit.causes.plan import PlanInputs
    from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest

_MODULES = {
    name: module
    for module, names in {
        "audit.api.audits": ("Audit", "load"),
        "audit.api.causes": ("CausesRun", "find_causes", "load_causes"), "audit.api.dose_models": ("RayModels",),
        "audit.causes.plan": ("PlanInputs",),
        "audit.api.changes": ("Changes", "load_changes"),
        "audit.api.pipeline": ("audit", "run_audit"), "audit.api.compare_models": ("compare", "run_comparison"),
        "audit.options.audits": ("AuditRequest",), "audit.options.comparisons": ("CompareRequest",),
    }.items()
    for name in names
}  # fmt: skip
__all__ = [
    "Audit", "AuditRequest", "CausesRun", "Changes", "CompareRequest", "PlanInputs", "RayModels", "audit", "compare", "find_causes",
    "load", "load_causes", "load_changes", "run_audit", "run_comparison",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported on demand: the parser only needs the requests.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'audit.api' has no attribute {name!r}")
