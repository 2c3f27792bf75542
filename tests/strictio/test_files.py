"""The bounded reader: regular files within a limit, and at once an error for a pipe, a device, a link or more."""

import errno
import os
import socket

import pytest

from strictio.files import check_file, open_file, read_bytes, read_text, sha256_of_file
from strictio.folders import Folder
from strictio.limits import MOST_DEPTH, parse_json, read_within


def test_a_regular_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "a").write_text("ä")
    (tmp_path / "link").symlink_to("a")
    assert read_bytes(tmp_path / "a", 2) == read_bytes(tmp_path / "link", 2) == "ä".encode()
    assert read_text(tmp_path / "a") == "ä"
    assert sha256_of_file(tmp_path / "link", 2) == sha256_of_file(tmp_path / "a")
    assert Folder.of(tmp_path).read("a", 2) == "ä".encode()


def other(kind, path):
    """Make something that is no file of a few bytes."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # such a path may have a hundred characters
    else:
        with path.open("wb") as file:
            file.truncate(20 * 2**30)


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a socket", "21,474,836,480 bytes"])
@pytest.mark.parametrize("read", [lambda path: read_bytes(path, 9), lambda path: check_file(path, 9), lambda path: sha256_of_file(path, 9)])
def test_anything_else_is_an_error_at_once(kind, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other(kind, tmp_path / "x")
    with pytest.raises(OSError, match=kind) as caught:
        read(tmp_path / "x")
    assert caught.value.filename == str(tmp_path / "x")


def test_a_link_can_be_refused_and_a_folder_always_does(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(OSError, match="it is a link") as caught:
        read_bytes(tmp_path / "link", 9, follow=False)
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(OSError, match="2 bytes, and 1 is the most"):
        Folder.of(tmp_path).read("b", 1) if (tmp_path / "b").write_text("bb") else None


def test_what_states_no_size_is_counted_while_it_is_read(tmp_path):
    if not os.path.exists("/proc/self/status"):  # noqa: PTH110
        pytest.skip("no files without a size")
    with open_file(tmp_path.__class__("/proc/self/status"), 9) as file, pytest.raises(OSError, match="more than 9 bytes"):
        read_within(file, 9)


def test_json_is_parsed_to_a_depth():
    whole = "[" * MOST_DEPTH + "]" * MOST_DEPTH
    assert parse_json('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    assert parse_json(whole)
    for text in (f"[{whole}]", "[" * 200_000 + "]" * 200_000, "{"):
        with pytest.raises(ValueError, match=r"nested|Expecting"):
            parse_json(text)
