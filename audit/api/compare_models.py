"""Compares audits and models: from a request to the changes. Models are audited first, through the same pipeline."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit.api.audit_output import Clock
from audit.api.audits import Audit
from audit.api.changes import Changes, compare_sides
from audit.api.comparison_output import write
from audit.api.junit import junit_of_errors
from audit.api.lookup import found_questions, planned_questions
from audit.api.pipeline import run_audit
from audit.api.plan import check_models, plan_audit
from audit.cli.parser import short_name
from audit.comparison.engine import check_axis
from audit.comparison.sides import FinishedAudit, distinct_names, read
from audit.errors import UsageError
from audit.gates.changes import ChangeGates
from audit.gates.parse import GateQuestion
from audit.models.spec import served_kind
from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest
from audit.options.schema import flag
from audit.output.directory import AUDIT, COMPARISON, STATUS, scrub, write_text
from audit.output.run_directory import RunDirectory
from reports.exports.junit import junit_xml
from reports.exports.terminal.audits import audit_lines

LOG = logging.getLogger("audit.compare")


def compare(*sides: Any, **options: Any) -> Changes:
    """Compare finished audits and models: everything with the first. Raises a subclass of AuditError that identifies the cause.

    A side is the directory of a finished audit, an `Audit`, or a model as for `audit`, which is audited first; options are the fields of
    `CompareRequest`: `probe`, `series`, `tolerance`, `out`, …, like the flags of the same names.
    """
    with junit_of_errors(options.get("junit"), options.get("fail_on")):
        return run_comparison(CompareRequest(**{"sides": sides, **options}))


def run_comparison(request: CompareRequest) -> Changes:
    """Audit the models, compare, and write the directory if the request names one."""
    clock = Clock()
    models = {_key(side): side for side in request.sides if not _is_finished(side)}
    _check_options(request, list(models.values()))
    if len(models) > 1:
        audit_request = AuditRequest(**{"model": tuple(models.values()), **request.audit_options()})
        check_models(plan_audit(audit_request))
    finished = [side for side in request.sides if _key(side) not in models]
    sides = {_key(side): side.sides() if isinstance(side, Audit) else read(Path(side)) for side in finished}
    named = [side.side.name for side in _named(request, sides)]
    if request.series_axis is not None:  # before any model is audited
        check_axis(request.series_axis, [*named, *(short_name(side) for side in request.sides if _key(side) in models)])
    gates = ChangeGates.of(
        request.fail_on, _questions([finished_audit for finished_audits in sides.values() for finished_audit in finished_audits], request)
    )
    with RunDirectory(request.out, COMPARISON, LOG, request.log_format) as directory:
        directory.open()
        for number, key in enumerate(models, 1):
            audit_request = _audit_request(request, key, number)
            if directory.folder is not None and audit_request.out is not None:
                directory.folder.open().folder(f"audits/{audit_request.out.name}", make=True)  # and not through a link
            audit = run_audit(audit_request)
            report = f"{audit.directory / 'report.html'}\n" if audit.directory else ""
            LOG.info("%s\n%s", audit_lines(audit.results), report)
            sides[key] = audit.sides()
        together = _named(request, sides)
        distinct_names(together)
        changes = compare_sides(together, request, clock)
        facts = gates.decide(changes.facts, _questions(together, request))
        changes = replace(changes, facts=facts, gate_policy=request.gate_policy)
        LOG.info("compared %s", ", ".join(side.name for side in changes.facts.sides))
        if directory.folder is not None:
            write(directory.folder, changes.facts)
        if request.junit is not None:
            write_text(request.junit, junit_xml(changes.facts, request.gate_policy))
    return changes


def _named(request: CompareRequest, sides: Mapping[str | int, Sequence[FinishedAudit]]) -> list[FinishedAudit]:
    """The models of those sides that are read so far, in order, under the names of the request, if any.

    Raises UsageError if a side holds several models, which one name cannot distinguish.
    """
    together = []
    for position, side in enumerate(request.sides):
        audits = sides.get(_key(side), ())
        if request.name and len(audits) > 1:
            what = f"--name {request.name[position]!r} would name {len(audits)} models"
            raise UsageError(what, where=str(side) if isinstance(side, str) else None, fix="leave --name out: the audit has their names")
        names = request.name[position : position + 1] or [audit.side.name for audit in audits]
        together += [replace(audit, side=replace(audit.side, name=name)) for audit, name in zip(audits, names, strict=False)]
    return together


def _questions(sides: Sequence[FinishedAudit], request: CompareRequest) -> tuple[GateQuestion, ...]:
    """The questions that a gate may name: those of finished audits; before the first of them, those of the probes."""
    import probes

    if sides:
        return tuple(dict.fromkeys(question for side in sides for question in found_questions(side.results)))
    chosen = [probes.get(probe) if isinstance(probe, str) else probe for probe in request.probe]
    return planned_questions(measurement for probe in chosen for measurement in probe.measurements)


def _key(side: Any) -> str | int:
    """A key to identify sides: a model named twice is audited once."""
    return side if isinstance(side, str) else id(side)


def _is_finished(side: Any) -> bool:
    return isinstance(side, Audit) or (isinstance(side, str) and any((Path(side) / name).is_file() for name in (AUDIT, STATUS)))


def _check_options(request: CompareRequest, models: Sequence[Any]) -> None:
    for model, kind in ((model, kind) for model in models if (kind := served_kind(model))):
        fix = f"vlm-audit run --model {model} {kind.needs} --probe NAME --out AFTER, then: vlm-audit compare BEFORE AFTER"
        raise UsageError(f"{model!r} has to be audited first", why=f"it is a {kind.name}, which compare cannot audit", fix=fix)
    if models and not request.probe:
        folder = isinstance(models[0], str) and Path(models[0]).is_dir()
        why = "it holds no results.json, so it is taken for a model" if folder else "it is taken for a model"
        named = models[0] if isinstance(models[0], str) else short_name(models[0])
        what = f"--probe is missing: {named!r} is not a finished audit"
        raise UsageError(what, why=why, fix="vlm-audit compare BEFORE AFTER --probe fairface")
    rules = ("seed", "alpha", "tolerance", "min_group_size", "cache_root", "progress", "stages", "log_format")
    if not models and (unused := [name for name in request.audit_options() if name not in rules]):
        what = f"{flag(unused[0])} cannot be used here"
        raise UsageError(what, why="every side is a finished audit", fix="leave it out, or name models instead")


def _audit_request(request: CompareRequest, key: str | int, number: int) -> AuditRequest:
    """The request for an audit of one model, under its name if it has one, into its own folder below the comparison's."""
    position = [_key(side) for side in request.sides].index(key)
    model, names = request.sides[position], request.name[position : position + 1]
    called = names[0] if names else short_name(model)
    LOG.info("auditing %s", called)
    options: dict[str, Any] = {"model": model, "name": names, **request.audit_options()}
    if request.out is not None:
        folder = re.sub(r"[^\w.-]", "-", called).strip(".-") or "model"
        options["out"] = request.out / "audits" / f"{number}-{folder}"
    audit_request = AuditRequest(**options)
    return AuditRequest(**{**options, "command": tuple(map(scrub, audit_request.words("vlm-audit run")))})
