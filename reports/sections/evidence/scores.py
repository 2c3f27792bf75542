"""Score distributions: how the probabilities of an answer are spread in each group."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.evidence import GroupSpread, ScoreSpread
from reports.charts.forest import spread_forest
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, number

TITLE, PLACE = "Score distributions", 60

_COLUMNS = ("Group", "n", "5 %", "25 %", "50 %", "75 %", "95 %")


def view(context: AuditContext) -> tuple[SimpleNamespace, ...] | None:
    """Return the spreads of an audit."""
    return (
        tuple(_view(f"{context.key}-p{i}", spread) for i, spread in enumerate(context.audit.evidence.score_spread, 1) if spread.groups)
        or None
    )


def _view(key: str, spread: ScoreSpread) -> SimpleNamespace:
    whose = "the true answer" if spread.outcome is None else f"‘{spread.outcome}’"
    title = f"Probability of {whose} ({spread.measurement}) by {phrases.attributes(spread.attributes)}"
    forest = spread_forest([(f"{phrases.group(each.group)} ({count(each.n)})", each.quantiles) for each in spread.groups])
    table = Table(title, f"{title}: quantiles in percent", _COLUMNS, tuple(map(_row, spread.groups)))
    return SimpleNamespace(key=key, title=title, forest=forest, table=table)


def _row(spread: GroupSpread) -> Row:
    return Row((phrases.group(spread.group), count(spread.n), *(number(value, 1) for value in spread.quantiles)))
