"""What can be refused before the first image is: by the plan of an audit, which is frozen, or by a look at each of its models."""

import dataclasses
from dataclasses import replace

import pandas as pd
import pytest

import audit
from audit.api.forecast import forecast_audit
from audit.api.plan import plan_audit
from audit.engine import external
from audit.errors import AuditError, DataError, UsageError
from audit.options.audits import AuditRequest
from audit.plans import WhatIfPlan
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Claim, PairedClaim
from tests.audit.measure.asked.test_interview import FakeAnswerer

DATA = four_faces(30)
PROBE = gender_probe(DATA)
MEASUREMENT = PROBE.measurements[0]


class Reader(FakeEncoder):
    """A model that counts the images it sees, and reads texts of two words."""

    context = 2

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]


def paired(**changes):
    plan = PairedClaim("gender", "race", "Black", "White", ("gender", "scene"), "scene")
    scenes = DATA.attributes.assign(scene=[f"s{row // 4}" for row in range(len(DATA.attributes))])
    return {"probe": replace(PROBE, paired=(replace(plan, **changes),)), "data": replace(DATA, attributes=scenes)}


TWO = [FakeEncoder(), FakeEncoder()]
LONG = replace(MEASUREMENT, label_set=replace(MEASUREMENT.label_set, prompts={"Female": ("a tall woman",), "Male": ("a man",)}))
BOYS = replace(DATA, attributes=DATA.attributes.replace({"gender": {"Male": "Boy"}}))
WHAT_IF = replace(PROBE, what_ifs=(WhatIfPlan("?", "gender/accuracy/race", neutral={"person": ("a person",)}),))
REFUSED = {
    "a column that is missing": ({"by": "age"}, UsageError, "no attribute 'age'"),
    "weights that are missing": ({"weights": "w"}, UsageError, "no attribute 'w' to weight by"),
    "a gate on nothing": ({"fail_on": "gap[gender.acuracy by race] > 0.1"}, UsageError, "no question is called"),
    "a gate on no group": ({"fail_on": "rate[gender.accuracy by race for Blak] < 0.1"}, UsageError, "no group 'Blak'"),
    "a mean of one model": ({"fail_on": "gap_mean[gender.accuracy by race] > 0.1"}, UsageError, "requires --as-replicates"),
    "a true answer that is none": ({"data": BOYS}, DataError, "true answers that the label set does not offer: 'Boy'"),
    "a pair of three": (paired(within=("gender",)), DataError, "not a unique member of a pair"),
    "a pair in two clusters": (paired(cluster="race"), DataError, "the two images of a pair differ in 'race'"),
    "a text that is too long": ({"probe": replace(PROBE, measurements=(LONG,)), "model": Reader()}, DataError, "'a tall woman'"),
    "too long for the second": ({"probe": replace(PROBE, measurements=(LONG,)), "model": [FakeEncoder(), Reader()]}, DataError, "too long"),
    "what is stated about an object": ({"model": TWO, "model_args": [None, "x=1"]}, UsageError, "cannot be used with an object"),
    "fast decoding by the second": ({"model": TWO, "decode": "fast"}, UsageError, "--decode fast cannot be used with fake"),
    "a limit of texts": ({"model": TWO, "max_new_tokens": 9}, UsageError, "--max-new-tokens cannot be used with fake"),
    "a what-if of answers": (
        {"probe": WHAT_IF, "model": [FakeEncoder(), FakeAnswerer()], "what_if": "neutral-label"}, UsageError, "has no what-ifs",
    ),
    "replicates that are asked otherwise": (
        {"model": [FakeEncoder(), FakeAnswerer()], "as_replicates": True}, DataError,
        "fake #1 was not asked 'gender/selection_rate[unclear]/race'",
    ),
    "a folder that is none": ({"out": __file__}, UsageError, "is a file"),
    "a cache that nothing reads": ({"cache_root": "nothing://here"}, AuditError, "nothing"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.extension("whatif")
@pytest.mark.parametrize("look", [audit.api.run_audit, forecast_audit], ids=["run", "check"])
@pytest.mark.parametrize(("options", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_embedded_before_what_is_wrong_is_refused(options, error, says, look):
    options = {"model": FakeEncoder(), "probe": PROBE, "data": DATA, **options}
    models = options["model"] if isinstance(options["model"], list) else [options["model"]]
    for model in models:
        model.calls.clear()
    with pytest.raises(error) as caught:
        look(AuditRequest(**options))
    assert says in str(caught.value)
    assert sum(len(model.calls) for model in models) <= (0 if look is audit.api.run_audit else 2)  # a forecast times two batches


def rows(**changes):
    race, truth = ["A", "B"] * 60, ["f", "m", "m"] * 40
    return pd.DataFrame({"id": [f"i{row}" for row in range(120)], "race": race, "y_true": truth, "y_pred": truth}).assign(**changes)


OTHER = replace(PROBE, name="other", measurements=(replace(MEASUREMENT, name="hair"),))
REFUSED_ROWS = {
    "a gate on nothing": ([rows()], {"fail_on": "gap[y.accuracy by race] > 0.1"}, UsageError, "no question is called"),
    "a gate on no group": (
        [rows(), rows()], {"fail_on": "rate[predictions.accuracy by race for C] < 0.1"}, UsageError, "no group 'C'",
    ),
    "a probe that does not fit": ([rows()], {"probe": PROBE}, UsageError, "which measurement of the probe 'faces' are the answers"),
    "a second file with another answer": (
        [rows(y_true=list(names) * 60, y_pred=list(names) * 60) for names in (("Female", "Male"), ("Female", "Boy"))],
        {"probe": PROBE}, UsageError, "why: none offers 'Boy', 'Female'",
    ),
    "one replicate": ([rows()], {"as_replicates": True}, UsageError, "replicates need two models"),
    "replicates of other questions": (
        [rows(), rows().rename(columns={"y_pred": "y_pred:x"})], {"as_replicates": True}, DataError, "was not asked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("look", [audit.api.run_audit, forecast_audit], ids=["run", "check"])
@pytest.mark.parametrize(("tables", "options", "error", "says"), REFUSED_ROWS.values(), ids=REFUSED_ROWS)
def test_nothing_is_computed_before_predictions_are_refused(tables, options, error, says, look, monkeypatch):
    monkeypatch.setattr(external, "build_result", lambda *_: pytest.fail("computed"))
    with pytest.raises(error, match=says):
        look(AuditRequest(predictions=tables, **options))


def frozen(value, seen):
    """Give every dataclass of ours inside a plan."""
    if isinstance(value, (list, tuple)) and len(value) < 50:
        for part in value:
            frozen(part, seen)
    elif dataclasses.is_dataclass(value) and type(value).__module__.startswith("audit"):
        seen[type(value).__name__] = type(value).__dataclass_params__.frozen
        for field in dataclasses.fields(value):
            frozen(getattr(value, field.name), seen)
    return seen


@pytest.mark.extension("whatif")
def test_a_plan_is_frozen_down_to_its_claims():
    claims = (*MEASUREMENT.claims, Claim("accuracy", ("gender",), primary=False))
    probe = replace(WHAT_IF, measurements=(replace(MEASUREMENT, claims=claims),))
    options = {"fail_on": ["gap > 0.1", "gap[gender.accuracy by race] > 0.1"], "what_if": "all", "model": [FakeEncoder(), "absent.pt"]}
    plan = plan_audit(AuditRequest(probe=probe, data=DATA, **options))
    classes = frozen(plan, {}) | frozen(plan_audit(AuditRequest(predictions=[rows()])), {})
    assert {"AuditPlan", "ProbePlan", "ModelPlan", "FilePlan", "AnswersPlan", "GateSet", "Measurement", "Claim", "Settings"} <= set(classes)
    assert [name for name, is_frozen in classes.items() if not is_frozen] == []
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.gates = None
    assert type(plan.request).model_config["frozen"]
    assert [len(plan.gates.resolved), len(plan.models), len(plan.probes[0].methods) > 3] == [2, 2, True]


@pytest.mark.parametrize("shares", ["", " at equal true shares"])
def test_a_gate_may_name_a_share_by_the_title_that_it_will_have(shares):
    gate = f"gap[Share given ‘woman’{shares} (gender) by race] > 0.1"
    plan = plan_audit(AuditRequest(model=FakeEncoder(), probe=PROBE, data=DATA, fail_on=gate))
    assert [resolved.finding for resolved in plan.gates.resolved] == ["gender/selection_rate[woman]/race"]
