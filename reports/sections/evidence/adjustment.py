"""Adjusted differences: the highest against the lowest group among images that are alike in other attributes."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.evidence import Adjusted
from reports.charts.forest import adjusted_forest
from reports.sections.context import AuditContext, PlacedFinding
from reports.table import headers, table_rows
from reports.text import evidence, phrases
from reports.text.numbers import decimals, number, p_value

TITLE, PLACE = "Adjusted differences", 30


def _raw(found: Adjusted) -> str:
    return number(found.crude, decimals(found.difference.low, found.difference.high), signed=True)


_COLUMNS = (
    ("Groups", lambda found: f"{phrases.group(found.first)} − {phrases.group(found.second)}"),
    ("Equal", lambda found: phrases.attributes(found.others)),
    ("Raw", _raw),
    ("Adjusted [interval]", lambda found: phrases.signed(found.difference)),
    ("Shift", evidence.shift_text),
    ("p", lambda found: p_value(found.p)),
    ("Strata", evidence.strata_text),
)


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the pre-specified questions that were adjusted."""
    adjusted = [(each, found) for each in context.primary if (found := each.finding.evidence.adjustment)]
    if not adjusted:
        return None
    sentences = (evidence.explained_sentence(each.title, each.finding) for each, _ in adjusted if each.finding.verdict == "disparity")
    return SimpleNamespace(
        figure=adjusted_forest([(_label(each), found.pairs[-1].crude, found.pairs[-1].difference) for each, found in adjusted]),
        explained=tuple(filter(None, sentences)),
        columns=headers(_COLUMNS),
        # A row for each attribute that was held equal, and one for all of them together.
        questions=tuple((each, tuple(row.cells for row in table_rows(_COLUMNS, found.pairs))) for each, found in adjusted),
    )


def _label(placed: PlacedFinding) -> str:
    """Return a title that fits next to a chart."""
    finding = placed.finding
    return f"‘{finding.outcome}’ by {phrases.attributes(finding.attributes)}" if finding.outcome else placed.title
