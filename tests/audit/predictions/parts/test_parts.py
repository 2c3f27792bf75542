"""Parts of predictions: counted as they are read, they give the findings of one file; what needs single rows is refused or named."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.compare import main as compare
from audit.errors import DataError, UnsafeError, UsageError
from audit.predictions.bins import parse_bins
from audit.predictions.parts import files
from audit.predictions.parts.read import load_parts
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
            table = pa.table({name: column.dictionary_encode() if name != "weight" else column for name, column in
                              zip(table.column_names, table.columns, strict=True)})  # fmt: skip
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


def audit(source, out, *flags):
    assert main(["--predictions", str(source), "--out", str(out), *flags]) == 0
    return json.loads((out / "results.json").read_text())["audits"][0]


def refusal(path, **wanted):
    with pytest.raises((DataError, UsageError)) as error:
        load_parts(path, ColumnOptions(**wanted))
    return str(error.value)


def test_parts_have_the_findings_of_one_file_whatever_their_number_and_order(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BATCH", 50)
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


def test_the_page_says_what_counts_cannot_tell_and_no_row_is_written(tmp_path):
    audit(write(tmp_path / "parts", rows()), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "single rows: parts are counted as they are read" in page
    assert "Read in 3 parts and counted as they were read, 600 rows: no row was kept." in page
    assert not (tmp_path / "out" / "predictions.parquet").exists()


def test_an_audit_of_parts_is_not_compared_image_by_image(tmp_path, capsys):
    source = write(tmp_path / "parts", rows())
    audit(source, tmp_path / "before")
    audit(source, tmp_path / "after")
    assert compare([str(tmp_path / "before"), str(tmp_path / "after"), "--out", str(tmp_path / "changes")]) == 2
    assert "which image got which answer is not known" in capsys.readouterr().err


def test_a_column_of_more_than_50_levels_is_no_attribute_wherever_its_levels_come(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BATCH", 40)
    frame = rows().assign(person=[f"p{number // 5}" for number in range(600)], shot=["x"] * 300 + ["y"] * 300)
    read = load_parts(write(tmp_path / "parts", frame), ColumnOptions())
    assert list(read.answers[0].predictions.attributes) == ["race", "gender", "shot"]
    assert "'person' (more than 50 levels)" in " ".join(sentences(read.notes))


def test_numbers_are_cut_at_edges_and_several_questions_are_counted_together(tmp_path):
    frame = rows().assign(age=np.arange(600) % 90)
    frame = frame.rename(columns={"y_pred": "y_pred:role", "y_true": "y_true:role"}).assign(**{"y_pred:sky": ["day", "night"] * 300})
    read = load_parts(write(tmp_path / "parts", frame), ColumnOptions(bins=(parse_bins("age=18,60"),)))
    role, sky = (each.predictions for each in read.answers)
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
    monkeypatch.setattr(files, "BATCH", 50)
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
    monkeypatch.setattr("audit.predictions.parts.read.MOST_COMBINATIONS", 10)
    assert "combinations of 'race', 'gender'" in refusal(write(tmp_path / "parts", rows()))
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    with pytest.raises(UnsafeError, match=r"part-0\.parquet would fill the memory"):
        load_parts(tmp_path / "parts", ColumnOptions())
