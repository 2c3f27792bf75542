"""``vlm-audit verify`` and plan locks: a lock changed after the run, and deviations that are not stated, are named."""

import hashlib
import json
import shutil

import pytest

from audit import audit
from audit.__main__ import main
from audit.api.plan import plan_audit
from audit.api.plan_lock import Statement, plan_lock
from audit.commands.verify import verify
from audit.options.plans import PlanRequest
from audit.records.plan_lock import FILE
from tests.audit.api.test_plan_lock import table
from tests.support.made_once import made_once
from tests.verify.test_command import rehash

ROWS = table()
ASKED = {"predictions": ROWS, "draws": 299, "fail_on": "gap > 0.9"}
RUNS = {
    "as locked": {}, "other limits": {"tolerance": 0.3}, "other gates": {"fail_on": "gap > 0.8"}, "other seed": {"seed": 4},
    "fewer attributes": {"attributes": "race"}, "left out": {"exclude": ["i1", "i3"]}, "smallest group": {"min_group_size": 150},
    "another model": {"predictions": ROWS.assign(y_pred=ROWS.y_true), "name": "mine"},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folders of audits under one lock, by what differs from it."""

    def make(folder):
        (folder / "locks").mkdir()
        lock = folder / "locks" / "mine.json"
        lock.write_text(FILE.to_json(plan_lock(plan_audit(PlanRequest(**ASKED).model_copy(update={"out": None})), Statement("Ada"))))
        for name, options in RUNS.items():
            audit(**{**ASKED, **options}, lock=lock, out=folder / name)

    return made_once(tmp_path_factory, "locked", make)


@pytest.fixture
def folder(finished, tmp_path):
    return lambda name: shutil.copytree(finished / name, tmp_path / name)


def sha256(folder):
    return hashlib.sha256((folder / "plan.lock.json").read_bytes()).hexdigest()


def edit(folder, change, name="results.json"):
    """Change a file as a forger does, who also rehashes it."""
    facts = json.loads((folder / name).read_text())
    change(facts)
    (folder / name).write_text(json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    rehash(folder, name)


@pytest.mark.slow_except("as locked")
@pytest.mark.parametrize("name", RUNS)
def test_a_run_under_a_lock_is_verified(name, finished, capsys):
    found = verify(finished / name, lock_digest=sha256(finished / name))
    assert (found.problems, [str(one) for one in found.differences]) == ([], [])
    assert (found.lock.deviations == 0) is (name == "as locked")
    assert main(["verify", str(finished / name)]) == 0
    assert f"can also edit the lock, {sha256(finished / name)}" in capsys.readouterr().out


def test_a_lock_changed_after_the_run_is_named(folder, capsys):
    of = folder("other limits")
    before = sha256(of)

    def looser(lock):
        for claim in lock["probes"]["predictions"]["claims"].values():
            claim["tolerance"] = 0.3

    edit(of, looser, "plan.lock.json")
    assert main(["verify", str(of)]) == 1
    assert f"plan.lock.json: it was changed after the run: its sha256 is {sha256(of)}, in results.json {before}" in capsys.readouterr().out
    # Who edits everything is caught only from outside.
    edit(of, lambda results: results["lock"].update(sha256=sha256(of)))
    assert main(["verify", str(of), "--lock-digest", before]) == 1
    assert f"lock        DIFFERS: that of plan.lock.json is {sha256(of)}" in capsys.readouterr().out


def test_a_lock_that_is_gone_added_or_in_another_form_is_named(folder):
    of = folder("as locked")
    text = (of / "plan.lock.json").read_text()
    (of / "plan.lock.json").write_text(text.replace("\n", "\r\n"))
    assert "plan.lock.json: it is not in the form in which it is written" in verify(of).problems
    (of / "plan.lock.json").unlink()
    assert any(problem.startswith("plan.lock.json is missing: results.json was run under one") for problem in verify(of).problems)
    (of / "plan.lock.json").write_text(text)
    edit(of, lambda results: results.update(lock=None))
    assert "plan.lock.json: it is here, and results.json names no lock" in verify(of).problems
    assert verify(of, lock_digest=sha256(of)).lock_differs


FORGED = {
    "a tolerance": ("as locked", lambda audit: audit["findings"][0].update(tolerance=0.3), "tolerance"),
    "a deviation that is left out": ("other limits", lambda audit: audit["lock"]["deviations"].clear(), "deviations"),
    "a verdict that a deviation forbids": (
        "other seed",
        lambda audit: audit["findings"][0].update(primary=True, verdict="disparity"),
        "findings[0].primary",
    ),
    "another locked value": ("other limits", lambda audit: audit["lock"]["deviations"][0].update(locked=0.2), "deviations[0].locked"),
    "a question that was not asked": ("fewer attributes", lambda audit: audit["lock"].update(not_asked=[]), "lock.not_asked"),
    "a planned question": ("other limits", lambda audit: audit["lock"].update(planned=audit["lock"]["exploratory"]), "lock.planned"),
    "the data": ("left out", lambda audit: audit["data"].update(fingerprint="a" * 64), "deviations"),
}


@pytest.mark.slow_except("a verdict that a deviation forbids", "a question that was not asked", "the data")
@pytest.mark.parametrize("forged", FORGED)
def test_what_the_lock_contradicts_is_named(forged, folder):
    name, change, field = FORGED[forged]
    of = folder(name)
    edit(of, lambda results: change(results["audits"][0]))
    assert any(field in str(difference) for difference in verify(of).differences), verify(of).differences


@pytest.mark.slow_except("other seed-<lambda>")
@pytest.mark.parametrize(("name", "change"), [
    ("other seed", lambda results: results["lock"]["deviations"].clear()),
    ("other gates", lambda results: results["gates"][1]["checks"][0].update(outcome="held", deviates=False)),
    ("other gates", lambda results: results["lock"]["gates"].clear()),
    ("as locked", lambda results: results["lock"].update(who="Eve")),
])  # fmt: skip
def test_what_the_run_states_wrongly_is_named(name, change, folder):
    of = folder(name)
    edit(of, change)
    assert verify(of).differences


def test_a_gate_on_the_verdict_of_a_question_that_deviates_is_decided_again(tmp_path):
    """It was planned when the gate was read, and is exploratory in the results."""
    asked = {**ASKED, "fail_on": "verdict[predictions.accuracy by race] == disparity"}
    lock = tmp_path / "lock.json"
    lock.write_text(FILE.to_json(plan_lock(plan_audit(PlanRequest(**asked).model_copy(update={"out": None})), Statement("Ada"))))
    audit(**asked, seed=4, lock=lock, out=tmp_path / "out")
    found = verify(tmp_path / "out")
    assert (found.end, found.problems, found.differences) == ("VERIFIED", [], [])
    assert ("gates", 0, "outcome") in found.second.ledger.verified
