"""External predictions: what is read, what is refused, and what comes out at the end of the command."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import DataError, UsageError
from audit.predictions.bins import parse_bins
from audit.predictions.columns import read_columns
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.run import main
from tests.support.command import command
from tests.support.notes import sentences, told

RACES, GENDERS = ("White", "Black"), ("Female", "Female", "Male", "Male")
ROWS = "id,race,gender,y_true,y_pred\n" + "".join(
    f"{i}.png,{'Black' if i % 2 else 'White'},{'Female' if i % 4 < 2 else 'Male'},cat,{'dog' if i % 8 == 1 else 'cat'}\n"
    for i in range(400)
)
"""Odd rows are Black: 50 of 200 are called dogs. Even rows are White: none is."""


@pytest.fixture
def file(tmp_path):
    def file(content, name="answers.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def read(path, **wanted):
    return load_predictions(path, ColumnOptions(**wanted))


def audit(path, *flags, out="out"):
    """Run the command in this process and return the first audit of its results.json."""
    folder = path.parent / out
    assert main(["--predictions", str(path), "--out", str(folder), *flags]) == 0
    return json.loads((folder / "results.json").read_text())["audits"][0]


def finding(result, name):
    return next(each for each in result["findings"] if each["id"] == name)


def column(result, name, field):
    """Return a field of every group of a finding."""
    return [rate[field] for rate in finding(result, name)["by_group"]]


# ---- a whole run ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_rates_of_a_file_are_those_counted_by_hand_and_the_report_says_what_was_asked_without_a_model(file):
    path = file(ROWS)
    result = audit(path)
    by_race = finding(result, "predictions/accuracy/race")
    assert [(rate["group"], rate["events"], rate["n"]) for rate in by_race["by_group"]] == [(["Black"], 150, 200), (["White"], 200, 200)]
    assert (by_race["gap"]["value"], by_race["verdict"], by_race["primary"]) == (0.25, "disparity", True)
    # 1 of 8 is wrong in either sex: rows 1 of 0..7 are Female, so 50 of 200 women and no man.
    assert column(result, "predictions/accuracy/gender", "events") == [150, 200]
    # Of two labels one is asked, and where truth is known, beside the verdict.
    primary = {each["id"]: each["primary"] for each in result["findings"]}
    assert primary["predictions/accuracy/race x gender"] is primary["predictions/selection_rate[dog]/race"] is False
    assert not any("[cat]" in name for name in primary)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (result["model"]["kind"], result["model"]["sha256"]) == ("external predictions", sha256)
    assert result["measurements"][0]["near_ties"] is None
    page = (path.parent / "out" / "report.html").read_text()
    for words in ("external predictions", sha256, "Default claims", "Default attributes", "The answers have no scores."):
        assert words in page


def test_without_truth_the_shares_given_decide(file):
    rows = pd.read_csv(file(ROWS), dtype=str).drop(columns="y_true")
    result = audit(file(rows.to_csv(index=False)))
    assert {each["metric"] for each in result["findings"]} == {"selection_rate"}
    assert finding(result, "predictions/selection_rate[dog]/race")["verdict"] == result["verdict"] == "disparity"


def test_an_outcome_is_a_set_of_labels_with_a_direction(file):
    rows = "race,y_pred\n" + "".join(f"{'AB'[i % 2]},{['thief', 'criminal', 'cook', 'cook'][i // 2 % 4]}\n" for i in range(400))
    result = audit(file(rows), "--outcome", "harm:low=thief,criminal")
    harm = finding(result, "predictions/selection_rate[harm]/race")
    assert (harm["better"], harm["primary"]) == ("low", True)
    assert [(rate["events"], rate["n"]) for rate in harm["by_group"]] == [(100, 200), (100, 200)]


def test_columns_are_chosen_by_name_or_by_rule_and_the_rule_is_said(file):
    rows = pd.read_csv(file(ROWS), dtype=str).assign(
        years=lambda t: [str(i % 90) for i in range(len(t))], one="same", note=lambda t: t["id"] + "!"
    )
    path = file(rows.to_csv(index=False))
    assert list(read(path).answers[0].predictions.attributes.columns) == ["race", "gender"]
    assert "not used: 'years' (numbers: --bins years=4), 'one' (1 level), 'note' (400 levels)" in sentences(read(path).notes)[0]
    persons = path.with_name("persons.csv")
    rows.assign(person=[f"p{i // 4}" for i in range(len(rows))]).to_csv(persons, index=False)
    assert "'person' (100 levels; where rows with one value belong together: --cluster person)" in sentences(read(persons).notes)[0]
    assert list(read(path, attributes=("gender",)).answers[0].predictions.attributes.columns) == ["gender"]
    with pytest.raises(DataError, match="1 group in the column 'one'"):
        read(path, attributes=("one",))


def test_an_attribute_of_which_one_level_is_left_is_not_estimable(file):
    rows = "id,g,y_true,y_pred\n" + "".join(f"{i},a,{i % 2},1\n" for i in range(100)) + "last,b,1,1\n"
    result = audit(file(rows), "--exclude", str(file("last\n", "list.txt")))
    assert {each["verdict"] for each in result["findings"]} == {"not estimable"}


# ---- clusters ------------------------------------------------------------------------------------------------------------------------


def people(copies):
    """60 + 60 people with `copies` images each, all of a person alike: 45 of 60 are right in one group, 35 of 60 in the other."""
    lines = ["person,g,y_true,y_pred"]
    for group, right in (("a", 45), ("b", 35)):
        for person in range(60):
            lines += [f"{group}{person},{group},yes,{'yes' if person < right else 'no'}"] * copies
    return "\n".join(lines)


@pytest.mark.slow
def test_copies_of_people_add_nothing_where_the_column_of_people_is_named(file):
    once = finding(audit(file(people(1))), "predictions/accuracy/g")
    result = audit(file(people(10)), "--cluster", "person")
    many = finding(result, "predictions/accuracy/g")
    assert (result["data"]["cluster"], result["data"]["clusters"]) == ("person", 120)
    assert "person" not in result["data"]["groups"]
    assert column(result, "predictions/accuracy/g", "clusters") == [60, 60]
    for rate, single in zip(many["by_group"], once["by_group"], strict=True):
        assert (rate["value"], rate["n"]) == (single["value"], 10 * single["n"])
        assert rate["low"] == pytest.approx(single["low"], abs=0.01)
    assert many["gap"]["p"] == pytest.approx(once["gap"]["p"], abs=0.015)
    assert (many["verdict"], once["verdict"]) == ("inconclusive", "inconclusive")
    # Without it the copies alarm, so nothing is judged unless the rows are declared independent.
    declared, undeclared = (audit(file(people(10)), *flags) for flags in (["--independent"], []))
    assert [finding(one, "predictions/accuracy/g")["verdict"] for one in (declared, undeclared)] == ["disparity", "not estimable"]


def test_a_group_of_few_people_is_shown_and_not_judged(file):
    rows = people(10) + "\n" + "\n".join(f"c{i % 4},c,yes,no" for i in range(400))
    result = audit(file(rows), "--cluster", "person")
    by_group = finding(result, "predictions/accuracy/g")
    assert [(rate["group"], rate["clusters"], rate["status"]) for rate in by_group["by_group"]] == [
        (["a"], 60, "ok"), (["b"], 60, "ok"), (["c"], 4, "small"),
    ]  # fmt: skip
    assert [(rate["group"], rate["n"]) for rate in by_group["by_group"] if rate["status"] != "ok"] == [(["c"], 400)]
    assert "Images come in clusters" in (file("", "x.csv").parent / "out" / "report.html").read_text()


def test_clusters_with_holes_are_refused_and_identifiers_may_be_clusters(file):
    with pytest.raises(DataError, match=r"1 row without a cluster \(column '\w+', first in row \d+ after the header"):
        read(file("person,g,y_pred\np,a,x\n,b,y\n"), cluster="person")
    twice = read(file("id,g,y_pred\nu,a,x\nu,b,y\nv,b,y\n"), cluster="id").answers[0].predictions
    assert twice.cluster.tolist() == [0, 0, 1]


def test_the_answer_is_the_label_with_the_highest_score_and_of_equals_the_first(file):
    predictions = read(file("race,score:cat,score:dog\nA,0.9,0.1\nB,0.2,0.8\nA,0.5,0.5\n")).answers[0].predictions
    assert predictions.labels == ("cat", "dog")
    assert predictions.y_pred.tolist() == ["cat", "dog", "cat"]
    np.testing.assert_allclose(predictions.margin, [0.8, 0.6, 0.0], atol=1e-6)


def test_a_model_that_never_gives_a_true_answer_is_read_where_the_scores_name_the_labels(file):
    content = "race,y_true,score:cat,score:dog\n" + "A,dog,0.9,0.1\nB,dog,0.8,0.2\n" * 30
    result = audit(file(content))
    assert column(result, "predictions/accuracy/race", "events") == [0, 0]


def test_an_answer_that_differs_from_the_scores_stands_and_is_said(file):
    given = read(file("race,y_pred,score:cat,score:dog\nA,dog,0.9,0.1\nB,dog,0.2,0.8\n"))
    assert given.answers[0].predictions.y_pred.tolist() == ["dog", "dog"]
    assert any("Answers that are not the label with the highest score: 1;" in note for note in sentences(given.notes))


@pytest.mark.slow
def test_the_predictions_of_an_audit_give_its_findings_again(file, fake_encoder, four_faces, tmp_path):
    from audit.engine.answers import audit as run_audit
    from audit.engine.external import PredictionPlan, audit_answers, plan_answers
    from audit.output.predictions import write_predictions
    from audit.testing import gender_probe
    from audit.types import Settings

    probe, settings = gender_probe(four_faces), Settings(min_group_size=2, draws=99)
    first = run_audit(fake_encoder, probe, four_faces, settings, cache_root=tmp_path / "cache")
    write_predictions(tmp_path / "p.parquet", [(first.result, first.predictions)])
    (plan,) = plan_answers(read(tmp_path / "p.parquet"), PredictionPlan((probe,)))
    again = audit_answers(plan, settings)
    assert again.result.findings == first.result.findings
    np.testing.assert_array_equal(again.predictions["gender"].scores, first.predictions["gender"].scores)
    assert again.result.data.fingerprint == first.result.data.fingerprint.replace("4" * 64, again.result.data.fingerprint)


@pytest.mark.slow
def test_a_probe_is_put_to_the_columns_of_its_names(file):
    rows = "race,gender,y_pred:gender\n" + "".join(
        f"{('White', 'Black')[i % 2]},{('Female', 'Male')[i // 2 % 2]},{'Male' if i % 8 < 5 else 'Female'}\n" for i in range(400)
    )
    result = audit(file(rows), "--probe", "fairface")
    assert result["probe"]["name"] == "fairface"
    # The truth is the column gender. Of eight rows in turn, W F, B F, W M, B M, W F are called Male and B F, W M, B M Female:
    # right are B M and B F for Black, one W M for White.
    assert column(result, "gender/accuracy/race", "events") == [100, 50]
    assert any("for which the file has no column" in note for note in map(told, result["data"]["notes"]))
    ids = {each["id"] for each in result["findings"]}
    assert {cell["finding"] for table in result["published"] for row in table["rows"] for cell in row["ours"] if cell} <= ids


def test_a_probe_is_put_to_named_attributes(file):
    rows = "race,gender,tone,y_pred:gender\n" + "".join(
        f"{('White', 'Black')[i % 2]},{('Female', 'Male')[i // 2 % 2]},{('light', 'dark')[i % 5 < 2]},{'Male' if i % 8 < 5 else 'Female'}\n"
        for i in range(400)
    )
    result = audit(file(rows), "--probe", "fairface", "--attributes", "race,tone")
    planned = {each["id"] for each in result["findings"] if each["primary"]}
    assert planned == {"gender/accuracy/race", "gender/accuracy/tone"}
    assert {name for each in result["findings"] for name in each["attributes"]} == {"race", "tone"}
    # As without --attributes; of 40 rows in turn, 6 of 16 dark and 9 of 24 light ones are right.
    assert column(result, "gender/accuracy/race", "events") == [100, 50]
    assert column(result, "gender/accuracy/tone", "events") == [60, 90]
    assert (
        "differences by gender, age, race_binary, by which the probe compares: other attributes were chosen"
        in result["probe"]["not_tested"]
    )
    assert {"code": "attributes_of_probe_chosen", "values": {"attributes": ["race", "tone"]}} in result["data"]["notes"]
    assert "Chosen by the person who ran this audit: the attributes race, tone." in (file("").parent / "out" / "summary.md").read_text()


# ---- bad input -----------------------------------------------------------------------------------------------------------------------

BAD = {
    "empty": (b"", "is empty"),
    "header alone": ("race,y_pred\n", "no rows"),
    "no answers": ("race,gender\nA,B\n", "no column 'y_pred'"),
    "no attribute": ("y_true,y_pred\n1,1\n0,0\n", "no attribute column"),
    "numbers as attributes": ("g,y_pred\n1,a\n2,b\n", "--attributes"),
    "missing answer": ("race,y_pred\nA,cat\nB,\n", "1 value missing in the column 'y_pred'"),
    "nan as answer": ("race,y_pred\nA,cat\nB,NaN\n", "1 value missing in the column 'y_pred'"),
    "nan as truth": ("race,y_true,y_pred\nA,cat,cat\nB,nan,cat\n", "missing in the column 'y_true'"),
    "duplicate id": ("id,race,y_pred\nx,A,cat\ny,B,dog\nx,B,dog\n", "repeated identifier (column 'id', first in row 3 after"),
    "other spelling": ("race,y_true,y_pred\nA,Cat,cat\nB,Dog,dog\n", "write their labels differently"),
    "other spelling in one row": ("race,y_true,y_pred\nA,cat,cat\nB,cat,Cat\n", "y_true holds 'cat', y_pred 'Cat'"),
    "other spelling of one truth": ("race,y_true,y_pred\nA,cat,cat\nB,cat ,cat\n", "y_true holds 'cat ', y_pred 'cat'"),
    "1 and 1.0": ("race,y_true,y_pred\nA,1,1.0\nB,0,0\nA,0,0\n", "write their labels differently"),
    "score in words": ("race,score:cat,score:dog\nA,0.5,0.5\nB,high,0.2\n", "found 'high'"),
    "score missing": ("race,score:cat,score:dog\nA,0.5,0.5\nB,,0.2\n", "not a number"),
    "score nan": ("race,score:cat,score:dog\nA,0.5,0.5\nB,nan,0.2\n", "not a number"),
    "decimal comma": ("race;score:cat;score:dog\nA;0,5;0,5\nB;0,1;0,9\n", "decimal point"),
    "logits": ("race,score:cat,score:dog\nA,5.5,-3\nB,2,0.2\n", "not probabilities"),
    "score of nothing": ("race,score:cat,score:dog,score: \nA,0.5,0.2,0.3\nB,0.1,0.8,0.1\n", "no name after the colon"),
    "answers to nothing": ("race,y_pred:\nA,cat\nB,dog\n", "no name after the colon"),
    "truth without truth": ("race,y_true,y_pred\nA,,cat\nB,,dog\n", "y_true is empty in every row"),
    "missing id": ("id,race,y_pred\n1,A,cat\n ,B,dog\n", "1 row without an identifier (column 'id', first in row 2"),
    "answer without score": ("race,y_pred,score:cat,score:dog\nA,cow,0.5,0.5\nB,cat,0.9,0.1\n", "'cow', which has no score"),
    "score of another word": ("race,y_pred,score:unsafe\nA,no,0.5\nB,yes,0.9\n", "'unsafe' is not an answer"),
    "score of another word, way out": ("race,y_pred,score:unsafe\nA,no,0.5\nB,yes,0.9\n", "--column score:ANSWER=NAME"),
    "several questions, one truth": ("race,y_true,y_pred:a,y_pred:b\nA,x,x,u\nB,y,y,u\n", "answers.csv, y_pred:b: y_true and y_pred"),
    "ragged": ("race,y_pred\nA,cat\nB\n", "ragged"),
    "column twice": ("race,race,y_pred\nA,A,cat\n", "twice"),
    "latin-1": ("race,y_pred\nA,caf\xe9\nB,cat\n".encode("latin-1"), "not UTF-8"),
    "utf-16": ("race,y_pred\nA,cat\n".encode("utf-16"), "UTF-16"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_with_what_is_wrong(file, case):
    content, words = BAD[case]
    with pytest.raises(DataError) as error:
        read(file(content))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.csv", "no file"),
        ("is.doc", "not a table"),
        ("is.parquet", "cannot read is.parquet"),
        ("caf\udce9.csv", "cannot be printed"),
    ],
)
def test_files_that_are_no_tables(file, tmp_path, name, words):
    path = file("x", name) if name.startswith("is") else tmp_path / name
    with pytest.raises(DataError, match=words):
        read(path)


NO_LABEL, NO_ROW, NO_NUMBER = "not a label", "the column 'id' identifies no row", "a score that is not a number in the column 'score:y'"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        *(({"y_pred": cells}, "fractions or infinite numbers") for cells in ([0.25, 0.5], [1.0, 1e300], [1.0, -np.inf])),
        *(({"y_pred": cells}, NO_LABEL) for cells in ([[1], [2]], [b"a", b"b"])),
        ({"y_pred": ["a", None]}, "1 value missing"),
        *(({"id": cells, "y_pred": ["x", "y"]}, NO_ROW) for cells in ([b"\xff1", b"\xff2"], [[1], [2]], [{"a": 1}, {"a": 2}])),
        *(({"score:x": [0.5, 0.5], "score:y": cells}, NO_NUMBER) for cells in ([[0.5], [0.5]], [{"a": 0.5}, {"a": 0.5}])),
    ],
)
def test_parquet_cells_that_are_no_labels_identifiers_or_numbers(tmp_path, columns, words):
    pd.DataFrame({"race": ["A", "B"], **columns}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match=words):
        read(tmp_path / "p.parquet")


def test_dates_and_bytes_beside_the_answers_are_no_attributes_and_that_is_said(tmp_path):
    when = pd.to_datetime(["2020-01-01", "2020-01-02"])
    pd.DataFrame({"race": ["A", "B"], "y_pred": ["x", "y"], "when": when, "raw": [b"\xff", b"\xfe"]}).to_parquet(tmp_path / "p.parquet")
    given = read(tmp_path / "p.parquet")
    assert list(given.answers[0].predictions.attributes.columns) == ["race"]
    assert "not used: 'when' (timestamp" in sentences(given.notes)[0]
    assert "'raw' (binary)" in sentences(given.notes)[0]
    with pytest.raises(DataError, match="which is not a label"):
        read(tmp_path / "p.parquet", attributes=("when",))


def test_parquet_text_of_the_newest_kind_is_text(tmp_path):
    columns = {"race": ["A", "B"], "y_pred": ["x", "y"]}
    pq.write_table(pa.table({name: pa.array(cells, pa.string_view()) for name, cells in columns.items()}), tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet").answers[0].predictions.y_pred.tolist() == ["x", "y"]


def test_a_true_answer_without_a_score_is_wrong_and_said(file):
    # Of 100 rows of either group 25 are truly a cow, which has no score; all others are right.
    rows = "race,y_true,score:cat,score:dog\n" + "".join(
        f"{'AB'[i % 2]},{'cow' if i % 8 < 2 else 'cat'},0.{i % 3 + 6},0.{4 - i % 3}\n" for i in range(200)
    )
    result = audit(file(rows))
    assert column(result, "predictions/accuracy/race", "events") == [75, 75]
    assert "Rows with a true answer that has no score, such as 'cow': 50; they are always wrong." in map(told, result["data"]["notes"])


def test_parquet_types_are_read_as_labels(tmp_path):
    # pandas stores whole numbers beside a missing one as floats.
    table = pd.DataFrame(
        {"race": pd.Categorical(["A", "B", "A"]), "y_true": [1.0, 0.0, None], "y_pred": [1, 0, 1], "old": [True, False, True]}
    )
    table.to_parquet(tmp_path / "p.parquet")
    predictions = read(tmp_path / "p.parquet").answers[0].predictions
    assert predictions.y_true.tolist() == ["1", "0", "unknown"]
    assert predictions.y_pred.tolist() == ["1", "0", "1"]
    assert predictions.attributes["old"].tolist() == ["True", "False", "True"]


def jobs(**columns):
    """60 answers about two groups of 30; every third answer is another than the column `job`."""
    cells = {"sex": ["f", "m"] * 30, "y_pred": ["cook", "nurse", "pilot"] * 20, "job": ["cook", "nurse", "nurse", "pilot"] * 15}
    return pd.DataFrame(cells | columns)


def attributes(frame, **wanted):
    return list(read(frame, **wanted).answers[0].predictions.attributes.columns)


@pytest.mark.parametrize("name", ["truth", "Label", "GROUND_TRUTH", "target", "y", "occupation"])
def test_a_column_like_the_true_answers_is_not_an_attribute_by_default(name):
    frame = jobs().rename(columns={"job": name})
    assert attributes(frame) == ["sex"]
    assert f"not used: '{name}' (looks like the true answer: --truth-column {name}; from Python:" in sentences(read(frame).notes)[0]
    assert attributes(frame, attributes=("sex", name)) == ["sex", name]
    predictions = read(frame, truth=name).answers[0].predictions
    assert (list(predictions.attributes.columns), predictions.y_true[2]) == (["sex"], "nurse")
    with pytest.raises(DataError, match=f"no attribute column\nwhy: .*--truth-column {name}"):
        read(frame.drop(columns="sex"))


def test_a_column_with_other_labels_or_beside_true_answers_stays_an_attribute():
    yes = ["yes", "no", "no"] * 20
    assert attributes(jobs().replace({"job": {"pilot": "chef"}})) == ["sex", "job"]
    assert attributes(jobs(y_true=jobs().job, target=jobs().sex)) == ["sex", "job", "target"]
    assert attributes(jobs(y_pred=yes, glasses=yes[::-1])) == ["sex", "job", "glasses"]


def test_many_single_numbers_as_groups_are_pointed_out_with_bins():
    frame = jobs(age=[20 + row % 13 for row in range(60)], children=[row % 3 for row in range(60)])
    notes = [note for note in read(frame, attributes=("age", "children")).notes if note.code == "single_numbers"]
    assert sentences(notes) == (
        "Every number in ‘age’ is a group of its own: 13 of them. To compare ranges of numbers, divide them into groups, as in "
        "--bins age=4 (from Python, bins=).",
    )
    assert "single_numbers" not in {note.code for note in read(frame, attributes=("age",), bins=(parse_bins("age=4"),)).notes}


def test_intervals_of_pandas_are_groups(tmp_path):
    frame = jobs(age=pd.cut([25, 35, np.nan] * 20, [20, 30, 40]), height=pd.arrays.IntervalArray.from_tuples([(1, 2), (2, 3)] * 30))
    columns = read(frame).answers[0].predictions.attributes
    assert columns["age"].tolist()[:3] == ["(20, 30]", "(30, 40]", "unknown"]
    assert columns["height"].tolist()[:2] == ["(1, 2]", "(2, 3]"]
    frame.to_csv(tmp_path / "answers.csv", index=False)
    assert read(tmp_path / "answers.csv").answers[0].predictions.attributes.equals(columns)


def test_words_that_pandas_takes_for_missing_are_groups(file):
    given = read(file("country,y_pred\n" + "".join(f"{word},cat\n" for word in ("NA", "None", "null", "nan", "N/A", ""))))
    assert given.answers[0].predictions.attributes["country"].tolist() == ["NA", "None", "null", "nan", "N/A", "unknown"]
    assert any("missing values: 1" in note for note in sentences(given.notes))


def test_a_row_without_truth_counts_for_shares_and_not_for_accuracy(file):
    rows = "g,y_true,y_pred\n" + "".join(f"{'ab'[i % 2]},{'' if i < 40 else 'cat'},{'cat' if i % 3 else 'dog'}\n" for i in range(240))
    result = audit(file(rows))
    assert column(result, "predictions/accuracy/g", "n") == [100, 100]
    assert column(result, "predictions/selection_rate[dog]/g", "n") == [120, 120]


@pytest.mark.slow_except("False")
@pytest.mark.parametrize("numbers", [True, False])
def test_the_order_of_the_rows_decides_nothing(file, numbers):
    rows = [f"{'AB'[i % 2]},{'cat' if i % 3 else 'dog'}" for i in range(1, 201)]
    lines = [f"{i},{row}" for i, row in enumerate(rows, 1)] if numbers else rows
    head = "id," * numbers + "race,y_pred\n"
    first, second = (audit(file(head + "\n".join(some) + "\n"), out=out) for some, out in ((lines, "one"), (lines[::-1], "two")))
    for each in (first, second):
        each["model"].pop("sha256"), each["model"].pop("fingerprint")  # of the file
    assert first == second


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_byte_order_mark_and_other_separators(file, mark):
    content = f"race{mark}y_pred\r\nA{mark}cat\r\nB{mark}dog\r\n"
    predictions = read(file(b"\xef\xbb\xbf" + content.encode())).answers[0].predictions
    assert list(predictions.attributes.columns) == ["race"]
    assert predictions.y_pred.tolist() == ["cat", "dog"]


def test_names_that_look_like_formulas_or_markup_stay_text(file):
    rows = "=cmd(),y_pred\n" + "".join(f"{('=1+1', '<b>x</b>')[i % 2]},{('@a', '-b')[i // 2 % 2]}\n" for i in range(200))
    path = file(rows)
    result = audit(path)
    page = (path.parent / "out" / "report.html").read_text()
    assert result["data"]["groups"] == {"=cmd()": {"<b>x</b>": 100, "=1+1": 100}}
    assert "<b>x</b>" not in page
    for table in (path.parent / "out" / "tables").glob("*.csv"):
        assert not any(cell.startswith(("=", "@")) for line in table.read_text().splitlines() for cell in line.split(","))


def test_groups_whose_names_may_be_none_are_said(file):
    notes = read(file("race,y_pred\nN/A,cat\nB,dog\n")).notes
    assert "race: 'N/A' counts as a group; leave the cell empty where the value is not known." in sentences(notes)


MANY = "race,y_pred\n" + "".join(f"{'AB'[i % 2]},label {i % 40}\n" for i in range(400))


@pytest.mark.parametrize(
    ("content", "flags", "code", "words"),
    [
        (ROWS, "--model x.pt", 2, "--model cannot be used with --predictions"),
        (ROWS, "--model-args activation=gelu", 2, "--model-args cannot be used with --predictions"),
        (ROWS, "--limit 5", 2, "--limit cannot be used with --predictions"),
        (ROWS, "--outcome harm", 2, "malformed --outcome"),
        (ROWS, "--outcome harm:bad=cat", 2, "unknown direction 'bad'"),
        (ROWS, "--outcome harm=bird", 2, "never occurs"),
        (ROWS, "--cluster person", 2, "no column 'person'"),
        (ROWS, "--attributes rasse", 2, "no column 'rasse'"),
        (ROWS, "--attributes ,", 2, "expected at least one name"),
        ("race,y_pred\n" + "A,cat\nB,cat\n" * 50, "", 3, "every answer to 'predictions' in answers.csv is 'cat'"),
        (MANY, "", 2, "--outcome NAME"),
        ("race,gender,y_pred\nWhite,Male,zebra\n", "--probe fairface", 2, "which measurement"),
        ("race,gender,y_pred:gender\nWhite,Male,zebra\nWhite,Male,Male\n", "--probe fairface", 3, "'zebra' is not an answer"),
        ("race,gender,y_pred:gender\nWhite,Mann,Male\nWhite,Male,Male\n", "--probe fairface", 3, "'Mann' is not an answer"),
        ("colour,y_pred:harm-21\nred,thief\nblue,thief\n", "--probe fairface", 2, "no column that the probe"),
    ],
)
def test_flags_that_do_not_fit_the_file(file, content, flags, code, words, capsys):
    path = file(content)
    assert main(["--predictions", str(path), "--out", str(path.parent / "out"), *flags.split()]) == code
    assert words in capsys.readouterr().err


def test_flags_of_predictions_need_a_file(capsys):
    assert main(["--model", "x.pt", "--probe", "emoji", "--outcome", "harm=cat"]) == 2
    assert "without --predictions" in capsys.readouterr().err


# ---- data frames ---------------------------------------------------------------------------------------------------------------------


def same(one, other):
    """Whether two readings hold the same but for the name of their source."""
    for mine, theirs in zip(one.answers, other.answers, strict=True):
        assert (mine.measurement, mine.cluster, mine.numbered) == (theirs.measurement, theirs.cluster, theirs.numbered)
        for name in ("labels", "answers", "scores", "y_pred", "y_true", "margin", "cluster", "cluster_names"):
            np.testing.assert_array_equal(getattr(mine.predictions, name), getattr(theirs.predictions, name))
        pd.testing.assert_frame_equal(mine.predictions.attributes, theirs.predictions.attributes)
    return one.notes == other.notes


SCORED = "race,video,score:cat,score:dog,y_true\n" + "".join(
    f"{'Black' if i % 2 else 'White'},{i // 4},{(i % 10) / 10},{1 - (i % 10) / 10},{'cat' if i % 3 else ''}\n" for i in range(40)
)
SEVERAL = "race,id,y_pred:a,y_true:a,y_pred:b\n" + "".join(f"{'AB'[i % 2]},{i},{i % 3},{i % 2},{bool(i % 2)}\n" for i in range(12))


@pytest.mark.parametrize(("content", "wanted"), [(ROWS, {}), (SCORED, {"cluster": "video"}), (SEVERAL, {"attributes": ("race",)})])
def test_a_data_frame_gives_what_its_file_gives(file, content, wanted):
    path = file(content)
    frame = pd.read_csv(path)
    frame.to_csv(path, index=False)
    assert same(read(frame, **wanted), read(path, **wanted))
    assert read(frame, **wanted).sha256 == read(path, **wanted).sha256
    assert same(read(frame.astype({"race": "category"}), **wanted), read(path, **wanted))
    frame.to_parquet(path.with_suffix(".parquet"))
    assert same(read(frame, **wanted), read(path.with_suffix(".parquet"), **wanted))


def test_a_named_index_of_a_data_frame_identifies_its_rows(file):
    path = file(ROWS)
    frame = pd.read_csv(path).set_index("id")
    assert same(read(frame), read(path))
    assert read(frame).sha256 == read(path).sha256


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        (pd.DataFrame({"race": ["a", "b"], "answer": ["x", "y"]}), DataError, "data frame has no column 'y_pred'"),
        (pd.DataFrame({"race": ["a", "b"], "y_pred": ["x", None]}), DataError, "data frame: 1 value missing in the column 'y_pred'"),
        (pd.DataFrame({"id": [1, 1], "race": ["a", "b"], "y_pred": ["x", "y"]}), DataError, "data frame: 1 row with a repeated identifier"),
        (pd.DataFrame({"race": [], "y_pred": []}), DataError, "data frame has columns but no rows"),
        (pd.DataFrame([["a", "x", "y"]], columns=["race", "y_pred", "y_pred"]), DataError, "data frame has the column 'y_pred' twice"),
        (pd.DataFrame({"race": ["a", 1], "y_pred": ["x", "y"]}), DataError, "cannot read the data frame"),
        ({"race": ["a"]}, UsageError, "predictions of type dict"),
    ],
)
def test_a_data_frame_is_refused_as_a_file_is(frame, kind, words):
    with pytest.raises(kind, match=words):
        read(frame)


def test_a_header_of_any_width_leaves_every_column_text(tmp_path):
    """100,000 letters of other columns before the group: `1` and `01` stay two groups."""
    wide = [f"column {place} {'x' * 90}" for place in range(1000)]
    lines = [",".join((*wide, "y_pred", "group")), *(",".join((*["a"] * 1000, "yes", group)) for group in ("1", "01", "1", "01"))]
    (tmp_path / "wide.csv").write_text("\n".join(lines) + "\n")

    table = read_columns(tmp_path / "wide.csv")

    assert table.column("group").to_pylist() == ["1", "01", "1", "01"]
    assert {str(kind) for kind in table.schema.types} == {"string"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_attributes_whose_columns_are_nearly_called_so_are_read_and_noted(tmp_path, ending):
    """As in tables of images: case, spaces and a unit need no mention; --column maps any other name."""
    frame = pd.DataFrame(
        {"y_pred": ["a", "b"] * 4, "Gender ": ["F", "M", "M", "F"] * 2, "Age (years)": range(20, 28), "sex": ["F"] * 4 + ["M"] * 4}
    )
    path = tmp_path / f"p.{ending}"
    (frame.to_csv if ending == "csv" else frame.to_parquet)(path, index=False)
    file = load_predictions(path, ColumnOptions(("gender",), bins=(parse_bins("age=24,"),)))
    assert file.answers[0].predictions.attributes["gender"].tolist() == ["F", "M", "M", "F"] * 2
    assert "Columns whose names were assumed: 'Gender ' as gender, 'Age (years)' as age." in sentences(file.notes)
    by_probe = load_predictions(path, ColumnOptions(slices=("gender",)))
    assert list(by_probe.answers[0].predictions.attributes) == ["gender"]
    stated = load_predictions(path, ColumnOptions(("gender",), columns={"gender": "sex"}))
    assert stated.answers[0].predictions.attributes["gender"].tolist() == ["F"] * 4 + ["M"] * 4
    assert not any("assumed" in said for said in sentences(stated.notes))
    with pytest.raises(UsageError, match=r"has no column 'sax' \(--column\)\nfix: did you mean sex"):
        load_predictions(path, ColumnOptions(("gender",), columns={"gender": "sax"}))
    two = frame.assign(GENDER="F")
    with pytest.raises(UsageError, match="has no column 'gender'"):
        load_predictions(two, ColumnOptions(("gender",)))


def test_the_command_maps_a_column_of_predictions(tmp_path):
    rows = [(f"{number}", "yes", "no" if number % 4 == 0 else "yes", "FM"[number % 2]) for number in range(80)]
    pd.DataFrame(rows, columns=["id", "y_true", "y_pred", "Gender "]).to_csv(tmp_path / "p.csv", index=False)
    done = command("--predictions", tmp_path / "p.csv", "--column", "sex=Gender ", "--attributes", "sex", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    assert any(each["id"] == "predictions/accuracy/sex" for each in facts["findings"])
