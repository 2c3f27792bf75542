"""The options of ``vlm-audit plan``: those of an audit that decide what it asks, and what only the person who plans can state."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from audit.options.audits import AuditRequest
from audit.options.declared import OF_OUTPUTS
from audit.options.gates import GatedRequest
from audit.options.kinds import FilePath, Switch, Text
from audit.options.schema import option

LOCK = "the plan lock"
LEFT_OUT = (
    "lock", "name", "untrained_control", "baseline_models", "include_examples", "log_format", "decode", "batch_size",
    *GatedRequest.model_fields, *OF_OUTPUTS,
)  # fmt: skip
"""Options of an audit that decide nothing about its questions."""


class PlanRequest(AuditRequest):
    """All options of a plan."""

    NEEDED: ClassVar[tuple[str, ...]] = ("probe",)
    EXAMPLE: ClassVar[str] = "vlm-audit plan --probe fairface"

    out: FilePath = option(Path("plan.lock.json"), LOCK, "where to write the lock; a file that does not exist", metavar="FILE", basic=True)
    who: Text | None = option(None, LOCK, "who plans the audit, in your words", metavar="TEXT", basic=True)
    why: Text | None = option(None, LOCK, "why these questions, limits and data, in your words", metavar="TEXT", basic=True)
    stopping_rule: Text | None = option(
        None, LOCK, "when the collection of data ends and whether the audit may be repeated, in your words", metavar="TEXT", basic=True
    )
    any_model: Switch = option(
        False, LOCK, "lock no model: --model (or the file of --predictions) only says how a model is asked", basic=True
    )
