"""One small audit on a Ray cluster of this machine, in a process of its own: Ray warns, and warnings are errors here. Actors without it."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from audit.embedding.cache import EmbeddingCache, image_key
from audit.embedding.cores import cores
from audit.embedding.embed import DECODE_POLICY, embed_images
from audit.errors import DataError
from audit.extensions.scale import ray_engine
from audit.extensions.scale.ray_engine import ActorWork, Embedder, ModelSource, RayCluster, _Sink, embed_on_ray
from audit.testing import FakeEncoder, four_faces, png
from strictio.images.decoders import Decoders
from tests.support.command import command
from tests.support.tiny import write_checkpoint

RED, LIME = png("red"), png("lime")


def key(content):
    return image_key(content, DECODE_POLICY)


def actor(images, known=(), encoder=None):
    stored = np.sort(np.array([each.encode() for each in known], dtype="S64"))
    return Embedder(encoder or FakeEncoder(), "f" * 64, ActorWork(images, stored, 2, "/nowhere"))


def test_an_actor_gives_each_content_once_and_nothing_that_the_cache_has():
    block = actor([RED, b"no picture", RED, LIME, png("blue")], known=[key(LIME)])({"id": np.array([4, 3, 2, 1, 0])})
    assert block["row"].tolist() == [4, 3, 2, 1, 0]
    assert block["key"].tolist() == [key(png("blue")), key(LIME), key(RED), "", key(RED)]
    assert block["reason"].tolist() == ["", "", "", "not an image", ""]
    assert block["fresh"].tolist() == [True, False, True, False, False]
    np.testing.assert_array_equal(block["vector"][block["fresh"]], [[0, 0, 1], [1, 0, 0]])
    assert set(block["fault"]) == {""}


def test_an_actor_keeps_its_decoders_from_block_to_block_and_ends_them_with_itself(monkeypatch):
    started, begin = [], Decoders._started
    monkeypatch.setattr(Decoders, "_started", lambda self: started.append(begin(self)) or started[-1])
    embed = actor([png((value, 0, 0)) for value in range(24)])
    for first in range(0, 24, 4):
        assert embed({"id": np.arange(first, first + 4)})["fresh"].all()
    assert 1 <= len(started) <= cores()
    assert [decoder.child.process.poll() for decoder in started] == [None] * len(started)
    del embed
    assert None not in [decoder.child.process.poll() for decoder in started]


def test_the_sink_keeps_a_block_that_comes_twice_once_and_counts_what_cannot_be_read(tmp_path):
    data = four_faces(2)
    cache = EmbeddingCache(tmp_path, "f" * 64, "image", 3)
    seen = []
    sink = _Sink(cache, data, lambda done, total: seen.append((done, total)))
    embed = actor([*data.images[:7], b""])
    for rows in ([0, 1, 2, 3], [4, 5, 6, 7]):
        sink.take(embed({"id": np.array(rows)}))
    with pytest.raises(DataError, match=r"at most 1\.00% may be skipped"):
        sink.finish(0.01)
    counts = sink.finish(0.2)
    assert (counts.embedded, counts.whole, [exclusion.count for exclusion in counts.exclusions]) == (7, True, [1])
    assert seen == [(4, 8), (8, 8)]
    assert sorted(EmbeddingCache(tmp_path, "f" * 64, "image", 3)) == sorted(map(key, (data.images[0], data.images[3])))


def test_an_error_of_an_actor_is_the_error_of_the_run(tmp_path):
    broken = actor([RED], encoder=ModelSource(str(tmp_path / "nowhere.pt"), "cpu", "float32", {}))
    sink = _Sink(EmbeddingCache(tmp_path, "f" * 64, "image", 3), four_faces(), None)
    with pytest.raises(DataError, match="no such file or folder") as caught:
        sink.take(broken({"id": np.array([0])}))
    assert "--model takes" in caught.value.fix


def test_an_actor_with_another_model_is_refused(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "ckpt.pt")
    block = actor([RED], encoder=ModelSource(str(checkpoint), "cpu", "float32", {}))({"id": np.array([0])})
    assert "is another model on" in block["fault"][0]


class Ray:
    """What `embed_on_ray` asks of Ray, in this process: the rows in blocks, one after another, and one actor for all of them."""

    def __init__(self):
        self.data, self.blocks, self.actors = self, 0, ()

    def cluster_resources(self):
        return {"CPU": 2.0}

    def ActorPoolStrategy(self, min_size, max_size):
        return min_size, max_size

    def range(self, n, override_num_blocks):
        self.rows, self.blocks = np.arange(n), override_num_blocks
        return self

    def map_batches(self, kind, fn_constructor_args, batch_size, num_gpus, num_cpus, compute):
        self.actors, embed = compute, kind(*fn_constructor_args)
        self.seen = [embed({"id": self.rows[start : start + batch_size]}) for start in range(0, len(self.rows), batch_size)]
        return self

    def iter_batches(self, batch_size, batch_format):
        return iter(self.seen)


def test_blocks_of_a_cluster_fill_the_cache_with_the_rows_of_one_process(tmp_path, monkeypatch):
    cluster, data = Ray(), four_faces(20)
    images = [png(("lime", (250, row, 3))[row % 3 > 0]) for row in range(80)]
    images[7] = b"no picture"
    data = replace(data, images=images)
    monkeypatch.setattr(ray_engine, "on_cluster", lambda *_: nullcontext(cluster))
    given = {"batch_size": 8, "max_skip": 0.02, "progress": None}
    source = ModelSource(FakeEncoder(), "cpu", "float32", {})
    counts = embed_on_ray(source, RayCluster(), FakeEncoder(), data, tmp_path / "cache", **given)
    assert (counts.embedded, [exclusion.count for exclusion in counts.exclusions]) == (79, [1])
    assert (cluster.blocks, cluster.actors) == (5, (1, 2))  # 80 rows in 4 blocks for each of 2 actors, each filled up to whole batches
    kept, fresh = (embed_images(FakeEncoder(), data, tmp_path / place, batch_size=8, max_skip=0.02) for place in ("cache", "fresh"))
    assert kept.vectors.tobytes() == fresh.vectors.tobytes()


FACES = """from dataclasses import replace
from audit.testing import four_faces, gender_probe, png

FACES = four_faces(20)
IMAGES = [png(("lime", (250, row, 3))[row % 3 > 0]) for row in range(80)]
IMAGES[7] = b"no picture"
DATA = replace(FACES, images=IMAGES)
PROBE = replace(gender_probe(DATA), load=lambda options: DATA)
"""
COLOURS = """from audit.testing import AXES, FakeEncoder


class Colours(FakeEncoder):
    def __init__(self):
        super().__init__(AXES)
        del self.record
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (pip install 'ray[data]')")
def test_a_ray_cluster_fills_the_cache_and_the_findings_are_those_of_one_process(tmp_path, monkeypatch):
    (tmp_path / "faces.py").write_text(FACES)
    (tmp_path / "colours.py").write_text(COLOURS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "RAY_TMPDIR": "/tmp", "OMP_NUM_THREADS": "1"}
    asked = ["--model", "colours.py:Colours", "--probe", "faces.py", "--max-skip", "0.02", "--engine", "ray", "--ray-actors", "1,2"]
    words = [sys.executable, "-m", "audit.extensions.scale.command", *asked]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    # 80 less the broken one; every third has one content, which each of three blocks embeds once.
    assert "79 of 80 images and 2 texts in the cache (55 new), 1 left out (not an image)" in done.stdout

    results = []
    for place in ("cache", "fresh"):
        monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / place))
        asked = ("--model", "colours.py:Colours", "--probe", "faces.py", "--max-skip", "0.02", "--min-group-size", 5)
        assert command(*asked, "--out", f"of-{place}").returncode == 0
        found = json.loads((tmp_path / f"of-{place}" / "results.json").read_text())
        del found["timing"], found["command"]
        results.append(found)
    assert results[0] == results[1]
    assert "embedded 0 images, 79 from the cache" in (tmp_path / "of-cache" / "run.log").read_text()
