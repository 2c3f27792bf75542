"""How probabilities are spread in each group: a bar for the middle half, a line for nine tenths, a dot for the median."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.evidence import ScoreSpread
from audit.records.results import AuditResult
from reports.charts.forest import Forest, spread_forest
from reports.text import phrases
from reports.text.numbers import count, number


@dataclass(frozen=True)
class ScoreRow:
    """One group: its size and five quantiles in percent."""

    name: str
    n: str
    quantiles: tuple[str, ...]


@dataclass(frozen=True)
class ScoreView:
    """One probability by the groups of one attribute."""

    key: str
    title: str
    forest: Forest
    rows: tuple[ScoreRow, ...]


def scores(key: str, audit: AuditResult) -> tuple[ScoreView, ...]:
    """Return the spreads of an audit."""
    return tuple(_view(f"{key}-p{i}", spread) for i, spread in enumerate(audit.evidence.score_spread, 1) if spread.groups)


def _view(key: str, spread: ScoreSpread) -> ScoreView:
    whose = "the true answer" if spread.outcome is None else f"‘{spread.outcome}’"
    forest = spread_forest([(f"{phrases.group(each.group)} ({count(each.n)})", each.quantiles) for each in spread.groups])
    rows = tuple(
        ScoreRow(phrases.group(each.group), count(each.n), tuple(number(value, 1) for value in each.quantiles)) for each in spread.groups
    )
    return ScoreView(key, f"Probability of {whose} ({spread.measurement}) by {phrases.attributes(spread.attributes)}", forest, rows)
