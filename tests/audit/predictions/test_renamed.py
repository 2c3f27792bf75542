"""No verdict depends on how labels, groups, attributes and columns are called, or on the order of any of them or of rows."""

import json

import numpy as np
import pandas as pd
import pytest

from audit.commands.verify import main as verify
from audit.run import main
from tests.support.renamed import drawn, found, is_borderline

FEW, MANY = (1, 2, 3, 8, 9, 11), range(0, 500, 50)


def check(seed, tmp_path, kind=None):
    """Audit a drawn table under two spellings by the command; return how many findings have a verdict, and which of them differ."""
    table = drawn(seed, kind)
    (code, verdict, first), (code_2, verdict_2, second) = (found(table, tmp_path / f"{seed}-{name}", name) for name in (None, seed + 1))
    assert first.keys() == second.keys(), f"table {seed}"
    differ = [key for key, one in first.items() if facts(one) != facts(second[key])]
    borderline = [key for key in differ if is_borderline(first[key]) and is_borderline(second[key])]
    assert borderline == differ, f"table {seed}: {[(key, facts(first[key]), facts(second[key])) for key in differ]}"
    for key, one in first.items():
        assert bounds(one) == pytest.approx(bounds(second[key]), rel=1e-6, abs=1e-9, nan_ok=True), f"table {seed}: {key}"
    if not differ:
        assert (code, verdict) == (code_2, verdict_2)
    return len(first), len(differ)


FACTS = ("primary", "verdict", "withheld", "exceeds_tolerance", "unresponsive", "ratio_tolerance", "negligible", "reason")


def facts(finding):
    return {name: finding[name] for name in FACTS if name in finding}


def bounds(finding):
    """The numbers that decide, apart from p; of a trend, what it may be if missing true answers were known."""
    known = finding.get("gap") or {}
    if "effects" in finding:
        known = (finding["missing_truth"] or {}).get("filled") or {}
    names = ("value", "low", "equivalence_bound", "equivalence_ratio", "ratio_low", "least", "most", "reach")
    return [np.nan if (value := known.get(name)) is None else value for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("seed", FEW)
def test_other_names_in_another_order_change_no_verdict(tmp_path, seed):
    assert check(seed, tmp_path)[0]


@pytest.mark.parametrize("seed", [503, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(504, 530))])
def test_nor_any_that_is_withheld_or_about_a_trend(tmp_path, seed):
    assert check(seed, tmp_path, "truth by answer")[0]


@pytest.mark.slow
@pytest.mark.parametrize(("rarely", "often"), [("yes", "no"), ("ill", "well")])
def test_of_two_equally_frequent_true_answers_the_constant_one_is_that_answered_more_often(tmp_path, rarely, often):
    """130 of 2,000 are rightly called the one, 70 wrongly, and all others the other: more than always the other, p < .001."""
    cells = {(rarely, rarely): 65, (rarely, often): 435, (often, rarely): 35, (often, often): 465}
    rows = [(group, *cell) for group in "ab" for cell, n in cells.items() for _ in range(n)]
    pd.DataFrame(rows, columns=["group", "y_true", "y_pred"]).to_csv(tmp_path / "answers.csv", index=False)
    assert main(["--predictions", str(tmp_path / "answers.csv"), "--out", str(tmp_path / "out")]) == 0
    audit = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    look = audit["measurements"][0]["responsiveness"]
    against = look["against_constant"]
    assert (look["code"], against["constant"], against["only_answers"], against["only_constant"]) == ("looks", often, 130, 70)
    errors = {(finding["metric"], finding["outcome"]): finding["verdict"] for finding in audit["findings"] if finding["primary"]}
    alarms = "false_positive_rate" if rarely > often else "true_positive_rate"  # 7 % each: too few for the ratio
    assert [name for (name, _), verdict in errors.items() if verdict != "equivalent"] == [alarms]
    assert verify([str(tmp_path / "out")]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("first", MANY)
def test_other_names_in_another_order_change_no_verdict_of_five_hundred_tables(tmp_path, first):
    findings, differ = map(sum, zip(*(check(seed, tmp_path) for seed in range(first, first + 50)), strict=True))
    assert findings > 250
    assert differ <= 0.01 * findings  # of those within the Monte Carlo error of the level
