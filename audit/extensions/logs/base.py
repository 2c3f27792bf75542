"""What every reader of logs takes and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from audit.data.schema import quoted
from audit.errors import DataError
from audit.extensions.logs.options import LogChoices, LogOptions

RIGHT, WRONG, PARTIAL = "right", "wrong", "partial"
"""How a scorer judged an answer."""
BY_SCORE = "audit right and wrong instead: --prediction-column correct"
"""The way out where answers cannot be read."""
LONGEST_CELL = 1000
"""Characters: a longer value of a sample (a prompt, say) names no group."""
_DEPTH = 5


@dataclass(frozen=True)
class LogRow:
    """A sample's answer in one epoch."""

    id: str
    targets: tuple[str, ...]
    """The right answers: none is known, one, or any of several."""
    answer: str | None
    """None: the log records no answer; empty: the tool extracted no answer from the reply."""
    judged: str | None = None
    """`RIGHT`, `WRONG`, `PARTIAL`; None: not judged one by one."""
    outcome: str | None = None
    """What came instead of an answer: an error or a limit."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Values of the sample: texts, booleans, None; what nests is skipped (`flat`)."""
    epoch: int = 1


class LogReader(Protocol):
    """A module of this package that reads the logs of one tool."""

    NAME: str
    """The tool."""

    def choices(self, file: Path) -> LogChoices:
        """What must be chosen before rows can be read."""
        ...

    def log_rows(self, file: Path, chosen: LogOptions) -> Iterator[LogRow]:
        """The rows, with every choice made."""
        ...


def refuse_repeated(seen: set[str], key: str, where: str) -> None:
    """Raise `DataError` for a sample that was already read."""
    if key in seen:
        why = "a second run was probably appended to the file"
        raise DataError(f"{where}: the sample {quoted(key)} occurs twice", why=why, fix="keep the lines of one run")
    seen.add(key)


def text_of(value: Any) -> str:
    """A scalar of JSON as a cell: None is empty.

    >>> text_of(None), text_of(True), text_of("1.50")
    ('', 'True', '1.50')
    """
    return "" if value is None else str(value)


def flat(values: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str | None]]:
    """Names and cells of nested values; None for what is not a cell: a list, a long text, or what is nested too deeply.

    >>> list(flat({"race": "A", "place": {"city": "B"}, "tags": ["x"]}))
    [('race', 'A'), ('place.city', 'B'), ('tags', None)]
    """
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < _DEPTH:
            yield from flat(value, f"{name}.", depth + 1)
        elif isinstance(value, list | dict) or len(text_of(value)) > LONGEST_CELL:
            yield name, None
        else:
            yield name, text_of(value)


def judged_of(value: Any) -> str | None:
    """How a score of 1 or 0 (a number, a truth value, or text of one) judges; None for any other score.

    >>> judged_of("1.0"), judged_of(False), judged_of("0.25")
    ('right', 'wrong', None)
    """
    words = {"true": RIGHT, "false": WRONG, "1": RIGHT, "0": WRONG, "1.0": RIGHT, "0.0": WRONG}
    return words.get(str(value).lower()) if isinstance(value, str | bool) else None
