"""Audits of vision-language models: whom does a model treat differently, by how much, and how sure are we?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.api import Audit, Changes, audit, load, load_changes

__version__ = "0.1.0"
__all__ = ["Audit", "Changes", "__version__", "audit", "load", "load_changes"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `--help` must not pay for it.
    if name in __all__:
        from audit import api

        return getattr(api, name)
    raise AttributeError(f"module 'audit' has no attribute {name!r}")
