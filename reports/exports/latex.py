"""A table of rates as LaTeX: the columns that a paper shows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from reports.text.numbers import NOT_ESTIMABLE, clean, decimals, number, span

_NEEDED = ("model", "question", "group", "n", "events", "rate", "compared_rate", "low", "high", "standardised_to", "level")
_RATE, _STANDARDISED, _INTERVAL = "Rate (%)", "Standardised (%)", "Interval"


class RatesFrame(pd.DataFrame):
    """Rates by group (`Audit.by_group`), a data frame whose LaTeX is a table for a paper."""

    @property
    def _constructor(self) -> type[RatesFrame]:
        return RatesFrame  # also for a selection of its rows

    def to_latex(self, buf: Any = None, **options: Any) -> Any:
        """Return a table with question, group, events, n, rate and interval (both in percent), one row per group; or write it to `buf`.

        If a rate is standardised, the standardised rate has a column before the interval, which is then its own. `options` are those of
        `pandas.DataFrame.to_latex`, such as ``caption`` and ``label``. With ``columns``, or if a needed column was dropped, it is the
        table of that method. A name is text, and no command of LaTeX, unless ``escape=False``. The table needs LaTeX's package booktabs.
        """
        names: Any = self.map(lambda value: clean(value) if isinstance(value, str) else value)
        if "columns" in options or not set(_NEEDED) <= set(self.columns):
            return pd.DataFrame.to_latex(names, buf, **{"escape": True} | options)
        heads = names._heads()
        shown: Any = pd.DataFrame([{**dict.fromkeys(heads, ""), **names._row(row)} for row in names.to_dict("records")], columns=heads)
        shown = shown.rename(columns={_INTERVAL: names._interval()})
        return shown.to_latex(buf, **{"index": False, "escape": True, "column_format": "ll" + "r" * (len(heads) - 2)} | options)

    def _heads(self) -> list[str]:
        standardised = [_STANDARDISED] * bool(self["standardised_to"].notna().any())
        return ["Question", "Group", "Events", "n", _RATE, *standardised, _INTERVAL]

    def _interval(self) -> str:
        levels = set(self["level"])
        return f"{100 * levels.pop():g} % interval" if len(levels) == 1 else _INTERVAL

    def _row(self, row: dict[Hashable, Any]) -> dict[str, str]:
        model = f"{row['model']}: " if len(set(self["model"])) > 1 else ""
        said = {
            "Question": f"{model}{row['question']}",
            "Group": str(row["group"]),
            "Events": f"{row['events']:,}",
            "n": f"{row['n']:,}",
        }
        if pd.isna(row["compared_rate"]) or pd.isna(row["low"]):
            return said | {_RATE: NOT_ESTIMABLE}
        places = decimals(row["low"], row["high"])
        rates = {_RATE: number(row["rate"], places)}
        if not pd.isna(row["standardised_to"]):
            rates[_STANDARDISED] = number(row["compared_rate"], places)
        return said | rates | {_INTERVAL: span(row["low"], row["high"], places).replace("\xa0", " ")}
