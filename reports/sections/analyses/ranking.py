"""Rankings: who is found first under each query, beside what random orders give."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.analyses.ranking.record import RankedQuery, Ranking
from audit.types import Settings
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text.analyses import ranking
from reports.text.numbers import count, decimal, in_words, p_value, percent

TITLE, PLACE = "Who is found first", 10
MOST_ROWS = 6
"""Queries of a chart that are open where some are beyond chance; the others are folded."""
_COLUMNS = ("Share of first k", "By chance", "MaxSkew (by chance)", "Adjusted p")


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the rankings of an audit; None without any."""
    found, settings = context.audit.rankings, context.results.settings
    if not found:
        return None
    return SimpleNamespace(
        asked=ranking.ASKED,
        result=ranking.ranking_result(context.audit, settings),
        reading=ranking.READING,
        charts=tuple(_view(each, settings) for each in found if each.queries),
        without=tuple(text for each in found if (text := ranking.not_estimable_sentence(each))),
        method=ranking.method_sentence(found),
    )


def _view(each: Ranking, settings: Settings) -> SimpleNamespace:
    """Return the chart of one attribute; folded where no query is beyond chance."""
    ordered = sorted(each.queries, key=lambda query: (query.p_adjusted, -abs(query.standard_errors)))
    found = [query for query in ordered if query.verdict == "signal"]
    shown = found[:MOST_ROWS] or ordered
    rest = [query for query in ordered if query not in shown]
    ticks = axis(0.0, max(*(ranking.share_of(each, query) for query in ordered), *(band.high for band in each.chance_shares)))
    title, caption = ranking.ranking_title(each), ranking.ranking_caption(each)

    def chart(queries: Sequence[RankedQuery], said: str) -> TrackTable:
        rows = tuple(_row(each, query, ticks) for query in queries)
        return TrackTable(said, "Query, group", ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%"), _COLUMNS, rows)

    return SimpleNamespace(
        title=title,
        folded=not found,
        chart=chart(shown, caption),
        rest=chart(rest, f"{title}: the other queries") if rest else None,
        rest_title=f"The other {in_words(len(rest), 'query', 'queries')}",
        shares=_shares(each),
        means=_means(each),
        notes=tuple(filter(None, _notes(each, settings))),
    )


def _notes(each: Ranking, settings: Settings) -> tuple[str, ...]:
    small, unknown = ranking.not_judged_sentence(each, settings), ranking.left_out_sentence(each.left_out, settings)
    return small, unknown, ranking.tied_sentence(each)


def _row(each: Ranking, query: RankedQuery, ticks: tuple[float, ...]) -> TrackRow:
    share, band = ranking.share_of(each, query), each.chance_shares[each.groups.index(query.group)]
    skew = next((metric for metric in query.metrics if metric.name == "MaxSkew"), None)
    cells = (
        f"{percent(share)} ({count(round(share * each.k))})", f"{percent(band.mean)}, {ranking.chance_range(band)}",
        f"{decimal(skew.value, 2)} ({ranking.metric_chance(skew)})" if skew else "", p_value(query.p_adjusted),
    )  # fmt: skip
    return TrackRow(query.query, chance_track(share, band, ticks, hot=query.verdict == "signal"), cells, query.group)


def _shares(each: Ranking) -> Table:
    gallery = Row(("All images", *(percent(size / sum(each.sizes)) for size in each.sizes)))
    rows = tuple(Row((query.query, *(percent(n / each.k) for n in query.counts))) for query in each.queries)
    title = f"Share of each group among the first {count(each.k)}, in percent"
    return Table(title, title, ("Query", *(ranking.group_heading(each, group) for group in each.groups)), rows, (gallery,))


def _means(each: Ranking) -> Table:
    title = f"Means over {in_words(len(each.queries), 'query', 'queries')}"
    columns = ("Metric", "Mean", "Random orders, mean", "19 of 20 random orders", "What it is")
    return Table(title, title, columns, tuple(Row((metric.name, *ranking.metric_cells(metric))) for metric in each.means))
