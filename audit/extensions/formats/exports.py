"""Each format as text, given the results, the sha256 of results.json and what was given of the options of ``vlm-audit convert``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.extensions.formats.cyclonedx import VERSIONS, bill_of_materials
from audit.extensions.formats.every_eval import Evaluator, evaluation_record
from audit.extensions.formats.github import gate_annotations
from audit.extensions.formats.hub import Benchmark, eval_results
from audit.extensions.formats.in_toto import gate_statement
from audit.extensions.formats.profile import check_compared, profile_csv
from audit.extensions.formats.profile_page import profile_page
from audit.extensions.formats.statements import Statements, read_statements
from audit.records.comparison import Comparisons
from audit.results import Results
from reports.read import read_comparisons

Given = Mapping[str, Any]


def bom(results: Results, sha256: str, _: Given) -> str:
    """A bill of materials in the first version."""
    return _json(bill_of_materials(results, sha256))


def newer_bom(results: Results, sha256: str, _: Given) -> str:
    """The same in the last version."""
    return _json(bill_of_materials(results, sha256, VERSIONS[-1]))


def statement_of_gates(results: Results, sha256: str, _: Given) -> str:
    """The gates for in-toto."""
    return _json(gate_statement(results, sha256))


def hub_entry(results: Results, _: str, given: Given) -> str:
    """One rate for the hub."""
    return eval_results(results, Benchmark(given["benchmark"], given["task"]), given["question"]).rstrip()


def every_eval_record(results: Results, sha256: str, given: Given) -> str:
    """One model for Every Eval Ever."""
    evaluator = Evaluator(given["organization"], given["relationship"], given["model_id"])
    return _json(evaluation_record(results, sha256, evaluator, given["model"]))


def gate_lines(results: Results, _: str, __: Given) -> str:
    """The gates for GitHub Actions."""
    return "\n".join(gate_annotations(results)) or "every gate held" * bool(results.gates) or "no gates"


def profile_table(results: Results, _: str, given: Given) -> str:
    """The bias profile as CSV."""
    return profile_csv(results, *_stated(results, given))


def profile_as_page(results: Results, sha256: str, given: Given) -> str:
    """The bias profile as a page."""
    return profile_page(results, sha256, *_stated(results, given))


def _stated(results: Results, given: Given) -> tuple[Statements, Comparisons | None]:
    """What people state, and the comparison for the changes."""
    statements = read_statements(Path(given["statements"]), results) if given.get("statements") else Statements()
    compared = read_comparisons(Path(given["comparison"])) if given.get("comparison") else None
    if compared is not None:
        check_compared(results, compared)
    return statements, compared


def _json(facts: Any) -> str:
    return json.dumps(facts, indent=1, allow_nan=False) + "\n"
