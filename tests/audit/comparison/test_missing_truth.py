"""True answers that are missing depending on the answers of two models: a change is said only if it holds however they are filled."""

import json

import numpy as np
import pandas as pd
import pytest

from audit.compare import main as compare
from audit.run import main
from verify.command import verify

CELLS = [(truth, before, after) for truth in ("yes", "no") for before in ("yes", "no") for after in ("yes", "no")]


def table(**groups):
    """For each group the images of `CELLS` (true answer, answer before, answer after), and how many of each have no true answer."""
    rows = [
        (group, "" if at < lacking else truth, before, after)
        for group, cells in groups.items()
        for (truth, before, after), (n, lacking) in zip(CELLS, cells, strict=True)
        for at in range(n)
    ]
    return pd.DataFrame(rows, columns=["group", "y_true", "before", "after"])


def compared(rows, folder, *words, cluster=None):
    flags = ["--cluster", cluster] if cluster else []
    for name in ("before", "after"):
        own = rows.drop(columns=["before", "after"]).assign(id=[f"i{row}" for row in range(len(rows))], y_pred=rows[name])
        own.to_csv(folder / f"{name}.csv", index=False)
        assert main(["--predictions", str(folder / f"{name}.csv"), "--attributes", "group", *flags, "--out", str(folder / name)]) == 0
    out = folder / "comparison"
    end = compare([str(folder / "before"), str(folder / "after"), *words, "--out", str(out)])
    return end, json.loads((out / "comparison.json").read_text())["comparisons"][0]


def recomputed(folder):
    """What the second implementation does not recompute of a comparison but its gates, and what it computes otherwise."""
    checked = verify(folder / "comparison", audits=[folder / "before", folder / "after"])
    return set(checked.undecided) - {"gate"}, checked.ledger.differences


def change(comparison, metric):
    [found] = (change for change in comparison["changes"] if change["metric"] == metric)
    return found


EQUAL = [(700, 0), (100, 0), (200, 0), (0, 0), (40, 0), (40, 0), (40, 0), (880, 0)]
# Both models treat both groups alike: of 1000 true "yes", 800 are right before and 900 after. Of b, nine of ten answers "no" after have no
# true answer: 710 of 910 and 900 of 910 are right, a gap of 2.0 points that becomes 8.9.
ONE_CHANGE = table(a=EQUAL, b=[(700, 0), (100, 90), (200, 0), (0, 0), (40, 0), (40, 36), (40, 0), (880, 792)])
# Of 6000 true "yes", 5400 are right before; after, all of these of a, but 4920 of b. Of the 480 that b loses 440 have no true answer: of
# 5560 known ones, 4960 are right before and 4920 after.
LOST = table(
    a=[(5400, 0), (0, 0), (0, 0), (600, 0), (600, 0), (0, 0), (0, 0), (5400, 0)],
    b=[(4920, 0), (480, 440), (0, 0), (600, 0), (600, 0), (0, 0), (0, 0), (5400, 0)],
)


def test_models_that_change_alike_for_both_groups_are_not_accused(tmp_path, capsys):
    end, comparison = compared(ONE_CHANGE, tmp_path, "--fail-on", "change[predictions.yes.true_positive_rate by group] > 0.01")
    found = change(comparison, "true_positive_rate")
    assert (found["verdict"], found["direction"], found["withheld"], end) == ("inconclusive", None, "disparity", 0)
    missing, filled = found["missing_truth"], found["missing_truth"]["filled"]
    assert (missing["n"], missing["group"], missing["answer"], missing["answered_by"]) == (918, ["b"], "yes", "after")
    # If all 90 + 36 answers that only the model before gives are true "yes", and none of the 792: 836 of 1036 before and 900 of 1036 after.
    assert filled["least"] < 0 < found["gap"]["difference"] <= filled["most"]
    said = " ".join(capsys.readouterr().out.split())
    page = (tmp_path / "comparison" / "comparison.html").read_text().replace("\xa0", " ")
    summary = (tmp_path / "comparison" / "comparison.md").read_text().replace("\xa0", " ")
    for text in (said, " ".join(page.split()), " ".join(summary.split())):
        assert "true answers are missing more often with some answers than with others" in text
        assert "of b, 0.0 % of answers ‘yes’ after and 90.0 % of other answers after; of a, 0.0 % and 0.0 %" in text
        assert "Depending on the missing true answers, the gap grew by anything from" in text
        assert "in the other direction to" in text
    assert recomputed(tmp_path) == (set(), [])


def test_lost_answers_that_are_not_confirmed_do_not_clear_a_model(tmp_path):
    _, comparison = compared(LOST, tmp_path)
    found = change(comparison, "true_positive_rate")
    assert (found["verdict"], found["withheld"]) == ("inconclusive", "equivalent")
    assert found["missing_truth"]["filled"]["reach"] > 0.08  # 480 of 6000 lost
    assert comparison["verdict"] == "inconclusive"
    assert recomputed(tmp_path) == (set(), [])


def test_a_change_that_remains_in_any_case_is_said(tmp_path):
    rows = table(a=EQUAL, b=[(400, 0), (400, 40), (100, 0), (100, 0), (40, 0), (40, 0), (40, 0), (880, 10)])
    end, comparison = compared(rows, tmp_path, "--fail-on", "change[predictions.yes.true_positive_rate by group] > 0.01")
    found = change(comparison, "true_positive_rate")
    assert (found["verdict"], found["direction"], found["withheld"], end) == ("disparity", "grew", None, 1)
    assert found["missing_truth"]["filled"]["low"] > found["tolerance"]
    assert found["beyond_tolerance"]
    assert recomputed(tmp_path) == (set(), [])


def test_a_reversal_that_missing_true_answers_could_undo_is_undecided(tmp_path):
    """Of a 800 of 1000 are right before and 700 after, of b 610 and 900; 1190 images of b that only the first may get have no true answer.

    If all of these are true "yes", 1800 of 2190 are right before: more than of a.
    """
    a = [(700, 0), (100, 0), (0, 0), (200, 0), (0, 0), (0, 0), (0, 0), (1000, 0)]
    rows = table(a=a, b=[(600, 0), (1200, 1190), (300, 0), (90, 0), (0, 0), (0, 0), (0, 0), (1000, 0)])
    _, comparison = compared(rows, tmp_path)
    found = change(comparison, "true_positive_rate")
    assert any(pair["reversed"] for pair in found["pairs"])
    assert (found["withheld"], found["missing_truth"]["filled"]["least"] <= 0) == ("disparity", True)
    assert "may not have changed places" in (tmp_path / "comparison" / "comparison.html").read_text()
    assert recomputed(tmp_path) == (set(), [])


@pytest.mark.slow
def test_the_second_implementation_fills_three_groups_and_answers_in_clusters_alike(tmp_path):
    rng, n, labels = np.random.default_rng(3), 1200, np.array(["yes", "no", "maybe"])
    group, true = rng.integers(0, 3, n), labels[rng.integers(0, 3, n)]
    before, after = (np.where(rng.random(n) < error - 0.1 * (group == 2), labels[rng.integers(0, 3, n)], true) for error in (0.3, 0.2))
    lacking = ((group == 0) & (after != "yes") & (rng.random(n) < 0.7)) | ((group == 1) & (after == before) & (rng.random(n) < 0.5))
    rows = pd.DataFrame({"group": np.array(list("abc"))[group], "y_true": np.where(lacking, "", true), "before": before, "after": after})
    _, comparison = compared(rows.assign(person=np.arange(n) // 3), tmp_path, cluster="person")
    assert {one["missing_truth"]["answered_by"] for one in comparison["changes"]} >= {"both"}
    assert all(abs(one["missing_truth"]["filled"]["most"]) <= 1 for one in comparison["changes"])
    assert recomputed(tmp_path) == (set(), [])


@pytest.mark.parametrize("lacking", [0.0, 0.4], ids=["none", "40 % of b, at random"])
def test_truth_that_is_missing_at_random_withholds_nothing(lacking, tmp_path):
    rows = table(a=EQUAL, b=[(n, int(n * lacking)) for n, _ in EQUAL])
    _, comparison = compared(rows, tmp_path)
    assert all(change["missing_truth"] is None and change["withheld"] is None for change in comparison["changes"])
