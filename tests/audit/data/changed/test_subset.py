"""A sample keeps the composition of the whole and depends on nothing but its seed; listed images stay out and are counted by group."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.data.changed.subset import apportion, read_list, stratified, without
from audit.errors import DataError, UsageError
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
    assert sample.attributes["race"].equals(faces.attributes.loc[sample.attributes.index, "race"])


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


def test_a_limit_that_takes_everything_changes_nothing_and_one_that_takes_nothing_is_a_matter_of_usage(faces):
    assert stratified(faces, 100, seed=0) is stratified(faces, 101, seed=0) is faces
    assert not faces.limited
    for limit in (0, -1):
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


# ---- lists


def test_a_list_has_one_identifier_a_line(tmp_path):
    path = tmp_path / "wrong.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\n\n# not these\n b \na\n")
    assert read_list(path) == ("a", "b")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot read the list"), (b"\xff\xfe\x00", "not UTF-8"), (b"# nothing\n", "names no image")]
)
def test_a_list_that_says_nothing_is_bad_data(tmp_path, content, said):
    path = tmp_path / "wrong.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_list(path)


def test_listed_images_are_left_out_and_counted(four_faces):
    kept = without(four_faces, ["b", "d", "zzz"], "wrong.txt")
    assert list(kept.attributes.index) == ["a", "c"]
    assert [kept.images[i] for i in range(2)] == [four_faces.images[0], four_faces.images[2]]
    (exclusion,) = kept.exclusions
    assert (sentences([exclusion.reason]), exclusion.count) == (("listed in wrong.txt",), 2)
    assert exclusion.by_group == {"race": {"Black": 1, "White": 1}, "gender": {"Male": 2}}
    assert sentences(kept.notes) == ("1 of the 3 identifiers in wrong.txt belong to no image of this data set.",)
    assert kept.fingerprint != four_faces.fingerprint


OTHER = "lists no image of four faces\nwhy: unknown identifier 'x1'\nfix: list identifiers as the data have them, such as"


@pytest.mark.parametrize(("listed", "said"), [(["x1", "x2"], OTHER), (list("abcd"), "no image is left")])
def test_a_list_for_other_data_or_of_everything_is_refused(four_faces, listed, said):
    with pytest.raises(DataError, match=said):
        without(four_faces, listed, "wrong.txt")
