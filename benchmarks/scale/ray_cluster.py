"""100,000 synthetic images on a Ray cluster of three simulated nodes, one of which is killed in the middle, against one process.

The embeddings must be equal bit for bit, and what is found with them; the cluster that loses no node may take at most 15 % more CPU time
than three processes at once that embed a third of the images each: what shares a processor's cores and caches is slower than what is alone.
CPU seconds are those of every process that was started, from /proc. `python -m benchmarks.scale.ray_cluster [IMAGES]`; 20 minutes.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import audit
from audit.embedding.embed import embed_images
from audit.extensions.scale.engine import embed_here
from audit.extensions.scale.ray_engine import ModelSource, RayCluster, embed_on_ray
from audit.testing import FakeEncoder, gender_probe, png
from audit.types import Dataset

MOST_OVERHEAD, KILLED_AT = 0.15, 0.4
BATCH, NODES = 32, 3
TAG = "VLM_AUDIT_BENCHMARK"


class Images:
    """Created on access: two hundred files, distinguished by a suffix after the end of each."""

    def __init__(self, count):
        self.count = count
        self.kinds = [png(("red", "lime")[kind % 2] if kind % 5 else "gray", (32, 32)) for kind in range(200)]

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        return self.kinds[row % 200] + row.to_bytes(8, "big")


class Encoder(FakeEncoder):
    """The mean colour, and as much arithmetic as a small image tower does: about two milliseconds per image."""

    def __init__(self):
        super().__init__()
        self.weights = torch.ones(1024, 1024)

    def encode_images(self, images):
        torch.set_num_threads(1)
        x = torch.zeros(BATCH, 1024)
        for _ in range(100):
            x = x @ self.weights
        return super().encode_images(images)


def made(count):
    rng = np.random.default_rng(0)
    attributes = {"race": rng.choice(["Black", "White"], count), "gender": rng.choice(["Female", "Male"], count)}
    index = pd.Index([f"{row}.png" for row in range(count)], dtype="str")
    frame = pd.DataFrame(attributes, index=index, dtype="str")
    levels = {"race": ("Black", "White"), "gender": ("Female", "Male")}
    return Dataset("synthetic", Images(count), frame, levels, "0" * 64, "made", "none")


class Cpu(threading.Thread):
    """Adds up the CPU seconds of all processes with this tag in their environment: what is gone counts as last seen."""

    def __init__(self, tag):
        super().__init__(daemon=True)
        self.tag, self.seconds, self.over = f"{TAG}={tag}".encode(), {}, threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            self.look()

    def look(self):
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                if self.tag in (process / "environ").read_bytes().split(b"\0"):
                    fields = (process / "stat").read_text().rpartition(")")[2].split()
                    self.seconds[process.name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def total(self):
        self.look()
        self.over.set()
        return sum(self.seconds.values())


def work(kind, count, root, tag):
    """The work of one of the compared processes."""
    data, cpu = made(count), Cpu(tag)
    cpu.start()
    started, how = time.perf_counter(), {"batch_size": BATCH, "max_skip": 0.01}
    if kind in ("local", "third"):
        kept = embed_here(Encoder(), data, root, progress=None, **how)
    else:
        kept = on_three_nodes(data, root, kill=kind == "killed", **how)
    print(json.dumps({"cpu_s": cpu.total(), "wall_s": time.perf_counter() - started, "embedded": kept.embedded, "computed": kept.computed}))


def on_three_nodes(data, root, *, kill, **how):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES - 1)]
    cluster.wait_for_nodes()
    killed = []

    def progress(done, total):
        if kill and not killed and done >= KILLED_AT * total:
            killed.append(done)
            cluster.remove_node(nodes[0], allow_graceful=False)

    try:
        source, encoder = ModelSource(object(), "cpu", "float32", {}), Encoder()
        kept = embed_on_ray(source, RayCluster(cluster.address, (1, NODES)), encoder, data, root, progress=progress, **how)
    finally:
        cluster.shutdown()
    assert bool(killed) == kill
    return kept


def start(kind, count, folder, name=None):
    """Start a process that embeds `count` images."""
    environment = {**os.environ, TAG: name or kind, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, __file__, "--work", kind, str(count), f"{folder}/{name or kind}", name or kind]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)


def result(process):
    """Return the measurements of a process after it has ended."""
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    return json.loads(said.splitlines()[-1])


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    data, found, vectors = made(count), {}, {}
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        thirds = [result(each) for each in [start("third", count // NODES, folder, f"third {number}") for number in range(NODES)]]
        print(f"{NODES} processes at once, {count // NODES:,} images each: {thirds}", flush=True)
        for kind in ("local", "cluster", "killed"):
            found[kind] = result(start(kind, count, folder))
            vectors[kind] = embed_images(Encoder(), data, Path(folder) / kind)
            assert vectors[kind].computed == 0
            print(f"{kind:<8} {count:,} images: {found[kind]}", flush=True)
        for kind in ("cluster", "killed"):
            assert np.array_equal(vectors[kind].vectors, vectors["local"].vectors), f"{kind}: other embeddings"
        probe = replace(gender_probe(data), load=lambda _: data)
        results = [audit.audit(Encoder(), probe, cache_root=Path(folder) / kind, draws=999).results for kind in ("local", "killed")]
        assert results[0].audits == results[1].audits, "other findings"
    overhead = found["cluster"]["cpu_s"] / sum(third["cpu_s"] for third in thirds) - 1
    alone = found["cluster"]["cpu_s"] / found["local"]["cpu_s"] - 1
    print(
        f"embeddings and findings equal; the cluster takes {overhead:+.1%} of the CPU time of {NODES} processes ({alone:+.1%} of one alone)"
    )
    if count >= 100_000 and overhead > MOST_OVERHEAD:
        sys.exit(f"more than {MOST_OVERHEAD:.0%}")


if __name__ == "__main__":
    if "--work" in sys.argv:
        work(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
    else:
        main()
