"""The embedding cache: what goes in comes out bit for bit; what is damaged, planted or half-written does not."""

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audit.embedding import shard
from audit.embedding.cache import EmbeddingCache, MemoryRoot, default_root, image_key, text_key
from audit.embedding.seal import key_file, user_key
from audit.embedding.shard import resealed
from audit.errors import MachineError, UnsafeError
from tests.support.forked import Forked

FINGERPRINT = "ab" * 32


def open_cache(root, tower="image", dimensions=3):
    return EmbeddingCache(root, FINGERPRINT, tower, dimensions)


def rows(*names):
    """Row i of a name is the three ASCII codes of its first letter, plus tenths: nothing that float32 holds exactly."""
    return {name: np.array([ord(name[0]) + 0.1, 0.2, -0.3], np.float32) for name in names}


def test_a_row_comes_back_bit_for_bit_in_the_order_asked_for(tmp_path):
    cache = open_cache(tmp_path)
    cache.add(rows("a", "b"), {"b": ("exif rotated",)})
    cache.add(rows("c"))
    again = open_cache(tmp_path)
    expected = rows("a", "b", "c")
    np.testing.assert_array_equal(again.read(["c", "a", "c", "b"]), np.stack([expected[name] for name in "cacb"]))
    assert again.conversions("b") == ("exif rotated",)
    assert again.conversions("a") == ()
    assert len(again) == 3
    assert "d" not in again
    with pytest.raises(KeyError):
        again.read(["d"])


def test_nothing_is_shared_between_models_and_towers(tmp_path):
    open_cache(tmp_path).add(rows("a"))
    assert "a" not in EmbeddingCache(tmp_path, "cd" * 32, "image", 3)
    assert "a" not in open_cache(tmp_path, "text")
    assert (tmp_path / FINGERPRINT[:32] / "image").is_dir()


def test_no_rows_is_an_empty_matrix_and_a_row_of_another_length_is_refused(tmp_path):
    cache = open_cache(tmp_path)
    cache.add({})
    assert cache.read([]).shape == (0, 3)
    assert list(cache.folder.iterdir()) == []
    with pytest.raises(ValueError, match="3 dimensions"):
        cache.add({"a": np.zeros(4, np.float32)})


def test_a_key_depends_on_the_bytes_and_the_policy_of_an_image_and_not_on_the_unicode_form_of_a_text():
    keys = {image_key(b"one", "1"), image_key(b"two", "1"), image_key(b"one", "2"), text_key("one")}
    assert len(keys) == 4
    assert text_key("caf\u00e9") == text_key("cafe\u0301")
    assert text_key("Cafe") != text_key("cafe")


@pytest.fixture(scope="module")
def cache_of_a_module():
    """A cache that a fixture opens before the fixtures of any test, in the default folder with the default key."""
    cache = EmbeddingCache(None, "ef" * 32, "image", 3)
    cache.add(rows("a"))
    return cache, key_file()


def test_a_fixture_of_a_module_writes_nothing_into_the_cache_of_the_user(cache_of_a_module):
    cache, key = cache_of_a_module
    assert [path.suffix for path in cache.folder.iterdir()] == [".shard"]
    assert key.is_file()
    of_the_user = Path.home() / ".cache" / "vlm-audit"
    assert not (of_the_user / ("ef" * 16)).exists()
    assert not {cache.folder, key} & set(of_the_user.rglob("*"))


def test_the_default_root_can_be_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("AUDIT_CACHE_DIR")
    assert default_root().parts[-2:] == (".cache", "vlm-audit")


@pytest.mark.parametrize("damage", ["first", "middle", "last", "cut", "empty"])
def test_a_damaged_shard_is_set_aside_and_its_rows_are_missing(tmp_path, caplog, damage):
    cache = open_cache(tmp_path)
    cache.add(rows("a", "b"))
    cache.add(rows("c"))
    shard, _ = cache._shards
    content = bytearray(shard.read_bytes())
    at = {"first": 0, "middle": len(content) // 2, "last": -1}.get(damage)
    if at is None:
        content = content[: 0 if damage == "empty" else -4]
    else:
        content[at] ^= 1
    shard.write_bytes(bytes(content))

    again = open_cache(tmp_path)
    assert again.corrupt == 1
    assert "a" not in again
    assert "c" in again
    assert "set aside" in caplog.text
    assert [path.stem for path in cache.folder.glob("*.corrupt")] == [shard.stem]
    again.add(rows("a", "b"))
    assert len(open_cache(tmp_path)) == 3


def test_many_damaged_shards_mean_a_failing_disk(tmp_path):
    cache = open_cache(tmp_path)
    for name in "abcd":
        cache.add(rows(name))
    for damaged in sorted(cache.folder.glob("*.shard"))[:3]:
        damaged.write_bytes(b"")
    with pytest.raises(MachineError, match="3 of 4 shards"):
        open_cache(tmp_path)


def test_the_folders_are_private(tmp_path):
    cache = open_cache(tmp_path / "new")
    cache.add(rows("a"))
    for folder in (tmp_path / "new", cache.folder.parent, cache.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(next(cache.folder.glob("*.shard")).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_is_refused(tmp_path, mode):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(UnsafeError, match="written by others") as caught:
        open_cache(tmp_path / "cache")
    assert caught.value.exit_code == 4
    assert "chmod 700" in caught.value.fix


def test_a_folder_of_another_user_or_a_file_in_its_place_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnsafeError, match="not a folder"):
        open_cache(tmp_path / "file")
    (tmp_path / "cache").mkdir(mode=0o700)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(UnsafeError, match="another user"):
        open_cache(tmp_path / "cache")


def linked(shard):
    shard.rename(shard.parent / "elsewhere")
    shard.symlink_to(shard.parent / "elsewhere")


def fifo(shard):
    shard.unlink()
    os.mkfifo(shard)


def folder(shard):
    shard.unlink()
    shard.mkdir()


def moved(shard):
    """The rows of one model under the name of another."""
    shard.write_bytes(resealed(shard.read_bytes(), user_key(), "00" * 16 + "/image"))


PLANTED = {
    "link": (linked, "symbolic links"), "FIFO": (fifo, "not a regular file"), "folder": (folder, "not a regular file"),
    "group": (lambda shard: shard.chmod(0o660), "written by others"), "everybody": (lambda shard: shard.chmod(0o666), "written by others"),
    "another key": (lambda shard: shard.write_bytes(resealed(shard.read_bytes(), b"k" * 32, f"{FINGERPRINT[:32]}/image")), "not sealed"),
    "another model": (moved, "not sealed"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "said"), PLANTED.values(), ids=PLANTED)
def test_what_this_user_did_not_write_is_ignored_with_a_warning_and_written_again(tmp_path, caplog, plant, said):
    """A folder cannot be replaced by a file: there the rows stay in memory."""
    cache = open_cache(tmp_path / "cache")
    cache.add(rows("a"))
    shard = next(cache.folder.glob("*.shard"))
    plant(shard)
    again = open_cache(tmp_path / "cache")
    assert ("a" in again, again.corrupt) == (False, 0)
    assert said in caplog.text
    assert "ignored 1 files" in caplog.text
    again.add(rows("a"))
    np.testing.assert_array_equal(again.read(["a"])[0], rows("a")["a"])
    assert ("a" in open_cache(tmp_path / "cache")) == (plant is not folder)


def test_a_file_of_another_user_is_ignored(tmp_path, caplog):
    if os.geteuid():
        pytest.skip("only root may give a file away")
    cache = open_cache(tmp_path / "cache")
    cache.add(rows("a"))
    os.chown(next(cache.folder.glob("*.shard")), 12345, -1)
    assert "a" not in open_cache(tmp_path / "cache")
    assert "belongs to another user" in caplog.text


MANIFESTS = [
    b"", b"nothing", b"[]", b"{}", b"[" * 100_000, b'{"dimensions":3,"rows":7}', b'{"dimensions":3,"rows":[7]}', b"\xff\xfe",
    b'{"dimensions":3,"rows":[["a"]]}', b'{"dimensions":3,"rows":[["a",[]],["b",[]]]}', b'{"dimensions":4,"rows":[["a",[]]]}',
]  # fmt: skip


@pytest.mark.parametrize("manifest", MANIFESTS, ids=range(len(MANIFESTS)))
def test_a_well_sealed_shard_that_is_malformed_is_set_aside(tmp_path, caplog, manifest):
    body = manifest + b"\n" + np.zeros(3, "<f4").tobytes()
    whole = f"vlm-audit-embeddings 1 {hashlib.sha256(body).hexdigest()}\n".encode() + body
    place = open_cache(tmp_path).folder
    (place / "x.shard").write_bytes(resealed(whole, user_key(), f"{FINGERPRINT[:32]}/image"))
    (place / "x.shard").chmod(0o600)
    cache = open_cache(tmp_path)
    assert (len(cache), cache.corrupt) == (0, 1)
    assert "set aside" in caplog.text


@pytest.mark.extension("cache")
def test_a_shard_of_the_first_format_is_embedded_again_or_trusted(tmp_path, caplog):
    from audit.extensions.cache.housekeeping import trust

    cache = open_cache(tmp_path)
    cache.add(rows("a"))
    shard = next(cache.folder.glob("*.shard"))
    body = shard.read_bytes().split(b"\n", 2)[2]
    shard.write_bytes(f"vlm-audit-embeddings 1 {hashlib.sha256(body).hexdigest()}\n".encode() + body)
    assert "a" not in open_cache(tmp_path)
    assert "vlm-audit cache trust" in caplog.text
    assert trust(tmp_path) == (1, 0)
    np.testing.assert_array_equal(open_cache(tmp_path).read(["a"])[0], rows("a")["a"])
    assert trust(tmp_path) == (0, 0)


def test_a_lost_key_costs_time_only_and_one_that_others_may_read_is_refused(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AUDIT_CACHE_KEY", str(tmp_path / "keys" / "key"))
    open_cache(tmp_path / "cache").add(rows("a"))
    key = tmp_path / "keys" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(open_cache(tmp_path / "cache")) == 1
    key.unlink()
    assert len(open_cache(tmp_path / "cache")) == 0
    for mode in (0o640, 0o620, 0o610, 0o604, 0o602, 0o601):
        key.chmod(mode)
        with pytest.raises(UnsafeError, match=f"open to others: (?s:.)*mode is {mode:04o}") as caught:
            open_cache(tmp_path / "cache")
        assert caught.value.exit_code == 4
    key.chmod(0o600)
    key.write_bytes(b"half a k")
    cache = open_cache(tmp_path / "cache")
    cache.add(rows("b"))
    assert "the key is damaged" in caplog.text
    assert cache.read(["b"])[0, 0] == rows("b")["b"][0]


def test_many_processes_that_make_the_key_at_once_have_one(tmp_path):
    command = [sys.executable, "-c", "from audit.embedding.seal import key_file, user_key; print(user_key().hex())"]
    environment = {**os.environ, "AUDIT_CACHE_KEY": str(tmp_path / "key")}
    started = [Forked(command, stdout=subprocess.PIPE, env=environment) for _ in range(6)]
    assert len({each.communicate(timeout=60)[0] for each in started}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_full_disk_leaves_the_cache_as_it_was_and_the_run_goes_on(tmp_path, monkeypatch, caplog):
    cache = open_cache(tmp_path)
    cache.add(rows("a"))

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        cache.add(rows("b"), {"b": ("exif rotated",)})
    cache.add(rows("c"))
    assert caplog.text.count("going on without it") == 1
    assert "No space left" in caplog.text
    assert [path.suffix for path in cache.folder.iterdir()] == [".shard"]
    assert len(open_cache(tmp_path)) == 1
    assert (len(cache), cache.conversions("b")) == (3, ("exif rotated",))
    np.testing.assert_array_equal(cache.read(["c", "a", "b"])[:, 0], np.float32([ord(name) + 0.1 for name in "cab"]))


def test_too_little_room_is_said_before_any_work(tmp_path, caplog):
    cache = open_cache(tmp_path)
    cache.expect(1)
    assert not caplog.text
    cache.expect(10**15)
    assert "bytes, " in caplog.text
    cache.add(rows("a"))
    assert (len(cache), len(open_cache(tmp_path))) == (1, 0)


def test_without_a_folder_rows_are_shared_within_a_run_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    root = MemoryRoot()
    open_cache(root).add(rows("a"), {"a": ("grey to RGB",)})
    assert open_cache(root).read(["a"])[0, 0] == rows("a")["a"][0]
    assert open_cache(root).conversions("a") == ("grey to RGB",)
    assert "a" not in open_cache(root, "text")
    assert "a" not in open_cache(MemoryRoot())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_swept_after_an_hour(tmp_path):
    folder = open_cache(tmp_path).folder
    for name, age_s in ((".tmp-old", 4000), (".x.shard.old.tmp", 4000), (".x.shard.young.tmp", 10)):
        orphan = folder / name
        orphan.write_bytes(b"half")
        os.utime(orphan, (time.time() - age_s,) * 2)
    open_cache(tmp_path)
    assert [path.name for path in folder.iterdir()] == [".x.shard.young.tmp"]


WRITER = """
import sys, numpy as np
from pathlib import Path
from audit.embedding.cache import EmbeddingCache
cache = EmbeddingCache(Path(sys.argv[1]), "ab" * 32, "image", 64)
print("ready", flush=True)
for shard in range(int(sys.argv[3])):
    names = [f"{sys.argv[2]}-{shard}-{row}" for row in range(50)]
    cache.add({name: np.full(64, shard, np.float32) for name in names})
"""


def start_writer(root, name, shards):
    command = [sys.executable, "-c", WRITER, str(root), name, str(shards)]
    process = Forked(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    process.stdout.readline()
    return process


def test_two_processes_fill_one_cache(tmp_path):
    writers = [start_writer(tmp_path, name, 20) for name in "xy"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdout.close()
    cache = open_cache(tmp_path, dimensions=64)
    assert cache.corrupt == 0
    assert len(cache) == 2 * 20 * 50
    assert cache.read(["y-7-3"])[0, 0] == 7


@pytest.mark.slow
def test_a_killed_writer_leaves_only_whole_shards(tmp_path):
    """Killed at ten moments of writing: every row that can be seen afterwards has all of its shard beside it."""
    for attempt in range(10):
        writer = start_writer(tmp_path, f"w{attempt}", 10**6)
        time.sleep(0.02 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait(60)
        writer.stdout.close()
        cache = open_cache(tmp_path, dimensions=64)
        assert cache.corrupt == 0
        assert len(cache) % 50 == 0
    assert len(cache) > 0


def test_rows_of_many_shards_and_of_memory_come_in_the_order_asked_for(tmp_path):
    """Three shards of unequal size that overlap, and two rows that the disk did not take."""
    cache = open_cache(tmp_path)
    for part in ("abcde", "f", "gabh"):
        cache.add(rows(*part))
    cache._go_without("no room")
    cache.add(rows("x", "y"))
    wanted = {**rows(*"abcdefgh"), **rows("x", "y")}
    asked = list("yhagbxfaedch")
    np.testing.assert_array_equal(cache.read(asked), np.stack([wanted[name] for name in asked]))
    again = open_cache(tmp_path)
    np.testing.assert_array_equal(again.read(list("hgfedcba")), np.stack([wanted[name] for name in "hgfedcba"]))
    with pytest.raises(KeyError):
        again.read(["a", "x"])


def test_a_file_without_end_is_no_file_of_a_cache(tmp_path):
    path = tmp_path / "a.shard"
    path.touch(0o600)
    os.truncate(path, 6 * 2**30)  # a hole: it takes no room on the disk
    with pytest.raises(shard.Rejected, match=r"has 6,442,450,944 bytes"):
        shard.read_file(path)
