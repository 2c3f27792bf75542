"""lmms-eval: ``<date>_samples_<task>.jsonl``. The documents are left out on saving, so groups come from the data set (`join`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.data.schema import quoted
from audit.errors import DataError
from audit.extensions.logs.base import LogRow, judged_of, refuse_repeated, text_of
from audit.extensions.logs.lm_eval import OTHER_KEYS, filter_of, targets_of
from audit.extensions.logs.options import LogChoices, LogOptions
from audit.extensions.logs.recognise import LMMS_EVAL, LONGEST
from strictio.tables.json_lines import records
from strictio.tables.stream import survey

NAME = "lmms-eval"
_FILE = re.compile(r"[\dT._-]+_samples_(?P<task>.+)\.jsonl(\.gz)?")
_PREDICTION, _TRUTH, _SCORE, _ID = "prediction", "ground_truth", "score", "question_id"
"""Keys of the object that a task may give as a metric."""


def choices(file: Path) -> LogChoices:
    """The filters and metrics of a file."""
    survey(file, None)
    filters: dict[str, None] = {}
    metrics: dict[str, None] = {}
    for number, line in records(file, longest=LONGEST):
        if missing := [key for key in LMMS_EVAL if key not in line]:
            raise DataError(f"{file.name} line {number} lacks {quoted(missing[0])}", fix="keep the lines as lmms-eval wrote them")
        filters[filter_of(line)] = None
        metrics |= dict.fromkeys(key for key in line if key not in OTHER_KEYS)
    named = _FILE.fullmatch(file.name)
    return LogChoices(NAME, named["task"] if named else "", None, tuple(metrics), tuple(filters))


def log_rows(file: Path, chosen: LogOptions) -> Iterator[LogRow]:
    """The documents of one filter."""
    seen: set[str] = set()
    for number, line in records(file, longest=LONGEST):
        if filter_of(line) != (chosen.filter or "none"):
            continue
        where, doc_id = f"{file.name} line {number}", text_of(line["doc_id"])
        refuse_repeated(seen, doc_id, where)
        value = line.get(chosen.scorer or "")
        if isinstance(value, dict):
            known = {_ID: value[_ID]} if _ID in value else {}
            yield LogRow(doc_id, _targets(value, line), _answer(value, line), judged_of(value.get(_SCORE)), metadata=known)
        else:
            yield LogRow(doc_id, targets_of(line["target"]), _response(line, where), judged_of(value))


def _targets(value: dict[str, Any], line: dict[str, Any]) -> tuple[str, ...]:
    return targets_of(value[_TRUTH] if _TRUTH in value else line["target"])


def _answer(value: dict[str, Any], line: dict[str, Any]) -> str | None:
    if _PREDICTION in value:
        return text_of(value[_PREDICTION])
    return _response(line, "")


def _response(line: dict[str, Any], where: str) -> str | None:
    """The reply that the filter kept: a text or, with several requests, a list with one."""
    kept = line["filtered_resps"]
    while isinstance(kept, list) and len(kept) == 1:
        kept = kept[0]
    if isinstance(kept, list):
        why = f"its filter keeps {len(kept)} responses to one document"
        raise DataError(f"{where}: which response is the answer?", why=why, fix="choose a metric that holds a prediction: --scorer NAME")
    return text_of(kept)
