"""Listed images stay out, are counted by group, and a list for other data is refused."""

import pytest

from audit.data.subset import read_list, without
from audit.errors import DataError
from tests.support.notes import sentences


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


def test_a_list_for_other_data_changes_nothing_silently(four_faces):
    with pytest.raises(
        DataError, match="lists no image of four faces\nwhy: unknown identifier 'x1'\nfix: list identifiers as the data have them, such as"
    ):
        without(four_faces, ["x1", "x2"], "wrong.txt")


def test_a_list_of_everything_leaves_nothing(four_faces):
    with pytest.raises(DataError, match="no image is left"):
        without(four_faces, list("abcd"), "wrong.txt")
