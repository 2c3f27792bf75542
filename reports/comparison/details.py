"""The section "In detail": each change with its charts, its groups and its pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import PairChange, RateChange
from reports.charts.dumbbells import Dumbbell, changes_forest, rate_dumbbell
from reports.charts.forest import Forest
from reports.comparison.context import MANY_GROUPS, ComparisonContext, PlacedChange
from reports.table import Columns, Row, Table, headers, table_rows
from reports.text import changes, phrases, sentences
from reports.text import comparison as text
from reports.text.numbers import count, p_value

_GROUPS: Columns[RateChange] = (
    ("Group", lambda cell: phrases.group(cell.before.group)),
    ("n", lambda cell: count(cell.before.n)),
    ("Before [interval]", lambda cell: phrases.cell_rate(cell.before, text.cell_places(cell))),
    ("After [interval]", lambda cell: phrases.cell_rate(cell.after, text.cell_places(cell))),
    ("Only after", lambda cell: count(cell.gained)),
    ("Only before", lambda cell: count(cell.lost)),
    ("Change, points", text.change_text),
    ("Adj. p", lambda cell: p_value(cell.p_adjusted) if cell.before.status == "ok" else ""),
    ("Status", lambda cell: sentences.STATUSES[cell.before.status]),
)
_PAIRS: Columns[PairChange] = (
    ("First", lambda pair: phrases.group(pair.first)),
    ("Second", lambda pair: phrases.group(pair.second)),
    ("Difference before", lambda pair: text.pair_end_text(pair, pair.before)),
    ("After", lambda pair: text.pair_end_text(pair, pair.after)),
    ("Change, points", phrases.signed_change),
    ("Changed places", lambda pair: "yes" if pair.reversed else "not detected"),
)


@dataclass(frozen=True)
class ChangeCard:
    """A change in detail; an exploratory one has no charts."""

    placed: PlacedChange
    reason: str
    facts: Sequence[tuple[str, str]]
    groups: Table
    pairs: Table | None
    dumbbell: Dumbbell | None
    forest: Forest | None
    folded: bool
    """Whether the charts are collapsed, because of many groups."""


@dataclass(frozen=True)
class ChangeDetails:
    """Every change of a comparison."""

    primary: tuple[ChangeCard, ...]
    exploratory: tuple[ChangeCard, ...]
    title: str
    """Heading of the exploratory changes."""


def view(context: ComparisonContext) -> ChangeDetails:
    """Return every change."""
    primary, exploratory = (tuple(_details(placed, context) for placed in part) for part in (context.primary, context.exploratory))
    title = sentences.exploratory_title([change.placed.title for change in exploratory])
    return ChangeDetails(primary, exploratory, title)


def _details(placed: PlacedChange, context: ComparisonContext) -> ChangeCard:
    change = placed.change
    return ChangeCard(
        placed=placed,
        reason=changes.reason(change, context.comparison, context.comparisons.settings),
        facts=text.facts(change),
        groups=_groups(placed),
        pairs=_pairs(placed) if change.primary and change.pairs else None,
        dumbbell=rate_dumbbell(change) if change.primary else None,
        forest=changes_forest(change) if change.primary and change.gap else None,
        folded=len(change.by_group) > MANY_GROUPS,
    )


def _groups(placed: PlacedChange) -> Table:
    overall = placed.change.overall
    foot = Row(("all images", *(cell(overall) for _, cell in _GROUPS[1:7]), p_value(overall.p), ""))
    body = table_rows(_GROUPS, placed.change.by_group, faint=lambda cell: cell.before.status != "ok")
    caption = f"{placed.title}: every group, before and after"
    return Table(f"{placed.title}, numbers", caption, headers(_GROUPS), body, (foot,), unseen=True)


def _pairs(placed: PlacedChange) -> Table:
    shown, compared = len(placed.change.pairs), sum(cell.before.status == "ok" for cell in placed.change.by_group)
    caption, of = "Pairs of groups whose difference changed most", compared * (compared - 1) // 2
    caption += f" ({shown} of {count(of)})" if shown < of else ""
    return Table(f"{placed.title}, pairs", caption, headers(_PAIRS), table_rows(_PAIRS, placed.change.pairs))
