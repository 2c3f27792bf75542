"""Questions about scores and trends through the whole flow: planned, corrected with the others, gated, locked, verified, refused."""

import copy
import json
from dataclasses import replace
from xml.etree.ElementTree import parse

import numpy as np
import pandas as pd
import pytest

import audit
from audit.__main__ import main
from audit.commands.verify import verify
from audit.errors import DataError, UsageError
from audit.options.audits import AuditRequest
from audit.records.plan_lock import FILE
from audit.statistics.effects import decide_effects, effects
from audit.types import Claim, EffectClaim, LabelSet, Measurement, Predictions, Settings
from tests.support.verified import verified

AGES = ("0-2", "3-9", "10-19", "20-29")
ASKED = Measurement(
    "m", "?", LabelSet("m", ("safe", "unsafe"), {}), "ours", (Claim("selection_rate", ("age",), "unsafe"),),
    outcomes={"unsafe": ("unsafe",)},
    effects=(EffectClaim("superiority", "gender", "unsafe"), EffectClaim("trend", "age", "unsafe", "selection_rate", AGES)),
)  # fmt: skip
LEVELS = {"gender": ("Female", "Male"), "age": AGES}


def table(seed, shift=0.432, slope=0.08, n=400):
    """Scores of an unsafe label far below any threshold: those of women are higher with probability .62 (shift .432 of a normal)."""
    rng = np.random.default_rng(seed)
    gender, age = np.repeat(["Female", "Male"], n // 2), rng.integers(0, 4, n)
    score = 1 / (1 + np.exp(5.2 - rng.normal(np.where(gender == "Female", shift, 0), 1)))
    answer = np.where(rng.random(n) < 0.15 + slope * age, "unsafe", "safe")
    return pd.DataFrame({"gender": gender, "age": np.array(AGES)[age], "y_pred": answer, "score:unsafe": score.round(6)})


def decided(rows, settings=None):
    """The verdicts on both effect questions of a table."""
    score = rows["score:unsafe"].to_numpy(np.float32)
    predictions = Predictions(("safe", "unsafe"), ("safe", "unsafe"), np.stack([1 - score, score], axis=1), rows["y_pred"].to_numpy(object),
                              None, rows[["gender", "age"]].astype("str"), np.zeros(0, np.float32))  # fmt: skip
    from audit.statistics.findings import findings

    settings = settings or Settings(draws=99)
    claims = findings(ASKED, predictions, LEVELS, settings)
    return decide_effects(effects(ASKED, predictions, LEVELS, claims, settings), claims, settings, (), limited=False)


@pytest.mark.slow
def test_a_planted_difference_of_scores_and_a_planted_trend_are_found():
    """20 tables of 400 images with an area of .62 and 8 points an age."""
    found = [decided(table(seed)) for seed in range(20)]
    assert sum(one.verdict == "disparity" and one.effects[0].first == "Female" for one, _ in found) >= 17
    assert sum(one.verdict == "disparity" and one.effects[0].value > 0 for _, one in found) >= 17
    assert np.mean([one.effects[0].value for one, _ in found]) == pytest.approx(0.62, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("tables", "most"), [(40, 5), pytest.param(400, 29, marks=pytest.mark.slow)])
def test_of_tables_without_a_difference_few_are_accused(tables, most):
    found = [decided(table(seed, shift=0.0, slope=0.0, n=240)) for seed in range(tables)]
    for question in (0, 1):
        assert sum(one[question].p <= 0.05 for one in found) <= most  # a twentieth is expected; this is two standard deviations more
    assert sum(any(effect.verdict == "disparity" for effect in one) for one in found) <= most


def test_equal_scores_of_many_images_are_equivalent_and_a_sample_settles_nothing():
    large = table(5, shift=0.0, slope=0.0, n=8000)
    assert [effect.verdict for effect in decided(large)] == ["equivalent", "equivalent"]
    clear = audit.audit(predictions=table(1), attributes="gender,age", score="unsafe", ordered="age", draws=99).results.audits[0]
    assert clear.verdict == "disparity"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("effects")
    rows = table(3)
    rows.to_csv(folder / "scores.csv", index=False)
    order = "age=" + ",".join(AGES)
    words = ["--predictions", str(folder / "scores.csv"), "--score", "unsafe", "--ordered", order, "--tolerance", "0.04"]
    gates = [
        "gap[predictions.unsafe.superiority by gender] > 2 points",
        "verdict[predictions.unsafe.trend by age] == disparity",
        "gap > 0.9",
    ]
    flags = [word for gate in gates for word in ("--fail-on", gate)]
    code = main(["run", *words, *flags, "--out", str(folder / "out"), "--junit", str(folder / "gates.xml")])
    return folder, code, json.loads((folder / "out" / "results.json").read_text())


def test_the_questions_are_planned_and_corrected_with_the_rates(done):
    _, code, results = done
    result = results["audits"][0]
    planned = [one for one in (*result["findings"], *result["effects"]) if one["primary"]]
    assert [one["id"] for one in result["effects"]] == [
        "predictions/superiority[unsafe]/gender", "predictions/superiority[unsafe]/age", "predictions/trend of selection_rate[unsafe]/age",
    ]  # fmt: skip
    raw = [one["gap"]["p"] if "gap" in one else one["p"] for one in planned]
    adjusted = [one["gap"]["p_adjusted"] if "gap" in one else one["p_adjusted"] for one in planned]
    order = np.argsort(raw, kind="stable")
    assert np.array(adjusted)[order] == pytest.approx(
        np.minimum(1, np.maximum.accumulate(np.array(raw)[order] * np.arange(len(raw), 0, -1)))
    )
    assert {one["tolerance"] for one in result["effects"]} == {0.04}
    assert result["verdict"] == "disparity"
    assert code == 1


def test_gates_and_junit_know_the_questions(done):
    folder, _, results = done
    assert [gate["outcome"] for gate in results["gates"]] == ["breached", "breached", "held"]
    assert len(results["gates"][2]["checks"]) == 5
    cases = [case.get("name") for case in parse(folder / "gates.xml").iter("testcase")]
    assert "gap > 0.9 :: predictions/superiority[unsafe]/age" in cases


def test_verify_recomputes_them_and_names_a_changed_number(done):
    folder, _, results = done
    answers, effect = folder / "out" / "predictions.parquet", ("audits", 0, "effects")
    ledger = verified(results, answers)
    assert ledger.differences == []
    recomputed = {path[3:] for path in ledger.verified if path[:3] == effect}
    for number in (0, 1, 2):
        assert (number, "effects", 0, "low") in recomputed
        assert {(number, name) for name in ("p", "p_adjusted", "verdict", "minimum_detectable")} <= recomputed
    forged = copy.deepcopy(results)
    forged["audits"][0]["effects"][0]["effects"][0]["value"] += 0.01
    assert {difference.path for difference in verified(forged, answers).differences} >= {(*effect, 0, "effects", 0, "value")}


@pytest.mark.slow_except("with clusters")
@pytest.mark.parametrize("units", ["with clusters", "with weights", "with true answers"])
def test_planned_effects_of_clusters_weights_and_truth_are_verified(units, tmp_path):
    """Their tests are applied to the answers again, by the audit's own rules."""
    rows = table(3).assign(y_true=lambda frame: frame["y_pred"].iloc[::-1].to_numpy(), person=[f"p{row // 2}" for row in range(400)], w=1.5)
    others = {"with clusters": ["y_true", "w"], "with weights": ["y_true", "person"], "with true answers": ["person", "w"]}[units]
    options = {"with clusters": {"cluster": "person"}, "with weights": {"weights": "w"}}.get(units, {})
    ordered = f"age={','.join(AGES)}"
    audit.audit(predictions=rows.drop(columns=others), score="unsafe", ordered=ordered, draws=99, out=tmp_path / "out", **options)
    found = verify(tmp_path / "out")
    assert (found.end, found.undecided) == ("VERIFIED", {})
    assert ("audits", 0, "effects", 0, "effects", 0, "low") in found.second.ledger.verified


def test_a_lock_holds_the_questions_with_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(3).to_csv("scores.csv", index=False)
    words = ["--predictions", "scores.csv", "--score", "unsafe"]
    assert main(["plan", *words, "--ordered", "age=" + ",".join(AGES), "--out", "plan.lock.json"]) == 0
    claims = FILE.from_json((tmp_path / "plan.lock.json").read_text()).probes["predictions"].claims
    trend = claims["predictions/trend of selection_rate[unsafe]/age"]
    assert (trend.metric, trend.order, claims["predictions/superiority[unsafe]/gender"].metric) == (
        "trend of selection_rate",
        AGES,
        "superiority",
    )
    assert main(["run", *words, "--ordered", "age=" + ",".join(AGES), "--lock", "plan.lock.json", "--out", "same"]) == 0
    assert main(["run", *words, "--ordered", "age=" + ",".join(AGES[::-1]), "--lock", "plan.lock.json", "--out", "turned"]) == 0
    same, turned = (json.loads((tmp_path / name / "results.json").read_text())["audits"][0] for name in ("same", "turned"))
    assert (same["lock"]["exploratory"], same["lock"]["deviations"]) == ([], [])
    assert turned["lock"]["exploratory"] == ["predictions/trend of selection_rate[unsafe]/age"]
    assert [effect["primary"] for effect in turned["effects"]] == [True, True, False]


@pytest.mark.slow
def test_without_the_option_scores_without_truth_are_explored_and_change_no_other_number():
    rows = table(3)
    bare = audit.audit(predictions=rows.drop(columns="score:unsafe"), draws=199).results.audits[0]
    scored = audit.audit(predictions=rows, draws=199).results.audits[0]
    assert [(one.kind, one.primary, one.attribute) for one in scored.effects] == [
        ("superiority", False, "gender"),
        ("superiority", False, "age"),
    ]
    assert scored.effects[0].verdict == "signal"
    assert [one.gap.p_adjusted for one in scored.findings] == [one.gap.p_adjusted for one in bare.findings]
    assert bare.effects == ()


def test_one_column_of_scores_is_the_probability_of_its_label():
    rows = table(3)
    alone = audit.audit(predictions=rows.drop(columns="y_pred"), score="unsafe", draws=99).results.audits[0]
    assert alone.measurements[0].labels == ("not unsafe", "unsafe")
    assert alone.effects[0].effects == audit.audit(predictions=rows, score="unsafe", draws=99).results.audits[0].effects[0].effects
    with pytest.raises(DataError, match="scores of one label only"):
        audit.audit(predictions=rows.assign(y_pred=["a", "b", "unsafe", "safe"] * 100), score="unsafe")


def test_truth_clusters_and_weights_are_taken_into_account():
    rows = table(3).assign(y_true=lambda frame: frame["y_pred"], person=[f"p{row // 2}" for row in range(400)], w=1.0)
    known = audit.audit(predictions=rows.drop(columns=["person", "w"]), attributes="gender", score="unsafe", draws=99).results.audits[0]
    assert known.effects[0].within_truth
    plain = audit.audit(predictions=table(3), attributes="gender", score="unsafe", draws=99).results.audits[0].effects[0].effects[0]
    one = {"predictions": rows.drop(columns="y_true"), "attributes": "gender", "score": "unsafe", "draws": 99}
    weighted = audit.audit(**one, weights="w").results.audits[0].effects[0].effects[0]
    assert (weighted.value, weighted.low) == pytest.approx((plain.value, plain.low))
    clustered = audit.audit(**one, cluster="person").results.audits[0].effects[0]
    assert clustered.clusters
    assert clustered.effects[0].value == pytest.approx(plain.value)
    doubled = pd.concat([rows, rows]).drop(columns="y_true")
    twice = audit.audit(**{**one, "predictions": doubled}, cluster="person").results.audits[0].effects[0].effects[0]
    assert twice.standard_error == pytest.approx(clustered.effects[0].standard_error, rel=0.02)  # copies add nothing


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"score": "unsave"}, "has no scores of 'unsave'"),
        ({"ordered": "age=0-2,3-9,10-19"}, "the order of 'age' leaves out '20-29'"),
        ({"ordered": "size=a,b,c"}, "no question of the probe 'predictions' is by 'size'"),
        ({"ordered": "age=0-2,3-9"}, "three different levels or more"),
        ({"ordered": "age=0-2,0-2,3-9,10-19"}, "three different levels or more"),
        ({"fail_on": "ratio[predictions.unsafe.superiority by gender] < 0.8", "score": "unsafe"}, "has no ratio"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        audit.audit(predictions=table(3), **options)


def test_with_a_probe_scores_are_its_own_matter():
    with pytest.raises(UsageError, match="--score cannot be used with --probe"):
        AuditRequest(predictions=("x.csv",), probe=("fairface",), score="unsafe")


def test_a_limited_run_is_inconclusive():
    claims, settings = (), Settings(draws=99)
    one = replace(decided(table(3))[0], verdict="inconclusive", p_adjusted=None)
    assert decide_effects([one], claims, settings, (), limited=True)[0].verdict == "inconclusive"
