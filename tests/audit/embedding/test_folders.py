"""Shared caches, behind URLs: what one machine sends another finds, damage and strangers are ignored, an outage costs time alone."""

import logging
import re

import fsspec
import numpy as np
import pytest

from audit.embedding.cache import EmbeddingCache, default_root
from audit.embedding.folders import SharedFolder, SharedRoot, root_of
from audit.embedding.seal import user_key
from audit.embedding.shard import resealed
from audit.errors import MachineError, UsageError

FINGERPRINT = "ab" * 32
PLACE = f"/shared/{FINGERPRINT[:32]}/image"


@pytest.fixture
def store():
    """The files in memory that `memory://` URLs mean."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    yield memory.store
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A function that opens the shared cache on a machine of this name: each has its own folder, all have one key."""

    def machine(name):
        monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / name))
        return EmbeddingCache(SharedRoot("memory://shared"), FINGERPRINT, "image", 3, "a model")

    return machine


def row(name):
    return {name: np.full(3, ord(name), np.float32)}


def names(store):
    return sorted(path.rsplit("/", 1)[-1] for path in store if path.endswith(".shard"))


def test_what_one_machine_embeds_another_finds(store, machine):
    machine("one").add(row("a"), {"a": ("exif rotated",)})
    cache = machine("two")
    assert ("a" in cache, len(cache), cache.conversions("a")) == (True, 1, ("exif rotated",))
    np.testing.assert_array_equal(cache.read(["a"]), [[97, 97, 97]])
    cache.add(row("b"))
    assert sorted(machine("one")) == ["a", "b"]
    assert cache.whole
    assert len(names(store)) == 2
    assert store[f"/shared/{FINGERPRINT[:32]}/name"].getvalue() == b"a model"


def test_a_shard_is_fetched_once(store, machine, monkeypatch):
    machine("one").add(row("a"))
    machine("two")
    monkeypatch.setattr(SharedFolder, "read_all", lambda folder, wanted: pytest.fail("fetched again") if wanted else iter(()))
    assert "a" in machine("two")


@pytest.mark.extension("cache")
def test_what_is_damaged_or_not_sealed_by_this_user_is_ignored_and_computed_again(store, machine, caplog):
    from audit.extensions.cache import housekeeping

    cache = machine("one")
    for name in "abc":
        cache.add(row(name))
    damaged, foreign, _ = (f"{PLACE}/{name}" for name in names(store))
    fsspec.filesystem("memory").pipe_file(damaged, store[damaged].getvalue()[:-1])
    theirs = resealed(store[foreign].getvalue(), b"k" * 32, f"{FINGERPRINT[:32]}/image")
    fsspec.filesystem("memory").pipe_file(foreign, theirs)
    other = machine("two")
    assert len(other) == 1
    assert "(damaged)" in caplog.text
    assert "(not sealed with your key)" in caplog.text
    found = housekeeping.verify_cache(SharedRoot("memory://shared"))
    assert (found.sound, len(found.damaged), len(found.refused)) == (1, 1, 1)
    assert housekeeping.prune(SharedRoot("memory://shared"), None, None, damaged=True)[0] == 1
    assert housekeeping.trust(SharedRoot("memory://shared")) == (1, 0)
    assert len(machine("three")) == 2


def test_an_outage_is_a_warning_and_what_waits_is_sent_later(store, machine, monkeypatch, caplog):
    machine("one").add(row("a"))
    machine("two")

    def down(*_):
        raise RuntimeError("no route to the store")  # stores have errors of their own

    cache = machine("two")
    with monkeypatch.context() as patch:
        patch.setattr(fsspec.filesystem("memory").__class__, "pipe_file", down)
        cache.add(row("b"))
        cache.add(row("c"))
        assert not cache.whole
        patch.setattr(fsspec.filesystem("memory").__class__, "ls", down)
        alone = machine("two")
        assert sorted(alone) == ["a", "b", "c"]
    assert caplog.text.count("does not answer") == 2
    assert "RuntimeError: no route" in caplog.text
    assert len(names(store)) == 1
    assert machine("two").whole
    assert len(names(store)) == 3
    assert sorted(machine("one")) == ["a", "b", "c"]


@pytest.mark.extension("cache")
def test_what_is_pruned_there_is_gone_here_too(store, machine):
    from audit.extensions.cache import housekeeping

    cache = machine("one")
    cache.add(row("a"))
    root = SharedRoot("memory://shared")
    use = housekeeping.usage(root)
    assert [(each.name, each.files) for each in use] == [("a model", 1)]
    assert re.fullmatch(r"20\d\d-.*", str(np.datetime64(int(use[0].used), "s")))
    assert housekeeping.prune(root, 3600, None) == (0, 0)
    assert housekeeping.prune(root, None, 0)[0] == 1
    assert len(machine("one")) == 0
    assert list((root.mirror / FINGERPRINT[:32] / "image").iterdir()) == []


@pytest.mark.extension("cache")
def test_what_was_fetched_is_pruned_with_the_local_cache(store, machine, tmp_path):
    from audit.extensions.cache import housekeeping

    machine("one").add(row("a"))
    assert [each.name for each in housekeeping.usage(tmp_path / "one")] == ["a model (of a shared cache)"]
    assert housekeeping.prune(tmp_path / "one", None, 0)[0] == 1
    assert "a" in machine("one")


def test_a_file_url_is_a_folder_and_the_environment_may_name_a_url(tmp_path, monkeypatch):
    assert root_of(tmp_path.as_uri()) == tmp_path
    monkeypatch.setenv("AUDIT_CACHE_DIR", "s3://bucket/cache/")
    assert default_root() == SharedRoot("s3://bucket/cache")
    assert SharedRoot("s3://bucket/cache").mirror.parts[-4:-1] == (".cache", "vlm-audit", "mirrors")


def test_a_url_that_nothing_reads_names_what_is_missing(monkeypatch):
    with pytest.raises(UsageError, match="s4:// are not read") as caught:
        SharedRoot("s4://bucket").check()
    assert "s3://, gs://" in caught.value.why

    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MachineError, match="reading s3:// requires the package s3fs") as caught:
        SharedRoot("s3://bucket").check()
    assert caught.value.fix == "python -m pip install s3fs"


def test_rows_in_memory_name_no_shared_cache(store, machine, caplog):
    """A key that cannot be read is the only thing that keeps rows from the disk here."""
    caplog.set_level(logging.WARNING, "audit")
    assert user_key()
    assert len(machine("one")) == 0
    assert not caplog.text
