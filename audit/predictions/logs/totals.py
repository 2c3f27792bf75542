"""Files that hold totals only: no group can be recovered from them, so they are refused with the way to answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.errors import DataError
from audit.predictions.logs.lm_eval import first_record
from strictio.logs.elements import is_json_object, keys_and_elements

ELEMENTS = "samples"
"""The array of a log in one JSON file, at which its head ends."""
_MODEL = "audit the model itself: vlm-audit run --model SPEC --probe NAME; or write a table with id, y_pred and groups for each image"
_FORMS = {
    "clip_benchmark": ({"dataset", "model", "pretrained", "task", "metrics"}, _MODEL),
    "lm-eval or lmms-eval": ({"results", "configs"}, "run the evaluation with --log_samples, and give its samples_*.jsonl"),
    "Every Eval Ever": ({"schema_version", "evaluation_id", "evaluation_results"}, "give the instances beside it: <uuid>_samples.jsonl"),
}
"""Tool -> the keys of its totals, and where the answers are."""
_OPEN_CLIP = re.compile(r".+-top\d+")


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


def refuse(file: Path) -> None:
    """Raise `DataError` for a file with totals only."""
    if file.suffix.lower() == ".json":
        keys = head_of(file).keys()
        for tool, (needed, fix) in _FORMS.items():
            if needed <= keys:
                raise _totals(file, tool, fix)
    elif _open_clip(first_record(file)):
        raise _totals(file, "open_clip", _MODEL)


def _open_clip(first: Mapping[str, Any]) -> bool:
    """Whether a line holds the results of a zero-shot evaluation while training."""
    return "epoch" in first and any(_OPEN_CLIP.fullmatch(key) for key in first)


def _totals(file: Path, tool: str, fix: str) -> DataError:
    return DataError(f"{file.name} holds totals only ({tool})", why="a total does not say who was answered how", fix=fix)
