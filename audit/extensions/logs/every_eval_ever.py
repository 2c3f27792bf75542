"""Every Eval Ever: ``<uuid>_samples.jsonl``, one line per sample and metric; groups are the texts in `metadata`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.data.schema import quoted
from audit.errors import DataError
from audit.extensions.logs.base import LogRow, judged_of, refuse_repeated, text_of
from audit.extensions.logs.options import LogChoices, LogOptions
from audit.extensions.logs.recognise import EVERY_EVAL_EVER, LONGEST
from audit.types import FAILED
from strictio.tables.json_lines import records
from strictio.tables.stream import survey

NAME = "Every Eval Ever"
_AGAIN = "convert the log again with every_eval_ever"


def choices(file: Path) -> LogChoices:
    """The evaluations (one per metric) of a file, which is about one run of one model."""
    survey(file, None)
    evaluations: dict[str, None] = {}
    runs: dict[tuple[str, str], None] = {}
    version = ""
    for number, line in records(file, longest=LONGEST):
        if missing := [key for key in EVERY_EVAL_EVER if key not in line]:
            raise DataError(f"{file.name} line {number} lacks {quoted(missing[0])}", fix=_AGAIN)
        evaluations[text_of(line["evaluation_name"])] = None
        runs[text_of(line["evaluation_id"]), text_of(line.get("model_id"))] = None
        version = text_of(line["schema_version"])
    if len(runs) > 1:
        why = f"found {len(runs)} evaluations"
        raise DataError(f"{file.name} holds several runs", why=why, fix="give one file per run, as every_eval_ever writes them")
    (_, model), *_ = runs
    return LogChoices(f"{NAME} {version}", next(iter(evaluations)), model or None, tuple(evaluations))


def log_rows(file: Path, chosen: LogOptions) -> Iterator[LogRow]:
    """The samples of one evaluation."""
    seen: set[str] = set()
    for number, line in records(file, longest=LONGEST):
        if text_of(line["evaluation_name"]) != chosen.scorer:
            continue
        where, sample = f"{file.name} line {number}", text_of(line["sample_id"])
        refuse_repeated(seen, sample, where)
        given, metadata, evaluation = line["input"], line.get("metadata") or {}, line["evaluation"]
        if not all(isinstance(value, dict) for value in (given, metadata, evaluation)):
            raise DataError(f"{where}: input, metadata and evaluation are objects in the schema", fix=_AGAIN)
        reference = given.get("reference")
        targets = tuple(map(text_of, reference)) if isinstance(reference, list) else (text_of(reference),)
        judged = judged_of(evaluation.get("is_correct"))
        outcome = FAILED if line.get("error") else None
        yield LogRow(sample, tuple(filter(None, targets)), _answer(line["answer_attribution"]), judged, outcome, metadata)


def _answer(attribution: Any) -> str | None:
    """The value that the last step extracted; None if no step extracts one."""
    steps = [step for step in attribution if isinstance(step, dict)] if isinstance(attribution, list) else []
    final = next((step for step in steps if step.get("is_terminal") is True), None)
    return None if final is None else text_of(final.get("extracted_value"))
