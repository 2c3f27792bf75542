"""Audits from Python: the values are those of the files, a loaded audit is the saved one, and nothing is printed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit
from audit.api.audits import Audit
from audit.errors import DataError, UsageError
from audit.results import to_json
from audit.testing import LEVELS, FakeEncoder, four_faces, gender_probe
from audit.types import Claim, Settings

FACES = four_faces(40)
"""Forty of each of the four faces: Black men are taken for women, all others are recognised."""
PROBE = gender_probe(FACES)


@pytest.fixture
def encoder():
    return FakeEncoder({"woman": [1.0, 0.0, 0.0], "man": [0.0, 1.0, 0.0]})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    encoder = FakeEncoder({"woman": [1.0, 0.0, 0.0], "man": [0.0, 1.0, 0.0]})
    return audit.audit(encoder, PROBE, cache_root=tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_the_numbers_are_those_worked_by_hand(encoder, capsys):
    # Of 80 Black faces the 40 women are right and the 40 men are not: .5; of the 80 White ones all: 1.
    done = audit.audit(encoder, PROBE)
    rates = done.by_group().set_index(["finding", "group"])["rate"]
    assert done.verdict == "disparity"
    assert [rates["gender/accuracy/race", group] for group in ("Black", "White")] == [0.5, 1.0]
    assert rates["gender/selection_rate[woman]/race", "Black"] == 1.0
    assert done.metrics.set_index("finding").loc["gender/accuracy/race", "gap"] == 0.5
    assert len(done.findings) == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_predictions_have_one_row_an_image_and_no_pixels(done):
    rows = done.predictions()
    assert len(rows) == len(FACES.images)
    assert list(rows["id"]) == list(FACES.attributes.index)
    assert (rows["y_pred"] == np.where((rows.race == "White") & (rows.gender == "Male"), "Male", "Female")).all()


@pytest.mark.parametrize("finding", ["gender/accuracy/race", "gender/selection_rate[woman]/race"])
def test_fairlearns_frame_on_rows_is_the_finding(done, finding):
    frame = done.metric_frame(finding)
    found = next(each for each in done.findings if each.id == finding)
    assert frame.by_group[found.metric].to_dict() == {rate.group[0]: rate.value for rate in found.by_group}
    assert frame.difference()[found.metric] == found.gap.value


NAMES = (
    "gender/selection_rate[woman]/race", "gender.woman by race", "Gender.Woman.selection rate by race",
    "share given 'woman' (gender) by race",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_goes_by_the_names_of_the_gates(done, name):
    assert done.finding(name).id == "gender/selection_rate[woman]/race"
    # Of the Black faces all 80 are called women, of the White ones the 40 women.
    assert done.metric_frame(name).by_group["selection_rate"].to_dict() == {"Black": 1.0, "White": 0.5}


@pytest.mark.slow
def test_the_second_model_is_asked_by_its_place(encoder):
    swapped = FakeEncoder({"woman": [0.0, 1.0, 0.0], "man": [1.0, 0.0, 0.0]})
    swapped.record = replace(swapped.record, name="swapped", fingerprint="e" * 64)
    both = audit.audit([encoder, swapped], PROBE)
    # Whoever takes red for men gets both of the White faces wrong.
    assert both.metric_frame("gender.accuracy by race").by_group["accuracy"].to_dict() == {"Black": 0.5, "White": 1.0}
    assert both.metric_frame("gender.accuracy by race", audit=1).by_group["accuracy"].to_dict() == {"Black": 0.5, "White": 0.0}
    with pytest.raises(UsageError, match="no audit 2"):
        both.finding("gender.accuracy by race", audit=2)


def test_two_models_of_one_name_are_not_mixed(done):
    twice = Audit(replace(done.results, audits=done.results.audits * 2), done.audited * 2)
    with pytest.raises(DataError, match="two models called 'fake'"):
        twice.metric_frame("gender.accuracy by race")


@pytest.mark.slow
def test_an_attribute_may_be_called_like_a_column_of_ours(encoder):
    levels = {"model": LEVELS["race"], "gender": LEVELS["gender"]}
    renamed = replace(FACES, attributes=FACES.attributes.rename(columns={"race": "model"}), levels=levels)
    measurement = replace(PROBE.measurements[0], claims=(Claim("accuracy", ("model",)),))
    asked = replace(PROBE, load=lambda options: renamed, measurements=(measurement,))
    frame = audit.audit(encoder, asked).metric_frame("gender.accuracy by model")
    assert frame.by_group["accuracy"].to_dict() == {"Black": 0.5, "White": 1.0}
    assert frame.by_group.index.name == "model"


def test_a_saved_audit_is_loaded_as_it_was(done, tmp_path):
    report = done.save(tmp_path / "out")
    loaded = audit.load(tmp_path / "out")
    assert report.name == "report.html"
    assert report.read_text("utf-8") == done.to_html() == loaded.to_html()
    assert to_json(loaded.results) == to_json(done.results)
    pd.testing.assert_frame_equal(loaded.predictions(), done.predictions())
    pd.testing.assert_frame_equal(loaded.by_group(), done.by_group())
    assert (tmp_path / "out" / "STATUS").read_text() == "complete\n"
    assert loaded.metric_frame("gender/accuracy/race").difference()["accuracy"] == 0.5


@pytest.mark.slow
def test_one_and_a_list_of_one_find_the_same_and_a_limited_audit_nothing(done, encoder):
    again = audit.audit([encoder], [PROBE], settings=Settings())
    first, second = (json.loads(to_json(each.results)) for each in (done, again))
    assert None not in (first.pop("timing"), second.pop("timing"))
    assert first == second
    assert audit.audit(encoder, PROBE, settings=Settings(limit=120)).verdict == "inconclusive"


def test_the_card_names_the_verdict_and_escapes(done):
    card = done._repr_html_()
    assert ("Disparity" in card, "fake" in card, "<script" in card) == (True, True, False)
    assert repr(done) == "<Audit fake x faces: disparity>"


def test_errors_name_the_thing_and_the_way_out(done, tmp_path):
    with pytest.raises(DataError, match=r"results\.json"):
        audit.load(tmp_path)
    with pytest.raises(UsageError, match=r"gender\.accuracy by race"):
        done.metric_frame("gender/accuracy/rase")
    done.save(tmp_path / "out")
    with pytest.raises(UsageError, match="already saved"):
        audit.load(tmp_path / "out").save(tmp_path / "other")
    (tmp_path / "out" / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is not the one that this run wrote"):
        audit.load(tmp_path / "out").predictions()
    (tmp_path / "out" / "predictions.parquet").unlink()
    with pytest.raises(DataError, match=r"predictions\.parquet"):
        audit.load(tmp_path / "out").predictions()
    with pytest.raises(AttributeError, match="nothing"):
        audit.nothing  # noqa: B018


def test_a_folder_with_other_things_is_left_alone(done, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="other things"):
        done.save(tmp_path)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["mine.txt"]
