"""Probes that bring a question for each row: what their loaders make of the authors' layouts, and what they refuse."""

import json

import pandas as pd
import pytest

import probes
from audit.errors import DataError, UsageError
from audit.testing import png
from audit.types import LoadOptions
from probes.people import surveillance as surveillance_probe
from tests.probes.made import surveillance, visogender, vlbias
from tests.support.command import command
from tests.support.planted import MODELS


def loaded(name, folder):
    return probes.get(name).load(LoadOptions(str(folder)))


@pytest.mark.parametrize("name", ["visogender", "vlbias", "surveillance"])
def test_another_layout_is_answered_with_the_right_one(name, tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match="is not laid out as") as caught:
        loaded(name, tmp_path)
    assert "found: pictures/; expected:" in caught.value.why
    assert probes.get(name).data.layout[0] in caught.value.why
    with pytest.raises(UsageError, match="no location for the data of"):
        probes.get(name).load(LoadOptions(None))


# ---- VisoGender ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def genders(tmp_path):
    visogender.make(tmp_path)
    return tmp_path


def test_captions_pronouns_and_rotten_links_of_visogender(genders):
    data = loaded("visogender", genders)
    # 160 rows less 4 rotten ones: of each table one of a man and one of a woman.
    assert len(data.images) == len(data.attributes) == len(data.texts) == 156
    assert data.exclusions[0].count == 4
    assert data.exclusions[0].by_group["occupation_gender"] == {"masculine": 2, "feminine": 2}
    assert data.texts.loc["OO_2", "single her"] == "The baker and her mixing spoon"
    assert data.texts.loc["OP_2", ["worker his", "participant unclear"]].tolist() == [
        "The baker and his customer", "The customer and their baker",
    ]  # fmt: skip
    assert (data.texts.loc["OP_2", "single his"], data.texts.loc["OO_2", "worker his"]) == ("", "")
    # The 50th picture of two: the worker is a woman from the 46th on, the other one too, as 49 leaves 4 by 9.
    pair = data.attributes.loc["OP_50", ["occupation_pronoun", "participant_pronoun", "people"]]
    assert pair.tolist() == ["her", "her", "two alike"]
    assert data.attributes.loc["OO_4", "occupation_gender"] == data.attributes.loc["OO_4", "occupation_pronoun"] == "unknown"
    assert not set(data.texts) & set(data.levels)


@pytest.mark.parametrize("name", ["OO_Visogender_02102023.tsv", "OO_Visogender_10052025.tsv"])
def test_both_names_of_the_table_of_objects_are_read_and_two_at_once_refused(genders, name):
    (genders / "OO" / "OO_Visogender_10052025.tsv").rename(genders / "OO" / name)
    assert name in loaded("visogender", genders).source
    (genders / "OO" / "OO_Visogender_14082023.tsv").write_bytes((genders / "OO" / name).read_bytes())
    with pytest.raises(DataError, match="several tables of OO"):
        loaded("visogender", genders)


def test_a_column_that_visogender_has_not_and_a_gender_that_it_does_not_know_are_named(genders):
    path = genders / "OP" / "OP_Visogender_11012024.tsv"
    table = path.read_text("utf-8")
    path.write_text(table.replace("Participant_perceived_gender", "Participant_gender"), "utf-8")
    with pytest.raises(DataError) as caught:
        loaded("visogender", genders)
    assert "without the column Participant_perceived_gender" in caught.value.why
    path.write_text(table.replace("\tmasculine\t", "\tmanly\t", 1), "utf-8")
    with pytest.raises(DataError, match="undeclared gender 'manly'"):
        loaded("visogender", genders)
    path.write_text(table, "utf-8")
    for image in (genders / "images").iterdir():
        image.unlink()
    with pytest.raises(DataError, match="no image of VisoGender is there"):
        loaded("visogender", genders)


# ---- VLBiasBench ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def questions(tmp_path):
    vlbias.make(tmp_path)
    return tmp_path


def test_roles_follow_the_answers_wherever_they_stand_and_ambiguous_questions_have_no_right_answer(questions):
    data = loaded("vlbias", questions)
    # 2 formats of 45, 34 and 32 pictures, one picture of each with a second question.
    assert len(data.images) == 2 * (45 + 34 + 32 + 3)
    assert data.attributes["image"].nunique() == 2 * (45 + 34 + 32)
    assert probes.get("vlbias").cluster == "image" not in data.levels
    # The second row has its answers in another order: Unknown, No, Yes; the label is still the one that is right.
    row = data.attributes.loc["scene/Age/2"]
    assert data.texts.loc["scene/Age/2", ["clear yes", "clear no", "clear unclear"]].tolist() == ["Yes", "No", "Not enough information"]
    assert (row["group"], row["condition"], row["right"]) == ("Age: old", "non_neg", "no")
    assert data.texts.loc["scene/Age/2", "clear question"] == "A person waits in place 1. Does the person know game 1?"
    assert data.texts.loc["scene/Age/2", "clear stem"] == "Does the person know game 1?"
    ambiguous = data.attributes[data.attributes["format"] == "base"]
    assert set(ambiguous["right"]) == {"unknown"}
    assert (data.texts.loc[ambiguous.index, "clear yes"] == "").all()
    assert "unknown" in set(data.attributes["group"])


def test_rows_without_yes_and_no_are_left_out_and_damaged_files_named(questions):
    path = questions / "close-ended" / "json" / "base" / "Age.json"
    rows = json.loads(path.read_text("utf-8"))
    rows[0]["ans0"] = "Perhaps"
    path.write_text(json.dumps(rows), "utf-8")
    data = loaded("vlbias", questions)
    assert "1 rows without a yes and a no" in data.source
    assert "base/Age/1" not in data.attributes.index
    for damaged, why in (([rows[1] | {"question": ""}], "row 1 without text for question"), ({"a": 1}, "dict instead of a list")):
        path.write_text(json.dumps(damaged), "utf-8")
        with pytest.raises(DataError) as caught:
            loaded("vlbias", questions)
        assert why in caught.value.why
    path.write_text("[{]", "utf-8")
    with pytest.raises(DataError) as caught:
        loaded("vlbias", questions)
    assert "not JSON" in caught.value.why
    rows[1]["image_path"] = "../secret.png"
    path.write_text(json.dumps(rows), "utf-8")
    with pytest.raises(DataError, match="path that leaves the folder"):
        loaded("vlbias", questions)


# ---- surveillance --------------------------------------------------------------------------------------------------------------------

HEADER = "image,scene,caption,other_1,other_2,other_3,other_4,other_5,close,object,present,name,public_figure,gender,race"


def frames(folder, *rows):
    (folder / "1.png").write_bytes(png("red"))
    (folder / "surveillance.csv").write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    return folder


@pytest.mark.parametrize("says", ["", "no", "unknown"])
def test_who_is_not_said_to_be_a_public_figure_may_not_be_named_and_the_error_does_not_name_them(tmp_path, says):
    frames(tmp_path, "1.png,d,a,b,c,d,e,f,,,,Ann Known,YES,woman,Black", f"1.png,d,a,b,c,d,e,f,,,,Zoe Private,{says},woman,Black")
    with pytest.raises(DataError, match="1 rows name a person") as caught:
        loaded("surveillance", tmp_path)
    assert caught.value.where == "surveillance.csv, line 3"
    assert "Zoe" not in f"{caught.value} {caught.value.why} {caught.value.fix}"


def test_an_object_needs_yes_or_no(tmp_path):
    for cells in ("a bag,", ",yes", "a bag,maybe"):
        frames(tmp_path, f"1.png,d,a,b,c,d,e,f,,{cells},,,woman,Black")
        with pytest.raises(DataError, match="does not say whether its object is there"):
            loaded("surveillance", tmp_path)


def test_questions_without_texts_are_left_out_with_a_reason_and_the_rest_runs(tmp_path):
    (tmp_path / "data").mkdir()
    arguments = surveillance.make(tmp_path / "data")
    table = pd.read_csv(tmp_path / "data" / "surveillance.csv", dtype=str, keep_default_na=False)
    table.drop(columns=["name", "public_figure"]).assign(close="").to_csv(tmp_path / "data" / "surveillance.csv", index=False)
    (tmp_path / "models.py").write_text(MODELS.format(probe="surveillance", data=arguments[1]))
    words = ("--model", f"{tmp_path / 'models.py'}:Refuser", "--probe", "surveillance", *arguments, "--out", tmp_path / "out", "--no-cache")
    ran = command(*words)
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["audits"][0]
    assert [measurement["name"] for measurement in found["measurements"]] == ["coarse", "object"]
    reasons = [surveillance_probe.OPTIONAL_QUESTIONS[name][2] for name in ("close", "identification")]
    assert found["probe"]["not_tested"][-2:] == reasons
    assert all(reason in (tmp_path / "out" / "summary.md").read_text("utf-8") for reason in reasons)
    one = pd.read_csv(tmp_path / "data" / "surveillance.csv", dtype=str, keep_default_na=False).assign(name="Ann", public_figure="yes")
    one.to_csv(tmp_path / "data" / "surveillance.csv", index=False)
    assert "identification" not in [
        m.name for m in surveillance_probe.with_filled_columns(loaded("surveillance", tmp_path / "data")).measurements
    ]


def test_no_name_is_written_anywhere(tmp_path):
    (tmp_path / "data").mkdir()
    arguments = surveillance.make(tmp_path / "data")
    (tmp_path / "models.py").write_text(MODELS.format(probe="surveillance", data=arguments[1]))
    ran = command(
        "--model", f"{tmp_path / 'models.py'}:Refuser", "--probe", "surveillance", *arguments, "--out", tmp_path / "out", "--no-cache"
    )
    assert ran.returncode == 0, ran.stderr
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {"results.json", "report.html", "predictions.parquet", "run.log"} <= {path.name for path in written}
    for path in written:
        assert b"Quillon" not in path.read_bytes(), path.name
        assert b"Vance" not in path.read_bytes(), path.name
    assert "Quillon" not in ran.stdout + ran.stderr
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "out" / "predictions.parquet").to_pandas()
    assert "Quillon" not in table.to_csv()
    found = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["audits"][0]
    record = next(measurement for measurement in found["measurements"] if measurement["name"] == "identification")
    # 161 frames, of which those with a number that 6 divides (27) name nobody; ten of the twelve names are left.
    assert record["row_texts"] == {
        "rows": 134, "questions": 0, "options": 10, "private": True, "labels": ["right"], "examples": [],
    }  # fmt: skip
    assert set(record["answer_counts"]) == {"right", "wrong"}
