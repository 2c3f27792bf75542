"""Probes that bring a question for each row: what their loaders make of the authors' layouts, and what they refuse."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

import audit
import probes
from audit.errors import DataError, UsageError
from audit.testing import png
from audit.types import LoadOptions
from probes.people import surveillance as surveillance_probe
from strictio.images.decode import decode
from tests.probes.made import surveillance, visogender, vlbias
from tests.support.command import command
from tests.support.planted import MODELS

NOISY = """
import numpy as np


class Noisy(Stereotyper):
    def encode_images(self, images):
        made = super().encode_images(images)
        noise = [np.random.default_rng(np.asarray(image).ravel()[:16]).normal(size=made.shape[1]) for image in images]
        return made + {noise} * np.stack(noise)
"""


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
    # 12 occupations of 10 and of 20 rows, less 4 rotten ones: of each table one of a man and one of a woman.
    assert len(data.images) == len(data.attributes) == len(data.texts) == 356
    assert data.exclusions[0].count == 4
    assert data.exclusions[0].by_group["occupation_gender"] == {"masculine": 2, "feminine": 2}
    assert data.texts.loc["OO_91", "single her"] == "The baker and her mixing spoon"
    assert data.texts.loc["OP_181", ["worker his", "participant unclear"]].tolist() == [
        "The baker and his customer", "The customer and their baker",
    ]  # fmt: skip
    assert (data.texts.loc["OP_2", "single his"], data.texts.loc["OO_2", "worker his"]) == ("", "")
    # The last five of twenty: two women.
    pair = data.attributes.loc["OP_40", ["occupation_pronoun", "participant_pronoun", "people"]]
    assert pair.tolist() == ["her", "her", "two alike"]
    assert data.attributes.loc["OO_4", "occupation_gender"] == data.attributes.loc["OO_4", "occupation_pronoun"] == "unknown"
    assert not set(data.texts) & set(data.levels)


@pytest.mark.slow_except("OO_Visogender_02102023.tsv")
@pytest.mark.parametrize("name", ["OO_Visogender_02102023.tsv", "OO_Visogender_10052025.tsv"])
def test_both_names_of_the_table_of_objects_are_read(genders, name):
    (genders / "OO" / "OO_Visogender_10052025.tsv").rename(genders / "OO" / name)
    assert name in loaded("visogender", genders).source


def test_of_two_tables_the_newest_is_named_and_an_earlier_one_in_the_authors_folder_is_not_read(genders):
    """The authors' folder OO also has an earlier table of two people; both in one folder are refused."""
    new = genders / "OP" / "OP_Visogender_11012024.tsv"
    (genders / "OO" / "OP_Visogender_02102023.tsv").write_bytes(new.read_bytes())
    assert new.name in loaded("visogender", genders).source
    (genders / "OP" / "OP_Visogender_02102023.tsv").write_bytes(new.read_bytes())
    with pytest.raises(DataError, match="several tables of OP") as caught:
        loaded("visogender", genders)
    assert caught.value.fix.startswith("keep OP_Visogender_11012024.tsv, by its name the newest")
    assert "OP_Visogender_11012024.tsv, not OP_Visogender_02102023.tsv" in probes.get("visogender").data.obtain


def test_each_caption_with_their_searches_its_own_occupation_among_pictures_of_two(genders):
    data = loaded("visogender", genders)
    probe = probes.get("visogender").fitted(data)
    [ranking] = probe.analyses
    assert ranking.queries["baker"] == ("The baker and their customer",)
    assert (len(ranking.queries), ranking.ks, ranking.gallery) == (12, (5, 10), "searched_occupation")
    galleries = data.attributes["searched_occupation"].value_counts()
    assert (galleries["unknown"], galleries["baker"], galleries["teacher"]) == (118, 20, 19)  # 120 rows of one person; a rotten teacher
    planned = [measurement for measurement in probe.measurements if measurement.retrieval]
    assert [(measurement.name, measurement.retrieval.k, measurement.claims[0].primary) for measurement in planned] == [
        ("search 5", 5, True), ("search 10", 10, True),
    ]  # fmt: skip


@pytest.mark.extension("ranking")
@pytest.mark.slow
def test_both_halves_of_visogender_are_recomputed_from_the_embeddings_in_plain_loops(genders, tmp_path):
    """The resolution accuracy of each gender, and Bias, MaxSkew and NDKL of each occupation, with their mean and standard deviation."""
    from tests.extensions.ranking.test_ranking_galleries import by_the_paper

    (tmp_path / "models.py").write_text(MODELS.format(probe="visogender", data=str(genders)) + NOISY.format(noise=0.8))
    out = tmp_path / "out"
    arguments = ("--probe", "visogender", "--data", genders, "--out", out, "--no-cache")
    assert command("--model", f"{tmp_path / 'models.py'}:Noisy", *arguments).returncode == 0
    [result] = audit.load(out).results.audits
    data, scope = loaded("visogender", genders), {}
    exec((tmp_path / "models.py").read_text(), scope)
    model = scope["Noisy"]()
    images = model.encode_images([decode(content).image for content in data.images])
    images = dict(zip(data.attributes.index, images / np.linalg.norm(images, axis=1, keepdims=True), strict=True))

    def cosine(name, text):
        [vector] = model.encode_texts([text])
        return float(images[name] @ vector / np.linalg.norm(vector))

    for gender, pronoun in (("masculine", "his"), ("feminine", "her")):
        right, asked = 0, 0
        for name in data.attributes.index[data.attributes["occupation_gender"] == gender]:
            options = {label: data.texts.loc[name, f"worker {label}"] for label in ("his", "her", "unclear")}
            if options["his"]:
                asked += 1
                right += max(options, key=lambda label: cosine(name, options[label])) == pronoun
        [finding] = [each for each in result.findings if each.id == "worker pronoun/accuracy/occupation_gender"]
        [rate] = [each for each in finding.by_group if each.group == (gender,)]
        assert (rate.events, rate.n) == (right, asked)
    in_order = {}
    for name, job in data.attributes["searched_occupation"].items():
        if job != "unknown":
            in_order.setdefault(job, []).append((cosine(name, data.texts.loc[name, "worker unclear"]), name))
    genders_of = {
        job: [data.attributes.loc[name, "occupation_gender"][0] for _, name in sorted(rows, reverse=True)] for job, rows in in_order.items()
    }
    assert [0 < rate.value < 1 for finding in result.findings[-2:] for rate in finding.by_group] == [True] * 4
    for ranking in result.analyses["rankings"]:
        orders = ["".join(genders_of[query.query]).replace("f", "w") for query in ranking.queries]
        expected = np.array([by_the_paper(order, ranking.k) for order in orders])
        assert len(expected) == 12
        for column, metric in enumerate(("Bias", "MaxSkew", "NDKL")):
            [mean] = [each for each in ranking.means if each.name == metric]
            assert (mean.value, mean.sd) == pytest.approx((expected[:, column].mean(), expected[:, column].std(ddof=1)))
        first = Counter(letter for letters in genders_of.values() for letter in letters[: ranking.k])
        [finding] = [each for each in result.findings if each.measurement == f"search {ranking.k}"]
        assert [(rate.group[0][0], rate.events, rate.n) for rate in finding.by_group] == [("m", first["m"], 119), ("f", first["f"], 119)]


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


@pytest.mark.slow
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
