"""Sentences of what an audit asked besides its measurements, one kind a module, with `line(audit, settings)` for summary and terminal."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from audit.records.results import AuditResult
from audit.types import Settings


def lines(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Return what summary and terminal say of the analyses of an audit: of each kind a sentence or two, or nothing."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(line for module in modules if hasattr(module, "line") and (line := module.line(audit, settings)))
