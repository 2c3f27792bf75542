"""Rankings: one row a query and group."""

from __future__ import annotations

from collections.abc import Iterable

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

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
