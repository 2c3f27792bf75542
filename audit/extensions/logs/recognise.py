"""Which tool wrote a file: by its name and first bytes, without the tool. Cheap to import, because tables are asked about, too.

Files that hold totals only are refused here: no group can be recovered from them. The message says where the answers are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from audit.errors import DataError
from strictio.logs.elements import is_json_object, keys_and_elements
from strictio.tables import TEXT, column_names, ending_of
from strictio.tables.json_lines import records

LM_EVAL = ("doc_id", "doc", "target", "filtered_resps")
LMMS_EVAL = ("doc_id", "filtered_resps", "target")
"""Without ``doc``, which the tool leaves out."""
EVERY_EVAL_EVER = ("schema_version", "evaluation_id", "sample_id", "evaluation_name", "input", "answer_attribution", "evaluation")
ELEMENTS = "samples"
"""The array of a log in one JSON file, at which its head ends."""
LONGEST = 2**24
"""Characters of a line: a document may be a long text."""
_INSPECT = {"version", "status", "eval"}
_VLM_EVAL_KIT, _EITHER = {"index", "prediction"}, {"answer", "question"}
"""Columns of VLMEvalKit's tables: both of the first, and one of the others."""
_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_MODEL = "audit the model itself: vlm-audit run --model SPEC --probe NAME; or write a table with id, y_pred and groups for each image"
_FORMS = {
    "clip_benchmark": ({"dataset", "model", "pretrained", "task", "metrics"}, _MODEL),
    "lm-eval or lmms-eval": ({"results", "configs"}, "run the evaluation with --log_samples, and give its samples_*.jsonl"),
    "Every Eval Ever": ({"schema_version", "evaluation_id", "evaluation_results"}, "give the instances beside it: <uuid>_samples.jsonl"),
}
"""Tool -> the keys of its totals, and where the answers are."""
_OPEN_CLIP = re.compile(r".+-top\d+")


def is_log(file: Path) -> bool:
    """Whether a tool wrote a file, row by row; raises DataError for a file with totals only."""
    return tool_of(file) is not None


def tool_of(file: Path) -> str | None:
    """The module of this package that reads a file; None for any other file. Raises DataError for a file with totals only."""
    if file.suffix.lower() == ".eval":
        return "inspect_ai"
    if file.suffix.lower() == ".json":
        return _of_head(file)
    if ending_of(file) in _LINES:
        return _of_first_line(file)
    names = set(column_names(file)) if ending_of(file) in TEXT else set()
    return "vlmevalkit" if names >= _VLM_EVAL_KIT and names & _EITHER else None


def _of_head(file: Path) -> str | None:
    keys = head_of(file).keys()
    for tool, (needed, fix) in _FORMS.items():
        if needed <= keys:
            raise _totals(file, tool, fix)
    return "inspect_ai" if keys >= _INSPECT else None


def _of_first_line(file: Path) -> str | None:
    first = _first_record(file)
    if _open_clip(first):
        raise _totals(file, "open_clip", _MODEL)
    by_keys = {"lm_eval": LM_EVAL, "lmms_eval": LMMS_EVAL, "every_eval_ever": EVERY_EVAL_EVER}
    return next((tool for tool, keys in by_keys.items() if first.keys() >= {*keys}), None)


def head_of(file: Path) -> dict[str, Any]:
    """The keys of a JSON file before its samples, with their values; empty for any other file. Raises DataError if it is damaged."""
    if file.suffix.lower() != ".json" or not is_json_object(file):
        return {}
    head: dict[str, Any] = {}
    for key, value in keys_and_elements(file, ELEMENTS):
        if key == ELEMENTS:
            break
        head[key] = value
    return head


def _first_record(file: Path) -> dict[str, Any]:
    """The first object of a file of JSON lines; empty for an empty file."""
    try:
        return next((record for _, record in islice(records(file, longest=LONGEST), 1)), {})
    except (DataError, UnicodeError):
        return {}  # a table or nothing, which its reader reports


def _open_clip(first: Mapping[str, Any]) -> bool:
    """Whether a line holds the results of a zero-shot evaluation while training."""
    return "epoch" in first and any(_OPEN_CLIP.fullmatch(key) for key in first)


def _totals(file: Path, tool: str, fix: str) -> DataError:
    return DataError(f"{file.name} holds totals only ({tool})", why="a total does not say who was answered how", fix=fix)
