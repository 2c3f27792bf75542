"""What is auditable in a folder of logs: each log is read as an audit would read it, with every choice that it leaves."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from audit.data.arrow import hub_features
from audit.errors import AuditError, DataError, MachineError, UsageError
from audit.extensions.logs.options import ALL_EPOCHS, LogChoices
from audit.extensions.logs.read import log_reader
from audit.extensions.logs.table import CORRECT
from audit.predictions.default_claims import DefaultClaims, default_claims
from audit.predictions.hub_tables import is_saved_folder
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from strictio.tables import PARQUET, ending_of, is_table
from strictio.tables.parquet import parquet_schema

MOST_FILES = 10_000
_LOGS = (".eval", ".json")


@dataclass(frozen=True)
class Readable:
    """A log, with one way to audit it."""

    path: Path
    facts: str
    """Tool, task, model, rows and groups."""
    words: tuple[str, ...]
    """The options of ``vlm-audit run`` that it takes."""

    @property
    def command(self) -> str:
        """The command, quoted for a shell."""
        name = str(self.path)
        return shlex.join(("vlm-audit", "run", "--predictions", f"./{name}" if name.startswith("-") else name, *self.words))


@dataclass(frozen=True)
class Unreadable:
    """A log that cannot be audited as it is."""

    path: Path
    error: AuditError


def logs_in(folder: Path) -> Iterator[Readable | Unreadable]:
    """Yield each log below a folder, in the order of names, and each way to audit it; other files are passed over.

    Raises UsageError if it is no folder; DataError if it has more than 10,000 files.
    """
    if not folder.is_dir():
        raise UsageError(f"no folder {str(folder)!r}", fix="vlm-audit logs DIR")
    for path in _candidates(folder):
        try:
            yield from _ways(path)
        except MachineError:
            raise
        except AuditError as error:
            yield Unreadable(path, error)


def _candidates(folder: Path) -> Iterator[Path]:
    """Files that may be logs, and folders of `save_to_disk`; links are not followed."""
    saved: list[Path] = []
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if number >= MOST_FILES:
            raise DataError(f"{folder.name} holds over {MOST_FILES:,} files", fix="name a folder below it")
        if path.is_symlink() or any(path.is_relative_to(above) for above in saved):
            continue
        if is_saved_folder(path):
            saved.append(path)
            yield path
        elif path.is_file() and (path.suffix.lower() in _LOGS or is_table(path)):
            yield path


def _ways(path: Path) -> Iterator[Readable | Unreadable]:
    if path.is_dir() or ending_of(path) in PARQUET:
        if path.is_dir() or hub_features(parquet_schema(path), path.name):
            yield _read(path, LogChoices("datasets"), ())
        return
    reader = log_reader(path)
    if reader is None:
        return
    choices = reader.choices(path)
    for scorer, wanted in product(choices.scorers or (None,), choices.filters or (None,)):
        words = (
            *(_option("--scorer", scorer) if scorer and len(choices.scorers) > 1 else ()),
            *(_option("--filter", wanted) if wanted and len(choices.filters) > 1 else ()),
            *(("--epoch", ALL_EPOCHS) if choices.epochs > 1 else ()),
        )
        given = {"scorer": scorer, "filter": wanted, "epoch": ALL_EPOCHS if choices.epochs > 1 else None}
        yield _read(path, choices, words, {name: value for name, value in given.items() if value is not None})


def _option(flag: str, value: str) -> tuple[str, ...]:
    """The words of an option; a value that looks like a flag is part of one word."""
    return (f"{flag}={value}",) if value.startswith("-") else (flag, value)


def _read(path: Path, choices: LogChoices, words: tuple[str, ...], given: Mapping[str, str] | None = None) -> Readable | Unreadable:
    """Read a log by its answers or, if it has none that are labels, by whether they are right."""
    wanted = ColumnOptions(given=given or {})
    try:
        return _facts(path, choices, words, wanted)
    except (UsageError, DataError) as error:
        try:
            return _facts(path, choices, (*words, "--prediction-column", CORRECT), replace(wanted, prediction=CORRECT))
        except (UsageError, DataError):
            return Unreadable(path, error)


def _facts(path: Path, choices: LogChoices, words: tuple[str, ...], wanted: ColumnOptions) -> Readable:
    file = load_predictions(path, wanted)
    default_claims(file.answers, DefaultClaims(), path.name)  # a command that is printed must not fail when it plans its questions
    answers = file.answers[0].predictions
    named = [f"{name} {value}" for name, value in (("task", choices.task), ("model", choices.model)) if value]
    groups = ", ".join(map(str, answers.attributes.columns))
    return Readable(path, ", ".join([choices.tool, *named, f"{len(answers.y_pred):,} rows, groups by {groups}"]), words)
