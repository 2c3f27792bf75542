"""A sample keeps the composition of the whole, and depends on nothing but its seed."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.data.subset import apportion, stratified
from audit.errors import UsageError
from audit.types import Dataset
from tests.support.notes import sentences


def dataset(races, genders):
    rows = [f"{row:03}" for row in range(len(races))]
    return Dataset(
        name="numbers", images=[row.encode() for row in rows], licence="none", source="made by the test", fingerprint="0" * 64,
        attributes=pd.DataFrame({"race": races, "gender": genders, "age": ["x"] * len(rows)}, index=rows, dtype="str"),
        levels={"race": ("A", "B"), "gender": ("F", "M"), "age": ("x",)}, notes=("first",),
    )  # fmt: skip


@pytest.fixture
def faces():
    """A & F 40, A & M 20, B & F 30, B & M 10, mixed up."""
    cells = ([("A", "F")] * 4 + [("A", "M")] * 2 + [("B", "F")] * 3 + [("B", "M")]) * 10
    return dataset(*zip(*cells, strict=True))


def test_every_joint_group_keeps_its_share(faces):
    sample = stratified(faces, 20, seed=0)
    counts = sample.attributes.groupby(["race", "gender"]).size()
    assert counts.to_dict() == {("A", "F"): 8, ("A", "M"): 4, ("B", "F"): 6, ("B", "M"): 2}


def test_images_stay_with_their_labels_in_the_order_of_the_file(faces):
    sample = stratified(faces, 20, seed=0)
    assert [content.decode() for content in sample.images] == sample.attributes.index.tolist() == sorted(sample.attributes.index)
    for row, race in sample.attributes["race"].items():
        assert faces.attributes.loc[row, "race"] == race


def test_a_sample_says_that_it_is_one(faces):
    sample = stratified(faces, 20, seed=7)
    assert sample.limited
    assert sentences(sample.notes) == ("first", "LIMITED: 20 of 100 images were drawn at random (seed 7), in proportion to race x gender.")
    assert sample.fingerprint != faces.fingerprint
    assert sample.levels == faces.levels


def test_the_seed_decides(faces):
    rows = [stratified(faces, 20, seed).attributes.index.tolist() for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_the_order_of_the_rows_does_not(faces):
    turned = replace(faces, images=faces.images[::-1], attributes=faces.attributes[::-1])
    one, other = stratified(faces, 20, seed=0), stratified(turned, 20, seed=0)
    assert set(one.attributes.index) == set(other.attributes.index)
    assert one.fingerprint == other.fingerprint
    assert [content.decode() for content in other.images] == other.attributes.index.tolist()


@pytest.mark.parametrize("limit", [100, 101])
def test_a_limit_that_takes_everything_changes_nothing(faces, limit):
    assert stratified(faces, limit, seed=0) is faces
    assert not faces.limited


def test_other_attributes_can_be_kept_in_proportion(faces):
    sample = stratified(faces, 10, seed=0, by=["gender"])
    assert sample.attributes["gender"].value_counts().to_dict() == {"F": 7, "M": 3}


@pytest.mark.parametrize("limit", [0, -1])
def test_a_sample_of_nothing_is_a_matter_of_usage(faces, limit):
    with pytest.raises(UsageError, match="leaves no image"):
        stratified(faces, limit, seed=0)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.data())
def test_seats_are_all_given_and_nobody_is_more_than_one_off(counts, data):
    seats = data.draw(st.integers(0, sum(counts)))
    given_out = apportion(counts, seats)
    assert sum(given_out) == seats
    for count, got in zip(counts, given_out, strict=True):
        assert abs(got - count * seats / sum(counts)) < 1
        assert got <= count
