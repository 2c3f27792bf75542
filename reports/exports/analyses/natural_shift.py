"""Natural shifts: one row a condition and group; what a later audit may be given as ``--baseline-models``."""

from __future__ import annotations

from collections.abc import Sequence

from audit.analyses.natural_shift.record import NaturalShift
from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "natural_shifts"
_QUESTION: Columns = {**{name: name for name in ("question", "measurement", "column")}, "standard_condition": "standard"}
_CONDITION: Columns = {"condition": "condition", "p": "p", "p_adjusted": "p_adjusted", "verdict": "verdict"}
_GROUP: Columns = {
    "group": "group", "status": "standard.status", "n_standard": "standard.n", "n_shifted": "shifted.n", "standard": "standard.value",
    "shifted": "shifted.value", **{name: name for name in ("difference", "low", "high")}, "models": "effective.models",
    "predicted": "effective.predicted", "effective_robustness": "effective.value", "effective_low": "effective.low",
    "effective_high": "effective.high", "not_estimable": "not_estimable",
}  # fmt: skip


class _Named:
    """By what a row's group is one; nothing for all images."""

    def __init__(self, attribute: str | None):
        self.attribute = attribute


def table(results: Results) -> TidyTable:
    """Return one row a condition and group, those of all images once; p is of the condition, and repeats in each of its rows."""
    rows = (
        (audit, natural_shift, found, _Named(natural_shift.attribute if rate.group else ""), rate)
        for audit in results.audits
        for place, natural_shift in enumerate(audit.natural_shifts)
        for found in natural_shift.results
        for rate in (*(() if _again(audit.natural_shifts[:place], natural_shift) else (found.overall,)), *found.by_group)
    )
    return tidy((AUDIT, _QUESTION, _CONDITION, {"attribute": "attribute"}, _GROUP), rows)


def _again(before: Sequence[NaturalShift], each: NaturalShift) -> bool:
    return (each.question, each.measurement, each.column) in [(one.question, one.measurement, one.column) for one in before]
