"""FHIBE, FACET and MIAP: what is read from their layouts, who is left out and counted, and what a wrong layout is told."""

from importlib import import_module

import pytest

import probes
from audit.errors import DataError, MachineError, UsageError
from audit.types import LoadOptions


def load(name, folder):
    return probes.get(name).load(LoadOptions(str(folder)))


@pytest.fixture(params=["fhibe", "facet", "miap"])
def made(request, tmp_path):
    import_module(f"tests.probes.made.{request.param}").make(tmp_path)
    return request.param, tmp_path


def test_facets_annotators_who_disagree_share_a_person(tmp_path):
    import_module("tests.probes.made.facet").make(tmp_path)
    data = load("facet", tmp_path)
    assert data.several == ("gender", "age", "skin_tone")
    # Row 0: two annotators chose tone 1 and one tone 2; row 7 has no gender, row 11 no tone.
    assert data.attributes["skin_tone"].iloc[[0, 11]].tolist() == ["1|1|2", "unknown"]
    assert data.attributes["gender"].iloc[[0, 3, 7, 8]].tolist() == ["masculine", "feminine", "unknown", "non-binary"]
    assert data.attributes["picture"].iloc[[0, 1, 2]].tolist() == ["imgs_1/sa_0.jpg", "imgs_1/sa_0.jpg", "imgs_2/sa_1.jpg"]
    assert "picture" not in data.levels
    assert data.exclusions == ()


def test_either_of_two_facet_classes_is_right(tmp_path):
    """The table gives person 20 two classes: an answer of either is right, and no other."""
    import numpy as np

    from audit.measure import predict
    from probes.people.facet import CLASSES, PROBE
    from tests.audit.measure.test_any_right import RECORD

    import_module("tests.probes.made.facet").make(tmp_path)
    data = load("facet", tmp_path)
    first, second = CLASSES[20 * 7 % 52], CLASSES[3]
    assert data.attributes["classes"].iloc[[19, 20]].tolist() == [CLASSES[19 * 7 % 52], f"{first}; {second}"]
    assert "class2" not in data.levels
    (asked,) = PROBE.measurements
    axes = np.eye(len(CLASSES))
    texts = {asked.label_set.prompts[name][0]: axis for name, axis in zip(CLASSES, axes, strict=True)}
    for name, right in ((first, True), (second, True), ("nurse", False)):
        shown = predict(asked, RECORD, axes[[CLASSES.index(name)]], texts, data.attributes.iloc[[20]])
        assert bool(shown.y_pred[0] == shown.y_true[0]) == right


def test_fhibes_withdrawn_images_are_counted_by_group_however_many(tmp_path):
    import_module("tests.probes.made.fhibe").make(tmp_path)
    data = load("fhibe", tmp_path)
    assert "fhibe.20250716.u.gT5_rFTA_downsampled_public" in data.source
    # Images 5 and 50 are of the people 1 and 16: both she, both European or of Asia and Europe.
    assert [(exclusion.reason.code, exclusion.count, exclusion.by_group["pronoun"]) for exclusion in data.exclusions] == [
        ("withdrawn", 2, {"She/her/hers": 2})
    ]
    assert set(data.attributes["pronoun"]) == {"She/her/hers", "He/him/his", "She/her/hers|They/them/their", "unknown"}
    assert set(data.attributes["ancestry"]) == {"Africa", "Asia", "Asia|Europe", "Europe"}
    assert data.levels["age"] == ("18-29", "30-39", "40-49", "50-59", "60+")
    assert data.levels["apparent_skin_color"] == ("I (Very light)", "III (Intermediate)", "V (Brown)")
    assert "subject_id" not in data.levels
    for path in list(tmp_path.rglob("main_image1*.png")):
        path.unlink()
    assert load("fhibe", tmp_path).exclusions[0].count == 82


def test_miaps_groups_and_boxes_without_area_are_left_out(tmp_path):
    import_module("tests.probes.made.miap").make(tmp_path)
    data = load("miap", tmp_path)
    assert [(exclusion.reason.code, exclusion.count, exclusion.by_group["gender"]) for exclusion in data.exclusions] == [
        ("box_without_area", 1, {"unknown": 1}),
        ("box_of_a_group", 1, {"Predominantly Feminine": 1}),
    ]
    assert len(data.images) == 138
    assert data.levels["gender"] == ("Predominantly Feminine", "Predominantly Masculine", "unknown")
    assert "group" not in data.attributes


def test_miaps_absent_images_depictions_and_unknown_flags(tmp_path):
    """28 of 70 pictures absent; row 60 is a depiction; of row 62 nobody knows whether it shows a group, and it is kept."""
    import_module("tests.probes.made.miap").make(tmp_path)
    for number in range(28):
        (tmp_path / "test" / f"{number:016x}.jpg").unlink()
    table = tmp_path / "open_images_extended_miap_boxes_test.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    group, depiction = rows[0].index("IsGroupOf"), rows[0].index("IsDepictionOf")
    rows[61][depiction], rows[63][group] = "1", "-1"
    table.write_text("\n".join(",".join(row) for row in rows))
    data = load("miap", tmp_path)
    assert [(exclusion.reason.code, exclusion.count) for exclusion in data.exclusions] == [
        ("box_without_area", 1), ("missing_file", 55), ("box_of_a_depiction", 1),
    ]  # fmt: skip
    assert sum(data.exclusions[1].by_group["gender"].values()) == 55
    assert len(data.images) == 140 - 57
    assert list(data.levels) == ["gender", "age"]


def test_without_its_table_the_layout_is_printed_line_by_line(made):
    name, folder = made
    for path in list(folder.rglob("*.csv")):
        path.unlink()
    with pytest.raises(DataError, match="is not laid out as") as caught:
        load(name, folder)
    assert all(f"\n  {line}" in caught.value.why for line in probes.get(name).data.layout)


def test_a_table_of_other_columns_is_named_with_what_is_lacking(made):
    name, folder = made
    table = next(folder.rglob("*.csv"))
    table.write_text("image,label\n1.jpg,x\n", "utf-8")
    with pytest.raises(DataError, match=f"{table.name} is not laid out as") as caught:
        load(name, folder)
    assert "columns image, label" in caught.value.why


def test_gated_data_say_how_to_apply_and_open_data_where_they_are():
    for name, error in (("facet", MachineError), ("fhibe", MachineError), ("miap", UsageError)):
        with pytest.raises(error) as caught:
            probes.get(name).load(LoadOptions(None))
        assert "https://" in caught.value.why


def test_facet_without_its_images_and_a_hostile_box_are_refused(tmp_path):
    import_module("tests.probes.made.facet").make(tmp_path)
    table = tmp_path / "annotations" / "annotations.csv"
    table.write_text(table.read_text("utf-8").replace("'width': 16.0", "'width': __import__('os')", 1), "utf-8")
    with pytest.raises(DataError, match="not a box") as caught:
        load("facet", tmp_path)
    assert "line 2" in caught.value.why
    for place in ("imgs_1", "imgs_2", "imgs_3"):
        (tmp_path / place).rename(tmp_path / f"other_{place}")
    with pytest.raises(DataError, match="is not laid out as FACET is"):
        load("facet", tmp_path)
