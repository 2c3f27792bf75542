"""What summary, terminal and headline say about the analyses of an audit, which are the folders of `reports.analyses`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from audit.results import AuditResult
from audit.types import Settings
from reports.text.phrases import NOT_PLANNED


@cache
def analysis_modules(part: str) -> dict[str, Any]:
    """Return each analysis with its module of this name (``"view"`` or ``"words"``), in alphabetical order."""
    folder = import_module("reports.analyses")
    return {module.name: import_module(f"{folder.__name__}.{module.name}.{part}") for module in pkgutil.iter_modules(folder.__path__)}


def lines(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Return what summary and terminal say about the analyses of an audit: at most a sentence or two per analysis."""
    return tuple(line for _, line in _lines(audit, settings))


def beyond_chance(audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    """Name the analyses that find a difference beyond chance: ``("labels", "rankings")``."""
    return tuple(words.WHERE for words, line in _lines(audit, settings) if line.startswith(NOT_PLANNED))


def any_similarity_differs(audit: AuditResult) -> bool:
    """Whether an analysis of similarities to words finds a difference between groups beyond chance."""
    return any(words.similarities_differ(audit) for words in analysis_modules("words").values() if hasattr(words, "similarities_differ"))


def withheld(audit: AuditResult) -> str:
    """Say why no question of an audit is answered, if a precondition is not met; empty otherwise."""
    said = (words.not_understood(audit) for words in analysis_modules("words").values() if hasattr(words, "not_understood"))
    return next(filter(None, said), "")


def _lines(audit: AuditResult, settings: Settings) -> Iterator[tuple[Any, str]]:
    for words in analysis_modules("words").values():
        if line := words.line(audit, settings):
            yield words, line
