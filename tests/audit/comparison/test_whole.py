"""The change of the whole: a finding of its own, told first where it is shown; what is undecided is said of the groups alone."""

import json
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest

from audit.compare import main as compare
from audit.comparison.verdict import of_whole, whole_adjusted
from audit.run import main
from tests.support import comparison_samples
from tests.support.page_text import text_of


def answers(wrong, images=300):
    """Three regions, in each the same share of images answered wrongly; the first `wrong` of 300 are, whoever answers."""
    at = np.arange(images)
    regions, labels = np.array(["north", "south", "east"]), np.array(["cat", "dog"])
    table = pd.DataFrame({"id": at, "region": regions[at % 3], "y_true": labels[at // 3 % 2]})
    return table.assign(y_pred=np.where(at // 6 < wrong // 6, "mouse", table["y_true"]))


@pytest.fixture
def compared(tmp_path, capsys):
    """Audits tables and compares them with the first; returns terminal, page, summary and comparison."""

    def run(*tables):
        for name, table in zip("abcdefghijkl", tables, strict=False):
            table.to_csv(tmp_path / f"{name}.csv", index=False)
            assert main(["--predictions", str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / name), "--attributes", "region"]) == 0
        capsys.readouterr()
        sides = [str(tmp_path / name) for name in "abcdefghijkl"[: len(tables)]]
        assert compare([*sides, "--out", str(tmp_path / "compared")]) == 0
        page, summary = ((tmp_path / "compared" / name).read_text("utf-8") for name in ("comparison.html", "comparison.md"))
        facts = json.loads((tmp_path / "compared" / "comparison.json").read_text())
        return " ".join(capsys.readouterr().out.split()), " ".join(text_of(page).split()), " ".join(summary.split()), facts

    return run


def test_a_model_that_is_worse_for_everyone_is_called_worse_first(compared):
    """30 of 300 images wrong before and 84 after, 18 more in each region: p = 2 ** -53 by McNemar's exact test, since none is gained."""
    terminal, page, summary, facts = compared(answers(30), answers(84))
    (change,) = (each for each in facts["comparisons"][0]["changes"] if each["id"] == "predictions/accuracy/region")
    whole = change["overall"]
    assert (whole["gained"], whole["lost"], whole["difference"]) == (0, 54, pytest.approx(-0.18))
    assert whole["p"] == whole["p_adjusted"] == pytest.approx(2.0**-53)

    said = "Over all images, accuracy fell by 18.0 points (95 % interval 13.5 to 22.3, p < .001)."
    for text in (terminal, page, summary):
        assert said in unescape(text.replace("\\", ""))
    assert terminal.index("↓ Over all images") < terminal.index("between groups. ")
    assert page.index(said) < page.index("any of")
    assert "assume neither a change nor its absence" not in page
    assert "Decide whether b.csv is worth what it loses over all images." in page


def test_a_model_that_is_better_for_everyone_is_called_better(compared):
    terminal, page, *_ = compared(answers(84), answers(30))
    said = "Over all images, accuracy rose by 18.0 points (95 % interval 13.5 to 22.3, p < .001)."
    assert f"• {said}" in terminal
    assert said in page
    assert "worth what it loses" not in page


def test_a_change_that_chance_would_explain_is_not_told(compared):
    """6 images lost and 6 gained of 300: p = 1."""
    before = answers(30)
    after = before.assign(y_pred=np.where((before["id"] >= 24) & (before["id"] < 30), before["y_true"], before["y_pred"]))
    after["y_pred"] = np.where((after["id"] >= 60) & (after["id"] < 66), "mouse", after["y_pred"])
    terminal, page, *_ = compared(before, after)
    assert "Over all images" not in terminal + page
    assert "between groups" not in terminal


def test_of_several_models_the_one_that_is_worse_leads(compared):
    _, page, *_ = compared(answers(30), answers(30), answers(84))
    assert "c.csv against a.csv · predictions: Over all images, accuracy fell by 18.0 points" in page


def change(metric, p, *, measurement="m", outcome=None, primary=True, attribute="race"):
    (base, *_) = comparison_samples.skewed_and_plain().comparisons[0].changes
    named = {"measurement": measurement, "metric": metric, "outcome": outcome, "primary": primary, "attributes": (attribute,)}
    return replace(base, **named, overall=replace(base.overall, p=p, p_adjusted=p))


def test_accuracy_is_the_whole_of_a_measurement_and_else_each_planned_rate_once():
    recall, again = change("true_positive_rate", 0.01, outcome="cat"), change("true_positive_rate", 0.01, outcome="cat", attribute="age")
    accuracy, minor = change("accuracy", 0.02, primary=False), change("false_positive_rate", 0.03, outcome="cat", primary=False)
    other = change("selection_rate", 0.04, measurement="n", outcome="thief")
    assert of_whole([recall, again, minor, other]) == (recall, other)
    assert of_whole([recall, again, accuracy, minor]) == (accuracy,)
    assert of_whole([minor]) == ()
    assert of_whole([accuracy]) == ()  # nothing was planned


def test_the_p_of_the_whole_is_corrected_for_all_measurements_and_models():
    """Of two p, .03 and .04, both are .06 by Holm; of 24, the least, .001, is .024, and the next, .03, is .69."""
    own = [change("accuracy", 0.03), change("accuracy", 0.04, measurement="n")]
    assert [each.overall.p_adjusted for each in whole_adjusted([own])[0]] == pytest.approx([0.06, 0.06])
    first, second, *_ = whole_adjusted([[change("accuracy", 0.001), own[1]], *[own] * 11])
    assert first[0].overall.p_adjusted == pytest.approx(0.024)
    assert second[0].overall.p_adjusted == pytest.approx(0.69)
