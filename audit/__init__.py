"""Audits of vision-language models: whom does a model treat differently, by how much, and how sure are we?

Input: a model (or its predictions) and a probe. Output: an `Audit` with findings, data frames, plots and report.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from audit.version import __version__

if TYPE_CHECKING:
    from audit.api import Audit, AuditRequest, Changes, CompareRequest, audit, compare, load, load_changes

__all__ = [
    "Audit", "AuditRequest", "Changes", "CompareRequest", "__version__", "audit", "compare", "load", "load_changes",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported on demand, to keep `--help` fast.
    if name in __all__:
        from audit import api

        return getattr(api, name)
    if name[0] != "_" and find_spec(f"audit.{name}") is None:  # not a module that is about to be imported
        from audit.extension import function

        if (added := function(name)) is not None:
            return added
    raise AttributeError(f"module 'audit' has no attribute {name!r}")
