"""The Jinja environment of every page, strict and escaping: template and values in, HTML out."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.text import changes, comparison, evidence, gates, notes, numbers, phrases, reasons, responsiveness, sentences
from reports.text import verdicts as verdict_text
from reports.text.detail import answering, citation, found
from reports.text.numbers import clean, isolated


def draw(template: str, **values: object) -> str:
    """Return a template (its path within this package) filled with values; equal values give equal bytes."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Return the environment; a template is next to the module that fills it."""
    made = Environment(
        loader=PackageLoader("reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(answering=answering, changes=changes, comparison_text=comparison, evidence=evidence, citation=citation, found=found)
    made.globals.update(gates=gates, notes=notes)
    made.globals.update(numbers=numbers, phrases=phrases, reasons=reasons, responsiveness=responsiveness, sentences=sentences)
    made.globals["verdicts"] = verdict_text
    made.globals["m"] = made.get_template("base/macros.html").module
    return made


def _printable(value: object) -> object:
    """Return what may be printed: our own macros' output, cleaned text, and whole numbers. A bare fraction or None is a defect."""
    if hasattr(value, "__html__"):
        return value
    if isinstance(value, str):
        return isolated(clean(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"a template prints {value!r}, which is not formatted")
