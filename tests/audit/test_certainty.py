"""No interval of finite data is a point: not if every answer is right, if none is, or if all answers of a group are alike."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

import audit
from audit.commands.verify import main as verify
from audit.results import to_json
from audit.statistics.paired.sets import mean_shift

ENDS = {("low", "high"), ("low_adjusted", "high_adjusted"), ("flip_low", "flip_high"), ("shift_low", "shift_high")}
DESIGNS = {
    "images": {"independent": True}, "clusters": {"cluster": "person"}, "spanning": {"cluster": "scene"}, "weights": {"weights": "w"},
    "pairs": {"pairs": {"group": "scene"}, "independent": True},
}  # fmt: skip
BY_CHANCE = "chance"
"""The range of a shuffled rate, which is no interval of an estimate: a word in every text is in every text after shuffling."""


def points(node, path=()):
    """Yield the path of each record whose interval has the width 0."""
    if isinstance(node, dict):
        yield from (
            path for low, high in ENDS if node.get(low) is not None and node.get(low) == node.get(high) and path[-1:] != (BY_CHANCE,)
        )
    values = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    for name, value in values:
        yield from points(value, (*path, name))


def answers(which, design="images", n=40):
    """Rows of two groups and ages: group a is right and b wrong (`apart`), all are right (`all`), or half of each group (`half`)."""
    row = np.arange(2 * n)
    truth = np.where(row % 2, "yes", "no")
    group = np.repeat(["a", "b"], n)
    right = {"apart": group == "a", "all": row >= 0, "half": row % 4 < 2}[which]
    answer = np.where(right == (truth == "yes"), "yes", "no")
    table = pd.DataFrame({"id": [f"r{one}" for one in row], "group": group, "age": np.where(row % 4 < 2, "old", "young")})
    table["y_true"], table["y_pred"], table["score:yes"] = truth, answer, np.where(answer == "yes", 0.9, 0.1)
    table["score:no"] = 1 - table["score:yes"]
    kept = {"clusters": ("person", [f"p{one // 2}" for one in row]), "weights": ("w", 1.0 + row % 3)}
    name, values = kept.get(design, ("scene", [f"s{one % n}" for one in row]))
    return table.assign(**{name: values})


def audited(which, design, **options):
    flags = {"attributes": ("group", "age"), "draws": 99, "name": which, **DESIGNS[design], **options}
    return audit.audit(predictions=answers(which, design), **flags)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("which", ["apart", "all"])
def test_no_interval_of_an_audit_is_a_point(which, design):
    assert [*points(json.loads(to_json(audited(which, design, **({"score": ("yes",)} if design == "images" else {})).results)))] == []


@pytest.mark.slow_except("apart-all-images", "half-half-clusters", "apart-all-spanning")
@pytest.mark.parametrize("design", ["images", "clusters", "spanning"])
@pytest.mark.parametrize(("before", "after"), [("apart", "all"), ("half", "half")])
def test_no_interval_of_a_comparison_is_a_point(before, after, design, tmp_path, capsys):
    sides = [audited(which, design, out=tmp_path / name) for name, which in (("first", before), ("second", after))]
    compared = audit.compare(*sides, out=tmp_path / "compared")
    assert [*points(asdict(compared.facts))] == []
    assert verify([str(tmp_path / "compared"), "--audits", str(tmp_path / "first"), str(tmp_path / "second")]) == 0
    assert " 0 differs" in capsys.readouterr().out


@pytest.mark.extension("word_rates")
def test_no_interval_about_texts_is_a_point():
    table = answers("all")[["id", "group"]].assign(**{"text:caption": np.where(answers("all")["group"] == "a", "a man in red", "a woman")})
    assert [*points(json.loads(to_json(audit.audit(predictions=table, attributes=("group",), draws=99).results)))] == []


def test_a_small_group_without_an_error_is_not_certain():
    table = answers("apart").assign(group=lambda rows: np.where(rows["id"].isin([f"r{one}" for one in range(10)]), "few", rows["group"]))
    assert [*points(json.loads(to_json(audit.audit(predictions=table, attributes=("group",), independent=True, draws=99).results)))] == []


@pytest.mark.extension("few_shot")
def test_equal_draws_and_equal_shifts_have_no_interval():
    """Nothing shows how far a rate or a score would vary that never did."""
    from audit.extensions.few_shot.computation import mean_over_draws

    assert np.isnan(mean_over_draws(np.ones(5), 0.05)[1:]).all()
    assert mean_shift(np.zeros(20), np.arange(20), 0.05) == (0.0, None, None)
