"""Error rates given the true answer: equal opportunity and equalized odds."""

from __future__ import annotations

from audit.evidence.equalized_odds import EqualizedOdds
from reports.context import AuditContext
from reports.table import Table, headers, table_rows
from reports.text import phrases
from reports.text.numbers import NOT_ESTIMABLE, p_value

TITLE, PLACE = "Error rates", 90


def _larger(odds: EqualizedOdds) -> str:
    """Return the larger of the two gaps, with the decimals of its interval in the neighbouring cell."""
    larger = odds.difference.equalized_odds
    gaps = [
        gap for gap in (odds.difference.equal_opportunity, odds.difference.false_positive) if larger and gap and gap.value == larger.value
    ]
    return phrases.size(gaps[0]).partition(" [")[0] if gaps else NOT_ESTIMABLE


_COLUMNS = (
    ("Answer", lambda odds: odds.outcome),
    ("Measurement", lambda odds: odds.measurement),
    ("By", lambda odds: phrases.attributes(odds.attributes)),
    ("Equal opportunity [interval]", lambda odds: phrases.size(odds.difference.equal_opportunity)),
    ("p", lambda odds: p_value(odds.difference.equal_opportunity.p) if odds.difference.equal_opportunity else ""),
    ("False positives [interval]", lambda odds: phrases.size(odds.difference.false_positive)),
    ("p", lambda odds: p_value(odds.difference.false_positive.p) if odds.difference.false_positive else ""),
    ("Equalized odds", _larger),
    ("Not compared", lambda odds: phrases.some([phrases.group(group) for group in odds.difference.not_compared])),
)  # fmt: skip


def view(context: AuditContext) -> Table | None:
    """Return one row per answer and set of attributes."""
    odds: tuple[EqualizedOdds, ...] = context.audit.evidence.equalized_odds
    name = "Equal opportunity and equalized odds"
    return Table(name, name, headers(_COLUMNS), table_rows(_COLUMNS, odds), kind="wrapped") if odds else None
