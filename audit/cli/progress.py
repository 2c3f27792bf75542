"""The stages of a run on standard error: a bar with the remaining time on a terminal, otherwise one line per stage."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from audit.cli.logs import LogFormat
from audit.cli.screen import Screen, is_interactive
from strictio.console import put

LOG = logging.getLogger("audit")
_WIDEST = 80
_DOING: Mapping[str, str] = {
    "reading": "reading",
    "images": "embedding {n} image{s}",
    "texts": "embedding {n} text{s}",
    "testing": "testing {n} question{s}",
    "evidence": "checking how far the answers can be trusted",
    "what-ifs": "trying what-ifs",
    "writing": "writing the report",
}


class StageBars:
    """Shows each stage with its number among `names`: ``[2/4] testing 30 questions, 8 s left``; in a log of JSON lines, logs it."""

    def __init__(self, names: Sequence[str], log_format: LogFormat = "text") -> None:
        self._names, self._log_format = tuple(names), log_format
        self._bar: Any = None
        self._begun: tuple[str, int] | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Start a stage if none of it is done yet, otherwise update it."""
        if done == 0 or self._begun != (stage, total):
            self._begin(stage, total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            if done >= total:
                self.close()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, stage: str, total: int) -> None:
        self.close()
        self._begun = (stage, total)
        doing = _DOING[stage].format(n=f"{total:,}", s="" if total == 1 else "s")
        step = self._names.index(stage) + 1
        text = f"[{step}/{len(self._names)}] {doing}"
        fields = {"stage": stage, "step": step, "steps": len(self._names), "total": total}
        LOG.log(logging.INFO if self._log_format == "json" else logging.DEBUG, "%s", text, extra={"fields": fields})
        if self._log_format == "json":
            return
        if not is_interactive(sys.stderr):
            put(text, sys.stderr)
        elif total:
            screen = Screen.of(sys.stderr)
            columns = min(screen.columns, _WIDEST) - 1
            self._bar = _Bar(total=total, desc=text, file=sys.stderr, ncols=columns, ascii=screen.ascii or None, leave=False)


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar that states the remaining time in words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(bar_format="{desc}{left} {bar}" if options["total"] > 1 else "{desc}", **options)

    @property
    def format_dict(self) -> dict[str, Any]:
        """The bar's values, with the remaining time."""
        known = dict(super().format_dict)
        rate = known["rate"] or (known["n"] / known["elapsed"] if known["n"] and known["elapsed"] else None)
        return {**known, "left": f", {duration((known['total'] - known['n']) / rate)} left" if rate else ""}


def duration(seconds: float) -> str:
    """A time in the unit that a person would use.

    Examples
    --------
    >>> duration(0.4), duration(8.2), duration(95), duration(7300)
    ('1 s', '9 s', '2 min', '2 h 2 min')
    """
    whole = max(int(-(-seconds // 1)), 1)
    minutes = -(-whole // 60)
    if whole < 60:
        return f"{whole} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
