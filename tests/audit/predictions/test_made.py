"""Columns made from the answers are no attributes by default; groups that determine or predict answers are."""

import json

import numpy as np
import pandas as pd
import pytest

from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from tests.support.command import command
from tests.support.notes import sentences


def answers(seed=0, n=800, right=0.75):
    """Answers yes and no about two groups that are treated alike, `right` of them right."""
    rng = np.random.default_rng(seed)
    truth, is_right = rng.choice(["no", "yes"], n), rng.random(n) < right
    answer = np.where(is_right, truth, np.where(truth == "yes", "no", "yes"))
    return pd.DataFrame({"group": rng.choice(["a", "b"], n), "y_true": truth, "y_pred": answer})


def altered(values, rows):
    """The values, with the first different one in some rows."""
    changed = np.array(values, object)
    for row in rows:
        changed[row] = next(value for value in values if value != changed[row])
    return changed


def made(rows):
    """Every kind of column that follows from the answers of `rows`."""
    right, said = (rows["y_true"] == rows["y_pred"]).to_numpy(), rows["y_pred"].to_numpy(object)
    sure = np.random.default_rng(1).beta(np.where(right, 6, 4), np.where(right, 2, 3))
    errors = np.select([right, said == "yes"], ["", "false positive"], "false negative")
    return {
        "parsed": said,
        "final": altered(said, range(16)),
        "code": np.where(said == "yes", "A", "B"),
        "raw": np.where(np.arange(len(rows)) % 3 == 0, said, said + "."),
        "error_type": errors,
        "cell": np.char.add(rows["y_true"].to_numpy(str), said.astype(str)),
        "is_correct": right,
        "matched": altered(np.where(right, "ok", "not ok"), range(8)),
        "false_alarm": np.where(errors == "false positive", "x", "-"),
        "confidence_band": np.select([sure < 0.6, sure < 0.8], ["low", "mid"], "high"),
        "label": altered(np.where(rows["y_true"] == "yes", "ill", "well"), range(3)),
        "date": [f"2024-03-{1 + row % 28:02}" for row in range(len(rows))],
        "comment": [("", "fine", "blurred")[row % 3] for row in range(len(rows))],
        "seen": [("It was seen in a second look.", "It was not seen in any look.")[row % 2] for row in range(len(rows))],
        "photo_id": [f"p{row % 40}" for row in range(len(rows))],
        "source": "web",
    }  # fmt: skip


def attributes(frame, **wanted):
    return list(load_predictions(frame, ColumnOptions(**wanted)).answers[0].predictions.attributes.columns)


def left_out(frame):
    note = next(note for note in load_predictions(frame, ColumnOptions()).notes if "not used" in sentences([note])[0])
    return {other.split("'")[1]: other.partition(" (")[2] for other in dict(vars(note))["values"]["others"]}


@pytest.mark.slow
def test_the_command_leaves_out_what_was_made_from_the_answers_and_names_it(tmp_path):
    rows = answers()
    rows.assign(**made(rows)).to_csv(tmp_path / "answers.csv", index=False)
    done = command("--predictions", "answers.csv", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    assert {name for finding in found["findings"] for name in finding["attributes"]} == {"group"}
    assert sum(finding["primary"] for finding in found["findings"]) == 3
    assert found["verdict"] != "disparity"
    page, summary = ((tmp_path / "out" / name).read_text() for name in ("report.html", "summary.md"))
    assert "parsed&#39; (follows from the answer in all 800 rows" in page
    for shown in (summary, " ".join(done.stdout.split())):
        assert "‘parsed’" in shown or "'parsed'" in shown


def test_each_column_made_from_the_answers_is_left_out_with_the_number_of_rows_that_disagree():
    rows = answers()
    columns = made(rows)
    assert attributes(rows.assign(**columns)) == ["group"]
    why = left_out(rows.assign(**columns))
    assert list(why) == list(columns)
    assert why["parsed"].startswith("follows from the answer in all 800 rows; to compare by it all the same: --attributes")
    assert why["final"].startswith("follows from the answer in all but 16 of 800 rows;")
    assert why["matched"].startswith("tells right from wrong answers in all but 8 of 800 rows;")
    assert why["error_type"].startswith("tells right from wrong answers in all 800 rows;")
    assert why["raw"].startswith("tells the answer in all 800 rows;")
    assert why["false_alarm"].startswith("follows from the answer and the true answer in all 800 rows;")
    assert why["label"].startswith("follows from the true answer in all but 3 of 800 rows;")
    assert why["photo_id"] == "identifiers; where rows with one value belong together: --cluster photo_id)"
    assert why["source"] == "1 level)"
    assert (why["date"], why["comment"], why["seen"]) == ("dates)", "free text)", "free text)")


def test_without_true_answers_too():
    rows = answers()
    columns = {name: column for name, column in made(rows).items() if name not in ("matched", "false_alarm", "cell")}
    assert attributes(rows.assign(**columns).drop(columns="y_true")) == ["group"]


def test_bands_of_a_score_are_left_out_and_groups_that_score_higher_are_not():
    rows = answers()
    score = np.random.default_rng(2).beta(np.where(rows["y_pred"] == "yes", 8, 2), np.where(rows["group"] == "a", 3, 5))
    rows = rows.assign(**{"score:yes": score}, y_pred=np.where(score > 0.5, "yes", "no"))
    bands = np.select([score < 0.2, score < 0.7], ["low", "middle"], "severe")
    frame = rows.assign(risk=bands, shown=altered(bands, range(8)))
    assert attributes(frame) == ["group", "shown"]  # nothing but the data suggests where `shown` is from
    assert attributes(frame.rename(columns={"shown": "score_band"})) == ["group"]
    assert left_out(frame)["risk"].startswith("follows from a score in all 800 rows;")


def test_a_named_column_is_used_with_a_caveat():
    rows = answers()
    found = load_predictions(rows.assign(**made(rows)), ColumnOptions(attributes=("group", "final")))
    assert list(found.answers[0].predictions.attributes.columns) == ["group", "final"]
    assert [note for note in sentences(found.notes) if "by construction" in note] == [
        "‘final’ follows from the answer in all but 16 of 800 rows: it may have been made from the answers, and differences by it may then "
        "be true by construction."
    ]
    assert "made_from_answers" not in {note.code for note in load_predictions(rows, ColumnOptions(attributes=("group",))).notes}


# ---- groups that stay ------------------------------------------------------------------------------------------------------------------


def people(n=800, seed=0):
    rng = np.random.default_rng(seed)
    gender = rng.choice(["Female", "Male"], n)
    return rng, gender


def perfect():
    """The truth is a function of the site, and the model is always right."""
    rng, _ = people()
    site = rng.choice(["north", "east", "south"], 800)
    truth = np.where(site == "north", "yes", "no")
    return {"site": site, "y_true": truth, "y_pred": truth}


def perfect_copy():
    _, gender = people()
    return {"gender": gender, "y_true": gender, "y_pred": gender}


def recognised(right=0.97, letters=False):
    """The question is gender, and most answers are right."""
    rng, gender = people()
    answer = np.where(rng.random(800) < right, gender, np.where(gender == "Male", "Female", "Male"))
    return {"gender": np.where(gender == "Male", "m", "f") if letters else gender, "y_true": gender, "y_pred": answer}


def one_answer():
    """Always "Female": right and wrong are a function of gender."""
    _, gender = people()
    return {"gender": gender, "y_true": gender, "y_pred": "Female"}


def one_answer_and_a_copy():
    rng, gender = people()
    return {"skin": np.where(gender == "Male", "d", "l"), "glasses": rng.choice(["yes", "no"], 800), "y_true": gender, "y_pred": "Male"}


def biased(n=800, share=0.9):
    """The answer mostly follows gender, whatever is true."""
    rng, gender = people(n)
    stereotype = np.where(gender == "Male", "doctor", "nurse")
    answer = np.where(rng.random(n) < share, stereotype, rng.choice(["doctor", "nurse"], n))
    return {"gender": gender, "y_true": rng.choice(["doctor", "nurse"], n), "y_pred": answer}


def wholly_biased():
    """60 images whose answer is a function of their gender."""
    return biased(60, 1.0)


def failing():
    """Nearly every image of a small group is answered wrongly, and nearly no other."""
    rng, _ = people()
    group = np.where(np.arange(800) < 100, "Tamil", "English")
    truth = rng.choice(["yes", "no"], 800)
    wrong = rng.random(800) < np.where(group == "Tamil", 0.97, 0.01)
    return {"language": group, "y_true": truth, "y_pred": np.where(wrong, np.where(truth == "yes", "no", "yes"), truth)}


def wholly_failing():
    """Every man is answered wrongly, and no woman."""
    rng, gender = people()
    truth = rng.choice(["yes", "no"], 800)
    return {"gender": gender, "y_true": truth, "y_pred": np.where(gender == "Male", np.where(truth == "yes", "no", "yes"), truth)}


def many_levels():
    """50 countries in 100 rows: each determines nearly anything by chance."""
    rng, _ = people()
    return {"country": [f"c{row % 50}" for row in range(100)], "y_true": rng.choice(["x", "y"], 100), "y_pred": rng.choice(["x", "y"], 100)}


def many_answers():
    """Nearly every row has an answer of its own."""
    rng, _ = people()
    return {"match": rng.choice(["home", "away"], 800), "y_pred": [f"l{row % 900}" for row in range(800)]}


def worded():
    """The answers are words of which each is said of one gender; nothing says what is true."""
    rng, gender = people()
    return {"gender": gender, "y_pred": np.char.add(gender.astype(str), rng.choice([" a", " b", " c"], 800))}


def tiny():
    return {"g": ["a", "a", "b", "b"], "y_true": ["x", "y", "x", "y"], "y_pred": ["x", "x", "y", "y"]}


def small():
    """Right for a, wrong for b, in 18 rows."""
    truth = ["x", "y"] * 9
    return {"hit": ["a", "b"] * 9, "y_true": truth, "y_pred": ["x"] * 18}


STAY = (
    perfect, perfect_copy, recognised, one_answer, one_answer_and_a_copy, biased, wholly_biased, failing, wholly_failing,
    many_levels, many_answers, worded, tiny, small,
)  # fmt: skip


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("rows", STAY, ids=lambda rows: rows.__name__)
def test_groups_stay(rows, truth):
    frame = pd.DataFrame(rows())
    expected = [name for name in frame.columns if not name.startswith("y_")]
    if not truth:
        frame = frame.drop(columns="y_true", errors="ignore")
        frame["y_pred"] = frame["y_pred"] + "!"  # the levels of a column are not those of the answers, which has a rule of its own
    if truth or rows != one_answer:
        assert attributes(frame) == expected


def test_a_gender_in_other_words_stays_if_the_truth_explains_it():
    assert attributes(pd.DataFrame(recognised(letters=True))) == ["gender"]


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("age", ["0-2", "3-9", "10-19", "more than 70"]), ("period", ["1990-99", "2000-09"]), ("month", ["May", "June"]),
        ("race", ["Black or African American", "White"]), ("hand", ["left", "right"]), ("video", ["indoors", "outdoors"]),
        ("camera", ["CC 1", "CC 2"]), ("valid", ["true", "false"]),
    ],
)  # fmt: skip
def test_ordinary_columns_stay(name, levels):
    frame = answers().assign(**{name: [levels[row % len(levels)] for row in range(800)]})
    assert attributes(frame) == ["group", name]


@pytest.mark.parametrize(
    "levels",
    [
        ["2024-03-01", "2024-03-02"], ["01/03/2024", "31/12/2023"], ["3 Mar 2024", "14 April 2023"],
        ["2024-03-01T10:15:00Z", "2024-03-02 09:00"], ["12-Mar-24", "1-Apr-24"], ["2024-03", "2024-04"], ["March 3, 2024", "May 14, 2023"],
    ],
)  # fmt: skip
def test_dates_are_no_groups(levels):
    assert left_out(answers().assign(taken=levels * 400)) == {"taken": "dates)"}


def test_times_sentences_and_addresses_are_no_groups():
    """One sentence among short remarks is enough; and most categories have fewer than ten words."""
    said = ["The person stands at the left edge of the picture, facing away", "blurred", "n/a", "ask again"]
    values = {
        "at": ["10:15", "9:30 pm", "23:59:59", "00:00"] * 200, "said": said * 200, "mail": ["a@x.org", "b.c@y.co.uk"] * 400,
        "day": ["Monday", "Tuesday"] * 400, "quarter": ["2024-Q1", "2024-Q2"] * 400, "share": ["10:90", "50:50"] * 400,
        "told": ["prefer not to say which of these it is", "woman", "man", "other"] * 200,
    }  # fmt: skip
    why = {name: text.partition(";")[0].rstrip(")") for name, text in left_out(answers().assign(**values)).items()}
    assert why == {"at": "times of day", "said": "free text", "mail": "identifiers"}


def test_identifiers_are_no_groups():
    frame = answers(n=40)
    values = {
        "who": [f"person {row}" for row in range(40)], "hash": ["a", "b"] * 20, "shot": ["a/b 1.jpg", "c.png"] * 20,
        "key": ["0123456789abcdef", "fedcba9876543210"] * 20, "personId": ["p", "q"] * 20,
    }  # fmt: skip
    assert set(left_out(frame.assign(**values))) == {*values}


@pytest.mark.slow
def test_parts_are_judged_by_their_images(tmp_path):
    rows = answers()
    columns = {name: column for name, column in made(rows).items() if name in ("parsed", "final", "error_type", "is_correct")}
    for part in range(2):
        rows.assign(**columns).iloc[part::2].to_parquet(tmp_path / f"{part}.parquet")
    done = command("--predictions", str(tmp_path / "*.parquet"), "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    assert list(found["data"]["groups"]) == ["group"]
    assert "'final' (follows from the answer in all but 16 of 800 rows" in done.stderr


def test_several_questions_share_the_attributes():
    rows = answers()
    frame = rows.rename(columns={"y_pred": "y_pred:a", "y_true": "y_true:a"}).assign(**{"y_pred:b": answers(5)["y_pred"]})
    assert attributes(frame.assign(parsed_b=frame["y_pred:b"])) == ["group"]
