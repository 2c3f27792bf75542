"""The second step of ``vlm-audit verify``: what follows from the verified findings, by the audit's own rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import Any

from audit import results
from audit import results as results_file
from audit.api.lookup import found_questions, locked_questions
from audit.errors import UsageError
from audit.extension import exports, find, import_declared
from audit.gates.changes import decide_changes
from audit.gates.gate_set import GateSet
from audit.gates.parse import CHANGE_SUBJECTS, SUBJECTS, GateQuestion, ResolvedGate, Subject, parse, resolve_gate, same_group
from audit.output.directory import AUDIT, COMPARISON
from audit.records import comparison
from audit.records import comparison as comparison_file
from audit.records.comparison import Comparisons
from audit.records.plan_lock import FILE, PlanLock
from audit.results import Results
from audit.rules.effects import with_effects
from audit.rules.lock import with_lock
from audit.types import Group
from audit.version import __version__
from reports.rendered import files_of_audit, files_of_comparison
from strictio.limits import parse_json
from verify.answers import AnswerFile
from verify.command import Rendered, SecondStep
from verify.ledger import Difference, Ledger, Path
from verify.source import PREDICTIONS, ArchiveSource, Source, UnreadableError, parsed

# What an audit says about its data and its probe, and what was chosen: against the copy beside the answers, and the recorded command.
#
# Anyone who deletes a note, a list of left out images or a limit from the results makes a page that does not name it. No number depends
# on these, and equal copies prove nothing: they are not counted as verified, but a difference is one.


RUN = "vlm-audit run"
NOTES = {"--cluster": "cluster_chosen", "--weights": "weights_chosen"}
"""Option of the command -> code of the note about its column."""


def compare_stated(results: Mapping[str, Any], stated: Sequence[Mapping[str, Any]] | None, ledger: Ledger) -> None:
    """Compare the records of data and probe with their copy (None: the answers have none), and notes with the options of the command."""
    copies = {(copy["model"], copy["probe"]["name"]): copy for copy in stated or ()}
    options = _options(results["command"])
    for at, audit in enumerate(results["audits"]):
        copy = copies.get((audit["model"]["name"], audit["probe"]["name"]), {})
        for part in ("data", "probe"):
            for name, copied in copy.get(part, {}).items():
                _compare(("audits", at, part, name), audit[part].get(name), copied, ledger)
        for flag, code in NOTES.items():
            columns = [note["values"].get("column") for note in audit["data"]["notes"] if note["code"] == code]
            if flag in options and columns != [options[flag]]:
                ledger.differences.append(Difference(("audits", at, "data", code), columns, [options[flag]]))


def _compare(path: Path, recorded: Any, copied: Any, ledger: Ledger) -> None:
    """Compare a field with its copy; of a list, a difference shows what is missing, or is there in addition."""
    if recorded == copied or any(difference.path[: len(path)] == path for difference in ledger.differences):
        return
    if not (isinstance(recorded, list) and isinstance(copied, list)):
        ledger.differences.append(Difference(path, recorded, copied))
        return
    more = [Difference((*path, at), one, None) for at, one in enumerate(recorded) if one not in copied]
    missing = [Difference((*path, "missing", at), None, one) for at, one in enumerate(copied) if one not in recorded]
    ledger.differences += [*more, *missing] or [Difference(path, recorded, copied)]


def _options(command: Sequence[str]) -> dict[str, str]:
    """The options of a recorded command with their values; empty for another command than `run`.

    >>> _options(["vlm-audit run", "--cluster", "person", "--weights=w"])
    {'--cluster': 'person', '--weights': 'w'}
    """
    found = {}
    for word, after in pairwise([*command, ""] if command[:1] == [RUN] else []):
        flag, equals, value = word.partition("=")
        if flag in NOTES:
            found[flag] = value if equals else after
    return found


# Decides the gates of a run, or of a comparison, again.


Recorded = Sequence[Mapping[str, Any]]
"""Gates as their file has them."""


def with_gates(results: Results, gates: Recorded, lock: PlanLock | None) -> Results:
    """The results with their gates decided; raises UsageError for a gate on no question."""
    questions = _known(found_questions(results), () if lock is None else locked_questions(lock))
    groups = [rate.group for audit in results.audits for finding in audit.findings for rate in finding.by_group]
    return GateSet(tuple(_resolved(gate, questions, groups, SUBJECTS) for gate in gates)).decide(results)


def with_change_gates(facts: Comparisons, gates: Recorded, sides: Sequence[Results]) -> Comparisons:
    """A comparison with its gates decided; `sides` are the audits that it compares."""
    questions = _known([question for side in sides for question in found_questions(side)])
    groups = [cell.before.group for one in facts.comparisons for change in one.changes for cell in change.by_group]
    resolved = [_resolved(gate, questions, groups, CHANGE_SUBJECTS) for gate in gates]
    return replace(facts, gates=tuple(decide_changes(gate, facts) for gate in resolved))


def _known(found: Sequence[GateQuestion], locked: Sequence[GateQuestion] = ()) -> list[GateQuestion]:
    """The questions that a gate may name, each once. All were planned when the gate was read, if it needs that."""
    every = {question.id: replace(question, primary=True) for question in (*locked, *found)}
    return list(every.values())


def _resolved(
    gate: Mapping[str, Any], known: Sequence[GateQuestion], groups: Collection[Group], subjects: Sequence[Subject]
) -> ResolvedGate:  # fmt: skip
    """A gate with its question: by its name, or else that of its checks, since some names are known only before a run."""
    parsed = parse(gate["expression"], subjects)
    try:
        return resolve_gate(parsed, known, "change" if subjects is CHANGE_SUBJECTS else "gap")
    except UsageError:
        named = {check["finding"] for check in gate["checks"]}
        if parsed.name is None or len(named) != 1 or None in named:
            raise
        [finding] = named
        question = next((question for question in known if question.id == finding), GateQuestion(finding, (), ()))
        parts = parsed.name.split(" for ")
        written = [" for ".join(parts[at:]) for at in range(1, len(parts))]
        group = next((name for name in written if any(same_group(name, group) for group in groups)), None)
        return ResolvedGate(parsed, question.id, question.attributes, group, question.better)


# Renders again, from the results alone, what people read: page, summary, model cards, tables.


OF_ROWS = frozenset({"tables/near_duplicates.csv"})
"""Tables that do not follow from the results."""


def rendered_again(source: Source) -> Rendered:
    """Render again what follows from the results alone, and name the files that have other bytes."""
    names, here = source.names(), f"vlm-audit {__version__}"
    name = AUDIT if AUDIT in names else COMPARISON
    try:
        facts = source.read(name).decode()
        tool = parse_json(facts)["tool"]
        if tool != here:
            return Rendered(omitted=f"they are of {ascii(str(tool))[1:-1][:80]}, and this is {here}")
        files = _files(name, facts)
    except MemoryError:
        raise
    except Exception as error:  # results that contradict themselves
        return Rendered(omitted="", problems=(f"{name} cannot be rendered ({type(error).__name__}: {ascii(str(error))[1:-1][:200]})",))
    others = {name for name in names if name.startswith(("tables/", "model_card")) and name not in OF_ROWS} - {*files}
    problems = [problem for name, text in files.items() if (problem := _problem(source, name, text, names))]
    problems += [f"{ascii(name)[1:-1]}: no such file follows from the results" for name in sorted(others)]
    return Rendered(len(files), tuple(problems), omitted="")


def _files(name: str, facts: str) -> Mapping[str, str]:
    return files_of_audit(results.from_json(facts), facts) if name == AUDIT else files_of_comparison(comparison.from_json(facts))


def _problem(source: Source, name: str, text: str, names: set[str]) -> str:
    """Say how a file differs from what follows from the results; empty if it does not."""
    if name not in names:
        return f"{name}: it follows from the results, and is missing"
    expected = text.encode()
    try:
        found = source.read(name)
    except UnreadableError as error:
        return str(error).split(",", maxsplit=1)[0]
    if found == expected:
        return ""
    lines = zip_longest(found.split(b"\n"), expected.split(b"\n"))
    line = next(number for number, (one, other) in enumerate(lines, 1) if one != other)
    return f"{name}: line {line:,} is not what follows from the results"


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
    if isinstance(source, ArchiveSource):
        _check_exports(source, names, results_file.from_json(json.dumps(facts)), step)


def _check_exports(source: Source, names: set[str], results: Results, step: SecondStep) -> None:
    """Check what `vlm-audit pack` adds to the files of an audit, as far as an extension does."""
    for export in exports():
        if export.check and export.packed in names:
            step.problems += import_declared(export.check)(source.read(export.packed), results)
    step.notes += find().left_out


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
