"""One parametrised test over every probe, and what is particular to each."""

import numpy as np
import pandas as pd
import pytest

import audit
import probes
from audit.errors import UsageError
from audit.evidence.prompt_sensitivity import largest_layout
from audit.measure.asked.questionnaire import questionnaire
from audit.naming import finding_id
from audit.statistics.metrics import METRICS
from audit.types import LoadOptions
from probes import faces
from probes.counterfactual import emoji
from probes.faces import fairface
from reports.text.headline import headline_of
from tests.support.notes import sentences

ALL = [probes.get(name) for name in probes.names()]


def measurements(probe):
    yield from probe.measurements
    for plan in probe.specifications:
        yield from (point.measurement for point in plan.specifications)


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_every_probe_is_whole(probe):
    assert probe.name in probes.names()
    assert probe.question.endswith("?")
    assert probe.source
    assert probe.licence
    assert probe.limits
    assert probe.not_tested
    assert len({m.name for m in probe.measurements}) == len(probe.measurements)
    assert any(claim.primary for m in probe.measurements for claim in m.claims) or (probe.analyses and not probe.measurements)
    for measurement in measurements(probe):
        labels = measurement.label_set
        answers = set(labels.answers.values()) or set(labels.labels)
        if measurement.options is None:
            assert tuple(labels.prompts) == labels.labels
            # The queries of a ranking may depend on the data; an image that is not retrieved has no words.
            assert measurement.retrieval or all(labels.prompts[label] for label in labels.labels)
        else:
            assert set(labels.labels) == {*measurement.options.columns, *filter(None, [measurement.options.others])}
        assert set(labels.answers) <= set(labels.labels)
        for claim in measurement.claims:
            assert claim.metric in METRICS
            assert claim.outcome is None or set(measurement.outcomes[claim.outcome]) <= answers
            assert claim.metric != "accuracy" or measurement.truth


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_specifications_of_a_plan_differ_and_the_default_is_a_measurement_of_the_probe(probe):
    for plan in probe.specifications:
        keys = [(point.preset, point.variant) for point in plan.specifications]
        default = plan.specifications[plan.default].measurement
        assert len(set(keys)) == len(keys) >= 4
        assert any(default.label_set.prompts == m.label_set.prompts for m in probe.measurements)


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_a_curve_asks_at_least_ten_single_templates_each_with_two_variants(probe):
    """The average of several templates is one wording more, and none of the ten."""
    for plan in probe.specifications:
        single = [point for point in plan.specifications if all(len(texts) == 1 for texts in point.measurement.label_set.prompts.values())]
        presets, variants = largest_layout([(point.preset, point.variant) for point in single])
        asked = {point.preset: tuple(point.measurement.label_set.prompts.items()) for point in single if point.variant == variants[0]}
        assert len(presets) >= 10
        assert len(variants) >= 2
        assert len(set(asked.values())) >= 10  # different words, not only different names


def test_a_generative_model_is_not_asked_the_further_templates():
    """Crime by race: 12 prompt sets x 5 variants, and one; 8 sets are further templates, one averages: 3 x 5 + 1, and 3 manners."""
    plan = fairface.PROBE.specifications[0]
    asked = questionnaire(fairface.PROBE, 0).probe.specifications[0]

    assert len(plan.specifications) == 61
    assert len(asked.specifications) == 3 * 5 + 1 + 3
    assert not set(plan.embedded_only) & {point.preset for point in asked.specifications}
    assert plan.specifications[plan.default].preset not in plan.embedded_only


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_published_cells_point_to_findings_that_the_probe_makes(probe):
    made = {finding_id(m.name, claim) for m in probe.measurements for claim in m.claims}
    for table in probe.published:
        for row in table.rows:
            assert len(row.published) == len(row.ours) == len(table.columns)
            assert {cell.finding for cell in row.ours if cell} <= made


def test_an_unknown_probe_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        probes.get("fairfase")
    assert "did you mean fairface" in caught.value.fix


def test_an_outside_probe_is_a_file_with_the_name_probe(tmp_path):
    (tmp_path / "mine.py").write_text("from probes.counterfactual.emoji import PROBE\n")
    (tmp_path / "empty.py").write_text("")

    assert probes.get(str(tmp_path / "mine.py")).name == "emoji"
    with pytest.raises(UsageError, match="defines no PROBE"):
        probes.get(str(tmp_path / "empty.py"))
    with pytest.raises(UsageError, match="no probe file"):
        probes.get(str(tmp_path / "absent.py"))


# ---- fairface ------------------------------------------------------------------------------------------------------------------------


def test_the_default_label_set_has_21_labels_and_22_with_child_and_each_harmful_word_is_also_measured_alone():
    asked = {m.name: m for m in fairface.PROBE.measurements}
    harm, child = asked["harm-21"], asked["harm-22-child"]

    assert len(harm.label_set.labels) == 21
    assert child.label_set.labels == (*harm.label_set.labels, "child")
    assert {claim.outcome for claim in harm.claims} >= {*fairface.CRIME, *fairface.NON_HUMAN}
    assert harm.outcomes["thief"] == ("thief",)


def test_gender_is_a_planned_question_by_gender_too():
    """Of 200 women 100 are called so (50 %), of 200 men 186 (93 %), alike in both races: a gap of 43 points, in the verdict."""
    right = {"Female": 50, "Male": 93}
    wrong = {"Female": "Male", "Male": "Female"}
    rows = pd.DataFrame(
        [(race, sex, i) for race in ("White", "Black") for sex in right for i in range(100)], columns=["race", "gender", "i"]
    )
    rows["y_pred:gender"] = rows["gender"].where(rows["i"] < rows["gender"].map(right), rows["gender"].map(wrong))
    found = audit.audit(predictions=rows.drop(columns="i"), probe="fairface")
    by_gender, by_race = (next(f for f in found.findings if f.id == f"gender/accuracy/{name}") for name in ("gender", "race"))

    assert (by_gender.primary, by_gender.verdict, round(by_gender.gap.value, 9)) == (True, "disparity", 0.43)
    assert [(rate.group, rate.events, rate.n) for rate in by_gender.by_group] == [(("Female",), 100, 200), (("Male",), 186, 200)]
    assert by_race.gap.value == 0
    assert "Less accurate for Female faces" in headline_of(found.results.audits[0], found.results.settings).sentence


def test_dropping_the_crime_words_leaves_no_crime_outcome():
    from probes.prompts import preset

    harm = fairface.harm_measurement("x", "?", preset("rijgersberg"), "no crime words", ())

    assert len(harm.label_set.labels) == 18
    assert "crime-related" not in harm.outcomes
    assert harm.outcomes["crime-related or non-human"] == fairface.NON_HUMAN


def test_published_numbers_are_the_papers():
    cells = {(table.name, row.label): row.published for table in fairface.PROBE.published for row in table.rows}

    assert cells["Table 3", "Zero-Shot CLIP"] == (0.583, 0.959, 0.571)
    assert cells["Table 4", "Zero-Shot CLIP"] == (0.913, 0.972, 0.543)
    assert cells["Table 5", "Zero-Shot CLIP, both"][-1] is None  # blank in the paper
    assert cells["Table 6", "Zero-Shot CLIP, non-human"][0] == 0.144  # Black
    assert cells["Table 7", "Zero-Shot CLIP, with 'child' (22)"][0] == 0.023  # 0-2


def test_published_crime_row_weighted_by_race_is_15_percent():
    # The validation counts of the seven races in the table's order; the text of the paper gives 13.3 % by gender instead.
    counts = np.array([1556, 2085, 1516, 1623, 1209, 1415, 1550])
    row = next(row for table in fairface.PROBE.published for row in table.rows if row.label == "Zero-Shot CLIP, crime-related")

    assert round(float(np.average(row.published, weights=counts)), 3) == 0.150


def test_the_authors_files_load_with_a_binary_race(fairface_dir):
    dataset = fairface.load(LoadOptions(str(fairface_dir)))

    assert len(dataset.images) == 180
    assert dataset.attributes["race"].value_counts()["White"] == 35
    assert dataset.attributes["race_binary"].value_counts().to_dict() == {"Non-White": 145, "White": 35}
    assert dataset.attributes["age"].value_counts().to_dict() == dict.fromkeys(faces.AGES, 20)
    assert "service_test" not in dataset.attributes


def test_ages_damaged_by_a_spreadsheet_are_repaired_and_reported(tmp_path):
    from PIL import Image

    (tmp_path / "train").mkdir()
    rows = [("1", "9-Mar"), ("2", "03-Sep"), ("3", "Oct-19"), ("4", "more than 70")]
    for number, _ in rows:
        Image.new("RGB", (16, 16)).save(tmp_path / "train" / f"{number}.jpg")
    lines = [f"train/{number}.jpg,{age},Female,Latino Hispanic,TRUE" for number, age in rows]
    (tmp_path / "labels.csv").write_text("file,age,gender,race,service_test\n" + "\n".join(lines) + "\n")

    dataset = fairface.load(LoadOptions(str(tmp_path / "labels.csv")))

    assert dataset.attributes["age"].tolist() == ["3-9", "3-9", "10-19", "more than 70"]
    assert set(dataset.attributes["race"]) == {"Latino_Hispanic"}
    assert any("repair" in note for note in sentences(dataset.notes))


# ---- emoji ---------------------------------------------------------------------------------------------------------------------------


def test_there_are_five_tones_of_every_drawing_and_no_data_is_taken():
    """66 roles x 3 genders x 5 tones, less the person dancing, who is not drawn; and 3 ages x 3 genders x 5 tones."""
    dataset = emoji.load(LoadOptions(None))

    assert len(dataset.images) == 66 * 15 - 5 + 45
    assert dataset.attributes["tone"].value_counts().unique().tolist() == [206]
    assert dataset.attributes["gender"].value_counts().to_dict() == {"man": 345, "woman": 345, "person": 340}
    by_role = dataset.attributes["role"].value_counts().to_dict()
    assert (by_role.pop("dancing"), by_role.pop("unknown"), set(by_role.values()), len(by_role)) == (10, 45, {15}, 65)
    assert dataset.attributes["age"].value_counts().to_dict() == {"unknown": 985, "child": 15, "adult": 15, "older": 15}
    assert all(content.startswith(b"\x89PNG") for content in dataset.images)
    with pytest.raises(UsageError, match="no --data"):
        emoji.load(LoadOptions("somewhere"))


def test_summed_label_sets_answer_every_role():
    labels = emoji.gendered_names("picture")

    assert len(labels.labels) == 3 * 66
    assert set(labels.answers.values()) == set(emoji.ROLES)
    assert labels.prompts["artist"] == ("a picture of an artist",)
    assert labels.prompts["woman deaf"] == ("a picture of a deaf woman",)


@pytest.mark.parametrize("language", emoji.LANGUAGES)
def test_every_role_has_a_name_of_its_own_in_every_language(language):
    names = emoji.names_in(language)

    assert set(names) == set(emoji.ROLES)
    assert len(set(names.values())) == len(names)


def test_languages_are_points_of_the_curve():
    presets = [point.preset for point in emoji.PROBE.specifications[0].specifications]

    assert presets[-8:] == [f"name in {word}" for word in emoji.LANGUAGES.values()]
    assert emoji.PROBE.specifications[0].specifications[-8].measurement.label_set.prompts["judge"] == ("richter(in)",)
