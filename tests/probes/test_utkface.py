"""UTKFace: labels read off file names, and names that do not say them."""

import pytest

import probes
from audit.errors import DataError, MachineError
from audit.types import LoadOptions
from probes.faces.utkface import labels_in
from tests.probes.made.utkface import MALFORMED, RACES, make


def load(folder):
    return probes.get("utkface").load(LoadOptions(folder))


def test_age_gender_and_race_stand_in_the_name():
    assert labels_in("2_0_0_20161219140623097.jpg.chip.jpg") == ("White", "Male", "0-2")
    assert labels_in("3_1_4_20161219140623097.jpg") == ("Others", "Female", "3-9")
    assert labels_in("69_1_1_2017.jpg") == ("Black", "Female", "60-69")
    assert [labels_in(f"{age}_0_3_2017.jpg")[2] for age in (70, 116)] == ["more than 70", "more than 70"]
    assert [labels_in(name) for name in (*MALFORMED, "5_0_5_2017.jpg", "117_0_0_2017.jpg", "a_0_0_2017.jpg", "5_0_0_2017.png")] == [
        None
    ] * 6


def test_malformed_names_are_counted_and_named(tmp_path):
    make(tmp_path)
    dataset = load(tmp_path)
    (left_out,) = dataset.exclusions
    assert (left_out.count, left_out.examples) == (2, MALFORMED)
    assert dataset.attributes["race"].value_counts().tolist() == list(RACES)
    assert len(dataset.images) == 117


def test_without_data_or_with_others_it_says_how_to_get_them(tmp_path):
    with pytest.raises(MachineError, match="non-commercial research only"):
        load(None)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "found: a.jpg" in str(caught.value.why)
    assert "[age]_[gender]_[race]" in str(caught.value.why)


def test_no_prompt_names_the_race_that_the_data_call_others():
    probe = probes.get("utkface")
    assert not any(
        "other" in text for measurement in probe.measurements for texts in measurement.label_set.prompts.values() for text in texts
    )
    assert [measurement.name for measurement in probe.measurements if measurement.infers is None] == ["harm-8-or-person"]
