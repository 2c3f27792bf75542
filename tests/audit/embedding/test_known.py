"""A model and images whose files are unchanged are not read again; whose files changed, are."""

import os

import numpy as np
import pytest

from audit.api import models
from audit.api.pipeline import run_audit
from audit.embedding import known as module
from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_texts
from audit.embedding.known import DeferredEncoder, embed_known_images, known_encoder
from audit.errors import DataError
from audit.models import load
from audit.options.audits import AuditRequest
from audit.testing import FakeEncoder
from audit.types import LoadOptions
from probes.faces import load as load_faces
from strictio.images import files
from tests.support.tiny import write_checkpoint, write_faces

SETTING = {"device": "cpu", "dtype": "float32", "model_args": {}}


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """Files of this test count as settled at once."""
    monkeypatch.setattr(module, "QUIET_S", -60.0)


@pytest.fixture
def loads(monkeypatch):
    """Every time that weights were read."""
    seen = []
    monkeypatch.setattr(models, "load", lambda spec, **setting: seen.append(spec) or load(spec, **setting))
    return seen


@pytest.fixture
def reads(monkeypatch):
    """Every image file that was opened."""
    seen, read = [], files.read_image
    monkeypatch.setattr(files, "read_image", lambda root, name: seen.append(name) or read(root, name))
    return seen


@pytest.fixture
def model(tmp_path):
    return write_checkpoint(tmp_path / "ckpt.pt")


def found(model, root, *, verify=False, setting=SETTING):
    return known_encoder(str(model), setting, root, lambda: load(str(model), **setting), verify=verify)


def rewritten(path, content):
    """Change what a file holds, and give it back its size and its time."""
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(content.ljust(path.stat().st_size, b"\0"))
    os.utime(path, ns=times)


@pytest.mark.slow
def test_the_second_audit_opens_no_image_and_reads_no_weights_and_finds_the_same(model, short, tmp_path, loads, reads):
    faces = write_faces(tmp_path)

    def audited(**more):
        loads.clear(), reads.clear()
        options = {"model": (str(model),), "probe": (str(short),), "data": faces, "min_group_size": 5, "draws": 99, **more}
        return run_audit(AuditRequest(**options)).results.audits, len(loads), len(reads)

    first, second, third = audited(), audited(), audited(verify=True)
    assert first[1:] == (1, 40)
    assert second[1:] == (0, 0)
    assert third[1:] == (1, 40)
    assert first[0] == second[0] == third[0]
    assert audited(no_cache=True)[1:] == (1, 40)


def test_a_known_model_is_read_once_when_something_is_missing_and_gives_the_same_numbers(model, tmp_path):
    first = found(model, tmp_path / "cache")
    again = found(model, tmp_path / "cache")
    assert not isinstance(first, DeferredEncoder)
    assert isinstance(again, DeferredEncoder)
    assert again.record == first.record
    np.testing.assert_array_equal(again.encode_texts(["a cup"]), first.encode_texts(["a cup"]))
    assert again.loaded_encoder() is again.loaded_encoder()
    assert again.untrained(0).record == first.untrained(0).record


@pytest.mark.slow_except("neighbour", "verify", "memory")
@pytest.mark.parametrize("change", ["weights", "setting", "neighbour", "verify", "memory"])
def test_a_model_is_read_again_where_anything_that_decides_it_may_differ(model, tmp_path, change):
    before = found(model, tmp_path / "cache").record
    setting, root = SETTING, tmp_path / "cache"
    if change == "weights":
        rewritten(model, write_checkpoint(tmp_path / "other.pt", seed=1).read_bytes())
    elif change == "setting":
        setting = {**SETTING, "dtype": "bfloat16"}
    elif change == "neighbour":
        (model.parent / "tokenizer.json").write_text("{}")
    elif change == "memory":
        root = MemoryRoot()
    again = found(model, root, verify=change == "verify", setting=setting)
    assert not isinstance(again, DeferredEncoder)
    assert (again.record.fingerprint != before.fingerprint) == (change in ("weights", "setting"))


def test_a_model_that_changes_before_its_weights_are_needed_is_refused(model, tmp_path):
    found(model, tmp_path / "cache")
    again = found(model, tmp_path / "cache")
    rewritten(model, write_checkpoint(tmp_path / "other.pt", seed=1).read_bytes())
    with pytest.raises(DataError, match="is not the model that was recognised"):
        again.encode_texts(["a cup"])


@pytest.mark.slow
def test_files_that_changed_a_moment_ago_are_not_noted(model, tmp_path, monkeypatch, reads):
    monkeypatch.setattr(module, "QUIET_S", 3.0)
    dataset = load_faces(LoadOptions(write_faces(tmp_path)))
    for _ in range(2):
        assert not isinstance(found(model, tmp_path / "cache"), DeferredEncoder)
        embed_known_images(FakeEncoder(), dataset, tmp_path / "cache")
    assert len(reads) == 80


@pytest.mark.slow
def test_one_image_with_other_content_under_its_old_size_and_time_is_read_and_embedded_again(tmp_path, reads):
    folder = write_faces(tmp_path)
    dataset, encoder = load_faces(LoadOptions(folder)), FakeEncoder()
    before = embed_known_images(encoder, dataset, tmp_path / "cache")
    seen = []
    known = embed_known_images(encoder, dataset, tmp_path / "cache", progress=lambda *done: seen.append(done))
    assert (len(reads), seen, known.computed) == (40, [(40, 40)], 0)
    np.testing.assert_array_equal(known.vectors, before.vectors)
    assert (known.contents, known.rows.tolist(), known.conversions) == (before.contents, before.rows.tolist(), before.conversions)
    small, other = (folder / "val" / f"{number}.jpg" for number in (3, 4))
    rewritten(small, other.read_bytes())
    after = embed_known_images(encoder, dataset, tmp_path / "cache")
    np.testing.assert_array_equal(after.vectors[3], before.vectors[4])
    assert [row for row in range(40) if after.contents[row] != before.contents[row]] == [3]
    assert after.computed == 1


@pytest.mark.slow
def test_images_that_are_known_but_not_of_this_model_are_embedded(tmp_path):
    dataset = load_faces(LoadOptions(write_faces(tmp_path)))
    embed_known_images(FakeEncoder(), dataset, tmp_path / "cache")
    other = FakeEncoder(logit_scale=1.0)
    other.record = other.record.__class__(**{**vars(other.record), "fingerprint": "e" * 64})
    assert embed_known_images(other, dataset, tmp_path / "cache").computed == 40


def test_a_known_model_counts_the_tokens_of_a_text_that_is_new_and_of_no_other(model, tmp_path):
    root, reads = tmp_path / "cache", []

    def opened():
        return known_encoder(str(model), SETTING, root, lambda: reads.append(model) or load(str(model), **SETTING))

    texts, loaded = ["a photo of a woman", "a man"], opened()
    known, again = opened(), opened()
    assert isinstance(known, DeferredEncoder)
    rows = embed_texts(known, texts, root)
    assert len(reads) == 2
    assert known.count_tokens(texts) == loaded.count_tokens(texts)
    np.testing.assert_array_equal(rows, embed_texts(loaded, texts, tmp_path / "other"))
    np.testing.assert_array_equal(rows, embed_texts(again, texts, root))
    assert len(reads) == 2
