"""Word rates: one row a word (or trait of the texts), prompt and group."""

from __future__ import annotations

from collections.abc import Iterable

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "word_rates"
_RATES: Columns = {name: name for name in ("question", "prompt", "attribute")}
_RATE: Columns = {
    "kind": "rate.kind", "word": "rate.word", **{name: name for name in ("group", "texts", "mean")}, "stands_out": "rate.group",
    **{name: f"rate.{name}" for name in ("difference", "low", "high")}, "chance_low": "rate.chance.low",
    "chance_high": "rate.chance.high", **{name: f"rate.{name}" for name in ("p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a rate and group; what follows `stands_out` is of the rate, about that group, and repeats in each of its rows."""
    return tidy((AUDIT, _RATES, _RATE), _rated(results))


def _rated(results: Results) -> Iterable[tuple[object, ...]]:
    for audit in results.audits:
        for rates in audit.word_rates:
            for rate in rates.rates:
                for group, texts, mean in zip(rates.groups, rates.sizes, rate.means, strict=True):
                    yield audit, rates, {"rate": rate, "group": group, "texts": texts, "mean": mean}
