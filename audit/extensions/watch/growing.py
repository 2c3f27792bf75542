"""Predictions that grow: a file that gains rows at its end, or a folder that gains files. Rows that were used once may not change.

Which rows were used is recorded (`UsedRows`), with a hash of what was read from them. All files are read again at every look.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.data.schema import quoted
from audit.errors import DataError, UsageError
from audit.extensions.watch.complete_lines import complete_lines
from audit.extensions.watch.record import UsedRows
from audit.naming import natural_order
from audit.predictions.read import load_predictions, with_all_answers
from audit.predictions.rows import ColumnOptions, MeasurementAnswers
from audit.types import UNKNOWN, Predictions

if TYPE_CHECKING:
    from audit.predictions.read import PredictionFile

UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")
"""Endings of files that another program is still writing."""
FEWEST_ROWS, FEWEST_OF_BLOCK = 30, 5
"""Rows count as sorted only if there are so many, and two values have so many each: by chance that happens once in 70,000 times."""


@dataclass(frozen=True)
class GrowingFile:
    """A file as it is now; its rows have the same order in every measurement."""

    name: str
    answers: Mapping[str, MeasurementAnswers]
    """measurement -> its answers."""
    cut: bool = False
    """Whether its last line is incomplete, and left for the next look."""

    @property
    def rows(self) -> int:
        return len(self.first.predictions.y_pred)

    @property
    def first(self) -> MeasurementAnswers:
        return next(iter(self.answers.values()))

    def sha256(self, start: int, stop: int) -> str:
        """The hash of some rows: identifiers, attributes, true answers and answers."""
        hashed = hashlib.sha256()
        for measurement in sorted(self.answers):
            predictions = self.answers[measurement].predictions
            names = list(map(str, predictions.attributes.columns))
            hashed.update(json.dumps([measurement, names]).encode())
            truth = predictions.y_true if predictions.y_true is not None else [None] * self.rows
            columns = [predictions.attributes.index, *(predictions.attributes[name] for name in names), truth, predictions.y_pred]
            for row in zip(*(list(column)[start:stop] for column in columns), strict=True):
                hashed.update(json.dumps([None if cell is None else str(cell) for cell in row]).encode())
        return hashed.hexdigest()


def source_files(source: Path) -> list[Path]:
    """The files of a source: itself, or all files in it by name, numbers by value. Raises errors for anything but finished files."""
    if not source.is_dir():
        return [source]
    paths = {path.name: path for path in source.iterdir() if not path.name.startswith(".") and path.suffix.lower() not in UNFINISHED}
    for name, path in paths.items():
        if not path.is_file():
            what = f"{quoted(name)} in {quoted(source.name)} is not a file"
            raise UsageError(what, why="every file of the folder is watched, and nothing else", fix="move it, or watch another folder")
        if path.is_symlink() and not path.resolve().is_relative_to(source.resolve()):
            what = f"{quoted(name)} in {quoted(source.name)} is a link out of the folder"
            raise UsageError(what, why="only what is in the folder is watched", fix="remove the link, or watch the file itself")
        if not name.isprintable():
            raise DataError(f"the name {name!a} cannot be printed", fix="give the file a name of letters, digits and dashes")
    if not paths:
        raise DataError(f"{quoted(source.name)} holds no file", fix="look again when there are predictions in it")
    return [paths[name] for name in natural_order(paths)]


def read_growing(paths: Sequence[Path], wanted: ColumnOptions) -> list[GrowingFile]:
    """Read the files; by default, the attributes are those of the first. Raises errors for what a sequential test cannot use."""
    files: list[PredictionFile] = []
    cut: set[str] = set()
    for path in paths:
        with complete_lines(path, wanted.encoding) as (complete, is_cut):
            files.append(load_predictions(complete, wanted))
        cut |= {path.name} if is_cut else set()
        if not wanted.slices:
            wanted = ColumnOptions(**{**vars(wanted), "attributes": None, "slices": _attributes(files[0])})
    growing = [replace(_growing(file, wanted.slices), cut=file.name in cut) for file in with_all_answers(files)]
    for file in growing[1:]:
        if set(file.answers) != set(growing[0].answers):
            why = f"{growing[0].name} answers {', '.join(growing[0].answers)}; {file.name} answers {', '.join(file.answers)}"
            raise DataError(f"{file.name} does not continue {growing[0].name}", why=why, fix="watch each kind of file in its own folder")
    _check_independent(growing)
    return growing


def continued(files: Sequence[GrowingFile], used: Sequence[UsedRows]) -> tuple[UsedRows, ...]:
    """The rows that were not used before, file by file; raises DataError if a row that was used has changed, or is gone."""
    by_name = {file.name: file for file in files}
    done = dict.fromkeys(by_name, 0)
    for rows in used:
        file = by_name.get(rows.file)
        if file is None or file.rows < rows.stop:
            what = f"{rows.file} is gone" if file is None else f"{rows.file} has {file.rows:,} rows; {rows.stop:,} of it were used before"
        elif file.sha256(rows.start, rows.stop) != rows.sha256:
            what = f"rows {rows.start + 1:,} to {rows.stop:,} of {rows.file} have changed since they were used"
        else:
            done[rows.file] = rows.stop
            continue
        why = "the test is valid only for rows that are used once, in the order in which they came"
        raise DataError(what, why=why, fix="restore the file, or name another --out to begin a new watch")
    new = [(file, done[file.name]) for file in files if file.rows > done[file.name]]
    for file, start in new:
        _check_order(file, start)
    return tuple(UsedRows(file.name, start, file.rows, file.sha256(start, file.rows)) for file, start in new)


def rows_in_order(files: Sequence[GrowingFile], used: Sequence[UsedRows]) -> dict[str, Predictions]:
    """The rows in the order in which they were used: measurement -> predictions without scores."""
    by_name = {file.name: file for file in files}

    def joined(measurement: str) -> Predictions:
        parts = [(by_name[rows.file].answers[measurement].predictions, slice(rows.start, rows.stop)) for rows in used]
        first = parts[0][0]
        truths = [None if part.y_true is None else part.y_true[rows] for part, rows in parts]
        without = [np.full(rows.stop - rows.start, UNKNOWN, object) for _, rows in parts]
        known = [missing if truth is None else truth for truth, missing in zip(truths, without, strict=True)]
        y_pred = np.concatenate([np.asarray(part.y_pred[rows], object) for part, rows in parts])
        attributes = pd.concat([part.attributes.iloc[rows] for part, rows in parts])
        y_true = None if all(truth is None for truth in truths) else np.concatenate([np.asarray(truth, object) for truth in known])
        nothing = np.zeros((len(y_pred), 0), np.float32)
        return Predictions(first.labels, first.answers, nothing, y_pred, y_true, attributes, np.zeros(0, np.float32))

    return {measurement: joined(measurement) for measurement in files[0].answers}


# ---- what a sequential test cannot use ---------------------------------------------------------------------------------------------------


def _attributes(file: PredictionFile) -> tuple[str, ...]:
    return tuple(map(str, file.answers[0].predictions.attributes.columns))


def _growing(file: PredictionFile, attributes: Sequence[str]) -> GrowingFile:
    sources = {(answers.model, answers.probe) for answers in file.answers}
    first = file.answers[0]
    refused = {
        "answers of several models or probes": len(sources) > 1,
        "texts, which are not one of several answers": first.texts is not None,
        "several labels per row": first.tags is not None,
        "weights, which the test does not know": first.weights is not None,
        "questions with different numbers of rows": len({len(answers.predictions.y_pred) for answers in file.answers}) > 1,
    }
    if held := [what for what, is_held in refused.items() if is_held]:
        raise DataError(f"{file.name} cannot be watched: it holds {held[0]}", fix="give a table with one answer per row: y_pred")
    missing = [name for name in attributes if name not in first.predictions.attributes.columns]
    if missing:
        raise DataError(f"{file.name} has no column {quoted(missing[0])}", why="the watch compares by it", fix="add the column")
    return GrowingFile(file.name, {answers.measurement: answers for answers in file.answers})


def _check_independent(files: Sequence[GrowingFile]) -> None:
    """Raise `DataError` for two rows of one image, or of one cluster: the test needs independent rows."""
    identified = [file for file in files if not file.first.numbered]
    _check_once("the identifier", (file.first.predictions.attributes.index for file in identified), "each image can be used once")
    clustered = (file.first for file in files if file.first.predictions.cluster is not None)
    names = (pd.Index(_cluster_names(answers), dtype=str) for answers in clustered)
    _check_once("the cluster", names, "rows of one cluster are not independent, and the test is about independent rows")


def _cluster_names(answers: MeasurementAnswers) -> Iterable[str]:
    """The cluster of each row, without unknown ones: such a row is a unit by itself."""
    predictions = answers.predictions
    assert predictions.cluster is not None  # noqa: S101  (by the caller)
    assert predictions.cluster_names is not None  # noqa: S101  (as files are read)
    names = np.asarray(predictions.cluster_names, object)[predictions.cluster]
    return [str(name) for name in names if name != UNKNOWN]


def _check_once(what: str, names: Iterable[pd.Index], why: str) -> None:
    every = [index.astype(str) for index in names]
    if not every:
        return
    together = every[0].append(every[1:])
    if together.has_duplicates:
        name = together[together.duplicated()][0]
        raise DataError(f"{what} {quoted(str(name))} occurs twice", why=why, fix="give one row for each, such as the first")


def _check_order(file: GrowingFile, start: int) -> None:
    """Raise `DataError` if new rows are sorted by what the rates are about: then earlier rows foretell later ones."""
    for name, answers in file.answers.items():
        predictions = answers.predictions
        columns = {"true answers": predictions.y_true, "answers": predictions.y_pred}
        columns["errors"] = None if predictions.y_true is None else predictions.y_true == predictions.y_pred
        for what, column in columns.items():
            if column is not None and _in_blocks(pd.factorize(np.asarray(column, object)[start:])[0]):
                raise DataError(
                    f"the new rows of {file.name} are sorted by their {what} ({name})",
                    why="bets on the next row would win by the order alone; the test needs the order in which the rows arose",
                    fix="if that is not known, shuffle the rows once, before they are used",
                )


def _in_blocks(codes: np.ndarray) -> bool:
    """Whether each value forms a single block."""
    sizes = np.sort(np.bincount(codes)) if len(codes) >= FEWEST_ROWS else np.zeros(0, np.int64)
    if len(sizes) < 2 or sizes[-2] < FEWEST_OF_BLOCK:
        return False
    return int(np.count_nonzero(np.diff(codes))) + 1 == len(sizes)
