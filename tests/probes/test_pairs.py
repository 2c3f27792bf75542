"""PAIRS: its layout, what is asked of which scene, and the real images where they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import audit
import probes
from audit.errors import DataError, UsageError
from audit.testing import FakeEncoder
from audit.types import LoadOptions
from tests.probes.made.pairs import make

REAL = Path(__file__).parents[3] / "shared" / "pairs"


def load(folder):
    return probes.get("pairs").load(LoadOptions(folder))


def test_scenes_and_people_are_read_off_the_folders(tmp_path):
    make(tmp_path)
    found = load(tmp_path).attributes
    assert len(found) == 19 * 4 - 1
    assert found.loc["status/car/white_man1.png"].to_dict() == {
        "part": "status", "scene": "status/car", "gender": "man", "race": "white", "person": "white man",
    }  # fmt: skip
    assert found["gender"].value_counts().to_dict() == {"man": 38, "woman": 37}
    assert load(tmp_path / "data").fingerprint == load(tmp_path).fingerprint


def test_a_limit_takes_whole_scenes(tmp_path):
    """Without them no set would be whole, and nothing could be told."""
    _, folder = make(tmp_path)
    probe = probes.get("pairs")
    whole, part = (probe.load(LoadOptions(folder, limit=limit)) for limit in (None, 9))
    assert part.limited
    assert part.attributes["scene"].value_counts().tolist() == [4, 4]
    assert len(whole.images) > 9
    assert probe.load(LoadOptions(folder, limit=len(whole.images))).limited is False


def test_another_layout_is_described(tmp_path):
    with pytest.raises(UsageError, match="no location for the data of PAIRS"):
        load(None)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "found: pictures/" in str(caught.value.why)
    assert "data/occupations/<scene>/{black,white}_{man,woman}.png" in str(caught.value.why)
    (tmp_path / "occupations" / "taxi").mkdir(parents=True)
    (tmp_path / "occupations" / "taxi" / "a man.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "found: the file a man.png" in str(caught.value.why)


def test_no_prompt_says_a_gender_or_a_skin_colour_and_each_is_english():
    probe = probes.get("pairs")
    prompts = {text for measurement in probe.measurements for texts in measurement.label_set.prompts.values() for text in texts}
    prompts |= {text for plan in probe.analyses for choice in plan.choices.values() for text in (*choice.first, *choice.second)}
    assert len(prompts) > 60
    for words in (set(text.split()) for text in prompts):
        assert not words & {"man", "woman", "male", "female", "black", "white", "he", "she", "waiter", "waitress"}
    for text in prompts:
        article, noun = text.removeprefix("a photo of ").split(" ")[:2]
        assert article in ("a", "an", "somebody")
        assert article == "somebody" or (article == "an") == (noun[0] in "aeiou") or noun == "university"


@pytest.mark.extension("counterfactual_sets")
@pytest.mark.slow
def test_the_real_images_are_asked_scene_by_scene(monkeypatch):
    monkeypatch.setattr("audit.extensions.counterfactual_sets.computation.MOST_CHANGED", 24)
    if not REAL.is_dir():
        pytest.skip("the images of PAIRS are not beside the repository")
    result = audit.audit(model=FakeEncoder({"": [0.3, 0.3, 0.4]}), probe="pairs", data=REAL, draws=99).results.audits[0]
    sets = {(each.question[:5], each.attribute): each for each in result.analyses["counterfactual_sets"]}
    assert (len(result.analyses["counterfactual_sets"]), result.data.clusters) == (8, 30)
    assert "scenes of status: the folder has no part 'status'" in result.probe.not_tested
    assert [(sets["Which", by].sets, sets["Which", by].clusters) for by in ("gender", "race", "person")] == [(40, 20), (40, 20), (20, 20)]
    crime = next(each for each in result.analyses["counterfactual_sets"] if each.question.startswith("Is a scene"))
    assert (crime.sets, crime.clusters, crime.reason.code) == (20, 10, "sets_few")


@pytest.mark.slow
def test_scenes_are_asked_the_words_of_their_own_part(tmp_path):
    make(tmp_path)
    result = audit.audit(model=FakeEncoder({"": [0.3, 0.3, 0.4]}), probe="pairs", data=tmp_path, draws=99).results.audits[0]
    images = {counts.measurement: sum(counts.n) for counts in result.counts}
    assert images == {"occupation": 43, "crime": 75, "status": 16}
    sets = {(sets.question, sets.attribute): sets.sets for sets in result.analyses["counterfactual_sets"]}
    assert sets["Is a person in a scene of status given words of lower status?", "person"] == 4
    assert sets["Is a person in any scene given crime-related words?", "person"] == 18


@pytest.mark.extension("counterfactual_sets")
def test_a_part_that_the_folder_lacks_is_not_asked_about(tmp_path):
    make(tmp_path)
    shutil.rmtree(tmp_path / "data" / "occupations")
    result = audit.audit(model=FakeEncoder({"": [0.3, 0.3, 0.4]}), probe="pairs", data=tmp_path, draws=99).results.audits[0]
    assert [record.name for record in result.measurements] == ["crime", "status"]
    assert not any("kinds of work" in sets.question for sets in result.analyses["counterfactual_sets"])
    assert "scenes of work: the folder has no part 'occupations'" in result.probe.not_tested


def test_a_question_about_a_level_that_no_image_has_is_refused(tmp_path):
    make(tmp_path)
    probe = replace(probes.get("pairs"), fitted=None)
    shutil.rmtree(tmp_path / "data" / "status")
    with pytest.raises(DataError, match="status asks only images with part 'status', which no image has"):
        audit.audit(model=FakeEncoder({"": [0.3, 0.3, 0.4]}), probe=probe, data=tmp_path, draws=99)
