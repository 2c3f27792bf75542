"""What an audit found: the facts that `results.json` carries and that the report draws. Nothing here knows of HTML or of a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, TypeAdapter

from audit.errors import DataError
from audit.records.base import Verdict, record
from audit.records.consistency import inconsistency
from audit.records.counts import CountRecord
from audit.records.evidence import AuditEvidence
from audit.records.file import File, from_text, to_text
from audit.records.finding import CellStatus, Contrast, Finding, Gap, PairedFinding, Rate, SpecificationCurve, SpecificationPoint
from audit.records.gates import GateResult
from audit.records.inputs import DataRecord, MeasurementRecord, ProbeRecord
from audit.records.schema_1 import upgrade_results
from audit.records.what_if import WhatIfs
from audit.types import ModelRecord, Note, PublishedTable, Settings

__all__ = [
    "AuditResult", "CellStatus", "Contrast", "ControlFinding", "DataRecord", "Example", "Finding", "Gap", "MeasurementRecord",
    "PairedFinding", "ProbeRecord", "Rate", "Results", "SpecificationCurve", "SpecificationPoint", "Timing", "UntrainedControl", "Verdict",
]  # fmt: skip

SCHEMA_VERSION = "2"


@record
class ControlFinding:
    """A primary question, as a control answers it."""

    finding: str
    """Its id."""
    overall: float | None
    gap: float | None
    low: float | None
    high: float | None
    null_95: float | None
    p_adjusted: float | None
    """Holm over the control's own questions."""
    verdict: Verdict


@record
class UntrainedControl:
    """The same architecture with weights that were drawn and never trained: what the audit finds where nothing was learned."""

    seed: int
    """Of the weights."""
    findings: tuple[ControlFinding, ...]
    verdict: Verdict


@record
class Example:
    """A picture that was asked for with `--include-examples`: small, without metadata, without a name or an answer."""

    measurement: str
    jpeg: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    """Base64."""


@record
class AuditResult:
    """One model, one probe."""

    model: ModelRecord
    probe: ProbeRecord
    data: DataRecord
    measurements: tuple[MeasurementRecord, ...]
    findings: tuple[Finding, ...]
    paired: tuple[PairedFinding, ...]
    specifications: tuple[SpecificationCurve, ...]
    published: tuple[PublishedTable, ...]
    verdict: Verdict
    warnings: tuple[Note, ...]
    """What a reader must know before trusting a number, besides the facts above."""
    counts: tuple[CountRecord, ...] = ()
    """One a measurement, in their order."""
    what_ifs: tuple[WhatIfs, ...] = ()
    """Answers to "what would this audit say if ..."; nothing above depends on them."""
    untrained_control: UntrainedControl | None = None
    evidence: AuditEvidence = AuditEvidence()
    examples: tuple[Example, ...] = ()
    """Images whose answers were least certain; none unless somebody asked for them."""


@record
class Timing:
    """The only part of `results.json` that differs between two equal runs."""

    created: str
    """UTC, ISO 8601."""
    wall_s: float


@record
class Results:
    """The file: every audit of one run of the command."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    """Arguments as typed; of an absolute path only the last part."""
    settings: Settings
    environment: Mapping[str, str]
    """package -> version, and device and dtype."""
    audits: tuple[AuditResult, ...]
    timing: Timing
    gates: tuple[GateResult, ...] = ()
    """What `--fail-on` asked, in its order."""


@cache
def _adapter() -> TypeAdapter[Results]:
    return TypeAdapter(Results)


def to_json(results: Results) -> str:
    """Return strict JSON with sorted keys; equal results give equal bytes."""
    return to_text(_adapter(), results)


def from_json(text: str) -> Results:
    """Return the results of a `results.json`, of an older schema too.

    Raises
    ------
    DataError
        If the text is not JSON, has an unknown schema version, does not follow the schema, or does not fit together.
    """
    results = from_text(_adapter(), text, File("results.json", SCHEMA_VERSION, upgrade_results, "run the audit again"))
    if found := inconsistency(results):
        raise DataError("results.json does not fit together", why=found, fix="run the audit again")
    return results


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `results.json`."""
    return _adapter().json_schema()
