"""The section "In detail": each change with its chart, its groups and its pairs, collapsed but for the first that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import PairChange, RateChange
from reports.comparison.context import ComparisonContext, PlacedChange
from reports.comparison.verdict import DrawnChange, drawn_change, drawn_changes
from reports.table import Columns, Row, Table, headers, table_rows
from reports.text import changes, phrases, sentences
from reports.text import comparison as text
from reports.text.comparison_headline import comparison_sentence
from reports.text.numbers import count, p_value

MOST_OPEN, MOST_FOLDED = 2, 4
"""The most open changes, and the most collapsed ones that get their own line; others are collapsed together."""
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
    """A change in detail; an exploratory one has no chart."""

    placed: PlacedChange
    reason: str
    facts: Sequence[tuple[str, str]]
    groups: Table
    pairs: Table | None
    chart: DrawnChange | None


@dataclass(frozen=True)
class ChangeDetails:
    """Every change of a comparison."""

    cards: Sequence[tuple[ChangeCard, bool]]
    """A card of a planned question, and whether it is open."""
    further: Sequence[ChangeCard]
    """Collapsed together."""
    exploratory: Sequence[ChangeCard]
    title: str
    """Heading of the exploratory changes."""


def view(context: ComparisonContext) -> ChangeDetails:
    """Return every change: open are the first that changed and are not on the first screen."""
    drawn = drawn_changes(comparison_sentence(context.comparison, context.comparisons.settings))
    opened = [placed for placed in context.primary if placed.change.direction and placed.change not in drawn][:MOST_OPEN]
    folded = [placed for placed in context.primary if placed not in opened]
    few = len(folded) <= MOST_FOLDED
    exploratory = [change_card(placed, context) for placed in context.exploratory]
    return ChangeDetails(
        cards=[(change_card(placed, context), placed in opened) for placed in (*opened, *(folded if few else ()))],
        further=[] if few else [change_card(placed, context) for placed in folded],
        exploratory=exploratory,
        title=sentences.exploratory_title([card.placed.title for card in exploratory]),
    )


def change_card(placed: PlacedChange, context: ComparisonContext) -> ChangeCard:
    """Return the card of a change."""
    change = placed.change
    return ChangeCard(
        placed=placed,
        reason=changes.reason(change, context.comparison, context.comparisons.settings),
        facts=text.facts(change),
        groups=_groups(placed),
        pairs=_pairs(placed) if change.primary and change.pairs else None,
        chart=drawn_change(change, context) if change.primary else None,
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
