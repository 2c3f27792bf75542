"""in-toto: the gates of an audit as a statement of test results (Statement v1, test-result v0.1), to be signed by a tool of the user's.

Gates are tests, verdicts are not: a verdict has no pass mark. The subjects are the models whose weights were hashed.
"""

from __future__ import annotations

from typing import Any

from audit.errors import UsageError
from audit.extensions.formats.cyclonedx import WEIGHTS, hash_of
from audit.gates.policy import GatePolicy
from audit.records.gates import GateCheck, GateResult
from audit.records.plan_lock import FILE
from audit.results import Results
from reports.text.numbers import clean

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def gate_statement(results: Results, sha256: str) -> dict[str, Any]:
    """Return the statement; `sha256` is that of results.json. A gate that fails the build, as the command was given, is a failed test.

    Raises UsageError if the audit has no gates.
    """
    if not results.gates:
        raise UsageError("this audit has no gates", why="in-toto states the results of tests", fix="audit with --fail-on")
    policy = GatePolicy.of(results.command)
    ended: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for gate in results.gates:
        for check in gate.checks:
            kind = "failedTests" if policy.fails(check) else "passedTests" if check.outcome == "held" else "warnedTests"
            ended[kind].append(_name(gate, check))
    result = "FAILED" if ended["failedTests"] else "WARNED" if ended["warnedTests"] else "PASSED"
    file = {"name": "results.json", "digest": {"sha256": sha256}}
    lock = [{"name": FILE.name, "digest": {"sha256": results.lock.sha256}}] if results.lock else []
    models = {audit.model.sha256: clean(audit.model.name) for audit in results.audits if hash_of(audit) == WEIGHTS}
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for digest, name in models.items()] or [file],
        "predicateType": TEST_RESULT,
        "predicate": {"result": result, "configuration": [*lock, file], **ended},
    }


def _name(gate: GateResult, check: GateCheck) -> str:
    return clean(f"{check.model} · {check.probe} · {gate.expression} · {check.finding or 'the whole audit'}")
