"""Parts of predictions: counted as they are read, they give the findings of one file; what needs single rows is refused or named."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.compare import main as compare
from audit.errors import DataError, UnsafeError, UsageError
from audit.predictions import parts
from audit.predictions.bins import parse_bins
from audit.predictions.parts import load_parts
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.run import main
from tests.support.notes import sentences

READ = ("findings", "measurements", "counts", "verdict", "paired", "evidence", "warnings")


def rows(n=600, seed=0):
    """Women are answered right in 7 of 10, men in 9 of 10; a few truths and races are not known."""
    rng = np.random.default_rng(seed)
    gender, race = rng.choice(["Female", "Male"], n), rng.choice(["A", "B", None], n, p=[0.5, 0.45, 0.05])
    truth = rng.choice(["cook", "judge", "pilot"], n)
    wrong = rng.random(n) < np.where(gender == "Female", 0.3, 0.1)
    answer = np.where(wrong, "cook", truth)
    truth = np.where(rng.random(n) < 0.05, None, truth)
    return pd.DataFrame({"race": race, "gender": gender, "y_true": truth, "y_pred": answer, "weight": rng.random(n)})


def write(folder, frame, parts=3):
    """Write the rows in parts, the first with dictionaries and the others without."""
    folder.mkdir(exist_ok=True)
    for number, places in enumerate(np.array_split(np.arange(len(frame)), parts)):
        table = pa.Table.from_pandas(frame.iloc[places], preserve_index=False)
        if number == 0:
            for name in {"race", "gender", "y_true", "y_pred"} & set(table.column_names):
                table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


def audit(source, out, *flags):
    assert main(["--predictions", str(source), "--out", str(out), *flags]) == 0
    return json.loads((out / "results.json").read_text())["audits"][0]


def refusal(path, **wanted):
    with pytest.raises((DataError, UsageError)) as error:
        load_parts(path, ColumnOptions(**wanted))
    return str(error.value)


@pytest.mark.slow
def test_parts_have_the_findings_of_one_file_whatever_their_number_and_order(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "BATCH", 50)
    frame = rows()
    frame.to_parquet(tmp_path / "one.parquet", index=False)
    one = audit(tmp_path / "one.parquet", tmp_path / "out-one")
    three = audit(f"{write(tmp_path / 'three', frame)}/*.parquet", tmp_path / "out-three")
    shuffled = audit(write(tmp_path / "seven", frame.sample(frac=1, random_state=1), 7), tmp_path / "out-seven")
    for name in READ:
        assert three[name] == shuffled[name] == one[name], name
    for name in ("fingerprint", "groups", "used", "listed"):
        assert three["data"][name] == shuffled["data"][name] == one["data"][name], name
    told = {note["code"]: note["values"] for note in three["data"]["notes"]}
    assert told["counted_parts_of_several"] == {"parts": 3, "rows": 600, "columns": ["'weight'"]}
    assert told["missing_values"]["count"] == frame["race"].isna().sum()
    assert told["rows_without_truth"]["count"] == frame["y_true"].isna().sum()


@pytest.mark.slow
def test_the_page_says_what_counts_cannot_tell_and_no_row_is_written(tmp_path):
    audit(write(tmp_path / "parts", rows()), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "single rows: parts are counted as they are read" in page
    assert "600 rows were read in 3 parts and only counted: no row was stored." in page
    assert not (tmp_path / "out" / "predictions.parquet").exists()


def test_an_audit_of_parts_is_not_compared_image_by_image(tmp_path, capsys):
    source = write(tmp_path / "parts", rows())
    audit(source, tmp_path / "before")
    audit(source, tmp_path / "after")
    assert compare([str(tmp_path / "before"), str(tmp_path / "after"), "--out", str(tmp_path / "changes")]) == 2
    assert "which image got which answer is not known" in capsys.readouterr().err


def test_a_column_of_more_than_50_levels_is_no_attribute_wherever_its_levels_come(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "BATCH", 40)
    frame = rows().assign(person=[f"p{number // 5}" for number in range(600)], shot=["x"] * 300 + ["y"] * 300)
    read = load_parts(write(tmp_path / "parts", frame), ColumnOptions())
    assert list(read.answers[0].predictions.attributes) == ["race", "gender", "shot"]
    assert "'person' (more than 50 levels)" in " ".join(sentences(read.notes))


def test_numbers_are_cut_at_edges_and_several_questions_are_counted_together(tmp_path):
    frame = rows().assign(age=np.arange(600) % 90)
    frame = frame.rename(columns={"y_pred": "y_pred:role", "y_true": "y_true:role"}).assign(**{"y_pred:sky": ["day", "night"] * 300})
    read = load_parts(write(tmp_path / "parts", frame), ColumnOptions(bins=(parse_bins("age=18,60"),)))
    role, sky = (answer.predictions for answer in read.answers)
    by_age = pd.Series(role.count).groupby(role.attributes["age"].to_numpy()).sum().to_dict()
    # Ages 0 to 89 come round six times and then up to 59: 7 of each age below 60, 6 of each from 60 on.
    assert by_age == {"under 18": 7 * 18, "18 to under 60": 7 * 42, "60 and over": 6 * 30}
    assert (sky.images, dict(pd.Series(sky.count).groupby(sky.y_pred).sum())) == (600, {"day": 300, "night": 300})


def test_a_part_with_other_columns_or_types_is_named_with_what_differs(tmp_path):
    folder = write(tmp_path / "parts", rows())
    pq.write_table(pa.table({"race": ["A"], "gender": ["Male"], "y_pred": ["cook"], "weight": [1.0]}), folder / "part-9.parquet")
    assert "part-9.parquet is not a part of the table of part-0.parquet" in refusal(folder)
    assert "part-0.parquet has the column 'y_true', the other has not" in refusal(folder)
    pq.write_table(pa.Table.from_pandas(rows(5).assign(y_pred=[1, 2, 3, 4, 5]), preserve_index=False), folder / "part-9.parquet")
    assert "the column 'y_pred' holds string in the one and int64 in the other" in refusal(folder)


def test_a_missing_answer_is_named_by_its_part_and_row(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "BATCH", 50)
    frame = rows()
    frame.loc[330, "y_pred"] = None
    # The second part begins with row 200 of the table: 330 is its 131st.
    assert "part-1.parquet: 1 value missing in the column 'y_pred'" in refusal(write(tmp_path / "parts", frame))
    assert "first in row 131 after the header" in refusal(tmp_path / "parts")


def test_damaged_and_absent_parts_are_named(tmp_path):
    folder = write(tmp_path / "parts", rows())
    whole = (folder / "part-2.parquet").read_bytes()
    (folder / "part-2.parquet").write_bytes(whole[:-20])
    assert "part-2.parquet" in refusal(folder)
    middle = len(whole) // 3
    (folder / "part-2.parquet").write_bytes(whole[:middle] + bytes(len(whole) - middle - 400) + whole[-400:])
    assert "part-2.parquet" in refusal(folder)
    assert "no Parquet file in 'nothing-*.parquet'" in refusal(tmp_path / "nothing-*.parquet").replace(f"{tmp_path.name}/", "")
    (folder / "notes.csv").write_text("a\n1\n")
    assert "'notes.csv' is not; only Parquet files are read in batches" in refusal(folder / "*")


def test_what_needs_single_rows_is_refused_with_a_way_out(tmp_path):
    folder = write(tmp_path / "parts", rows())
    for wanted in ({"cluster": "race"}, {"weights": "weight"}, {"tags": "race"}, {"texts": ("race",)}, {"changing": ("race",)}):
        assert "cannot be used with parts of predictions" in refusal(folder, **wanted)
    one = tmp_path / "one.parquet"
    rows().to_parquet(one, index=False)
    listed = tmp_path / "listed.txt"
    listed.write_text("1\n")
    for flags in (["--exclude", str(listed)], ["--predictions", str(one)]):
        assert main(["--predictions", str(folder), *flags, "--out", str(tmp_path / "out")]) == 2
    own = load_predictions(one, ColumnOptions())
    assert own.answers[0].predictions.count is None


def test_too_many_combinations_and_rows_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("audit.predictions.parts.MOST_COMBINATIONS", 10)
    assert "combinations of 'race', 'gender'" in refusal(write(tmp_path / "parts", rows()))
    monkeypatch.setattr(parts, "MOST_BYTES", 100)
    with pytest.raises(UnsafeError, match=r"part-0\.parquet would fill the memory"):
        load_parts(tmp_path / "parts", ColumnOptions())


# ---- scores --------------------------------------------------------------------------------------------------------------------------


def scored(n=900):
    """Give each answer a probability of .4 to 1, rounded to float32; the labels share the rest."""
    frame = rows(n).drop(columns="weight")
    rng = np.random.default_rng(5)
    labels = ("cook", "judge", "pilot")
    sure = rng.uniform(0.4, 1, n)
    for place, label in enumerate(labels):
        rest = (1 - sure) * np.where((place + np.arange(n)) % 2, 0.7, 0.3)
        frame[f"score:{label}"] = np.where(frame["y_pred"] == label, sure, rest).astype(np.float32)
    return frame


@pytest.mark.slow
def test_scores_are_counted_in_bins_that_give_the_calibration_of_single_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "BATCH", 70)
    frame = scored()
    frame.to_parquet(tmp_path / "one.parquet", index=False)
    one = audit(tmp_path / "one.parquet", tmp_path / "out-one")
    three = audit(write(tmp_path / "three", frame), tmp_path / "out-three")
    again = audit(write(tmp_path / "again", frame.sample(frac=1, random_state=2), 5), tmp_path / "out-again")
    assert three["findings"] == again["findings"] == one["findings"]
    assert three["measurements"] == again["measurements"]  # to the last digit, whatever the order
    (mine,), (theirs,) = three["measurements"], one["measurements"]
    assert mine["near_ties"] == theirs["near_ties"]
    assert mine["mean_margin"] == pytest.approx(theirs["mean_margin"], abs=1e-7)
    for counted, exact in zip(mine["evidence"]["calibration"], theirs["evidence"]["calibration"], strict=True):
        assert counted["attributes"] == exact["attributes"]
        for group, other in zip(counted["groups"], exact["groups"], strict=True):
            assert (group["group"], group["n"]) == (other["group"], other["n"])
            assert [each["n"] for each in group["bins"]] == [each["n"] for each in other["bins"]]
            if other["error"]:
                assert group["error"]["value"] == pytest.approx(other["error"]["value"], abs=1e-6)
                assert group["overconfidence"]["value"] == pytest.approx(other["overconfidence"]["value"], abs=1e-6)
    for counted, exact in zip(three["evidence"]["threshold_curves"], one["evidence"]["threshold_curves"], strict=True):
        assert [point["threshold"] for point in counted["points"]] == pytest.approx([p["threshold"] for p in exact["points"]], abs=0.002)
        assert [point["coverage"] for point in counted["points"]] == pytest.approx([p["coverage"] for p in exact["points"]], abs=0.01)
    assert three["evidence"]["score_spread"] == []
    assert "the spread of scores" in " ".join(three["probe"]["not_tested"])


def test_scores_alone_give_the_answers(tmp_path):
    frame = scored().drop(columns=["y_pred", "y_true"])
    frame.to_parquet(tmp_path / "one.parquet", index=False)
    one = audit(tmp_path / "one.parquet", tmp_path / "out-one")
    parts = audit(write(tmp_path / "parts", frame), tmp_path / "out-parts")
    assert parts["findings"] == one["findings"]
    assert parts["measurements"][0]["labels"] == ["cook", "judge", "pilot"]


def test_scores_that_are_none_are_named_with_their_part_and_row(tmp_path):
    frame = scored()
    frame.loc[610, "score:judge"] = np.nan
    # The third part begins with row 600 of the table.
    assert "part-2.parquet, row 11 after the header" in refusal(write(tmp_path / "parts", frame))
    frame = scored()
    frame.loc[0, "score:judge"] = 1.5
    assert "they run from" in refusal(write(tmp_path / "more", frame))
    frame = scored().assign(y_pred="nurse")
    assert "y_pred holds 'nurse', which has no score" in refusal(write(tmp_path / "other", frame))
    assert "scores of one label only" in refusal(write(tmp_path / "single", scored().drop(columns=["score:judge", "score:pilot"])))
