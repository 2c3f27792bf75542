"""Reads finished audits for a comparison: the facts, and the answer for each image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import DataError, UsageError
from audit.naming import unique_names
from audit.output.directory import STATUS
from audit.output.manifest import checked_folder, is_complete
from audit.predictions.own_tables import SCORE, column_of
from audit.predictions.parts import COUNTED
from audit.records.comparison import Side
from audit.results import AuditResult, MeasurementRecord, Results, from_json
from audit.types import Note
from strictio.files import read_text
from strictio.tables.parquet import parquet_schema, read_parquet

AGAIN = "run the audit again"
Y_TRUE, Y_PRED = "y_true", "y_pred"
_ASKED = ("labels", "prompts", "answers", "combine", "truth", "outcomes")
"""Fields that determine an answer, or whether it counts; two audits that differ here asked different questions."""


@dataclass(frozen=True)
class FinishedAudit:
    """One model of a finished audit, with its answers."""

    side: Side
    results: Results
    audits: Mapping[str, AuditResult]
    """probe -> its results."""
    answers: Mapping[tuple[str, str], pd.DataFrame]
    """(probe, measurement) -> one row per image: its attributes, its cluster if the predictions name it, `y_true` if there is one,
    `y_pred`; the index has identifiers."""


def read(directory: Path) -> tuple[FinishedAudit, ...]:
    """Read every model of a finished audit's directory, in the order of the audit.

    Raises DataError if the audit is not complete, a file is missing or damaged, or the predictions do not belong to the results.
    """
    shown, folder = str(directory), checked_folder(directory)
    status = _text(directory / STATUS, shown).partition("\n")[0]
    if status != "complete" and not is_complete(directory):
        raise DataError(f"the audit in {shown!r} is not complete", why=f"its STATUS says {status!r}", fix=AGAIN)
    text = _text(folder / "results.json", shown)
    results = from_json(text)
    if any(Note.of(note).code in COUNTED for audit in results.audits for note in audit.data.notes):
        why = "its predictions came in parts and were counted as they were read, so which image got which answer is not known"
        raise UsageError(f"the audit in {shown!r} cannot be compared", why=why, fix="audit one file of predictions: --predictions FILE")
    return sides_of(results, _predictions(folder / "predictions.parquet", shown), directory, hashlib.sha256(text.encode()).hexdigest())


def sides_of(results: Results, table: pa.Table, directory: Path, sha256: str) -> tuple[FinishedAudit, ...]:
    """Every model of an audit; its predictions have no scores, and dictionary-encoded attributes and answers."""
    names = tuple(dict.fromkeys(audit.model.name for audit in results.audits))
    return tuple(_audited(name, results, table, directory, sha256) for name in names)


def _text(path: Path, shown: str) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise DataError(
            f"no finished audit in {shown!r}", why=f"{path.name}: {error.strerror}", fix="name the output folder of an audit"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not text", where=shown, why="it is not UTF-8", fix=AGAIN) from error


def _predictions(path: Path, shown: str) -> pa.Table:
    try:
        if not path.exists():
            raise DataError("predictions.parquet is missing")
        names = [name for name in parquet_schema(path).names if not name.startswith(SCORE)]
        return read_parquet(path, names, texts=[name for name in names if name != "id"])
    except DataError as error:
        raise DataError(f"the predictions in {shown!r} cannot be read", why=error.why or error.what, fix=AGAIN) from error


def _audited(name: str, results: Results, table: pa.Table, directory: Path, sha256: str) -> FinishedAudit:
    own = [audit for audit in results.audits if audit.model.name == name]
    audits = {audit.probe.name: audit for audit in own}
    if len(audits) < len(own):
        raise DataError(
            f"two models called {name!r} in {str(directory)!r}", why="their predictions cannot be distinguished", fix="audit each by itself"
        )
    answers = {
        (probe, record.name): _answers(table, audit, record, directory) for probe, audit in audits.items() for record in audit.measurements
    }
    verdicts = {probe: audit.verdict for probe, audit in audits.items()}
    side = Side(name, own[0].model, directory.name or directory.resolve().name, sha256, results.timing.created, verdicts)
    return FinishedAudit(side, results, audits, answers)


def _answers(table: pa.Table, audit: AuditResult, record: MeasurementRecord, directory: Path) -> pd.DataFrame:
    wanted = {"model": audit.model.name, "probe": audit.probe.name, "measurement": record.name}
    columns = {column_of(name): name for name in audit.data.groups}
    cluster = audit.data.cluster
    named = json.loads((table.schema.metadata or {}).get(b"vlm_audit.cluster", b"{}")).get(audit.probe.name)
    if cluster is not None and named in table.column_names and named != "id":
        columns.setdefault(named, cluster)
    missing = [name for name in (*wanted, *columns, "id", Y_TRUE, Y_PRED) if name not in table.column_names]
    missing += [name for name in columns if not pa.types.is_dictionary(table.schema.field(name).type)] if not missing else []
    if missing:
        raise DataError(f"predictions.parquet in {str(directory)!r} has no column of text {missing[0]!r}", fix=AGAIN)
    mask = reduce(pc.and_, (pc.equal(table[column].cast("string"), value) for column, value in wanted.items()))
    rows: pd.DataFrame = table.filter(mask).select([*columns, "id", Y_TRUE, Y_PRED]).to_pandas().rename(columns=columns).set_index("id")
    if cluster is not None and named == "id":
        rows[cluster] = pd.Categorical(rows.index)
    _check_rows(rows, record, audit, str(directory))
    return rows


def _check_rows(rows: pd.DataFrame, record: MeasurementRecord, audit: AuditResult, shown: str) -> None:
    """Raise DataError for predictions from which the results were not computed."""
    counted = {str(answer): int(count) for answer, count in rows[Y_PRED].value_counts().items() if count}
    if counted != {answer: count for answer, count in record.answer_counts.items() if count}:
        raise DataError(
            f"predictions.parquet in {shown!r} is not that of its results.json",
            why=f"the answers to {record.name!r} are counted differently", fix=AGAIN,
        )  # fmt: skip
    if not rows.index.is_unique:
        raise DataError(
            f"two images of {audit.data.name!r} have the same identifier",
            where=shown,
            fix="give each image a name of its own, and audit again",
        )


# ---- checks before comparing ---------------------------------------------------------------------------------------------------------


def distinct_names(sides: Sequence[FinishedAudit]) -> tuple[str, ...]:
    """A unique name for each side: the model's, with its folder if two models have the same name, then with a number.

    Raises UsageError if there are fewer than two sides.
    """
    if len(sides) < 2:
        raise UsageError(
            "a comparison needs two models", why=f"there is {len(sides) or 'none'}", fix="vlm-audit compare BEFORE AFTER [AFTER …]"
        )
    return unique_names([side.side.name for side in sides], [side.side.directory for side in sides])


def shared_probes(sides: Sequence[FinishedAudit]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The probes that all sides answered, and the others.

    Raises UsageError if they share none, or only probes without measurements, such as `captions`, which have no answers.
    """
    probes_by_side = [tuple(side.audits) for side in sides]
    both = [probe for probe in probes_by_side[0] if all(probe in other for other in probes_by_side[1:])]
    shared = tuple(probe for probe in both if all(side.audits[probe].measurements for side in sides))
    if both and not shared:
        raise UsageError(
            f"the probe {both[0]!r} has no answers to compare", why="it has analyses alone, which are not compared between models",
            fix="read the two reports side by side",
        )  # fmt: skip
    if not shared:
        listed = "; ".join(f"{side.side.name}: {', '.join(probes)}" for side, probes in zip(sides, probes_by_side, strict=True))
        raise UsageError("the audits have no probe in common", why=listed, fix="audit all of them with the same --probe")
    return shared, tuple(dict.fromkeys(probe for probes in probes_by_side for probe in probes if probe not in shared))


def check_same_question(probe: str, sides: Sequence[FinishedAudit]) -> tuple[str, ...]:
    """The measurements that every side has; raises DataError if the data, or measurements with the same name, differ."""
    audits = [side.audits[probe] for side in sides]
    for audit, side in zip(audits[1:], sides[1:], strict=True):
        if audit.data.fingerprint != audits[0].data.fingerprint and audit.data.name != audits[0].data.name:
            raise DataError(
                f"{side.side.name} was audited on other data than {sides[0].side.name}",
                why=f"{audit.data.name!r}, not {audits[0].data.name!r}", fix="audit both on the same --data",
            )  # fmt: skip
    records = [{record.name: record for record in audit.measurements} for audit in audits]
    shared = tuple(name for name in records[0] if all(name in other for other in records[1:]))
    for name in shared:
        for other, side in zip(records[1:], sides[1:], strict=True):
            _check_asked(records[0][name], other[name], sides[0].side.name, side.side.name)
    return shared


def _check_asked(first: MeasurementRecord, second: MeasurementRecord, before: str, after: str) -> None:
    for field in _ASKED:
        if getattr(first, field) != getattr(second, field):
            raise DataError(
                f"{before} and {after} were asked different questions",
                where=f"measurement {first.name!r}", why=f"their {field} differ", fix="audit both with the same version of the probe",
            )  # fmt: skip


def aligned(probe: str, measurement: str, sides: Sequence[FinishedAudit]) -> list[pd.DataFrame]:
    """The answers of every side on the images that all of them have, in the same order.

    Raises DataError if they have no image in common, or disagree about what an image shows.
    """
    tables = [side.answers[probe, measurement] for side in sides]
    shared = in_all([table.index for table in tables])
    if shared.empty:
        raise DataError("the audits have no image in common", where=f"probe {probe!r}", fix="audit both on the same --data")
    tables = [table if table.index.equals(shared) else table.loc[shared] for table in tables]
    numbered = [side.audits[probe].data.numbered for side in sides]
    for position, table in enumerate(tables[1:], 1):
        _check_labels(
            tables[0], table, f"{sides[0].side.name} and {sides[position].side.name}", sides[0].audits[probe].data.groups,
            by_place=numbered[0] or numbered[position],
        )  # fmt: skip
    return tables


def _check_labels(first: pd.DataFrame, second: pd.DataFrame, who: str, attributes: Collection[str], *, by_place: bool) -> None:
    for name in first.columns:
        # A column of clusters that only one audit has is not compared.
        if name == Y_PRED or (name not in second.columns and name not in (*attributes, Y_TRUE)):
            continue
        if name not in second.columns:
            raise DataError(
                f"{who} were audited with other attributes", why=f"only one knows {name!r}", fix="audit both on the same --data"
            )
        differ = _differing(first[name], second[name])
        if differ:
            same = "in the same place of the file, which gives no identifiers" if by_place else "of the same identifier"
            raise DataError(
                f"{who} disagree about what the images show",
                why=f"{name} differs for {differ} of {len(first)} images {same}",
                fix="give both files a column id, and audit again" if by_place else "audit both on the same --data",
            )


def _differing(first: pd.Series, second: pd.Series) -> int:
    """Count the rows in which two categorical columns differ; missing values (no true answer) are equal."""
    translated = first.cat.categories.get_indexer(second.cat.categories)
    # The code of a missing value is -1, which selects the last entry; -2 is a value that only the second column has.
    same = np.append(np.where(translated < 0, -2, translated), -1)[second.cat.codes.to_numpy()]
    return int(np.count_nonzero(first.cat.codes.to_numpy() != same))


def identifiers(probe: str, side: FinishedAudit) -> pd.Index:
    """All images that have an answer to any measurement of the probe."""
    indexes = [table.index for (name, _), table in side.answers.items() if name == probe]
    return reduce(lambda one, other: one if one.equals(other) else one.union(other, sort=False), indexes)


def in_all(indexes: Sequence[pd.Index]) -> pd.Index:
    """Identifiers that all indexes share, in the order of the first."""
    return reduce(lambda one, other: one if one.equals(other) else one[one.isin(other)], indexes)
