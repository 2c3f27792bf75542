"""What a user may choose to read of a log, what a log leaves to choose, and one settled by the other: nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.data.schema import quoted
from audit.errors import UsageError, nearest
from audit.extensions.logs import READER
from audit.predictions.rows import ColumnOptions

ALL_EPOCHS = "all"


@dataclass(frozen=True)
class LogOptions:
    """What a user chose to read of a log; None: not chosen."""

    scorer: str | None = None
    filter: str | None = None
    epoch: str | None = None
    """A number from 1, or "all"."""
    unfinished: bool = False
    """Also read the log of a run that did not finish."""
    chosen_samples: bool = False
    """Whether a part of the data set is judged as if it were the whole."""
    on: str | None = None
    """The column that identifies a sample in the table with the groups."""
    answers: bool = True
    """False: read only whether answers are right."""

    @classmethod
    def of(cls, wanted: ColumnOptions) -> LogOptions:
        """What was chosen."""
        given = {option.name: wanted.given[option.name] for option in READER.options if option.name in wanted.given}
        return cls(**given, on=wanted.on)


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


def checked_epoch(value: object) -> str:
    """A number from 1 as text, or "all"; raises ValueError for anything else."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if text != ALL_EPOCHS and not (text.isascii() and text.isdecimal() and text.lstrip("0") and len(text) < 10):
        raise ValueError("a number from 1, or all")
    return text if text == ALL_EPOCHS else str(int(text))


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
