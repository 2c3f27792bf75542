"""A file that changed is another file, whatever its name, size and times say; what others noted is not believed."""

import os
from pathlib import Path

import pytest

from audit.embedding import known as module
from audit.embedding.known import Notes, identities, identity

ABOUT = {"spec": "ckpt.pt"}


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"first")
    return path


def test_other_content_of_the_same_size_under_the_same_time_is_another_file(file):
    before, times = identity(file), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(b"other")
    os.utime(file, ns=times)
    after = identity(file)
    assert (before.size, before.modified_ns, before.inode) == (after.size, after.modified_ns, after.inode)
    assert before != after  # by the time at which the inode changed, which nobody can set


def test_a_file_that_takes_the_place_of_another_is_another(file, tmp_path):
    before = identity(file)
    (tmp_path / "new").write_bytes(b"other")
    os.utime(tmp_path / "new", ns=(before.modified_ns, before.modified_ns))
    (tmp_path / "new").replace(file)
    assert identity(file) != before


def test_a_file_that_changed_just_now_is_not_settled_however_old_it_claims_to_be(file, monkeypatch):
    os.utime(file, (0, 0))
    assert not identity(file).settled
    monkeypatch.setattr(module.time, "time", lambda: file.stat().st_ctime + module.QUIET_S + 0.1)
    assert identity(file).settled


def test_only_regular_files_have_an_identity(file, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(file)
    assert identity(tmp_path / "link") == identity(file)
    assert [identity(tmp_path / name) for name in ("pipe", "missing", ".")] == [None, None, None]
    assert identities([file, tmp_path / "pipe"]) is None
    assert identities([]) is None


def test_a_note_is_read_back_and_one_about_something_else_is_not(tmp_path):
    notes = Notes(tmp_path / "cache")
    notes.write("model", ABOUT, {"a": [1, "é"]})
    assert notes.read("model", ABOUT) == {"a": [1, "é"]}
    assert notes.read("images", ABOUT) is None
    assert notes.read("model", {"spec": "other.pt"}) is None
    notes.write("model", ABOUT, "new")
    assert notes.read("model", ABOUT) == "new"


@pytest.mark.parametrize("harm", ["damaged", "moved", "writable", "another key", "a link"])
def test_a_note_that_is_damaged_or_of_somebody_else_is_not_believed(tmp_path, monkeypatch, harm):
    notes = Notes(tmp_path / "cache")
    notes.write("model", ABOUT, {"record": 1})
    (path,) = (tmp_path / "cache" / "known").iterdir()
    if harm == "damaged":
        path.write_bytes(path.read_bytes().replace(b"1}", b"2}"))
    elif harm == "moved":
        notes.write("model", {"spec": "other.pt"}, {"record": 2})
        other = next(each for each in path.parent.iterdir() if each != path)
        other.replace(path)
    elif harm == "writable":
        path.chmod(0o666)
    elif harm == "another key":
        monkeypatch.setenv("AUDIT_CACHE_KEY", str(tmp_path / "theirs"))
    else:
        path.rename(tmp_path / "real")
        path.symlink_to(tmp_path / "real")
    assert notes.read("model", ABOUT) is None


def test_a_folder_that_takes_nothing_stops_nobody(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    Notes(tmp_path / "cache" / "below").write("model", ABOUT, 1)
    assert Notes(tmp_path / "cache" / "below").read("model", ABOUT) is None
