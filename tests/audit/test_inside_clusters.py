"""Clusters that hold images of both groups, by the command: the comparison is inside them, and every page says so."""

import json

import pandas as pd

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
    said = "Compared inside the 20 clusters that hold images of several of these groups; over all images the rates differ by 11.0 points."
    for text in (done.stdout, (out / "summary.md").read_text(), (out / "report.html").read_text()):
        assert said in " ".join(text.replace("\u00a0", " ").split())
    assert "never from the answers" in (out / "report.html").read_text()
