"""Tables of what an audit asked besides its measurements: one kind a module, called as its CSV file."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from audit.results import Results
from reports.exports.tidy import TidyTable


def analysis_tables(results: Results) -> dict[str, TidyTable]:
    """Return name -> table of every kind of analysis that some audit has; each has `FIELD`, of the audit, and `table`."""
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)}
    return {
        name: module.table(results) for name, module in modules.items() if any(getattr(audit, module.FIELD) for audit in results.audits)
    }
