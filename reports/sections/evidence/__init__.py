"""Supporting evidence on the page, one kind a module with its template: `TITLE`, `PLACE` among the others, and `view(context)`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from reports.section import Section
from reports.sections.context import AuditContext


def sections() -> tuple[Section[AuditContext], ...]:
    """Return the section of each module, by their places."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    modules.sort(key=lambda module: (module.PLACE, module.__name__))
    return tuple(Section(module.TITLE, module.__name__.removeprefix("reports.").replace(".", "/"), module.view) for module in modules)
