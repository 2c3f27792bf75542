"""The plan lock of a run: whether the file is the one that the results name, and whether they state every deviation from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verify.answers import AnswerFile
from verify.folder import Files
from verify.ledger import Ledger
from verify.rows import compared
from verify.source import PREDICTIONS, Source, UnreadableError, parsed

LOCK = "plan.lock.json"
Facts = Mapping[str, Any]
Field = tuple[str, ...]
SETTINGS = ("alpha", "draws", "seed", "min_group_size", "max_skip", "limit")
NO_CLAIMS = ("gates", "texts", "exploratory", "family_size", "claims", "models")
"""Fields that change no question that is asked; those inside a claim change it."""
PRESENT = "present"
EXTERNAL = "external predictions"
VERSION = "2"


@dataclass(frozen=True)
class LockState:
    """What can be said about the lock of a run."""

    sha256: str | None
    """Of the file; None: there is none."""
    by: str | None
    deviations: int


NO_LOCK = LockState(None, None, 0)


def verify_lock(source: Source, results: Facts, files: Files, ledger: Ledger) -> LockState:
    """Compare the results with the lock that they were run under; a file that is not that lock is added to the problems."""
    record = results.get("lock")
    content = source.read(LOCK) if LOCK in source.names() else None
    if record is None:
        if content is not None:
            files.problems.append(f"{LOCK}: it is here, and results.json names no lock")
        return NO_LOCK
    number = len(record["deviations"]) + sum(len(audit["lock"]["deviations"]) for audit in results["audits"])
    if content is None:
        files.problems.append(f"{LOCK} is missing: results.json was run under one with the sha256 {record['sha256']}")
        return LockState(None, record["who"], number)
    sha256 = hashlib.sha256(content).hexdigest()
    lock = _parsed(content, files)
    if sha256 != record["sha256"]:
        files.problems.append(f"{LOCK}: it was changed after the run: its sha256 is {sha256}, in results.json {record['sha256']}")
    if lock is not None:
        answers = AnswerFile(source.read(PREDICTIONS)) if PREDICTIONS in source.names() else None
        _compare(lock, results, answers, ledger)
    return LockState(sha256, record["who"], number)


def _parsed(content: bytes, files: Files) -> Facts | None:
    """The fields of a lock, which has one exact form."""
    try:
        lock = parsed(content)
        if lock["schema_version"] != VERSION:
            version = ascii(lock["schema_version"])[:20]
            raise UnreadableError(f"{LOCK} has schema version {version}; this program verifies version {VERSION}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        files.problems.append(f"{LOCK}: it is damaged ({type(error).__name__})")
        return None
    if content != (json.dumps(lock, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode():
        files.problems.append(f"{LOCK}: it is not in the form in which it is written")
    return dict(lock)


def _compare(lock: Facts, results: Facts, answers: AnswerFile | None, ledger: Ledger) -> None:
    ledger.compare(("lock",), results["lock"], {name: lock[name] for name in ("created", "who", "why", "stopping_rule")})
    unlocked = [gate["expression"] for gate in results["gates"] if gate["expression"] not in lock["gates"]]
    ledger.compare(("lock", "gates"), results["lock"]["gates"], unlocked)
    of_run = _deviations(("lock",), results["lock"]["deviations"], dict(_of_run(lock, results)), lock, ledger, None)
    for at, audit in enumerate(results["audits"]):
        locked = lock["probes"].get(audit["probe"]["name"])
        own = dict(_of_audit(lock, locked, audit)) | (dict(_of_table(locked, audit, answers)) if locked else {})
        claims = _deviations(("audits", at, "lock"), audit["lock"]["deviations"], own, locked or {}, ledger, locked)
        _compare_claims(at, audit, locked, {*of_run, *claims}, ledger)


def _compare_claims(at: int, audit: Facts, locked: Facts | None, concerned: set[str], ledger: Ledger) -> None:
    """Which locked questions are planned, exploratory or not asked; only the planned ones may have a verdict."""
    planned = [] if locked is None else list(locked["claims"])
    deviating = {*planned} if "all" in concerned else concerned
    questions = [(kind, at, one) for kind in ("findings", "effects") for at, one in enumerate(audit.get(kind, ()))]
    asked = {one["id"] for _, _, one in questions}
    added = {deviation["field"][1] for deviation in audit["lock"]["deviations"] if _absent(deviation)}
    lists = {
        "planned": [name for name in planned if name in asked and name not in deviating | added],
        "exploratory": [name for name in planned if name in asked and name in deviating | added],
        "not_asked": [name for name in planned if name not in asked],
    }
    for name, claims in lists.items():
        ledger.compare(("audits", at, "lock", name), sorted(audit["lock"][name]), sorted(claims))
    for kind, number, one in questions:
        ledger.compare(("audits", at, kind, number, "primary"), one["primary"], one["id"] in lists["planned"])


def _absent(deviation: Facts) -> bool:
    """Whether a deviation says that a locked question is not planned in the probe."""
    return deviation["field"][0] == "claims" and len(deviation["field"]) == 2 and deviation["actual"] is None


# ---- deviations ----------------------------------------------------------------------------------------------------------------------


def _deviations(
    path: tuple[str | int, ...], recorded: Sequence[Facts], computed: Mapping[Field, tuple[Any, ...]], lock: Facts, ledger: Ledger,
    probe: Facts | None,
) -> list[str]:  # fmt: skip
    """Compare the recorded deviations with those that the results show, and return the questions that they concern.

    `lock` has the fields of the deviations: the lock itself, or the part about the probe of an audit, which then is `probe`, too.
    """
    known: set[Field] = set()
    concerned: list[str] = []
    for at, deviation in enumerate(recorded):
        field: Field = tuple(deviation["field"])
        known.add(field)
        claims = _claims(field, probe)
        concerned += [claims] if isinstance(claims, str) else claims
        expected: dict[str, Any] = {"claims": claims}
        if field in computed:
            locked, actual, *rows = computed[field]
            expected |= {"locked": locked, "actual": actual} | ({"rows": rows[0]} if rows else {})
            if locked == actual:
                expected = {"field": "no deviation"}
        elif field[0] not in ("models", "probes"):
            expected |= {"locked": _value(_at(lock, field))}
        ledger.compare((*path, "deviations", at), deviation, expected)
    for field, (locked, actual, *_) in computed.items():
        if locked != actual and field not in known:
            ledger.compare((*path, "deviations", ".".join(field)), "not stated", f"locked {locked!r}, actual {actual!r}")
            claims = _claims(field, probe)
            concerned += [claims] if isinstance(claims, str) else claims
    return concerned


def _claims(field: Field, probe: Facts | None) -> str | list[str]:
    """The questions that a deviation concerns: all, or some by their ids."""
    if field[0] == "claims" and len(field) > 2:
        return [field[1]]
    if field[0] in ("prompts", "questions") and probe is not None:
        return [name for name, claim in probe["claims"].items() if len(field) == 1 or claim["measurement"] == field[1]]
    if field == ("models",) and probe is not None:
        return "all"
    if field[0] == "probes":
        return "all" if probe is None else []
    return [] if field[0] in NO_CLAIMS else "all"


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value["sha256"] if "cells" in value else PRESENT
    return [str(part) for part in value] if isinstance(value, list) else value


def _at(lock: Facts, field: Field) -> Any:
    value: Any = lock
    for name in field:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _of_run(lock: Facts, results: Facts) -> Iterator[tuple[Field, tuple[Any, Any]]]:
    """Field -> locked and actual value of what the results state about the whole run."""
    yield ("software",), (lock["software"], results["tool"])
    for name in SETTINGS:
        yield (name,), (lock[name], results["settings"][name])
    yield ("gates",), (lock["gates"], [gate["expression"] for gate in results["gates"]])


def _of_audit(lock: Facts, locked: Facts | None, audit: Facts) -> Iterator[tuple[Field, tuple[Any, Any]]]:
    """The same of one audit."""
    if locked is None:
        yield ("probes", audit["probe"]["name"]), (None, PRESENT)
        return
    if lock["models"] != "any" and audit["endpoint"] is None:
        model = audit["model"]
        form = ", ".join(model[name] for name in ("dtype", "architecture", "preprocessing", "tokenizer"))
        named = [_named(one) for one in lock["models"]]
        same = any((one["sha256"], one["form"]) == (model["sha256"], form) for one in lock["models"])
        yield ("models",), (named, named) if same else (named, _named({**model, "form": form}))
    made, data = audit["probe"]["made"] or {}, audit["data"]
    yield ("source_sha256",), (locked["source_sha256"], made.get("sha256"))
    yield ("data", "fingerprint"), (locked["data"]["fingerprint"], data["fingerprint"])
    yield ("clusters",), (locked["clusters"], data["cluster"])
    yield ("weights",), (locked["weights"], data["weights"])
    yield from _texts(locked, audit)
    bins = {note["values"]["column"]: note["values"]["levels"] for note in data["notes"] if note["code"] == "binned"}
    for name in {**locked["bins"], **bins}:
        yield ("bins", name), (locked["bins"].get(name), bins.get(name))
    for exclusion in data["exclusions"]:
        if exclusion["reason"]["code"] == "listed":
            name = f"listed (sha256 {exclusion['reason']['values']['sha256']})"
            yield ("data", "exclusions", name), (locked["data"]["exclusions"].get(name), exclusion["count"])
    yield from _questions(locked, audit)


def _of_table(locked: Facts, audit: Facts, answers: AnswerFile | None) -> Iterator[tuple[Field, tuple[Any, ...]]]:
    """The same of the rows of external predictions, as far as the answers are here."""
    table, external = locked["data"]["table"], audit["model"]["kind"] == EXTERNAL
    if table is None or not external:
        yield ("data", "table"), (PRESENT if table else None, PRESENT if external else None)
    elif answers is not None:
        yield from ((("data", "table", *field), sides) for field, sides in compared(table, audit, answers))


def _named(model: Facts) -> str:
    return " · ".join(filter(None, (model["name"], model["sha256"], model["form"])))


def _texts(locked: Facts, audit: Facts) -> Iterator[tuple[Field, tuple[Any, Any]]]:
    """The prompts of each label, and the question to a generative model, by their hashes."""
    for measurement in audit["measurements"]:
        name = measurement["name"]
        prompts = locked["prompts"].get(name)
        for label, texts in measurement["prompts"].items() if prompts is not None else ():
            if texts or label in prompts:
                yield ("prompts", name, label), (prompts.get(label), [_sha256(text) for text in texts])
        if measurement["asked"] is not None and name in locked["questions"]:
            yield ("questions", name), (locked["questions"][name], _sha256(measurement["asked"]))


def _questions(locked: Facts, audit: Facts) -> Iterator[tuple[Field, tuple[Any, Any]]]:
    """What a finding states about its question."""
    for finding in audit["findings"]:
        claim = locked["claims"].get(finding["id"])
        for name in ("measurement", "metric", "outcome", "attributes", "better", "tolerance") if claim else ():
            yield ("claims", finding["id"], name), (claim[name], finding[name])
        if claim and finding["ratio_tolerance"] is not None:  # only rare answers and errors have one
            yield ("claims", finding["id"], "ratio_tolerance"), (claim["ratio_tolerance"], finding["ratio_tolerance"])

    for effect in audit.get("effects", ()):
        claim = locked["claims"].get(effect["id"])
        if claim:
            metric = effect["kind"] if effect["metric"] is None else f"{effect['kind']} of {effect['metric']}"
            facts = {"measurement": effect["measurement"], "metric": metric, "outcome": effect["outcome"], "tolerance": effect["tolerance"]}
            for name, value in {**facts, "attributes": [effect["attribute"]]}.items():
                yield ("claims", effect["id"], name), (claim[name], value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
