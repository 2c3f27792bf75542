"""Sentences of what an audit asked besides its measurements, one kind a module, with `line(audit, settings)` for summary and terminal."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from audit.results import AuditResult
from audit.types import Settings
from reports.text.phrases import NOT_PLANNED


def lines(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Return what summary and terminal say of the analyses of an audit: of each kind a sentence or two, or nothing."""
    return tuple(line for _, line in _said(audit, settings))


def beyond_chance(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Return in which of the analyses a difference is beyond chance: ``("labels", "rankings")``."""
    return tuple(module.WHERE for module, line in _said(audit, settings) if line.startswith(NOT_PLANNED))


def _said(audit: AuditResult, settings: Settings) -> Iterator[tuple[Any, str]]:
    for iter_module in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{iter_module.name}")
        if hasattr(module, "line") and (line := module.line(audit, settings)):
            yield module, line
