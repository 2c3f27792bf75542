"""Both kinds of error of external predictions are planned questions: equal accuracy may hide rates that are far apart."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import false_positive_rate, true_positive_rate
from sklearn.metrics import recall_score

import audit
from audit.predictions.default_claims import DefaultClaims, default_claims, parse_outcome
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.predictions.units import disagreeing
from audit.run import main
from reports.text.notes import sentence
from tests.support.commands import TABLES
from tests.support.page_text import text_of

TWO_SIDED = {
    ("A", 1, 1): 784, ("A", 1, 0): 16, ("A", 0, 1): 171, ("A", 0, 0): 729,
    ("B", 1, 1): 663, ("B", 1, 0): 187, ("B", 0, 1): 17, ("B", 0, 0): 833,
}  # fmt: skip
"""(group, truth, answer) -> rows. Right are 1,513 of 1,700 in A (89 %) and 1,496 of 1,700 in B (88 %); of those that are 1, 784 of 800
(98 %) and 663 of 850 (78 %) are called so; of those that are 0, 171 of 900 (19 %) and 17 of 850 (2 %)."""


def table(cells, names=("group", "y_true", "y_pred")):
    return pd.DataFrame([row for row, n in cells.items() for _ in range(n)], columns=list(names)).astype(str)


def claims(rows, *outcomes, **options):
    """Return (metric, outcome, attribute, whether planned) of every claim about one attribute but the shares given."""
    read = load_predictions(rows, ColumnOptions(**options))
    probe, _ = default_claims(read.answers, DefaultClaims(tuple(map(parse_outcome, outcomes))), "rows")
    return [
        (c.metric, c.outcome, *c.by, c.primary) for c in probe.measurements[0].claims if len(c.by) == 1 and c.metric != "selection_rate"
    ]


@pytest.fixture(scope="module")
def two_sided(tmp_path_factory):
    """The folder that the command leaves of two groups whose accuracy is alike, and what it printed."""
    folder = tmp_path_factory.mktemp("two-sided")
    table(TWO_SIDED).to_csv(folder / "answers.csv", index=False)
    return folder


# ---- opposite errors behind one accuracy, from the command to the page ---------------------------------------------------------------


@pytest.mark.slow
def test_opposite_errors_behind_one_accuracy_are_a_disparity_that_names_both_rates(two_sided, capsys):
    out = two_sided / "out"
    assert main(["--predictions", str(two_sided / "answers.csv"), "--out", str(out)]) == 0
    terminal = " ".join(capsys.readouterr().out.split())
    texts = (terminal, " ".join((out / "summary.md").read_text().split()), text_of((out / "report.html").read_text()))
    for text in texts:
        assert "Disparity · 2 of 3 planned questions" in text
        assert "‘1’ is taken for ‘0’ more often for " in text
        assert "22.0 % (1 in 5), against 2.0 % (1 in 50) for " in text.replace("\u00a0", " ")
        assert not re.search(r"Equivalent\.|the model treats", text)
    assert re.search(r"▲ Share of ‘1’ taken for ‘0’ by group 20\.0 \[[^]]+\] B 22\.0 %, A 2\.0 %", terminal)
    assert re.search(r"▲ Share of ‘0’ taken for ‘1’ by group 17\.0 \[[^]]+\] A 19\.0 %, B 2\.0 %", terminal)
    for ends in ("B 22.0 % (850) | A 2.0 % (800)", "A 19.0 % (900) | B 2.0 % (850)"):
        assert ends in texts[1]
    # What is said of accuracy is said of accuracy.
    assert "| equivalent | Accuracy (predictions) by group |" in texts[1]
    facts = json.loads((out / "results.json").read_text())["audits"][0]
    assert [(f["metric"], f["verdict"], f["better"]) for f in facts["findings"] if f["primary"]] == [
        ("accuracy", "equivalent", "high"), ("true_positive_rate", "disparity", "high"), ("false_positive_rate", "disparity", "low"),
    ]  # fmt: skip


def test_the_same_from_python_and_the_ends_of_both_gaps_are_those_counted_by_hand():
    found = audit.audit(predictions=table(TWO_SIDED), attributes=["group"])
    gaps = {finding.metric: finding.gap for finding in found.findings if finding.primary}

    assert found.verdict == "disparity"
    assert {name: (gap.lowest, gap.highest, round(gap.value, 9)) for name, gap in gaps.items()} == {
        "accuracy": (("B",), ("A",), 0.01), "true_positive_rate": (("B",), ("A",), 0.2), "false_positive_rate": (("B",), ("A",), 0.17),
    }  # fmt: skip
    assert [n for finding in found.findings if finding.metric == "true_positive_rate" for n in [r.n for r in finding.by_group]] == [
        800,
        850,
    ]


def test_the_rates_are_fairlearns_and_the_false_positive_rate_is_what_the_recall_of_the_other_label_leaves():
    rows = table(TWO_SIDED)
    found = audit.audit(predictions=rows, attributes=["group"])
    by_metric = {finding.metric: finding.by_group for finding in found.findings}

    for i, group in enumerate("AB"):
        of = rows[rows["group"] == group]
        truth, answer = of["y_true"].astype(int), of["y_pred"].astype(int)
        assert by_metric["true_positive_rate"][i].value == true_positive_rate(truth, answer)
        assert by_metric["false_positive_rate"][i].value == false_positive_rate(truth, answer)
        assert by_metric["false_positive_rate"][i].value == pytest.approx(1 - recall_score(truth, answer, pos_label=0))


@pytest.mark.slow
def test_no_verdict_depends_on_which_label_is_the_positive_one_on_the_order_of_rows_or_on_names():
    """Of two labels the last counts as positive: renaming 0 to "2" makes it the other one, and swaps the two gaps."""
    rows = table(TWO_SIDED)
    swapped = rows.replace({"y_true": {"0": "2"}, "y_pred": {"0": "2"}, "group": {"A": "z"}}).sample(frac=1, random_state=0)
    first, second = (audit.audit(predictions=each, attributes=["group"]) for each in (rows, swapped))
    (_, tpr, fpr), (_, tpr_2, fpr_2) = ([f for f in found.findings if f.primary] for found in (first, second))

    assert (tpr.outcome, tpr_2.outcome) == ("1", "2")
    for one, other in ((tpr, fpr_2), (fpr, tpr_2)):
        assert other.gap.value == pytest.approx(one.gap.value)
        assert (other.gap.low, other.gap.high, other.gap.p_adjusted) == pytest.approx((one.gap.low, one.gap.high, one.gap.p_adjusted))
        assert other.verdict == one.verdict == "disparity"


def test_holm_counts_the_rates_that_were_added():
    """Three planned questions in place of one: the smallest p is taken three times."""
    right = {("A", 1, 1): 90, ("A", 0, 0): 90, ("B", 1, 1): 78, ("B", 0, 0): 90}
    rows = table({**right, **{(group, truth, 1 - truth): 100 - n for (group, truth, _), n in right.items()}})
    gaps = {f.metric: f.gap for f in audit.audit(predictions=rows, attributes=["group"]).findings if f.primary}

    assert gaps["true_positive_rate"].p == min(gap.p for gap in gaps.values())
    assert gaps["true_positive_rate"].p_adjusted == pytest.approx(3 * gaps["true_positive_rate"].p)
    assert gaps["false_positive_rate"].p_adjusted == 1


# ---- which rates are asked about -----------------------------------------------------------------------------------------------------


def test_of_a_third_answer_the_recall_of_each_true_label_is_planned():
    """Where a model may say "unclear", what the false positive rate leaves is not the recall of the other label."""
    rows = table({(g, t, p): 5 for g in "AB" for t in ("no", "yes") for p in ("no", "unclear", "yes")})
    assert claims(rows) == [
        ("accuracy", None, "group", True), ("true_positive_rate", "no", "group", True), ("true_positive_rate", "yes", "group", True),
    ]  # fmt: skip


def test_of_three_true_labels_the_recall_of_each_is_planned():
    """A class of few images is lost in the accuracy: "equivalent" is not said unless its recall is, too."""
    rows = table({(g, t, p): 5 for g in "AB" for t in "xyz" for p in "xyz"})
    recalls = [("true_positive_rate", label, "group", True) for label in "xyz"]
    assert claims(rows) == [("accuracy", None, "group", True), *recalls]
    # By hand: x is answered for 5 of its 15 rows in each group; every recall is a third.
    found = audit.audit(predictions=rows, attributes=["group"], min_group_size=10)
    assert {(f.outcome, r.events, r.n) for f in found.findings if f.metric == "true_positive_rate" for r in f.by_group} == {
        (label, 5, 15) for label in "xyz"
    }


def test_an_outcome_that_was_named_is_the_positive_side_and_its_two_rates_are_planned():
    rows = table({(g, t, p): 5 for g in "AB" for t in "xyz" for p in "xyz"})
    both = [(metric, "bad", "group", True) for metric in ("true_positive_rate", "false_positive_rate")]
    assert claims(rows, "bad:low=x,y") == [("accuracy", None, "group", True), *both]
    # Of two labels the named one, not the last.
    two = table(TWO_SIDED)
    assert [name for metric, name, *_ in claims(two, "rejected=0") if metric == "true_positive_rate"] == ["rejected"]


def test_by_an_attribute_that_says_the_truth_only_accuracy_is_asked():
    """Of women nobody is labelled Male: the recall of Male has one group, and comparing it would be "not estimable" for ever."""
    rows = table(
        {("Female", "Female", "Female"): 9, ("Female", "Female", "Male"): 1, ("Male", "Male", "Male"): 10}, ("sex", "y_true", "y_pred")
    )
    rows["site"] = ["u", "v"] * 10
    asked = claims(rows)
    assert [each for each in asked if each[2] == "sex"] == [("accuracy", None, "sex", True)]
    assert [each[:2] for each in asked if each[2] == "site"] == [
        ("accuracy", None), ("true_positive_rate", "Male"), ("false_positive_rate", "Male"),
    ]  # fmt: skip


def test_shares_by_an_attribute_that_says_the_truth_are_asked_only_where_they_were_named():
    """Who is right calls women Female: that the share differs by gender tells nothing. A level that mixes truths is another matter."""

    def shares(rows, *outcomes):
        probe, _ = default_claims(
            load_predictions(rows, ColumnOptions()).answers, DefaultClaims(tuple(map(parse_outcome, outcomes))), "rows"
        )
        return {c.by for c in probe.measurements[0].claims if c.metric == "selection_rate"}

    rows = table({("f", "A", "F", "F"): 40, ("m", "A", "M", "M"): 30, ("f", "B", "F", "M"): 20, ("m", "B", "M", "M"): 30},
                 ("gender", "race", "y_true", "y_pred"))  # fmt: skip
    assert shares(rows) == {("race",)}
    assert shares(rows, "man=M") == {("gender",), ("race",), ("gender", "race")}
    one, ten = (pd.concat([rows, table({("f", "A", "M", "M"): n}, ("gender", "race", "y_true", "y_pred"))]) for n in (1, 10))
    assert (shares(one), shares(ten)) == (shares(rows), {("gender",), ("race",), ("gender", "race")})


def test_a_truth_with_one_side_adds_nothing_to_accuracy_and_an_unknown_truth_or_group_is_no_side():
    one_side = table({(g, "yes", p): 10 for g in "AB" for p in ("no", "yes")})
    assert claims(one_side) == [("accuracy", None, "group", True)]
    assert claims(one_side, "good=yes") == [("accuracy", None, "group", True)]
    not_known = pd.concat([one_side, table({("A", "", "no"): 1, ("B", "", "no"): 1})])
    assert claims(not_known, "good=yes") == [("accuracy", None, "group", True)]
    # "yes" is true in A and where the group is not known; "no" in both groups.
    holes = pd.DataFrame(
        {"group": ["A", "A", "B", "B", None, "A"], "y_true": ["yes", "no", "no", None, "yes", "yes"], "y_pred": ["yes", "no"] * 3}
    )
    assert claims(holes, attributes=("group",)) == [("accuracy", None, "group", True), ("false_positive_rate", "yes", "group", True)]
    assert claims(holes.drop(columns="y_true"), attributes=("group",)) == []


def test_the_report_states_the_rule():
    read = load_predictions(table(TWO_SIDED), ColumnOptions())
    said = [default_claims(read.answers, DefaultClaims(outcomes), "rows")[0].source for outcomes in ((), (parse_outcome("bad=0"),))]
    assert "with two true labels the true and false positive rate of the last" in said[0]
    assert "each outcome's true and false positive rate" in said[1]


@pytest.mark.slow
def test_rates_of_images_in_clusters_count_clusters(tmp_path):
    """Copies of every row add nothing once the column of originals is named."""
    rows = table({("A", 1, 1): 50, ("A", 1, 0): 10, ("A", 0, 0): 60, ("B", 1, 1): 40, ("B", 1, 0): 20, ("B", 0, 0): 60})
    copies = pd.concat([rows.assign(one=[f"r{i}" for i in range(len(rows))])] * 5)
    once = audit.audit(predictions=rows, attributes=["group"])
    many = audit.audit(predictions=copies, attributes=["group"], cluster="one")
    rate, single = (next(f for f in found.findings if f.metric == "true_positive_rate") for found in (many, once))

    assert [r.clusters for r in rate.by_group] == [60, 60]
    assert rate.gap.value == single.gap.value
    assert rate.gap.p == pytest.approx(single.gap.p, abs=0.02)


# ---- columns that say the truth, or one another, but for label errors ----------------------------------------------------------------


def people(n=400, seed=0):
    """`n` rows of two genders, of which the truth is the gender, three races and five ages."""
    source = np.random.default_rng(seed)
    gender = np.repeat(["f", "m"], n // 2)
    answer = np.where(source.random(n) < 0.9, gender, np.where(gender == "f", "m", "f"))
    columns = {"race": source.choice(list("ABC"), n), "age": source.choice(list("abcde"), n)}
    return pd.DataFrame({"id": [f"i{row}" for row in range(n)], "gender": gender, **columns, "y_true": gender, "y_pred": answer})


def asked_of(rows, **options):
    """Return every claim as a tuple, and the notes as sentences."""
    read = load_predictions(rows, ColumnOptions(**options))
    probe, notes = default_claims(read.answers, DefaultClaims(), "rows")
    return {(c.metric, c.outcome, c.by, c.primary) for c in probe.measurements[0].claims}, [sentence(note) for note in notes]


def flipped(rows, column, places):
    other = {"f": "m", "m": "f"}
    return rows.assign(**{column: [other[value] if place in places else value for place, value in enumerate(rows[column])]})


@pytest.mark.parametrize("column", ["y_true", "gender"])
@pytest.mark.parametrize("places", [{0, 399}, set(range(0, 400, 100)), set(range(0, 400, 21))])
def test_label_errors_do_not_change_the_questions(column, places):
    """One swapped pair, 1 % and 5 % of wrong labels: the questions of the clean table, and the rows that disagree are counted and named."""
    clean, none = asked_of(people())
    noisy, notes = asked_of(flipped(people(), column, places))
    assert (noisy, none) == (clean, [])
    assert sum(primary for *_, primary in clean) == 7  # accuracy by three columns, both error rates by race and by age
    assert len(notes) == 1
    assert f"‘gender’ determines the true answer, or follows from it, in all but {len(places)} of 400 rows." in notes[0]
    assert f"The rows: {', '.join(f'i{place}' for place in sorted(places)[:10])}{', …' if len(places) > 10 else ''}." in notes[0]


@pytest.mark.parametrize(("step", "planned"), [(16, False), (4, False), (3, True), (2, True)])
def test_error_rates_by_a_column_that_may_judge_the_truth_again_are_exploratory(step, planned):
    """6, 25, 33.5 and 50 % of rows that disagree: a second annotator up to a third, then something else that goes with the truth."""
    asked, notes = asked_of(flipped(people(), "y_true", set(range(0, 400, step))))
    by_gender = {metric: primary for metric, _, by, primary in asked if by == ("gender",)}
    assert by_gender == {"accuracy": True, "true_positive_rate": planned, "false_positive_rate": planned, "selection_rate": False}
    many = len(range(0, 400, step))
    said = f"‘gender’ contradicts the true answer in {many} of 400 rows: it may be a second judgement of the same thing."
    assert [said in note for note in notes] == [True] * (not planned)


def two_annotators(differ, seed):
    """2,000 people who are judged twice, with as many errors each; a model that is right for 90 % of them, whoever they are."""
    source = np.random.default_rng([seed, round(differ * 1000)])
    wrong = (1 - np.sqrt(1 - 2 * differ)) / 2
    ill = source.random(2000) < 0.5
    first, second = (ill ^ (source.random(2000) < wrong) for _ in range(2))
    answers = ill ^ (source.random(2000) < 0.1)
    columns = {"y_true": np.where(first, "ill", "well"), "second": np.where(second, "+", "-"), "y_pred": np.where(answers, "ill", "well")}
    return pd.DataFrame({"id": [f"i{row}" for row in range(2000)], **columns})


@pytest.mark.parametrize("differ", [0.07, 0.2])
def test_no_group_is_accused_of_the_errors_of_an_annotator(differ, tmp_path, capsys):
    """Of the people whom only one of the two calls ill, the model is "wrong" for half: 33 points, whatever it does."""
    two_annotators(differ, 1).to_csv(tmp_path / "rows.csv", index=False)
    assert main(["--predictions", str(tmp_path / "rows.csv"), "--attributes", "second", "--out", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["audits"][0]["verdict"] != "disparity"
    screen = " ".join(capsys.readouterr().out.split("\n  question")[0].split())
    assert "‘second’ contradicts the true answer in" in screen
    assert "taken for" not in screen
    assert "error rates by ‘second’ are exploratory" in " ".join((tmp_path / "out" / "summary.md").read_text().split())


def test_a_rare_level_is_not_an_error():
    """A flag that 8 of 400 rows have, and a truth that is rare in another 8: neither says anything of the other."""
    rows = people().assign(flag=np.where(np.arange(400) < 8, "yes", "no"), y_true=np.where(np.arange(400) >= 392, "m", "f"))
    asked, notes = asked_of(rows, attributes=("flag",))
    assert ("accuracy", None, ("flag",), True) in asked
    assert notes == []
    assert not disagreeing(*(np.array(list(each), object) for each in ("ab" * 2, "ab" * 2)), np.ones(4, int)).any()
    assert disagreeing(*(np.array(list(each), object) for each in ("abab", "abba")), np.ones(4, int)) is None  # two of four: chance


def test_a_finer_or_a_coarser_column_than_the_truth_is_as_without_errors():
    """The truth has four jobs, `field` has two of them each, `person` 40 levels of one job each; a doctor and a waiter are swapped."""
    rows = people().drop(columns=["gender", "race", "age"])
    job = np.repeat(["doctor", "nurse", "cook", "waiter"], 100)
    rows = rows.assign(y_true=job, y_pred=np.roll(job, 1), field=np.repeat(["care", "food"], 200), person=np.arange(400) // 10)
    rows["person"] = "p" + rows.person.astype(str)
    clean, none = asked_of(rows)
    job[[3, 397]] = job[[397, 3]]
    noisy, notes = asked_of(rows.assign(y_true=job))
    assert (noisy, none, len(notes)) == (clean, [], 2)
    assert not any(metric == "true_positive_rate" and by == ("field",) for metric, _, by, _ in clean)


def test_a_copy_of_another_column_adds_no_planned_question():
    rows = people()
    clean, _ = asked_of(rows)
    for places, said in ((set(), "in every row"), ({1, 300}, "in all but 2 of 400 rows")):
        copy = flipped(rows, "gender", places).gender.map({"f": "woman", "m": "man"})
        asked, notes = asked_of(rows.assign(sex=copy))
        assert {each for each in asked if each[3]} == {each for each in clean if each[3]}
        assert not any("sex" in by and len(by) > 1 for _, _, by, _ in asked)  # gender x race says it
        assert f"‘sex’ is equivalent to ‘gender’ {said}" in notes[0]


def test_counted_parts_count_their_images():
    """A row that stands for 200 images is no label error of one row."""
    column, other = (np.array(list(each), object) for each in ("aabb", "xyyy"))
    assert disagreeing(column, other, np.array([900, 1, 900, 1])).tolist() == [False, True, False, False]
    assert disagreeing(column, other, np.array([900, 200, 900, 1])) is None


@pytest.mark.slow_except("0.01")
@pytest.mark.skipif(not TABLES.is_dir(), reason="the tables of ../shared/clip_fairface are not beside this checkout")
@pytest.mark.parametrize("share", [0.0, 0.01, 0.03])
def test_one_per_cent_of_wrong_labels_leaves_a_real_table_its_seven_questions(share):
    rows = pd.read_csv(TABLES / "vit-l-14-laion2b.gender.csv", dtype=str)
    wrong = np.random.default_rng(0).choice(len(rows), int(share * len(rows)), replace=False)
    rows.loc[wrong, "y_true"] = rows.loc[wrong, "y_true"].map({"Male": "Female", "Female": "Male"})
    asked, notes = asked_of(rows)
    assert sum(primary for *_, primary in asked) == 7
    assert len(notes) == bool(share)


# ---- both errors are asked in the same way -------------------------------------------------------------------------------------------

RARELY_MISSED = {
    ("a", "P", "P"): 1980, ("a", "P", "N"): 20, ("a", "N", "P"): 200, ("a", "N", "N"): 1800,
    ("b", "P", "P"): 1916, ("b", "P", "N"): 84, ("b", "N", "P"): 206, ("b", "N", "N"): 1794,
}  # fmt: skip
"""Misses of P: 1.0 and 4.2 %, within 5 points and 2.6 to 6.4 times as many. False alarms: 10.0 and 10.3 %; all errors: 5.5 and 7.25 %."""


@pytest.mark.slow_except("ill-well-false_positive_rate")
@pytest.mark.parametrize(("positive", "negative", "metric"), [("yes", "no", "true_positive_rate"), ("ill", "well", "false_positive_rate")])
def test_rare_misses_are_a_disparity_in_ratio_whichever_label_comes_last(tmp_path, capsys, positive, negative, metric):
    spelled = {"P": positive, "N": negative}
    table(RARELY_MISSED).replace({"y_true": spelled, "y_pred": spelled}).to_csv(tmp_path / "answers.csv", index=False)
    assert main(["--predictions", str(tmp_path / "answers.csv"), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["findings"]
    missed = next(finding for finding in found if finding["metric"] == metric)

    assert {finding["metric"]: finding["verdict"] for finding in found if finding["primary"]} == {
        "accuracy": "disparity", "true_positive_rate": "equivalent", "false_positive_rate": "equivalent", metric: "disparity",
    }  # fmt: skip
    assert (missed["exceeds_tolerance"], missed["ratio_tolerance"]) == (True, 1.25)
    assert missed["ratio_of_rest"] == (metric == "true_positive_rate")
    assert (round(missed["gap"]["ratio_low"], 2), round(missed["gap"]["equivalence_ratio"], 2)) == (2.63, 6.38)
    terminal, page = " ".join(capsys.readouterr().out.split()), text_of((tmp_path / "out" / "report.html").read_text())
    for text in (terminal, page.replace("\u00a0", " ")):
        assert f"‘{positive}’ is taken for ‘{negative}’ more often for group b: 4.2 % (1 in 24), against 1.00 % (1 in 100)" in text
    rates = "error rates" if metric == "true_positive_rate" else "rates"
    assert f"or more: ratio of the two {rates}; tolerance: 1.25 times 2.63 times" in page.replace("\u00a0", " ")


@pytest.mark.slow_except("ill-well")
@pytest.mark.parametrize(("often", "rarely"), [("yes", "no"), ("ill", "well")])
def test_an_answer_that_nearly_all_get_is_judged_by_how_often_the_other_one_is_given(tmp_path, capsys, often, rarely):
    """Without truth the share given one of two answers is asked; that of the other one is its rest."""
    rows = table({("a", often): 1980, ("a", rarely): 20, ("b", often): 1916, ("b", rarely): 84}, ("group", "y_pred"))
    rows.to_csv(tmp_path / "answers.csv", index=False)
    assert main(["--predictions", str(tmp_path / "answers.csv"), "--out", str(tmp_path / "out")]) == 0
    [share] = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["findings"]

    assert (share["outcome"], share["verdict"], share["ratio_of_rest"]) == (max(often, rarely), "disparity", often > rarely)
    assert (round(share["gap"]["ratio_low"], 2), round(share["gap"]["equivalence_ratio"], 2)) == (2.63, 6.38)
    rates = "rates of other answers" if often > rarely else "rates"
    assert f"The {rates} of at least one pair differ by a factor of 2.63 or more." in " ".join(capsys.readouterr().out.split())
    assert f"or more: ratio of the two {rates}; tolerance" in text_of((tmp_path / "out" / "report.html").read_text())
