"""VLMEvalKit: a benchmark's table with the column `prediction`, as ``{model}_{dataset}.xlsx`` (or ``.tsv``), or judged: `extracted`, `hit`.

Read by its documented columns; no tool is imported, and a ``.pkl`` of the tool is refused as any file that is no table.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path

from audit.errors import DataError
from audit.extensions.logs.base import RIGHT, WRONG, LogRow, judged_of
from audit.extensions.logs.options import LogChoices, LogOptions
from audit.types import FAILED
from strictio.tables import read_table

NAME = "VLMEvalKit"
_INDEX, _PREDICTION, _ANSWER, _QUESTION, _EXTRACTED = "index", "prediction", "answer", "question", "extracted"
_JUDGED = ("hit", "score")
_FAILED = "Failed to obtain answer"
"""What the tool writes if the model's service gave an error."""
_UNKNOWN = ("unknown", "z")
"""What the tool extracts if it finds no option in a reply."""
_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")
_PASS = 1_000_000
"""In circular evaluation, each further pass over the questions has indices larger by this."""
_NOT_GROUPS = (
    _INDEX,
    _PREDICTION,
    _ANSWER,
    _QUESTION,
    _EXTRACTED,
    *_JUDGED,
    "log",
    "thinking",
    "extra_records",
    "hint",
    "image_path",
    "image",
)


def choices(file: Path) -> LogChoices:
    """How often each question was asked."""
    indices = [_index(cell, file) for cell in read_table(file, wanted=(_INDEX,)).columns[_INDEX].to_pylist()]
    return LogChoices(NAME, file.stem, None, epochs=1 + max(at for at, _ in indices) if _circular(indices) else 1)


def log_rows(file: Path, chosen: LogOptions) -> Iterator[LogRow]:
    """The rows; in circular evaluation those of the chosen pass."""
    table = read_table(file).columns
    indices = [_index(cell, file) for cell in table[_INDEX].to_pylist()]
    circular = _circular(indices)
    for (at, question), cells in zip(indices, table.to_pylist(), strict=True):
        if not circular or chosen.epoch in ("all", str(at + 1)):
            yield _row(cells, str(question) if circular else cells[_INDEX], at + 1 if circular else 1, chosen)


def _index(cell: str, file: Path) -> tuple[int, int]:
    """The pass and the question of an index; (0, -1) of one that is no number."""
    if not cell.strip():
        raise DataError(f"{file.name}: a row without an index", fix="keep the rows as VLMEvalKit wrote them")
    return divmod(int(cell), _PASS) if cell.isdecimal() and len(cell) < 15 else (0, -1)


def _circular(indices: list[tuple[int, int]]) -> bool:
    """Whether questions were asked again with their options in another order."""
    first = {question for at, question in indices if at == 0}
    return any(at > 0 and question in first for at, question in indices)


def _row(cells: Mapping[str, str], identifier: str, epoch: int, chosen: LogOptions) -> LogRow:
    options = {letter: cells[letter] for letter in string.ascii_uppercase if cells.get(letter, "").strip()}
    target, letter = cells.get(_ANSWER, "").strip(), _letter(cells, options)
    judged = next((judged_of(cells[name].strip()) for name in _JUDGED if cells.get(name, "").strip()), None)
    if judged is None and letter and target:
        judged = RIGHT if letter.casefold() == target.casefold() else WRONG
    failed = FAILED if cells[_PREDICTION].startswith(_FAILED) else None
    answer, truth = (options.get(text, text) for text in (letter, target))
    metadata = {name: cell for name, cell in cells.items() if name not in _NOT_GROUPS and name not in options and len(name) > 1}
    return LogRow(identifier, (truth,) if truth else (), answer, judged, failed, metadata, epoch)


def _letter(cells: Mapping[str, str], options: Mapping[str, str]) -> str:
    """The answer as the tool extracted it or, of a question with options, one letter alone; empty for anything else."""
    if _EXTRACTED in cells:
        extracted = cells[_EXTRACTED].strip()
        return "" if extracted.casefold() in _UNKNOWN and extracted not in options else extracted
    reply = cells[_PREDICTION].strip()
    if not options:
        return reply
    match = _LETTER.fullmatch(reply)
    return match[1] if match and match[1] in options else ""
