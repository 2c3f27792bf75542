"""Inspect: ``.eval`` (a ZIP archive with a JSON member per sample and epoch) and ``.json`` (one object). Version 2 of the format.

Only what an audit needs is kept of a sample: its events, messages and attachments are not.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.data.schema import quoted
from audit.errors import DataError
from audit.extensions.logs.base import BY_SCORE, PARTIAL, RIGHT, WRONG, LogRow, judged_of, text_of
from audit.extensions.logs.options import ALL_EPOCHS, ChosenPart, LogChoices, LogOptions
from audit.extensions.logs.recognise import ELEMENTS, head_of
from audit.types import FAILED, STOPPED
from strictio.logs.archive import JsonArchive, is_zip, open_archive
from strictio.logs.elements import keys_and_elements

NAME = "Inspect"
VERSION = "2"
_HEADER, _START, _SAMPLES = "header.json", "_journal/start.json", "samples/"
_VALUES = {"C": RIGHT, "I": WRONG, "P": PARTIAL, "N": None}
_LONGEST = 40
"""Characters of an option of the run that are shown."""
_CHOICE, _MULTIPLE_CHOICE = "choice", "multiple_choice"
"""The scorer and the solver for which answers and targets are letters of choices."""


def choices(file: Path) -> LogChoices:
    """What the header says; samples are not read."""
    header = _header(file)
    run, results = _object(header.get("eval")), _object(header.get("results"))
    config, data = _object(run.get("config")), _object(run.get("dataset"))
    packages = _object(run.get("packages"))
    status = text_of(header.get("status") or "started")
    epochs = _count(config.get("epochs")) or 1
    ids = data.get("sample_ids")
    samples = len(ids) if isinstance(ids, list) and ids else _count(data.get("samples"))
    version = text_of(packages.get("inspect_ai"))
    return LogChoices(
        f"{NAME} {version}".strip(), text_of(run.get("task")), text_of(run.get("model")) or None, _scorers(run, results), (), epochs,
        samples and samples * epochs, "" if status == "success" else status,
        part=_part(config, samples, _count(data.get("samples"))), totals=_totals(results),
    )  # fmt: skip


def log_rows(file: Path, chosen: LogOptions) -> Iterator[LogRow]:
    """The samples, in the order of the file."""
    letters = _by_letter(_header(file), chosen.scorer)
    for where, sample in _samples(file):
        epoch = _count(sample.get("epoch")) or 1
        if chosen.epoch in (ALL_EPOCHS, str(epoch)):
            yield _row(sample, epoch, chosen, letters, where)


# ---- the two forms -------------------------------------------------------------------------------------------------------------------


def _header(file: Path) -> dict[str, Any]:
    """What a log says about its run; raises DataError for another version of the format."""
    if file.suffix.lower() == ".json":
        header = head_of(file)
    else:
        if not is_zip(file):
            raise DataError(f"{file.name} is not an Inspect log", why="it is not a ZIP archive", fix="copy the log again")
        with open_archive(file) as archive:
            header = _archived_header(archive)
    version = text_of(header.get("version"))
    if version != VERSION:
        why = f"its format has version {version[:20] or 'unknown'}; version {VERSION} is read"
        raise DataError(f"{file.name} cannot be read", why=why, fix="inspect log convert --to eval, with the current inspect_ai")
    return header


def _archived_header(archive: JsonArchive) -> dict[str, Any]:
    name = next((name for name in (_HEADER, _START) if name in archive.members), None)
    if name is None:
        fix = "give the .eval file of a run"
        raise DataError(f"{archive.source} is not an Inspect log", why=f"it holds neither {_HEADER} nor {_START}", fix=fix)
    return archive.read(name)


def _samples(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each sample, and a name for it in messages."""
    if file.suffix.lower() != ".json":
        with open_archive(file) as archive:
            for name in archive.members:
                if name.startswith(_SAMPLES) and name.endswith(".json"):
                    yield f"{file.name}, {name[:80]!a}", archive.read(name)
        return
    elements = (value for key, value in keys_and_elements(file, ELEMENTS) if key == ELEMENTS)
    for number, sample in enumerate(elements, start=1):
        if isinstance(sample, dict):
            yield f"{file.name}, sample {number}", sample
        elif sample is not None:  # null: none were logged
            raise DataError(f"{file.name}: sample {number} is not an object", fix="run the evaluation again")


# ---- samples -------------------------------------------------------------------------------------------------------------------------


def _row(sample: Mapping[str, Any], epoch: int, chosen: LogOptions, letters: bool, where: str) -> LogRow:
    target, scores, score = sample.get("target"), sample.get("scores"), None
    targets = tuple(map(text_of, target)) if isinstance(target, list) else (text_of(target),)
    if isinstance(scores, dict):
        score = scores.get(chosen.scorer or "")
    if score is not None and not isinstance(score, dict):
        raise DataError(f"{where}: a score is not an object", fix="run the evaluation again")
    answer, judged = _scored(score or {})
    if letters and chosen.answers and isinstance(options := sample.get("choices"), list):
        targets = tuple(_choice(target, options, where) for target in targets if target)
        answer = answer and _chosen(answer, options)
    outcome = FAILED if sample.get("error") else STOPPED if sample.get("limit") else None
    metadata = sample.get("metadata")
    return LogRow(
        text_of(sample.get("id")), tuple(filter(None, targets)), answer, judged, outcome, metadata if isinstance(metadata, dict) else {},
        epoch,
    )  # fmt: skip


def _scored(score: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The answer that a score records, and how it judges; an answer that is empty, or not scored (N), counts as no answer."""
    value, answer = score.get("value"), score.get("answer")
    judged = _VALUES[value] if isinstance(value, str) and value in _VALUES else judged_of(value)
    return "" if value == "N" else None if answer is None else text_of(answer), judged


def _choice(letter: str, options: Sequence[Any], where: str) -> str:
    """The text of a choice by its letter."""
    position = string.ascii_uppercase.find(letter) if len(letter) == 1 else -1
    if not 0 <= position < len(options):
        raise DataError(f"{where}: the target {quoted(letter)} is not the letter of one of {len(options)} choices", fix=BY_SCORE)
    return text_of(options[position]).strip()


def _chosen(answer: str, options: Sequence[Any]) -> str:
    """The texts of the letters in an answer, such as "A" or "A, C"; another answer as it is."""
    letters = [part.strip() for part in answer.split(",")]
    positions = [string.ascii_uppercase.find(letter) if len(letter) == 1 else -1 for letter in letters]
    if not all(0 <= position < len(options) for position in positions):
        return answer
    return ", ".join(text_of(options[position]).strip() for position in positions)


# ---- the header ----------------------------------------------------------------------------------------------------------------------


def _scorers(run: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[str, ...]:
    """The scorers of a finished run, else those that it was planned with."""
    listed = results.get("scores") or run.get("scorers")
    named = [_object(score).get("scorer") or _object(score).get("name") for score in (listed if isinstance(listed, list) else ())]
    return tuple(dict.fromkeys(text_of(name) for name in named if name))


def _part(config: Mapping[str, Any], samples: int | None, total: int | None) -> ChosenPart | None:
    """What the options of a run left of its data set."""
    if samples is None or total is None or samples >= total:
        return None
    limit, listed = config.get("limit"), config.get("sample_id")
    chosen = f"limit {'-'.join(map(text_of, limit)) if isinstance(limit, list) else text_of(limit)}" if limit else ""
    return ChosenPart(samples, total, chosen[:_LONGEST] or ("a list of samples" if listed else "what the log does not state"))


def _totals(results: Mapping[str, Any]) -> dict[str | None, tuple[str, ...]]:
    """Scorer -> its mean score as Inspect states it, once for each way to combine epochs."""
    totals: dict[str | None, tuple[str, ...]] = {}
    listed = results.get("scores")
    for score in map(_object, listed if isinstance(listed, list) else ()):
        scorer = text_of(score.get("scorer") or score.get("name"))
        metrics = _object(score.get("metrics"))
        name = "accuracy" if "accuracy" in metrics else "mean"
        value = _number(_object(metrics.get(name)).get("value"))
        if value is None:
            continue
        reducer = text_of(score.get("reducer"))
        how = f" (epochs by {reducer[:_LONGEST]})" if reducer else ""
        totals[scorer] = (*totals.get(scorer, ()), f"{name} {100 * value:.1f} %{how}")
    return totals


def _number(value: Any) -> float | None:
    """A share in the file, which is text; None for anything else."""
    try:
        share = float(value) if isinstance(value, str) else -1.0
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


def _by_letter(header: Mapping[str, Any], scorer: str | None) -> bool:
    """Whether answers and targets are letters of the choices of a sample."""
    steps = _object(header.get("plan")).get("steps")
    solvers = {text_of(_object(step).get("solver")) for step in (steps if isinstance(steps, list) else ())}
    return scorer == _CHOICE or _MULTIPLE_CHOICE in solvers


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    """A number of the file, which is text; None for what is no small whole number."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else None
