"""Clusters that hold images of both groups, by the command: the comparison is inside them, and every page says so."""

import json

import numpy as np
import pandas as pd

from audit import audit
from tests.support.command import command


def test_an_audit_of_occupations_compares_inside_them_and_says_so(tmp_path):
    # 20 occupations with 40 images of either gender; women are right in 88 %, men in 99 %, and nowhere less often.
    rows = [
        (f"job{job:02d}", gender, "right" if image >= lost else "wrong")
        for job in range(20)
        for gender, lost in (("woman", 5 if job < 18 else 1), ("man", 0 if job % 5 else 1))
        for image in range(40)
    ]
    pd.DataFrame(rows, columns=["job", "gender", "y_pred"]).assign(y_true="right").to_csv(tmp_path / "p.csv", index=False)
    out = tmp_path / "out"
    done = command("--predictions", tmp_path / "p.csv", "--attributes", "gender", "--cluster", "job", "--out", out)
    assert done.returncode == 0, done.stderr
    audit = json.loads((out / "results.json").read_text())["audits"][0]
    finding = next(each for each in audit["findings"] if each["metric"] == "accuracy")
    gap = finding["gap"]
    assert (finding["verdict"], gap["p"], gap["within"]["clusters"], gap["within"]["images_left_out"]) == ("disparity", 1e-4, 20, 0)
    assert {each["group"][0]: each["value"] for each in finding["by_group"]} == {"woman": 708 / 800, "man": 796 / 800}
    assert gap["value"] == gap["leading"]["difference"] == finding["contrasts"][0]["difference"]
    assert (gap["low"], gap["high"]) == (gap["leading"]["low"], gap["leading"]["high"])
    said = (
        "Compared within the 20 clusters that contain images of several of these groups; over all images the rates differ by 11.0 points."
    )
    for text in (done.stdout, (out / "summary.md").read_text(), (out / "report.html").read_text()):
        assert said in " ".join(text.replace("\u00a0", " ").split())
    assert "never on the answers" in (out / "report.html").read_text()


def photos(y_pred=None):
    """40 persons with 12 photos each by day and by night; "smile" is true of 9 in 10 photos by day and 1 in 10 by night.

    Which photos it is true of differs from person to person, so that within a person the mixes of day and night never are the same.
    """
    rng = np.random.default_rng(0)
    light = np.tile(np.repeat(["day", "night"], 12), 40)
    truth = np.where(rng.random(len(light)) < np.where(light == "day", 0.9, 0.1), "smile", "none")
    return pd.DataFrame({"person": np.repeat([f"p{i}" for i in range(40)], 24), "light": light, "y_true": truth, "y_pred": y_pred or truth})


def shares_and_accuracy(rows):
    [found] = audit(predictions=rows, cluster="person", attributes=("light",), draws=999).results.audits
    by_metric = {(finding.metric, finding.outcome): finding for finding in found.findings}
    return by_metric["selection_rate", "smile"], by_metric["accuracy", None]


def test_a_perfect_model_gives_equal_shares_though_the_mix_differs_inside_clusters():
    """Weights make the true shares of day and night equal over all images, and cannot inside a person whose night has no smile."""
    share, accuracy = shares_and_accuracy(photos())
    assert {each.true for each in share.shares} != {share.shares[0].true}
    assert (share.verdict, share.gap.within, share.gap.value < 1e-9, share.gap.p) == ("no signal", None, True, 1.0)
    assert accuracy.gap.within is not None  # accuracy has no mix, and is compared inside persons as before


def test_one_answer_for_all_images_does_not_differ_within_each_true_answer():
    """It is right as often as "smile" is true, by day and by night; within each true answer it never differs."""
    _, accuracy = shares_and_accuracy(photos(y_pred="smile"))
    assert accuracy.gap.p_adjusted <= 0.05
    assert (accuracy.within_truth_p, accuracy.verdict) == (1.0, "not estimable")


def test_shares_are_compared_inside_clusters_that_have_one_true_answer():
    """As occupations have: of every person either all photos are of a smile or none."""
    rows = photos()
    truth = np.where(rows["person"].str[1:].astype(int) % 2, "smile", "none")
    share, _ = shares_and_accuracy(rows.assign(y_true=truth, y_pred=np.where(rows.index % 7 == 0, "smile", truth)))
    assert share.shares
    assert share.gap.within.clusters == 40
