"""How a run differs from its plan lock, by the rules of the run: from the lock, what the results state, and the rows of the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from audit.api.plan_lock import model_identity
from audit.engine.locked_table import QuestionRows, locked_rows, table_deviations, true_answers
from audit.engine.plan_lock import field_deviations, fields_of, models_not_run, of_model, restated, run_deviations, sorted_claims
from audit.predictions.own_tables import OWN_COLUMNS
from audit.records.effect import EffectResult
from audit.records.plan_lock import PRESENT, AuditLock, LockDeviation, LockedModel, LockedProbe, LockedTable, PlanLock
from audit.results import AuditResult, Finding, Results
from audit.rules.effects import recorded_answers
from verify.answers import AnswerFile

EXTERNAL = "external predictions"
SETTINGS = ("alpha", "draws", "seed", "min_group_size", "max_skip", "limit")
_TABLE = ("data", "table")
Fields = dict[tuple[str, ...], Any]


def with_lock(results: Results, expressions: Sequence[str], lock: PlanLock, table: AnswerFile | None) -> Results:
    """The results with their deviations, and the questions that are planned. Fields that no result states are taken as recorded."""
    assert results.lock is not None  # noqa: S101 - the caller has read it
    settings = {name: getattr(results.settings, name) for name in SETTINGS}
    actual = replace(lock, software=results.tool, gates=tuple(expressions), **settings)
    run = [*run_deviations(lock, actual, {audit.probe.name for audit in results.audits})]
    stated: set[tuple[str, ...]] = {("software",), ("gates",), *((name,) for name in SETTINGS)}
    if not any(audit.is_served for audit in results.audits):  # without a hash, a model is known by its name, which `--name` changes
        run += models_not_run(lock, [LockedModel(*model_identity(audit.model)) for audit in results.audits])
        stated.add(("models",))
    recorded = results.lock.deviations
    run += [restated(one, asdict(lock)) for one in recorded if one.field not in stated and one.field[0] not in ("probes",)]
    gates = tuple(gate for gate in expressions if gate not in lock.gates)
    made = replace(
        results.lock, created=lock.created, who=lock.who, why=lock.why, stopping_rule=lock.stopping_rule, gates=gates,
        deviations=_in_order(run, recorded),
    )  # fmt: skip
    audits = tuple(_audit_under(audit, lock, run, table) for audit in results.audits)
    return replace(results, lock=made, audits=audits)


def _in_order(deviations: Sequence[LockDeviation], recorded: Sequence[LockDeviation]) -> tuple[LockDeviation, ...]:
    """In the order of those that are recorded, so that each is compared with its own."""
    places = {one.field: at for at, one in reversed([*enumerate(recorded)])}
    return tuple(sorted(deviations, key=lambda one: places.get(one.field, len(places))))


def _audit_under(audit: AuditResult, lock: PlanLock, run: Sequence[LockDeviation], table: AnswerFile | None) -> AuditResult:
    recorded = audit.lock.deviations if audit.lock else ()
    locked = lock.probes.get(audit.probe.name)
    if locked is None:
        deviation = LockDeviation(("probes", audit.probe.name), None, PRESENT, "all")
        return _planned(audit, AuditLock((), (), (), (deviation,)))
    stated = _stated(audit, locked)
    fields = fields_of(locked)
    for path, value in stated.items():
        _put(fields, path, value)
    deviations = [*field_deviations(locked, fields)]
    if not audit.is_served:
        deviations += of_model(lock, LockedModel(*model_identity(audit.model)))
    of_table = audit.model.kind != EXTERNAL or table is not None
    if of_table:
        actual = None if table is None or audit.model.kind != EXTERNAL else _rows(audit, table)
        deviations += table_deviations(locked.data.table, actual)
    known = {*stated, *([] if audit.is_served else [("models",)])}
    deviations += [
        restated(one, asdict(locked), locked.claims)
        for one in recorded
        if one.field not in known and not (of_table and one.field[:2] == _TABLE)
    ]
    asked = {question.id for question in _every(audit)}
    added = {one.field[1] for one in recorded if len(one.field) == 2 and one.field[0] == "claims" and one.actual is None}
    sorted_out = sorted_claims(locked, run, deviations, asked - added, asked)
    return _planned(audit, replace(sorted_out, deviations=_in_order(sorted_out.deviations, recorded)))


def _planned(audit: AuditResult, lock: AuditLock) -> AuditResult:
    """Only what is as locked is planned."""
    findings = tuple(replace(finding, primary=finding.id in lock.planned) for finding in audit.findings)
    effects = tuple(replace(effect, primary=effect.id in lock.planned) for effect in audit.effects)
    return replace(audit, lock=lock, findings=findings, effects=effects)


def _put(fields: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a field; a prompt, question or bin that is None is taken away."""
    *above, last = path
    for name in above:
        fields = fields[name]
    if value is None and above and above[0] in ("prompts", "questions", "bins"):
        fields.pop(last, None)
    else:
        fields[last] = deepcopy(value)


def _stated(audit: AuditResult, locked: LockedProbe) -> Fields:
    """Field of the locked probe -> its value in the run, for all that results state."""
    data = audit.data
    binned = [(note.values["column"], note.values["levels"]) for note in data.notes if note.code == "binned"]
    bins = {str(column): tuple(levels) for column, levels in binned if isinstance(levels, tuple | list)}
    fields: Fields = {
        ("source_sha256",): audit.probe.made.sha256 if audit.probe.made else None, ("data", "fingerprint"): data.fingerprint,
        ("clusters",): data.cluster, ("weights",): data.weights,
    }  # fmt: skip
    fields |= {("bins", name): bins.get(name) for name in (*locked.bins, *bins)}
    for exclusion in data.exclusions:
        if not isinstance(exclusion.reason, str) and exclusion.reason.code == "listed":
            fields["data", "exclusions", f"listed (sha256 {exclusion.reason.values['sha256']})"] = exclusion.count
    return fields | dict(_texts(audit, locked)) | dict(_questions(audit, locked))


def _texts(audit: AuditResult, locked: LockedProbe) -> Iterator[tuple[tuple[str, ...], Any]]:
    for measurement in audit.measurements:
        name, prompts = measurement.name, locked.prompts.get(measurement.name)
        for label, texts in measurement.prompts.items() if prompts is not None else ():
            if texts or label in (prompts or {}):
                yield ("prompts", name, label), tuple(map(_sha256, texts))
        if measurement.asked is not None and name in locked.questions:
            yield ("questions", name), _sha256(measurement.asked)


def _questions(audit: AuditResult, locked: LockedProbe) -> Iterator[tuple[tuple[str, ...], Any]]:
    for one in _every(audit):
        if one.id in locked.claims:
            yield from ((("claims", one.id, name), value) for name, value in _of_question(one).items())


def _every(audit: AuditResult) -> tuple[Finding | EffectResult, ...]:
    return (*audit.findings, *audit.effects)


def _of_question(one: Finding | EffectResult) -> Mapping[str, Any]:
    if isinstance(one, EffectResult):
        metric = one.kind if one.metric is None else f"{one.kind} of {one.metric}"
        of = {"measurement": one.measurement, "metric": metric, "outcome": one.outcome}
        return {**of, "attributes": (one.attribute,), "tolerance": one.tolerance}
    names = ("measurement", "metric", "outcome", "attributes", "better", "tolerance")
    rare = {} if one.ratio_tolerance is None else {"ratio_tolerance": one.ratio_tolerance}  # only rare answers and errors have one
    return {name: getattr(one, name) for name in names} | rare


def _rows(audit: AuditResult, table: AnswerFile) -> LockedTable:
    """The rows of external predictions, from the file of answers."""
    parts = []
    for measurement in audit.measurements:
        answers = recorded_answers(audit, measurement.name, table)
        columns = {
            name: column.tolist() for name, column in answers.columns.items()
            if name not in OWN_COLUMNS and any(value is not None for value in column)
        }  # fmt: skip
        if answers.y_true is not None:
            columns[true_answers(measurement.name)] = answers.y_true.tolist()
        ids = [str(name) for name in answers.columns["id"]]
        parts.append(QuestionRows(ids, columns, np.ones(len(ids), np.int64)))
    return locked_rows(parts, identified=not audit.data.numbered)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
