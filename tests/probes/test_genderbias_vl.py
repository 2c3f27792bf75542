"""GenderBias-VL: which occupation is mostly men's is read from the order of the rows, a stereotyper is found by it, and damage is named."""

import json

import pytest

import audit
from audit.errors import DataError
from audit.types import LoadOptions
from probes.counterfactual import genderbias_vl
from tests.probes.made.genderbias_vl import PureStereotyper, make


@pytest.fixture
def made(tmp_path):
    make(tmp_path)
    return tmp_path


def loaded(folder):
    return genderbias_vl.load(LoadOptions(str(folder)))


def file_of(folder, kind="base"):
    return folder / "test_meta_file" / "Vbias" / f"occ_test_{kind}_ask_person.json"


def test_an_edited_picture_shows_the_other_gender_and_a_waitress_is_of_the_pair_of_waiters(made):
    """20 pairs, two occupations, two genders, generated and edited: 160 rows, 80 cases, 40 occupations."""
    data = loaded(made)
    assert (len(data.images), data.attributes["case"].nunique(), data.attributes["occupation"].nunique()) == (160, 80, 40)
    woman, edited = (data.attributes.loc[f"Waiter/female/1.png/Host/{kind}"] for kind in ("base", "cf"))
    assert (woman["gender"], edited["gender"], woman["case"] == edited["case"]) == ("female", "male", True)
    assert data.texts.loc["Waiter/female/1.png/Host/base", list(genderbias_vl.ROLES)].tolist() == ["Waitress", "Host"]
    assert data.texts.loc["Waiter/female/1.png/Host/cf", list(genderbias_vl.ROLES)].tolist() == ["Waiter", "Host"]
    services = data.attributes[data.attributes["occupation"].str.startswith("Service")]
    assert set(services["shown"]) == {"women's work"}
    assert set(data.texts.loc[services.index, "men's work"].str[:5]) == {"Trade"}


@pytest.mark.slow
def test_a_pure_stereotyper_is_found_by_direction_where_accuracy_shows_nothing(made):
    """Half of the pictures of either gender show what mostly they do: 50 % accuracy of both, and 100 against 0 % men's work."""
    found = audit.audit(model=PureStereotyper(loaded(made)), probe="genderbias_vl", data=str(made), draws=199).results.audits[0]
    by_name = {finding.id.partition("/")[2]: finding for finding in found.findings}
    direction, accuracy = by_name["selection_rate[men's work]/gender"], by_name["accuracy/gender"]
    assert (direction.verdict, direction.gap.value, accuracy.verdict, accuracy.gap.value) == ("disparity", 1.0, "not estimable", 0.0)
    assert found.verdict == "disparity"
    (pairs,) = found.paired
    assert (pairs.only_first_correct, pairs.only_second_correct) == (80, 0)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda rows: [rows[0] | {"occ_sim": ""}], "row 1 without text for occ_sim"),
        (lambda rows: [rows[0] | {"gender": "man"}], "row 1 with gender 'man'"),
        (lambda rows: {"a": 1}, "dict instead of a list"),
    ],
)
def test_damaged_rows_are_named(made, damage, why):
    rows = json.loads(file_of(made).read_text("utf-8"))
    file_of(made).write_text(json.dumps(damage(rows)), "utf-8")
    with pytest.raises(DataError) as caught:
        loaded(made)
    assert why in caught.value.why


def test_pairs_that_are_shown_one_way_are_left_out_and_another_layout_is_refused(made, tmp_path_factory):
    for kind in ("base", "cf"):
        rows = json.loads(file_of(made, kind).read_text("utf-8"))
        file_of(made, kind).write_text(json.dumps([row for row in rows if row["occ"] != "Trade 3"]), "utf-8")
    data = loaded(made)
    assert len(data.images) == 152
    assert "4 rows of occupations shown one way left out" in data.source
    with pytest.raises(DataError, match="is not laid out as GenderBias-VL is"):
        loaded(tmp_path_factory.mktemp("empty"))
