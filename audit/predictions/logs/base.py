"""What every reader of logs takes and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from audit.data.schema import quoted
from audit.errors import DataError, UsageError, nearest

RIGHT, WRONG, PARTIAL = "right", "wrong", "partial"
"""How a scorer judged an answer."""
BY_SCORE = "audit right and wrong instead: --prediction-column correct"
"""The way out where answers cannot be read."""
ALL_EPOCHS = "all"
POSITION = "doc_id"
"""In logs of lm-eval and lmms-eval: the position of a document in the data set, from 0."""
LONGEST_CELL = 1000
"""Characters: a longer value of a sample (a prompt, say) names no group."""
_DEPTH = 5


@dataclass(frozen=True)
class LogOptions:
    """What a user chose to read of a log; None: not chosen."""

    scorer: str | None = None
    filter: str | None = None
    epoch: str | None = None
    """A number from 1, or "all"."""
    unfinished: bool = False
    """Also read the log of a run that did not finish."""
    join: Path | None = None
    """A table with the groups of the samples."""
    on: str | None = None
    """The column of that table that identifies a sample."""
    chosen_samples: bool = False
    """Whether a part of the data set is judged as if it were the whole."""
    answers: bool = True
    """False: read only whether answers are right."""


@dataclass(frozen=True)
class ChosenPart:
    """The samples of a run that was told to leave others out."""

    samples: int
    total: int
    """Samples of the data set."""
    by: str
    """The option that chose them, in words: ``limit 348``."""


@dataclass(frozen=True)
class LogChoices:
    """What a log offers to choose from, and where it comes from."""

    tool: str
    """The tool and its version, for the report."""
    task: str = ""
    model: str | None = None
    scorers: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    epochs: int = 1
    expected: int | None = None
    """Number of rows that a finished run has; None: not stated."""
    status: str = ""
    """How the run ended, if it did not finish."""
    part: ChosenPart | None = None
    """What of the data set was run; None: all of it, or not stated."""
    totals: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)
    """Scorer -> the tool's own totals, in words, where it states them."""


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

    def recognises(self, file: Path) -> bool:
        """Whether the tool wrote a file: by its first bytes and names, without the tool."""
        ...

    def choices(self, file: Path) -> LogChoices:
        """What must be chosen before rows can be read."""
        ...

    def log_rows(self, file: Path, chosen: LogOptions) -> Iterator[LogRow]:
        """The rows, with every choice made."""
        ...


def settled(options: LogOptions, choices: LogChoices, source: str) -> LogOptions:
    """Fill in what leaves no choice; raises UsageError where there is one that was not made, or that does not exist."""
    scorer = _chosen("--scorer", options.scorer, choices.scorers, source, "scorers")
    wanted = _chosen("--filter", options.filter, choices.filters, source, "filters")
    epochs = (ALL_EPOCHS, *map(str, range(1, choices.epochs + 1))) if choices.epochs > 1 else ("1",)
    if options.epoch is None and choices.epochs > 1:
        why = f"each sample was run in {choices.epochs} epochs, whose answers are not independent"
        fix = "--epoch all: a sample counts as one sampling unit; or one of them, such as --epoch 1"
        raise UsageError(f"{source} has {choices.epochs} epochs", why=why, fix=fix)
    epoch = options.epoch if options.epoch != ALL_EPOCHS or choices.epochs > 1 else "1"
    if epoch is not None and epoch not in epochs:
        raise UsageError(f"{source} has no epoch {epoch}", where="--epoch", fix=f"choose one of: {', '.join(epochs)}")
    if choices.status and not options.unfinished:
        why = f"its status is {quoted(choices.status)}; which samples a run reaches before it stops is not random"
        raise UsageError(f"the run of {source} did not finish", why=why, fix="run it to its end, or read what there is: --unfinished")
    return replace(options, scorer=scorer, filter=wanted, epoch=epoch or "1")


def _chosen(flag: str, wanted: str | None, offered: Sequence[str], source: str, plural: str) -> str | None:
    if wanted is not None and not offered:
        raise UsageError(f"{flag} cannot be used with {source}", why=f"it has no {plural}", fix="leave it out")
    if wanted is not None and wanted not in offered:
        raise UsageError(f"{source} has no {plural[:-1]} {quoted(wanted)}", where=flag, fix=nearest(wanted, offered))
    if wanted is None and len(offered) > 1:
        names = ", ".join(map(quoted, offered[:20]))
        raise UsageError(f"{source} has {len(offered)} {plural}", why=f"found {names}", fix=f"choose one: {flag} {offered[0][:80]}")
    return wanted or next(iter(offered), None)


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
