"""A plan lock is written before anything is embedded, and every deviation from it is on the first screen."""

import dataclasses
import hashlib
import json
from dataclasses import replace
from xml.etree.ElementTree import parse

import numpy as np
import pandas as pd
import pytest

import audit
from audit.__main__ import main
from audit.api.plan import plan_audit
from audit.api.plan_lock import Statement, plan_lock, run_lock, under_lock
from audit.engine.plan_lock import restricted
from audit.errors import DataError, UsageError
from audit.options.audits import AuditRequest
from audit.options.plans import PlanRequest
from audit.records.plan_lock import FILE, LockedClaim, LockedData, LockedModel, LockedProbe, PlanLock
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Claim
from reports.exports.card import card
from reports.exports.markdown import summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal.audits import audit_lines
from reports.exports.terminal.json_lines import audit_json
from tests.audit.measure.asked.test_interview import FakeAnswerer
from tests.support.page_text import text_of

DATA = four_faces(60)
PROBE = gender_probe(DATA)
MEASUREMENT = PROBE.measurements[0]
GATE = "gap[gender.accuracy by race] > 0.9"
CLAIM = "gender/accuracy/race"
SAID = Statement("Ada Example", "release 3", "no further images")


def locked(path, *, statement=SAID, any_model=False, **options):
    """Write the lock of a request, as the command does, and return its path."""
    asked = options or {"model": FakeEncoder(), "probe": PROBE, "draws": 199, "fail_on": GATE}
    lock = plan_lock(plan_audit(PlanRequest(**asked).model_copy(update={"out": None})), statement, any_model=any_model)
    path.write_text(FILE.to_json(lock))
    return path


def screens(done):
    """Return the first screen of the page, the summary, the model card, the card of a notebook and the terminal, each as one line."""
    texts = [summary_markdown(done.results), next(iter(model_cards(done.results).values())), audit_lines(done.results)]
    texts = [text_of(done.to_html()), text_of(card(done.results)), *texts]
    return [" ".join(text.replace("\\", "").replace("\xa0", " ").split()) for text in texts]


def run(lock, **options):
    return audit.audit(FakeEncoder(), PROBE, draws=199, fail_on=GATE, lock=lock, **options)


def changed(path, change):
    """Change the fields of a lock, and write it in its own form."""
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


# ---- as locked -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_as_locked_deviates_in_nothing_and_has_the_numbers_of_one_without_a_lock(tmp_path):
    path = locked(tmp_path / "plan.lock.json")
    done, free = run(path, out=tmp_path / "out"), audit.audit(FakeEncoder(), PROBE, draws=199, fail_on=GATE)
    said = "this audit does not deviate from it. Only a signature or a commit of the lock shows that it is older than the answers."
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(f"Plan lock {sha256[:12]} (planned by Ada Example, " in text and said in text for text in screens(done))
    assert all("Why: release 3. Stopping rule: no further images." in screens(done)[at] for at in (0, 2, 3))
    assert not any("lan lock" in text for text in screens(free)[1:])
    assert done.results.audits[0].lock.planned == (CLAIM,)
    bare = replace(done.results, lock=None, timing=free.results.timing, audits=(replace(done.results.audits[0], lock=None),))
    assert to_json(bare) == to_json(free.results)
    assert done.results.lock.sha256 == sha256
    assert (tmp_path / "out" / "plan.lock.json").read_bytes() == path.read_bytes()
    assert from_json((tmp_path / "out" / "results.json").read_text()) == done.results


def test_a_plan_embeds_nothing_and_its_form_is_one():
    encoder = FakeEncoder()
    plan = plan_audit(AuditRequest(model=encoder, probe=PROBE))
    one, other = (FILE.to_json(replace(plan_lock(plan, SAID), created="")) for _ in range(2))
    assert (encoder.calls, one) == ([], other)


def test_the_command_plans_and_never_replaces_a_lock(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table().to_csv("answers.csv", index=False)
    words = ["plan", "--predictions", "answers.csv", "--who", "Ada", "--stopping-rule", "once"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert f"sha256 {hashlib.sha256((tmp_path / 'plan.lock.json').read_bytes()).hexdigest()}" in text
    assert "planned by: Ada. Why: not stated. Stopping rule: once." in text
    assert main(words) == 2
    assert "a lock is never overwritten" in capsys.readouterr().err
    assert main(["run", "--predictions", "answers.csv", "--lock", "plan.lock.json", "--out", "out"]) == 0
    assert "this audit does not deviate from it" in " ".join(capsys.readouterr().out.split())


def test_a_plan_without_a_model_allows_any_and_a_probe_of_a_generative_one_is_locked_as_it_is_asked(tmp_path):
    anybody = locked(tmp_path / "any.json", model=(), probe=PROBE)
    assert FILE.from_json(anybody.read_text()).models == "any"
    assert not audit.audit(FakeEncoder(), PROBE, lock=anybody).results.audits[0].lock.deviations
    asked = locked(tmp_path / "asked.json", model=FakeAnswerer(), probe=PROBE, any_model=True)
    form = FILE.from_json(asked.read_text()).probes["faces"]
    assert {"gender/selection_rate[unclear]/race", CLAIM} == set(form.claims)
    assert list(form.questions) == ["gender", "gender: order"]
    assert not audit.audit(FakeAnswerer(), PROBE, lock=asked).results.audits[0].lock.deviations
    with pytest.raises(UsageError, match="the models are asked different questions of 'faces'"):
        locked(tmp_path / "both.json", model=[FakeEncoder(), FakeAnswerer()], probe=PROBE)


def test_a_lock_that_was_edited_is_refused(tmp_path):
    path = locked(tmp_path / "plan.lock.json")
    path.write_text(path.read_text().replace('"alpha": 0.05', '"alpha": 0.050'))
    with pytest.raises(DataError, match="it is not in the form in which vlm-audit plan writes it, so it was edited"):
        run(path)
    path.write_text("{}")
    with pytest.raises(DataError, match="schema version None"):
        run(path)


# ---- every field ---------------------------------------------------------------------------------------------------------------------

PROBE_OF = ("probes", "faces")
OTHER = "a" * 64
CASES = {
    ("software",): ("vlm-audit 0.0.9", "Program version: locked vlm-audit 0.0.9, actual vlm-audit 0.1.0."),
    ("code_sha256",): (OTHER, "Program code (sha256): locked aaaaaaaaaaaa, actual "),
    ("models",): (
        [{"name": "other", "sha256": OTHER, "form": ""}],
        "Model: locked other · aaaaaaaaaaaa, actual fake · 000000000000 · float32, mean colour, none, none.",
    ),
    ("alpha",): (0.01, "Error rate (alpha): locked 0.01, actual 0.05."),
    ("draws",): (9999, "Draws of the tests: locked 9,999, actual 199."),
    ("seed",): (3, "Random seed: locked 3, actual 0."),
    ("min_group_size",): (10, "Minimum group size: locked 10, actual 30."),
    ("max_skip",): (0.0, "Largest share of unreadable images: locked 0 %, actual 1 %."),
    ("limit",): (100, "Sample size: locked 100, actual all images."),
    ("gates",): (["gap > 0.1"], f"Gates: not locked: {GATE}."),
    (*PROBE_OF, "source_sha256"): (OTHER, "File of the probe (sha256): locked aaaaaaaaaaaa, actual none."),
    (*PROBE_OF, "prompts", "gender", "Male"): ([OTHER], "Prompts of ‘Male’ in gender: locked sha256 aaaaaaaaaaaa, actual “a man”."),
    (*PROBE_OF, "questions"): ({"gender": OTHER}, "Question to the model in gender: locked aaaaaaaaaaaa, actual none."),
    (*PROBE_OF, "texts"): ([OTHER], "Texts besides the prompts of the questions: locked and not asked: aaaaaaaaaaaa."),
    (*PROBE_OF, "data", "fingerprint"): (OTHER, "Data (sha256): locked aaaaaaaaaaaa, actual 444444444444."),
    (*PROBE_OF, "data", "images"): (1200, "Number of images: locked 1,200, actual 240."),
    (*PROBE_OF, "data", "exclusions"): ({"withdrawn": 2}, "Images left out (withdrawn): locked 2, actual none."),
    (*PROBE_OF, "data", "table"): (
        {"identified": True, "rows": {"rows": 0, "sha256": OTHER, "cells": ""}, "columns": {}},
        "Table of predictions: locked present, actual none.",
    ),
    (*PROBE_OF, "bins"): ({"age": ["under 9", "9 and over"]}, "Groups of age: locked under 9, 9 and over, actual none."),
    (*PROBE_OF, "clusters"): ("person", "Column of clusters: locked person, actual none."),
    (*PROBE_OF, "weights"): ("w", "Column of weights: locked w, actual none."),
    (*PROBE_OF, "claims"): (
        lambda claims: {**claims, "gender/accuracy/age": claims[CLAIM]},
        "Question gender accuracy by age: locked as planned, actually not asked.",
    ),
    (*PROBE_OF, "exploratory"): ([], "Exploratory comparisons: not locked: gender/selection_rate[woman]/race."),
    (*PROBE_OF, "family"): ("suite people", "Questions that p is adjusted over: locked suite people, actual probe faces."),
    (*PROBE_OF, "family_size"): (4, "Number of planned questions: locked 4, actual 1."),
    (*PROBE_OF, "claims", CLAIM, "measurement"): ("face", "Measurement of gender accuracy by race: locked face, actual gender."),
    (*PROBE_OF, "claims", CLAIM, "metric"): ("recall", "Metric of gender accuracy by race: locked recall, actual accuracy."),
    (*PROBE_OF, "claims", CLAIM, "outcome"): ("woman", "Outcome of gender accuracy by race: locked woman, actual none."),
    (*PROBE_OF, "claims", CLAIM, "attributes"): (["age"], "Attributes of gender accuracy by race: locked age, actual race."),
    (*PROBE_OF, "claims", CLAIM, "better"): ("low", "Direction of gender accuracy by race: locked low, actual high."),
    (*PROBE_OF, "claims", CLAIM, "tolerance"): (0.01, "Tolerance of gender accuracy by race: locked 1 point, actual 5 points."),
    (*PROBE_OF, "claims", CLAIM, "ratio_tolerance"): (1.1, "Tolerance in ratio of gender accuracy by race: locked 1.1, actual 1.25."),
    (*PROBE_OF, "claims", CLAIM, "order"): (["a", "b", "c"], "Order of levels of gender accuracy by race: locked a, b, c, actual none."),
}
NO_CLAIM = {"gates", "texts", "exploratory", "family_size", "claims"}
"""What changes no question that is asked."""


def test_every_field_of_the_lock_has_a_case():
    """Those that a person states are shown verbatim (above); `schema_version` is refused; of a model its hash and form are compared."""
    stated = {"schema_version", "who", "why", "stopping_rule", "created", "probes"}
    covered = {path[-1] if path[-1] != "Male" else "prompts" for path in CASES} | stated | {"data"}
    known = {field.name for kind in (PlanLock, LockedProbe, LockedData, LockedClaim) for field in dataclasses.fields(kind)}
    assert known == covered
    assert {field.name for field in dataclasses.fields(LockedModel)} == {"name", "sha256", "form"}


def deviating(tmp_path, path):
    """Write a lock whose value at a path is another, and return its path."""
    value, _ = CASES[path]

    def change(fields):
        for name in path[:-1]:
            fields = fields[name]
        fields[path[-1]] = value(fields[path[-1]]) if callable(value) else value

    return changed(locked(tmp_path / "plan.lock.json"), change)


@pytest.fixture(scope="module")
def as_locked(tmp_path_factory):
    return run(locked(tmp_path_factory.mktemp("lock") / "plan.lock.json")).results


@pytest.mark.parametrize("path", CASES, ids=".".join)
def test_each_locked_field_is_compared_and_its_deviation_said(path, tmp_path, as_locked):
    """As a run compares them, for the results of a run that was as locked."""
    plan = plan_audit(AuditRequest(model=FakeEncoder(), probe=PROBE, draws=199, fail_on=GATE, lock=deviating(tmp_path, path)))
    [asked] = under_lock(plan, plan.models[0], FakeEncoder()).probes
    audits = (replace(as_locked.audits[0], lock=asked.lock),)
    results = replace(as_locked, lock=run_lock(plan, audits), audits=audits)
    assert CASES[path][1] in " ".join(json.loads(audit_json(results, "out", 1))["deviations"]).replace("\xa0", " ")
    exploratory = path[-1] not in NO_CLAIM
    assert (asked.lock.exploratory == (CLAIM,)) is exploratory
    assert (asked.lock.planned == (CLAIM,)) is not exploratory
    planned = [claim.primary for measurement in restricted(asked.probe, asked.lock).measurements for claim in measurement.claims]
    assert any(planned) is not exploratory


ON_SCREENS = {("software",), ("models",), ("gates",), (*PROBE_OF, "claims", CLAIM, "tolerance")}


@pytest.mark.slow_except("probes.faces.claims.gender/accuracy/race.tolerance")
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[] if path in ON_SCREENS else pytest.mark.slow, id=".".join(path)) for path in CASES]
)
def test_a_deviation_of_each_locked_field_is_on_every_first_screen(path, tmp_path):
    said = CASES[path][1]
    done = run(deviating(tmp_path, path), junit=tmp_path / "junit.xml")
    texts = screens(done)
    assert all(said in text for text in texts), [text[:1500] for text in texts]
    assert said in " ".join(json.loads(audit_json(done.results, "out", 1))["deviations"]).replace("\xa0", " ")
    assert any(said in case.get("name") for case in parse(tmp_path / "junit.xml").iter("testcase"))
    asked = done.results.audits[0]
    finding = next(finding for finding in asked.findings if finding.id == CLAIM)
    exploratory = path[-1] not in NO_CLAIM
    assert finding.primary is not exploratory
    assert (asked.lock.exploratory == (CLAIM,)) is exploratory
    if exploratory:
        assert finding.verdict in ("signal", "no signal")
        assert all("1 of 1 locked question is exploratory because of them" in text for text in texts)
    deviates = exploratory or path[-1] == "gates"
    gate = done.gates[-1]
    assert (gate.outcome, done.exit_code) == (("inconclusive", 1) if deviates else ("held", 0))
    assert [gate.expression for gate in done.gates] == (["gap > 0.1", GATE] if path[-1] == "gates" else [GATE])


# ---- what hides a difference ---------------------------------------------------------------------------------------------------------


def table():
    """400 answers with a disparity by gender, and other columns to choose from."""
    rows = np.arange(400)
    return pd.DataFrame({
        "id": [f"i{row}" for row in rows], "gender": np.array(["f", "m"])[rows % 2], "race": np.array(list("ABCD"))[rows // 100],
        "age": [str(20 + row % 40) for row in rows], "y_true": np.array(["no", "yes"])[rows // 2 % 2],
        "y_pred": np.where((rows % 2 == 1) & (rows % 5 < 2), "no", np.array(["no", "yes"])[rows // 2 % 2]),
    })  # fmt: skip


WHO = "Chosen by the person who ran this audit"
HIDING = {
    "tolerance": (dict(tolerance=0.3), "a tolerance of 30 points (default 5)", "locked 5 points, actual 30 points."),
    "attributes": (dict(attributes="race"), "the attribute race", "locked as planned, actually not asked."),
    "bins": (dict(bins="age=25"), "groups of age: ", "Groups of age: locked none, actual under 25, 25 and over."),
    "smallest group": (
        dict(min_group_size=150), "a minimum group size of 150 images (default 30; ", "Minimum group size: locked 30, actual 150.",
    ),
    "exclusions": (
        dict(exclude=[f"i{row}" for row in range(1, 60, 2)]), "30 images left out by the list of excluded images",
        "locked none, actual 30.",
    ),
}  # fmt: skip
HIDING["bins"] = (dict(bins="age=25,"), "groups of age: under 25, 25 and over", HIDING["bins"][2])


@pytest.mark.slow
@pytest.mark.parametrize("trial", HIDING)
def test_a_choice_that_could_hide_a_difference_is_on_the_first_screen(trial, tmp_path):
    options, chosen, deviation = HIDING[trial]
    rows = table()
    free = screens(audit.audit(predictions=rows, draws=199, **options))
    assert all(f"{WHO}: {chosen}" in free[at] for at in (0, 2, 3, 4)), free
    lock = locked(tmp_path / "plan.lock.json", predictions=rows, draws=199)
    under = screens(audit.audit(predictions=rows, draws=199, lock=lock, **options))
    assert all(deviation in text for text in under), [text[:1500] for text in under]
    assert not any(WHO in text for text in under)
    agreed = locked(tmp_path / "agreed.json", predictions=rows, draws=199, **options)
    honest = screens(audit.audit(predictions=rows, draws=199, lock=agreed, **options))
    assert all("this audit does not deviate from it" in text for text in honest)
    assert all(f"Chosen in the plan lock: {chosen}" in honest[at] for at in (0, 2, 3, 4))
    assert trial != "tolerance" or "olerance (of the plan lock)" in honest[0]


PROBE_FILE = """
from dataclasses import replace
from audit.testing import four_faces, gender_probe
from audit.types import LabelSet
PROBE = gender_probe(four_faces(60))
"""
CARTOON = """
first = PROBE.measurements[0]
labels = LabelSet("gender", ("Female", "Male"), {"Female": ("a cartoon of a woman",), "Male": ("a cartoon of a man",)})
PROBE = replace(PROBE, measurements=(replace(first, label_set=labels),))
"""


def test_a_prompt_of_ones_own_is_on_the_first_screen(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PROBE_FILE)
    lock = locked(tmp_path / "plan.lock.json", model=FakeEncoder(), probe=str(path))
    path.write_text(PROBE_FILE + CARTOON)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    free = screens(audit.audit(FakeEncoder(), str(path)))
    said = f"{WHO}: the probe mine.py (sha256 {sha256[:12]}), with its questions, tolerances and prompts (“a cartoon of a woman”, “a cart"
    assert all(said in free[at] for at in (0, 2, 3, 4)), free
    under = screens(audit.audit(FakeEncoder(), str(path), lock=lock))
    for line in (f"File of the probe (sha256): locked {hashlib.sha256(PROBE_FILE.encode()).hexdigest()[:12]}, actual {sha256[:12]}.",
                 "Prompts of 2 labels in gender: not those with the locked sha256, such as “a cartoon of a"):  # fmt: skip
        assert all(line in text for text in under), [text[:1500] for text in under]


# ---- families and gates --------------------------------------------------------------------------------------------------------------


def test_no_option_lets_a_locked_gate_pass_without_an_answer(tmp_path):
    lock = locked(tmp_path / "plan.lock.json")
    with pytest.raises(UsageError, match="--allow-undecided cannot be used with --lock"):
        run(lock, allow_undecided=True)
    assert run(lock, require_conclusive=True).exit_code == 0


def test_leaving_a_question_out_helps_no_other(tmp_path):
    """Three locked questions, of which one deviates and one is not asked: p of the third is still adjusted over three."""
    claims = (Claim("accuracy", ("race",)), Claim("accuracy", ("gender",)), Claim("selection_rate", ("race",), "woman"))
    three = replace(PROBE, measurements=(replace(MEASUREMENT, claims=claims),))
    lock = locked(tmp_path / "plan.lock.json", model=FakeEncoder(), probe=three, fail_on="gap > 0.9")
    other = (replace(claims[0], tolerance=0.3), claims[1])
    done = audit.audit(FakeEncoder(), replace(PROBE, measurements=(replace(MEASUREMENT, claims=other),)), lock=lock, fail_on="gap > 0.9")
    audited = done.results.audits[0]
    assert (audited.lock.planned, audited.lock.exploratory, audited.lock.not_asked) == (
        ("gender/accuracy/gender",), (CLAIM,), ("gender/selection_rate[woman]/race",),
    )  # fmt: skip
    kept = next(finding for finding in audited.findings if finding.primary)
    assert kept.gap.p_adjusted == pytest.approx(min(1.0, 3 * kept.gap.p))
    [gate] = done.gates
    assert {check.finding: (check.outcome, check.deviates) for check in gate.checks} == {
        "gender/accuracy/gender": ("held", False), CLAIM: ("inconclusive", True),
        "gender/selection_rate[woman]/race": ("inconclusive", True),
    }  # fmt: skip
    assert done.exit_code == 1
    assert all("1 of 3 locked questions is exploratory because of them, 1 of 3 locked questions was not asked" in t for t in screens(done))


def test_a_run_that_leaves_out_probes_and_models_says_so(tmp_path):
    second = replace(PROBE, name="more faces")
    other = FakeEncoder()
    other.record = replace(other.record, name="other", sha256="1" * 64, fingerprint="1" * 64)
    lock = locked(tmp_path / "plan.lock.json", model=[FakeEncoder(), other], probe=[PROBE, second])
    texts = screens(audit.audit(FakeEncoder(), PROBE, lock=lock))
    assert all("Probe more faces: locked present, actual absent." in text for text in texts), texts
    assert all("Model: locked other, actual not audited." in text for text in texts)
    done = audit.audit([FakeEncoder(), other], [PROBE, second, replace(PROBE, name="third")], lock=lock)
    assert [bool(audited.lock.planned) for audited in done.results.audits] == [True, True, False] * 2


@pytest.mark.slow
def test_without_any_planned_question_the_control_is_empty(tmp_path):
    lock = changed(locked(tmp_path / "plan.lock.json"), lambda fields: fields.update(seed=3))
    done = run(lock)
    assert done.results.audits[0].lock.planned == ()
    assert all("No question was asked as the plan lock has it: every comparison is exploratory." in text for text in screens(done))


def test_a_page_of_several_models_names_the_deviations_before_its_audits(tmp_path):
    other = FakeEncoder()
    other.record = replace(other.record, name="other", sha256="1" * 64, fingerprint="1" * 64)
    lock = locked(tmp_path / "plan.lock.json", model=FakeEncoder(), probe=PROBE)
    page = text_of(audit.audit([FakeEncoder(), other], PROBE, lock=lock, seed=3).to_html())
    first = page[: page.index("Every question")]
    assert ": 2 deviations. Only a signature or a commit" in first
    assert "Random seed: locked 0, actual 3. other · faces: model: locked fake · 000000000000 · " in first


def test_replicates_under_a_lock_decide_no_gate_that_deviates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv"):
        table().assign(note=name).to_csv(name, index=False)
    options = {"predictions": ["a.csv", "b.csv"], "as_replicates": True, "draws": 199, "attributes": "gender",
               "fail_on": "gap_mean[predictions.accuracy by gender] > 0.9"}  # fmt: skip
    lock = locked(tmp_path / "plan.lock.json", **options)
    ended = [audit.audit(lock=lock, **{**options, **more}) for more in ({}, {"tolerance": 0.2})]
    assert [done.gates[0].outcome for done in ended] == ["held", "inconclusive"]
    assert [done.exit_code for done in ended] == [0, 1]
