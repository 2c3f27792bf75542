"""Names in a table reach regular files under the root, and nothing else; nothing waits."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from audit.data import load_dataset
from audit.data.arrow import row_id
from audit.data.schema import Schema
from audit.errors import DataError
from strictio.images.decode import MAX_BYTES, UnreadableImage
from strictio.images.files import image_files, inspect_names, name_fault, read_image
from strictio.images.lazy import image_subset
from tests.support.hostile import hostile_generator


@pytest.fixture
def root(tmp_path):
    """A folder with one picture, beside a secret outside it."""
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "data-old").mkdir()
    (tmp_path / "data-old" / "1.jpg").write_bytes(b"secret too")
    folder = tmp_path / "data"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "1.jpg").write_bytes(b"picture")
    return folder


def reason(root, name):
    with pytest.raises(UnreadableImage) as caught:
        read_image(root, name)
    return caught.value.reason


def test_files_are_read_when_asked_for(root):
    files = image_files(root, ["train/1.jpg", "train/2.jpg"])
    assert len(files) == 2
    assert files[0] == files[-2] == files[np.int64(0)] == b"picture"
    (root / "train" / "2.jpg").write_bytes(b"written later")
    assert files[1] == b"written later"
    assert list(files[1:]) == [b"written later"]
    with pytest.raises(IndexError):
        files[2]


def test_a_choice_of_a_choice_is_the_right_picture():
    chosen = image_subset([b"a", b"b", b"c", b"d"], [3, 1, 0])
    assert list(chosen[::2]) == [b"d", b"a"]
    assert chosen[-1] == b"a"


WRONG_NAMES = {
    "path that leaves the folder": ("../secret.jpg", "train/../../secret.jpg", "train/../train/1.jpg", "..\\secret.jpg"),
    "absolute path": ("/etc/passwd", "C:\\pictures\\1.jpg", "\\\\host\\share\\1.jpg"),
    "device": ("/dev/zero",),
    "URL": ("http://metadata.invalid/latest", "HTTPS://x.invalid/1.jpg", "file:///etc/passwd", "data:image/png;base64,AA"),
    "NUL character": ("train/1.jpg\0.png",),
    "empty name": ("", "  "),
}


@pytest.mark.parametrize(("name", "problem"), [(name, problem) for problem, names in WRONG_NAMES.items() for name in names])
def test_names_that_are_wrong_whatever_is_on_the_disk(root, name, problem):
    assert name_fault(name) == problem
    assert inspect_names(root, ["train/1.jpg", name]).forbidden == ((1, problem),)
    assert reason(root, name) == "forbidden path"


@pytest.mark.parametrize(
    "name", ["train/1.jpg", "./train//1.jpg", "a b.jpg", "..jpg", "=cmd.jpg", "<img src=x>.jpg", "12:30.jpg", "~/1.jpg"]
)
def test_unusual_names_are_allowed(root, name):
    assert name_fault(name) is None
    (root / "~").mkdir()
    (root / name).write_bytes(b"ok")
    assert read_image(root, name) == b"ok"
    assert inspect_names(root, [name]).present == 1
    assert row_id("./train//1.jpg") == row_id("train/1.jpg") == "train/1.jpg"  # a row is known by the normal form of its name


def test_a_link_may_point_inside_the_folder_and_not_outside(root, tmp_path):
    (root / "inside.jpg").symlink_to("train/1.jpg")
    (root / "outside.jpg").symlink_to("../secret.jpg")
    (root / "neighbour").symlink_to("../data-old")  # its path begins with that of the root
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "dangling.jpg").symlink_to("nothing.jpg")
    assert read_image(root, "inside.jpg") == b"picture"
    names = ["inside.jpg", "outside.jpg", "neighbour/1.jpg", "loop.jpg", "dangling.jpg"]
    seen = inspect_names(root, names)
    assert seen.forbidden == ((1, "symbolic link that leaves the folder"), (2, "symbolic link that leaves the folder"))
    assert seen.present == 1
    assert [reason(root, name) for name in names[1:]] == ["forbidden path", "forbidden path", "forbidden path", "missing file"]
    # The root itself may be reached by a link.
    (tmp_path / "link").symlink_to("data")
    assert read_image(tmp_path / "link", "train/1.jpg") == b"picture"
    assert inspect_names(tmp_path / "link", ["train/1.jpg"]).present == 1


def test_a_fifo_does_not_hold_up_anything(root):
    os.mkfifo(root / "fifo.jpg")
    signal.alarm(30)  # opening a FIFO that nobody writes to would wait for ever; the alarm ends the test run instead
    assert reason(root, "fifo.jpg") == "not a regular file"
    assert inspect_names(root, ["fifo.jpg", "train"]).forbidden == ((0, "FIFO"), (1, "folder"))
    signal.alarm(0)


def test_what_is_not_there_is_missing_and_not_forbidden(root):
    names = ["train/9.jpg", "nowhere/1.jpg", "train/1.jpg/2.jpg", "x" * 300]
    assert inspect_names(root, names) == inspect_names(root, [])
    assert [reason(root, name) for name in names] == ["missing file"] * 4


def test_a_file_over_64_mib_is_not_read(root):
    with (root / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: takes no room
    assert reason(root, "huge.jpg") == "too large"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_not_readable(root):
    (root / "train" / "1.jpg").chmod(0)
    assert reason(root, "train/1.jpg") == "not readable"


def test_no_descriptor_is_left_open(root):
    os.mkfifo(root / "fifo.jpg")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for name in ["train/1.jpg", "fifo.jpg"] * 20:
        try:
            read_image(root, name)
        except UnreadableImage:
            continue
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


@pytest.mark.slow
def test_of_a_hundred_thousand_names_the_one_that_exists_is_found(root):
    assert inspect_names(root, (f"train/{number}.jpg" for number in range(100_000))).present == 1


def test_the_hostile_files_of_the_reference(tmp_path):
    generator = hostile_generator()
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "ok.jpg").write_bytes(b"ok")
    (tmp_path / "img" / "link.jpg").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "img" / "fifo.jpg")
    (tmp_path / "csv").mkdir()
    generator.write_tables(tmp_path / "csv", tmp_path / "CANARY")

    with pytest.raises(DataError) as caught:
        load_dataset(str(tmp_path / "csv" / "paths.csv"), Schema(), name="hostile", licence="none")
    for word in (
        "path that leaves the folder '../../../../etc/passwd'", "absolute path '/etc/passwd'", "device '/dev/zero'", "URL 'http://",
        "symbolic link that leaves the folder 'img/link.jpg'", "FIFO 'img/fifo.jpg'", "NUL character 'img/ok.jpg\\x00.png'", "line 3",
    ):  # fmt: skip
        assert word in str(caught.value)
    assert "\0" not in str(caught.value)
