"""Sentences about rows that may belong together, if an audit was not told which."""

from __future__ import annotations

import shlex

from audit.records.inputs import UNDECLARED_UNITS, undeclared_units
from audit.results import AuditResult
from reports.text import phrases
from reports.text.numbers import in_words

TOGETHER = "rows may belong together"


def repeated_sentence(audit: AuditResult) -> str:
    """Say which columns repeat as those of sampling units do; empty if the audit knows its units.

    ``Rows may belong together: in 1,500 rows, ‘image_id’ has 150 values.``
    """
    note = next((note for note in audit.data.notes if note.code == UNDECLARED_UNITS), None)
    columns, values = (() if note is None else note.values.get(name, ()) for name in ("columns", "values"))
    if note is None or not isinstance(columns, tuple) or not isinstance(values, tuple):
        return ""
    named = [f"‘{name}’ has {in_words(int(many), 'value')}" for name, many in zip(columns, values, strict=False)]
    return f"Rows may belong together: in {in_words(int(str(note.values['rows'])), 'row')}, {phrases.listed(named)}."


def declare_step(audit: AuditResult) -> str:
    """Say how to name the units of an audit that was not told them; empty if it knows its units."""
    columns = undeclared_units(audit.data.notes)
    flags = " or ".join(f"`--cluster {shlex.quote(name)}`" for name in columns[:2])
    return f"Name the column whose rows belong together, {flags}; or, if every row is a new draw, `--independent`." if columns else ""
