"""Rankings: who is found first under each query, beside what random orders give; and the CSV table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace

from audit.analyses.ranking.record import RankedQuery, Ranking
from audit.results import Results
from audit.types import Settings
from reports.analyses.ranking import words
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text.numbers import count, decimal, in_words, p_value, percent
from reports.text.phrases import left_out_sentence
from reports.tidy import AUDIT, Columns, TidyTable, tidy

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
        asked=words.ASKED,
        result=words.ranking_result(context.audit, settings),
        reading=words.READING,
        charts=tuple(_view(each, settings) for each in found if each.queries),
        without=tuple(text for each in found if (text := words.not_estimable_sentence(each))),
        method=words.method_sentence(found),
    )


def _view(each: Ranking, settings: Settings) -> SimpleNamespace:
    """Return the chart of one attribute; folded where no query is beyond chance."""
    ordered = sorted(each.queries, key=lambda query: (query.p_adjusted, -abs(query.standard_errors)))
    found = [query for query in ordered if query.verdict == "signal"]
    shown = found[:MOST_ROWS] or ordered
    rest = [query for query in ordered if query not in shown]
    ticks = axis(0.0, max(*(words.share_of(each, query) for query in ordered), *(band.high for band in each.chance_shares)))
    title, caption = words.ranking_title(each), words.ranking_caption(each)

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
    small, unknown = words.not_judged_sentence(each, settings), left_out_sentence(each.left_out, settings)
    return small, unknown, words.tied_sentence(each)


def _row(each: Ranking, query: RankedQuery, ticks: tuple[float, ...]) -> TrackRow:
    share, band = words.share_of(each, query), each.chance_shares[each.groups.index(query.group)]
    skew = next((metric for metric in query.metrics if metric.name == "MaxSkew"), None)
    cells = (
        f"{percent(share)} ({count(round(share * each.k))})", f"{percent(band.mean)}, {words.chance_range(band)}",
        f"{decimal(skew.value, 2)} ({words.metric_chance(skew)})" if skew else "", p_value(query.p_adjusted),
    )  # fmt: skip
    return TrackRow(query.query, chance_track(share, band, ticks, hot=query.verdict == "signal"), cells, query.group)


def _shares(each: Ranking) -> Table:
    gallery = Row(("All images", *(percent(size / sum(each.sizes)) for size in each.sizes)))
    rows = tuple(Row((query.query, *(percent(n / each.k) for n in query.counts))) for query in each.queries)
    title = f"Share of each group among the first {count(each.k)}, in percent"
    return Table(title, title, ("Query", *(words.group_heading(each, group) for group in each.groups)), rows, (gallery,))


def _means(each: Ranking) -> Table:
    title = f"Means over {in_words(len(each.queries), 'query', 'queries')}"
    columns = ("Metric", "Mean", "Random orders, mean", "19 of 20 random orders", "What it is")
    return Table(title, title, columns, tuple(Row((metric.name, *words.metric_cells(metric))) for metric in each.means))


FIELD = "rankings"
_RANKING: Columns = {name: name for name in ("question", "attribute", "k", "target")}
_RANKED: Columns = {
    "query": "query.query", **{name: name for name in ("group", "count", "share", "images", "judged")}, "chance_share": "chance.mean",
    "chance_low": "chance.low", "chance_high": "chance.high", **{name: name for name in ("MaxSkew", "MinSkew", "NDKL")},
    **{name: f"query.{name}" for name in ("tied", "p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a search and group; MaxSkew, MinSkew, NDKL and p are of the search, and repeat in each of its rows."""
    return tidy((AUDIT, _RANKING, _RANKED), _ranked(results))


def _ranked(results: Results) -> Iterable[tuple[object, ...]]:
    for audit in results.audits:
        for ranking in audit.rankings:
            for query in ranking.queries:
                known = dict.fromkeys(("MaxSkew", "MinSkew", "NDKL")) | {metric.name: metric.value for metric in query.metrics}
                for group, n, images, chance in zip(ranking.groups, query.counts, ranking.sizes, ranking.chance_shares, strict=True):
                    of_group = {"group": group, "count": n, "share": n / ranking.k, "images": images, "chance": chance}
                    of_group["judged"] = group not in ranking.not_judged
                    yield audit, ranking, {"query": query, **of_group, **known}
