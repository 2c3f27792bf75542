"""JSON members of an archive: three methods are read, and nothing unfolds beyond what its directory may state."""

import io
import zipfile

import pytest

from strictio.errors import DataError, UnsafeError
from strictio.limits import zip_directory_size
from strictio.logs.archive import MAX_MEMBER, is_zip, open_archive
from tests.support.zips import packed

CONTENT = b'{"id": 7, "score": 0.50, "said": "yes"}'


def read(tmp_path, content, name="a.json"):
    (tmp_path / "log.eval").write_bytes(content)
    with open_archive(tmp_path / "log.eval") as archive:
        return archive.read(name)


@pytest.mark.parametrize("method", [0, 8, 93])
def test_a_member_is_read_whichever_way_it_is_compressed_and_numbers_stay_text(tmp_path, method):
    assert read(tmp_path, packed({"a.json": CONTENT}, method)) == {"id": "7", "score": "0.50", "said": "yes"}


def test_what_zipfile_writes_is_read_and_a_comment_hides_no_directory(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", CONTENT)
        archive.comment = b"made by hand"
    assert read(tmp_path, buffer.getvalue())["id"] == "7"
    assert zip_directory_size(buffer.getvalue()) == 46 + len("a.json")


def test_a_bomb_is_refused_by_its_directory_before_anything_unfolds(tmp_path):
    with pytest.raises(UnsafeError, match="would fill the memory"):
        read(tmp_path, packed({"a.json": CONTENT}, states=2**30))


@pytest.mark.parametrize("method", [8, 93])
def test_a_member_that_unfolds_to_more_than_it_states_is_damaged(tmp_path, method):
    with pytest.raises(DataError, match=r"'a.json' is damaged"):
        read(tmp_path, packed({"a.json": b" " * 10_000_000}, method, states=100))


def test_a_member_that_is_too_large_for_the_memory_is_named(tmp_path):
    with pytest.raises(DataError, match=f"has {MAX_MEMBER + 1:,} bytes") as refused:
        read(tmp_path, packed({"a.json": b" " * (MAX_MEMBER + 1)}))
    assert "33,554,432 are read" in refused.value.why


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda content: content[:-30], DataError, "is cut short"),
        (lambda content: content.replace(CONTENT[:5], b"{'id'"), DataError, "is damaged"),  # its checksum
        (lambda content: content.replace(b"\0\0\x21\0", b"\5\0\x21\0", 2), None, ""),  # another time of day
        (lambda content: content.replace(b"PK\3\4", b"PK\3\5"), DataError, "is damaged"),
    ],
)
def test_damage_is_named(tmp_path, change, error, words):
    content = change(packed({"a.json": CONTENT}, 0))
    if error is None:
        assert read(tmp_path, content)["id"] == "7"
        return
    with pytest.raises(error, match=words):
        read(tmp_path, content)


def test_a_method_that_is_not_read_and_two_members_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="is damaged") as refused:
        read(tmp_path, packed({"a.json": CONTENT}, 12))
    assert refused.value.why == "compression method 12 is not read"
    with pytest.raises(UnsafeError, match="two members with one name"):
        read(tmp_path, packed({"a.json": CONTENT, "b.json": CONTENT}, 0).replace(b"b.json", b"a.json"))


def test_a_directory_of_many_megabytes_is_refused_before_it_is_read(tmp_path):
    content = packed({"a.json": CONTENT})
    with pytest.raises(UnsafeError, match="directory"):
        read(tmp_path, content[:-10] + (2**25).to_bytes(4, "little") + content[-6:])


def test_only_the_first_bytes_say_what_is_an_archive(tmp_path):
    (tmp_path / "a").write_bytes(packed({"a.json": CONTENT}))
    (tmp_path / "b").write_bytes(b"PK")
    assert (is_zip(tmp_path / "a"), is_zip(tmp_path / "b"), is_zip(tmp_path / "none")) == (True, False, False)
