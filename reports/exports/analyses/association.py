"""Associations: one row a group of each."""

from __future__ import annotations

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "associations"
_ASSOCIATION: Columns = {
    **{name: f"test.{name}" for name in ("question", "attribute", "first", "second")},
    **{name: f"group.{name}" for name in ("group", "n", "difference", "effect_size")}, "chance_low": "group.chance.low",
    "chance_high": "group.chance.high", **{name: f"group.{name}" for name in ("p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a group of each association; a positive effect size is nearer to the first words."""
    rows = ((audit, {"test": test, "group": group}) for audit in results.audits for test in audit.associations for group in test.groups)
    return tidy((AUDIT, _ASSOCIATION), rows)
