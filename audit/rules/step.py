"""The second step of ``vlm-audit verify``: what follows from the verified findings, by the audit's own rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audit import results as results_file
from audit.gates.parse import CHANGE_SUBJECTS, SUBJECTS, parse
from audit.output.directory import AUDIT, COMPARISON
from audit.records import comparison as comparison_file
from audit.records.plan_lock import FILE, PlanLock
from audit.results import Results
from audit.rules.effects import with_effects
from audit.rules.gates import with_change_gates, with_gates
from audit.rules.lock import with_lock
from audit.rules.pages import PROFILE, profile_problems, rendered_again
from audit.rules.stated import compare_stated
from audit.version import __version__
from verify.answers import AnswerFile
from verify.command import Rendered, SecondStep
from verify.ledger import Ledger, Path
from verify.source import PREDICTIONS, ArchiveSource, Source, parsed

Facts = Mapping[str, Any]
ASKED = ("kind", "measurement", "outcome", "metric", "attribute", "primary", "tolerance")
"""Fields of an effect that are its question."""
DECIDED = ("p_adjusted", "minimum_detectable", "verdict", "exceeds_tolerance", "reason")
"""Fields of an effect that the rules decide even if its test is taken as recorded."""
OF_LOCK = ("created", "who", "why", "stopping_rule", "gates")
WORDS = ("reasons", "images_needed")
"""Fields of a gate's check that another version of the program may put differently."""


def second_step(source: Source, audits: Sequence[Source] = (), *, rendered: bool = True) -> SecondStep:
    """Apply the rules of the audit to a folder or archive, and compare with what it states; `audits` are those of a comparison."""
    step = SecondStep(rendered=rendered_again(source) if rendered else Rendered(omitted="--no-rendered"))
    names = source.names()
    if AUDIT in names:
        _guarded(step, AUDIT, lambda: _of_results(source, names, step))
    if COMPARISON in names:
        _guarded(step, COMPARISON, lambda: _of_comparison(source, audits, step.ledger))
    return step


def _guarded(step: SecondStep, name: str, compare: Callable[[], None]) -> None:
    """Compare; results that contradict themselves are a problem."""
    try:
        compare()
    except MemoryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {ascii(str(error))[1:-1][:200]}"
        step.problems.append(f"{name}: what follows from it by the audit's own rules could not be found again ({reason})")


def _of_results(source: Source, names: set[str], step: SecondStep) -> None:
    facts = parsed(source.read(AUDIT))
    left_out = source.left_out() if isinstance(source, ArchiveSource) else ()
    table = AnswerFile(source.read(PREDICTIONS)) if PREDICTIONS in names and PREDICTIONS not in left_out else None
    if table is not None:
        _guarded(step, AUDIT, lambda: compare_stated(facts, table.facts.get("stated"), step.ledger))
        if table.facts and "stated" not in table.facts:
            lacks = "has no copy of what the audit says about its data: an earlier version wrote it, or it was removed"
            step.notes.append(f"{PREDICTIONS} {lacks}")
    lock = None
    if facts.get("lock") is not None and FILE.name in names:
        lock = _lock(source, step)
    apply_rules(facts, table, lock, step.ledger)
    if PROFILE in names and isinstance(source, ArchiveSource):
        step.problems += profile_problems(source.read(PROFILE), results_file.from_json(json.dumps(facts)))


def _lock(source: Source, step: SecondStep) -> PlanLock:
    text = source.read(FILE.name).decode()
    lock = FILE.from_json(text)
    if FILE.to_json(lock) != text:
        step.problems.append(f"{FILE.name}: it is not in the form in which it is written")
    return lock


def apply_rules(facts: Facts, table: AnswerFile | None, lock: PlanLock | None, ledger: Ledger) -> None:
    """Apply the rules to the results, without their gates, and compare; a field that no rule gives is not compared."""
    results = results_file.from_json(json.dumps({**facts, "gates": []}))
    expressions = [gate["expression"] for gate in facts["gates"]]
    if lock is not None:
        results = with_lock(results, expressions, lock, table)
        _compare_lock(facts, _as_facts(results), ledger)
    if table is None:  # nothing was recomputed from which gates could follow
        return
    results, tested = with_effects(results, table)
    again = _as_facts(with_gates(results, facts["gates"], lock))
    for at, audit in enumerate(again["audits"]):
        for number, effect in enumerate(audit["effects"]):
            names = [name for name in effect if name not in ASKED] if (at, number) in tested else DECIDED
            one = {name: effect[name] for name in names}
            ledger.compare(("audits", at, "effects", number), facts["audits"][at]["effects"][number], one)
    _compare_gates(facts, again["gates"], ledger)


def _as_facts(results: Results) -> Any:
    return json.loads(results_file.to_json(results))


def _compare_gates(facts: Facts, gates: Sequence[Any], ledger: Ledger) -> None:
    """Compare the outcomes and checks of gates; their expressions are taken as given."""
    words = () if facts["tool"] == f"vlm-audit {__version__}" else WORDS
    for at, (recorded, gate) in enumerate(zip(facts["gates"], gates, strict=True)):
        if parse(recorded["expression"], (*SUBJECTS, *CHANGE_SUBJECTS)).subject == "gap_mean":
            continue  # the means of replicates are as recorded
        checks = [{name: value for name, value in check.items() if name not in words} for check in gate["checks"]]
        ledger.compare(("gates", at), recorded, {"outcome": gate["outcome"], "checks": checks})


def _compare_lock(facts: Facts, again: Facts, ledger: Ledger) -> None:
    for name in OF_LOCK:
        ledger.compare(("lock", name), facts["lock"][name], again["lock"][name])
    _compare_deviations(("lock", "deviations"), facts["lock"]["deviations"], again["lock"]["deviations"], ledger)
    for at, (recorded, audit) in enumerate(zip(facts["audits"], again["audits"], strict=True)):
        path: Path = ("audits", at)
        for name in ("planned", "exploratory", "not_asked"):
            ledger.compare((*path, "lock", name), sorted(recorded["lock"][name]), sorted(audit["lock"][name]))
        _compare_deviations((*path, "lock", "deviations"), recorded["lock"]["deviations"], audit["lock"]["deviations"], ledger)
        for kind in ("findings", "effects"):
            for number, (one, other) in enumerate(zip(recorded[kind], audit[kind], strict=True)):
                ledger.compare((*path, kind, number, "primary"), one["primary"], other["primary"])


def _compare_deviations(path: Path, recorded: Sequence[Facts], computed: Sequence[Facts], ledger: Ledger) -> None:
    """Each recorded deviation with the first of its field; those that are not recorded are differences."""
    left = list(computed)
    for at, deviation in enumerate(recorded):
        same = next((one for one in left if one["field"] == deviation["field"]), None)
        left = [one for one in left if one is not same]
        ledger.compare((*path, at), deviation, same or {"field": "no deviation"})
    for one in left:
        ledger.compare((*path, ".".join(one["field"])), "not stated", f"locked {one['locked']!r}, actual {one['actual']!r}")


def _of_comparison(source: Source, audits: Sequence[Source], ledger: Ledger) -> None:
    facts = parsed(source.read(COMPARISON))
    known = {audit.digest(AUDIT): audit for audit in audits}
    if not facts["gates"] or any(side["sha256"] not in known for side in facts["sides"]):
        return
    sides = [results_file.from_json(known[side["sha256"]].read(AUDIT).decode()) for side in facts["sides"]]
    compared = comparison_file.from_json(json.dumps({**facts, "gates": []}))
    again = json.loads(comparison_file.to_json(with_change_gates(compared, facts["gates"], sides)))
    _compare_gates(facts, again["gates"], ledger)
