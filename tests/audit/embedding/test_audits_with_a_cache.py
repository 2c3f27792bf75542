"""``vlm-audit cache`` and audits with a cache that is planted, cannot be written, or is not wanted: exit code and words, from outside."""

import json
import os
import re
import shutil
import time

import pytest

from tests.support.command import command


@pytest.fixture
def audited(tmp_path, checkpoint, faces, short, monkeypatch):
    """A function that audits into a folder, and returns what the command gave, the facts without times, and the log."""
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))

    def audited(out, *words):
        done = command("--model", checkpoint, "--probe", short, "--data", faces, "--out", out, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        results = json.loads((tmp_path / out / "results.json").read_text())
        del results["timing"], results["command"]
        return done, json.dumps(results), (tmp_path / out / "run.log").read_text()

    return audited


def cache(*words):
    return command(*words, module="audit.extensions.cache.command")


def shards(tmp_path):
    return sorted((tmp_path / "cache").rglob("*.shard"))


@pytest.mark.slow
def test_row_11_whatever_is_planted_in_the_cache_is_ignored_with_a_warning(audited, tmp_path):
    """A FIFO, a file that everybody may write, a well-sealed shard that is malformed: each ended, hung or changed the audit before."""
    _, first, _ = audited("first")
    images, texts = (next(path for path in shards(tmp_path) if path.parent.name == tower) for tower in ("image", "text"))
    images.unlink()
    os.mkfifo(images)
    texts.chmod(0o666)
    (images.parent / "planted.shard").write_bytes(b"vlm-audit-embeddings 1 " + b"0" * 64 + b"\nnothing\n")
    (images.parent / "planted.shard").chmod(0o600)
    _, again, log = audited("again")
    assert again == first
    for words in ("(not a regular file)", "(can be written by others (mode 0666))", "planted.shard is damaged"):
        assert words in log, log
    assert "embedded 40 images" in log
    assert "embedded 0 images, 40 from the cache" in audited("third")[2]


@pytest.mark.extension("cache")
def test_row_11_a_cache_that_came_with_data_is_taken_only_when_asked_for(audited, tmp_path, monkeypatch):
    """Somebody else's cache is sealed with another key."""
    monkeypatch.setenv("AUDIT_CACHE_KEY", str(tmp_path / "theirs"))
    _, first, _ = audited("first")
    monkeypatch.setenv("AUDIT_CACHE_KEY", str(tmp_path / "mine"))
    _, again, log = audited("again")
    assert "(not sealed with your key)" in log
    assert "vlm-audit cache trust" in log
    assert "embedded 40 images" in log
    assert again == first

    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setenv("AUDIT_CACHE_KEY", str(tmp_path / "theirs"))
    audited("of-them")
    monkeypatch.setenv("AUDIT_CACHE_KEY", str(tmp_path / "mine"))
    done = cache("trust", tmp_path / "cache")
    assert (done.returncode, done.stdout) == (0, "sealed 2 files with your key\n")
    _, trusted, log = audited("trusted")
    assert "embedded 0 images, 40 from the cache" in log
    assert trusted == first


@pytest.mark.slow
def test_row_30_without_a_cache_nothing_is_written(audited, tmp_path):
    _, first, _ = audited("first", "--no-cache")
    assert not (tmp_path / "cache").exists()
    audited("second")
    _, third, log = audited("third", "--no-cache")
    assert "embedded 40 images, 0 from the cache" in log
    assert third == first


@pytest.mark.slow
def test_row_30_a_cache_that_cannot_be_written_is_gone_without(audited, tmp_path, monkeypatch):
    _, first, _ = audited("first")
    monkeypatch.setenv("AUDIT_CACHE_DIR", "/proc/cache")  # not even root may
    _, again, log = audited("again")
    assert again == first
    assert "going on without it" in log
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert audited("third")[1] == first


def test_f6_a_cache_that_others_may_write_is_refused(tmp_path, checkpoint, faces, short, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    done = command("--model", checkpoint, "--probe", short, "--data", faces, "--out", "out", cwd=tmp_path)
    assert done.returncode == 4
    assert "chmod 700" in done.stderr
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.slow
def test_f5_and_f9_a_flipped_byte_and_a_changed_image_are_computed_again(audited, tmp_path, faces):
    _, first, _ = audited("first")
    shard = next(path for path in shards(tmp_path) if path.parent.name == "image")
    content = bytearray(shard.read_bytes())
    content[-9] ^= 1
    shard.write_bytes(bytes(content))
    _, again, log = audited("again")
    assert "is damaged; set aside" in log
    assert "embedded 40 images" in log
    assert again == first


@pytest.mark.extension("cache")
def test_the_command_says_what_each_model_takes_and_removes_the_old(audited, tmp_path, monkeypatch):
    audited("first")
    said = cache().stdout
    assert re.search(r"kB\s+2 files  used \d{4}-\d\d-\d\d  \S*ckpt", said), said
    assert said.splitlines()[-1].endswith(f"in {tmp_path / 'cache'}")
    old, new = shards(tmp_path)
    os.utime(old, (time.time() - 40 * 86400,) * 2)
    assert cache("prune", "--older-than", "30d").stdout.startswith("removed 1 files, ")
    assert shards(tmp_path) == [new]
    assert cache("prune", "--keep", "1GB").stdout == "removed 0 files, 0 B\n"
    assert cache("prune", "--keep", "0").stdout.startswith("removed 1 files, ")
    assert shards(tmp_path) == []
    assert "embedded 40 images" in audited("again")[2]


@pytest.mark.extension("cache")
@pytest.mark.slow
def test_pruning_removes_the_longest_unused_first_and_an_audit_is_a_use(audited, tmp_path):
    audited("first")
    for path in shards(tmp_path):
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    audited("again")
    assert cache("prune", "--older-than", "30d").stdout == "removed 0 files, 0 B\n"
