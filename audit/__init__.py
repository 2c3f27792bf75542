"""Audits of vision-language models: whom does a model treat differently, by how much, and how sure are we?

In: a model (or its predictions) and a probe. Out: an `Audit`, with its findings, frames, plots and report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.version import __version__

if TYPE_CHECKING:
    from audit.api import Audit, AuditRequest, Changes, CompareRequest, audit, compare, load, load_changes

__all__ = ["Audit", "AuditRequest", "Changes", "CompareRequest", "__version__", "audit", "compare", "load", "load_changes"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `--help` must not pay for it.
    if name in __all__:
        from audit import api

        return getattr(api, name)
    raise AttributeError(f"module 'audit' has no attribute {name!r}")
