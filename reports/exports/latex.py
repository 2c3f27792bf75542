"""A table of rates as LaTeX: the five columns that a paper shows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from reports.text.numbers import NOT_ESTIMABLE, clean, decimals, number, span

_NEEDED = ("model", "measurement", "metric", "outcome", "attributes", "group", "n", "rate", "low", "high", "level")


class RatesFrame(pd.DataFrame):
    """Rates by group (`Audit.by_group`), a data frame whose LaTeX has five columns."""

    @property
    def _constructor(self) -> type[RatesFrame]:
        return RatesFrame  # also for a selection of its rows

    def to_latex(self, buf: Any = None, **options: Any) -> Any:
        """Return a table with question, group, n, rate and interval (both in percent), one row per group; or write it to `buf`.

        `options` are those of `pandas.DataFrame.to_latex`, such as ``caption`` and ``label``. With ``columns``, or if a needed column was
        dropped, it is the table of that method. A name is text, and no command of LaTeX, unless ``escape=False``. The table needs LaTeX's
        package booktabs.
        """
        names: Any = self.map(lambda value: clean(value) if isinstance(value, str) else value)
        if "columns" in options or not set(_NEEDED) <= set(self.columns):
            return pd.DataFrame.to_latex(names, buf, **{"escape": True} | options)
        shown: Any = pd.DataFrame(map(names._row, names.to_dict("records")), columns=self._heads())
        return shown.to_latex(buf, **{"index": False, "escape": True, "column_format": "llrrr"} | options)

    def _heads(self) -> list[str]:
        levels = set(self["level"])
        return ["Question", "Group", "n", "Rate (%)", f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "Interval"]

    def _row(self, row: dict[Hashable, Any]) -> tuple[str, str, str, str, str]:
        model = f"{row['model']}: " if len(set(self["model"])) > 1 else ""
        subject = row["metric"] if pd.isna(row["outcome"]) else row["outcome"]
        question = f"{model}{row['measurement']}.{subject} by {row['attributes']}"
        if pd.isna(row["rate"]) or pd.isna(row["low"]):
            return question, str(row["group"]), f"{row['n']:,}", NOT_ESTIMABLE, ""
        places = decimals(row["low"], row["high"])
        ends = span(row["low"], row["high"], places).replace("\xa0", " ")
        return question, str(row["group"]), f"{row['n']:,}", number(row["rate"], places), ends
