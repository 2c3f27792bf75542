"""The same fact told as accuracy, as errors or as an answer gets the same verdict, and the page says the rule that was used."""

import numpy as np
import pandas as pd
import pytest

import audit
from audit.__main__ import main
from tests.support.page_text import text_of

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))]
CLASSES = np.array(["cat", "dog", "cow", "hen"])


def answers(rates, seed, n=5000, *, exactly=False):
    """Answers about two groups, of unequal size; that share of each is right, or is expected to be. The four classes are equally common."""
    source, rows = np.random.default_rng(seed), []
    for (group, right), images in zip(rates.items(), (n, n - n // 10), strict=True):
        truth = source.integers(4, size=images)
        wrong = (source.permutation(images) + 0.5) / images >= right if exactly else source.random(images) >= right
        given = (truth + wrong * source.integers(1, 4, images)) % 4
        rows.append(pd.DataFrame({"gender": group, "y_true": CLASSES[truth], "y_pred": CLASSES[given]}))
    table = pd.concat(rows, ignore_index=True)
    return table.rename_axis("id").reset_index()


def as_errors(table):
    """The same rows, with "right" or "wrong" as the answer, and without truth."""
    said = np.where(table["y_true"] == table["y_pred"], "right", "wrong")
    return table.drop(columns="y_true").assign(y_pred=said)


def finding(done, metric):
    return next(found for found in done.results.audits[0].findings if found.metric == metric and found.primary)


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_of_7_and_3_in_a_hundred_are_no_equivalence(tmp_path, capsys, seed):
    """92.8 and 96.8 % are 4 points apart, and 2.25 times as many errors."""
    table = answers({"Male": 0.928, "Female": 0.968}, seed)
    table.to_csv(tmp_path / "answers.csv", index=False)
    words = ("--attributes", "gender", "--out", str(tmp_path / "out"))
    assert main(["run", "--predictions", str(tmp_path / "answers.csv"), *words, "--fail-on", "verdict == disparity"]) == 1
    found = finding(audit.load(tmp_path / "out"), "accuracy")
    assert (found.verdict, found.exceeds_tolerance, found.ratio_of_rest) == ("disparity", True, True)
    assert found.gap.ratio_low > 1.25
    page = " ".join(text_of((tmp_path / "out" / "report.html").read_text("utf-8")).replace("\xa0", " ").split())
    for text in (" ".join(capsys.readouterr().out.split()), page):
        assert "Equivalent: accuracy" not in text
        assert "No difference that matters" not in text
    assert "One error rate is at least" in page
    assert "Near 0 and 100 %, a ratio above 1.25 of the rarer share also counts." in page


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "rates", [(0.928, 0.968), (0.95, 0.952), (0.80, 0.83), (0.80, 0.95), (0.70, 0.705)], ids=lambda rates: " and ".join(map(str, rates))
)
def test_accuracy_and_errors_have_one_verdict(rates, seed):
    """As accuracy, and as how often the answer is "wrong", with nothing but this question in either family."""
    table = answers(dict(zip(("Male", "Female"), rates, strict=True)), seed)
    right = audit.audit(predictions=table.assign(y_true="right", y_pred=as_errors(table)["y_pred"]), attributes="gender", draws=499)
    wrong = audit.audit(predictions=as_errors(table), attributes="gender", draws=499)
    told, turned = finding(right, "accuracy"), finding(wrong, "selection_rate")
    assert told.verdict in ("disparity", "equivalent", "inconclusive")
    assert told.gap.value == pytest.approx(turned.gap.value)
    assert (told.gap.ratio_low, told.gap.equivalence_ratio) == pytest.approx((turned.gap.ratio_low, turned.gap.equivalence_ratio))
    assert (told.verdict, told.exceeds_tolerance) == (turned.verdict, turned.exceeds_tolerance)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_disparity_that_may_be_small_claims_that_groups_differ_and_no_more(seed):
    """18.0 and 14.0 % wrong: shown to differ, and shown neither to be within 5 points nor beyond."""
    table = answers({"Male": 0.82, "Female": 0.86}, seed, n=4000, exactly=True)
    done = audit.audit(predictions=table, attributes="gender", draws=499)
    found = finding(done, "accuracy")
    page = " ".join(text_of(done.to_html()).replace("\xa0", " ").split())
    assert (found.verdict, found.exceeds_tolerance) == ("disparity", False)
    assert "That groups differ is shown; that any two differ by more than the tolerance of 5 points is not." in page
    assert "undecided whether any two groups differ" not in page
    assert "would not matter" not in page
