"""Answers that are numbers, and classes that the accuracy hides, through the command: no "equivalent" over a planted gap of 10 points."""

import shlex

import numpy as np
import pandas as pd
import pytest

from audit.errors import UsageError
from audit.predictions.bins import parse_bins
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.results import from_json
from audit.run import main
from tests.support.page_text import text_of

SEEDS = pytest.mark.parametrize("seed", range(20))
ONE_SEED = pytest.mark.slow_except("0")
CUT = ("--bins", "y_true=18,30,60", "--bins", "y_pred=18,30,60")
REASSURANCE = ("Equivalent ·", "Change nothing", "change nothing", "≈ Equivalent")


@pytest.fixture
def audited(tmp_path, capsys):
    """Return a function that audits a table: the exit code, what was printed, the facts and what terminal, summary and page say."""

    def audited(table, *words):
        table.to_csv(tmp_path / "answers.csv", index=False)
        code = main(["--predictions", str(tmp_path / "answers.csv"), *words, "--out", str(tmp_path / "out")])
        printed = capsys.readouterr()
        if code == 3:
            return code, " ".join(printed.err.split()), None, ()
        summary, page = ((tmp_path / "out" / name).read_text("utf-8") for name in ("summary.md", "report.html"))
        facts = from_json((tmp_path / "out" / "results.json").read_text("utf-8")).audits[0]
        texts = (" ".join(text.split()) for text in (printed.out, summary, text_of(page)))
        return code, " ".join(printed.err.split()), facts, tuple(texts)

    return audited


def ages(seed, n=4000):
    """Return true ages and estimates that are 4 years too high for women and 1 for men, with the same scatter."""
    rng = np.random.default_rng(seed)
    gender, age = rng.choice(["Female", "Male"], n), np.clip(rng.gamma(3, 11, n), 0, 90).round()
    estimate = np.clip(age + np.where(gender == "Female", 4, 1) + rng.normal(0, 5, n), 0, 95).round()
    return pd.DataFrame({"gender": gender, "y_true": age.astype(int), "y_pred": estimate.astype(int)})


def hidden(rare, recalls, seed):
    """Return three age groups, 90 % right but for the `rare` rows per gender of the first, whose recalls are given for women and men."""
    rng = np.random.default_rng(seed)
    labels = ["under 18", "18 to under 60", "60 and over"]
    blocks = []
    for gender, recall in zip(("Female", "Male"), recalls, strict=True):
        for truth, n in zip(labels, (rare, 3000, 1500), strict=True):
            right = rng.random(n) < (recall if truth == "under 18" else 0.9)
            wrong = rng.choice([label for label in labels if label != truth], n)
            blocks.append(pd.DataFrame({"gender": gender, "y_true": truth, "y_pred": np.where(right, truth, wrong)}))
    return pd.concat(blocks, ignore_index=True)


# ---- numbers -------------------------------------------------------------------------------------------------------------------------


@SEEDS
@ONE_SEED
def test_ages_as_numbers_are_not_judged_by_equality_and_the_cut_that_is_offered_runs(audited, seed):
    code, error, *_ = audited(ages(seed), "--fail-on", "gap > 0.1")
    assert code == 3
    assert "different numbers in the column 'y_true'" in error
    offered = shlex.split(error.partition("for example ")[2].partition(";")[0])
    assert offered[::2] == ["--bins", "--bins"]
    assert audited(ages(seed), *offered)[0] == 0


@SEEDS
@ONE_SEED
def test_ages_in_groups_are_a_disparity_of_the_class_that_the_women_miss(audited, seed):
    _, _, facts, texts = audited(ages(seed), *CUT, "--fail-on", "gap > 0.1")
    young = next(f for f in facts.findings if f.outcome == "under 18" and f.metric == "true_positive_rate")
    assert young.primary
    assert young.gap.value > 0.1
    assert facts.verdict == young.verdict == "disparity"
    assert "HELD gap > 0.1" not in texts[0]
    for text in texts:
        assert not any(words in text for words in REASSURANCE)
        assert "‘under 18’" in text


def test_numbers_are_refused_however_they_are_written_and_few_numbers_are_labels(audited):
    rows = ages(0, 600)
    for table in (rows.assign(y_pred=rows["y_pred"] + 0.5), rows.drop(columns="y_true"), rows.assign(y_true="adult")):
        code, error, *_ = audited(table)
        assert (code, "different numbers" in error) == (3, True)
    stars = rows.assign(y_true=rows["y_true"] % 5 + 1, y_pred=rows["y_pred"] % 5 + 1)
    assert audited(stars)[0] == 0
    named = rows.assign(**{name: "class_" + (rows[name] % 20).astype(str) for name in ("y_true", "y_pred")})
    assert audited(named)[0] == 0


def test_labels_that_have_scores_are_labels_although_they_are_numbers():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.dirichlet(np.ones(15), 300), columns=[f"score:{label}" for label in range(15)])
    table = table.assign(group=rng.choice(["A", "B"], 300), y_true=rng.integers(0, 15, 300).astype(str))
    assert load_predictions(table, ColumnOptions()).answers[0].predictions.labels == tuple(map(str, range(15)))


def test_answers_and_truths_cut_at_different_numbers_are_refused_and_columns_go_by_their_own_names():
    rows = ages(0, 600).rename(columns={"y_true": "age", "y_pred": "estimate"})
    own = ColumnOptions(prediction="estimate", truth="age", bins=(parse_bins("age=18,60"), parse_bins("estimate=18,60")))
    assert load_predictions(rows, own).answers[0].predictions.labels == ("18 to under 60", "60 and over", "under 18")
    with pytest.raises(UsageError, match=r"(?s)at different numbers.*--bins y_true=18,60 --bins y_pred=18,60"):
        load_predictions(ages(0, 600), ColumnOptions(bins=(parse_bins("y_true=18,60"), parse_bins("y_pred=18,61"))))


# ---- classes -------------------------------------------------------------------------------------------------------------------------


@SEEDS
@pytest.mark.slow_except("8-0", "40-0", "400-0")
@pytest.mark.parametrize("rare", [8, 40, 400])
def test_a_rare_class_that_the_accuracy_hides_is_never_called_equivalent(audited, rare, seed):
    """By hand: of 4,540 rows per gender, 40 are under 18; 12 points there move the accuracy by .1 points."""
    code, _, facts, texts = audited(hidden(rare, (0.72, 0.84), seed), "--fail-on", "gap > 0.1")
    accuracy = next(f for f in facts.findings if f.metric == "accuracy")
    young = next(f for f in facts.findings if f.outcome == "under 18" and f.metric == "true_positive_rate")
    assert accuracy.gap.equivalence_bound < accuracy.tolerance  # in points
    assert "equivalent" not in (young.verdict, facts.verdict)
    for text in texts:
        assert not any(words in text for words in REASSURANCE)
        assert "under 18" in text
    if rare == 8:  # not judged: the gate does not pass
        assert (young.verdict, code) == ("not estimable", 1)


def test_equal_classes_are_equivalent_all_of_them(audited):
    _, _, facts, texts = audited(hidden(2000, (0.9, 0.9), 0))
    assert {f.verdict for f in facts.findings if f.primary} == {"equivalent"}
    assert all("Change nothing" in text for text in texts[1:])


def test_of_more_classes_than_are_compared_the_first_screen_says_so(audited):
    """40 classes of 150 rows per gender; one is recognised in 50 % of women and 95 % of men, which the accuracy tells by 1.1 points."""
    rng = np.random.default_rng(1)
    blocks = []
    for gender in ("Female", "Male"):
        truth = np.repeat(np.arange(40), 150)
        right = rng.random(len(truth)) < np.where(truth == 0, 0.5 if gender == "Female" else 0.95, 0.9)
        answer = np.where(right, truth, rng.integers(0, 40, len(truth)))
        blocks.append(pd.DataFrame({"gender": gender, "y_true": truth, "y_pred": answer}))
    table = pd.concat(blocks).assign(**{name: lambda rows, name=name: "class_" + rows[name].astype(str) for name in ("y_true", "y_pred")})
    _, _, facts, texts = audited(table)
    assert facts.verdict == "equivalent"
    for text in texts:
        assert "None of the 40 classes was compared by itself: a gap in one of them may be lost in the whole." in text
        assert "Overall, no difference that matters" in text
        assert "hange nothing" not in text
    named, *_ = audited(table, "--outcome", "first=class_0")[2:3]
    assert named.verdict == "disparity"
    assert "None of the 40 classes" not in audited(table, "--outcome", "first=class_0")[3][0]
