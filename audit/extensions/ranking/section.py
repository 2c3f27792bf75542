"""Rankings: which groups rank first for each query, compared with random orders; and the CSV table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.extensions.ranking import sentences
from audit.extensions.ranking.record import RankedQuery, Ranking
from audit.results import Results
from audit.types import Settings
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.context import AuditContext
from reports.section import AnalysisChart, AnalysisView
from reports.table import Row, Table
from reports.text.numbers import count, decimal, in_words, p_value, percent
from reports.text.phrases import left_out_sentence
from reports.tidy import AUDIT, Columns, TidyTable, tidy

MOST_ROWS = 6
"""Visible queries of a chart if some are beyond chance; the others are collapsed."""
_COLUMNS = ("Share of first k", "By chance", "MaxSkew (by chance)", "Adjusted p")


@dataclass(frozen=True, kw_only=True)
class RankingChart(AnalysisChart):
    """The queries of one attribute."""

    rest: TrackTable | None
    rest_title: str
    shares: Table
    means: Table
    notes: tuple[str, ...]


def view(context: AuditContext) -> AnalysisView[RankingChart] | None:
    """Return the rankings of an audit, or None."""
    rankings, settings = context.audit.analyses["rankings"], context.results.settings
    if not rankings:
        return None
    return AnalysisView(
        asked=sentences.ranking_explanation(context.audit),
        result=sentences.ranking_result(context.audit, settings),
        reading=sentences.chart_reading(context.audit),
        charts=tuple(_view(ranking, settings) for ranking in rankings if ranking.queries),
        without=tuple(text for ranking in rankings if (text := sentences.not_estimable_sentence(ranking))),
        method=sentences.method_sentence(rankings),
    )


def _view(ranking: Ranking, settings: Settings) -> RankingChart:
    """Return the chart of one attribute, collapsed if no query is beyond chance."""
    ordered = sorted(ranking.queries, key=lambda query: (query.p_adjusted, -abs(query.standard_errors)))
    signals = [query for query in ordered if query.verdict == "signal"]
    shown = signals[:MOST_ROWS] or ordered
    rest = [query for query in ordered if query not in shown]
    bands = (band.high for query in ordered for band in sentences.chance_of(ranking, query))
    ticks = axis(0.0, max(*(sentences.share_of(ranking, query) for query in ordered), *bands))
    title, caption = sentences.ranking_title(ranking), sentences.ranking_caption(ranking)

    def chart(queries: Sequence[RankedQuery], heading: str) -> TrackTable:
        rows = tuple(_row(ranking, query, ticks) for query in queries)
        return TrackTable(heading, "Query, group", ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%"), _COLUMNS, rows)

    return RankingChart(
        title=title,
        folded=not signals,
        chart=chart(shown, caption),
        rest=chart(rest, f"{title}: the other queries") if rest else None,
        rest_title=f"The other {in_words(len(rest), 'query', 'queries')}",
        shares=_shares(ranking),
        means=_means(ranking),
        notes=tuple(filter(None, _notes(ranking, settings))),
    )


def _notes(ranking: Ranking, settings: Settings) -> tuple[str, ...]:
    small, unknown = sentences.not_judged_sentence(ranking, settings), left_out_sentence(ranking.left_out, settings)
    return small, unknown, sentences.not_ranked_sentence(ranking), sentences.tied_sentence(ranking)


def _row(ranking: Ranking, query: RankedQuery, ticks: tuple[float, ...]) -> TrackRow:
    share, band = sentences.share_of(ranking, query), sentences.chance_of(ranking, query)[ranking.groups.index(query.group)]
    skew = next((metric for metric in query.metrics if metric.name == "MaxSkew"), None)
    cells = (
        f"{percent(share)} ({count(round(share * ranking.k))})", f"{percent(band.mean)}, {sentences.chance_range(band)}",
        f"{decimal(skew.value, 2)} ({sentences.metric_chance(skew)})" if skew else "", p_value(query.p_adjusted),
    )  # fmt: skip
    return TrackRow(query.query, chance_track(share, band, ticks, hot=query.verdict == "signal"), cells, query.group)


def _shares(ranking: Ranking) -> Table:
    gallery = Row(("All images", *(percent(size / sum(ranking.sizes)) for size in ranking.sizes)))
    rows = tuple(Row((query.query, *(percent(n / ranking.k) for n in query.counts))) for query in ranking.queries)
    title = f"Share of each group among the first {count(ranking.k)}, in percent"
    return Table(title, title, ("Query", *(sentences.group_heading(ranking, group) for group in ranking.groups)), rows, (gallery,))


def _means(ranking: Ranking) -> Table:
    title = f"Means over {in_words(len(ranking.queries), 'query', 'queries')}"
    spread = ("Standard deviation",) if any(metric.sd is not None for metric in ranking.means) else ()
    columns = ("Metric", "Mean", *spread, "Random orders, mean", "19 of 20 random orders", "Meaning")
    return Table(title, title, columns, tuple(Row((metric.name, *sentences.metric_cells(metric))) for metric in ranking.means))


_RANKING: Columns = {name: name for name in ("question", "attribute", "k", "target")}
_RANKED: Columns = {
    "query": "query.query", **{name: name for name in ("group", "count", "share", "images", "judged")}, "chance_share": "chance.mean",
    "chance_low": "chance.low", "chance_high": "chance.high", **{name: name for name in ("MaxSkew", "MinSkew", "NDKL")},
    **{name: f"query.{name}" for name in ("tied", "p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per query and group; MaxSkew, MinSkew, NDKL and p belong to the query and are repeated in all its rows."""
    return tidy((AUDIT, _RANKING, _RANKED), _ranked(results))


def _ranked(results: Results) -> Iterable[tuple[object, ...]]:
    for audit in results.audits:
        for ranking in audit.analyses["rankings"]:
            for query in ranking.queries:
                known = dict.fromkeys(("MaxSkew", "MinSkew", "NDKL")) | {metric.name: metric.value for metric in query.metrics}
                sizes, bands = sentences.sizes_of(ranking, query), sentences.chance_of(ranking, query)
                for group, n, images, chance in zip(ranking.groups, query.counts, sizes, bands, strict=True):
                    of_group = {"group": group, "count": n, "share": n / ranking.k, "images": images, "chance": chance}
                    of_group["judged"] = group not in ranking.not_judged
                    yield audit, ranking, {"query": query, **of_group, **known}
