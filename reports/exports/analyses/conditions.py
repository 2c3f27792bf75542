"""Conditions: one row a condition and group, the baseline's rate beside each."""

from __future__ import annotations

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "conditions"
_QUESTION: Columns = {
    **{name: name for name in ("question", "kind", "measurement", "metric", "outcome")}, "attribute": "attributes",
    "baseline": "baseline.name",
}  # fmt: skip
_CONDITION: Columns = {
    "condition": "condition.name", "series": "condition.series", "strength": "condition.strength", "p": "p", "p_adjusted": "p_adjusted",
    "verdict": "verdict",
}  # fmt: skip
_GROUP: Columns = {
    "group": "after.group", "status": "before.status", "n": "after.n", "events_before": "before.events", "events_after": "after.events",
    "before": "before.value", "after": "after.value", **{name: name for name in ("difference", "low", "high")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a condition and group; p is of the condition, and repeats in each of its rows."""
    rows = (
        (audit, condition, found, group)
        for audit in results.audits
        for condition in audit.conditions
        for found in condition.results
        for group in found.by_group
    )
    return tidy((AUDIT, _QUESTION, _CONDITION, _GROUP), rows)
