"""What 10^8 images cost: time, bytes, requests and memory, from constants measured on small data and checked on larger.

The constants are fitted at 30,000 and 200,000 images (of fewer, what else takes memory moves the line) with an encoder that costs next
to nothing (512 dimensions), so that what is measured is everything around the model. They must foretell 10,000 and
100,000 images (and 1,000,000, if asked for) within 20 %. Then the model is written out for 8 and 64 GPUs at the rate of one GPU that is
given; the table of `docs/extensions/scale.md` was printed so:

`python -m benchmarks.scale.cost_model [--check 10000 100000 1000000] [--rate 1500]`
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import fsspec
import numpy as np
import pandas as pd

from audit.embedding.batch import SHARD_ROWS
from audit.embedding.cache import EmbeddingCache
from audit.embedding.folders import SharedRoot
from audit.extensions.scale.engine import embed_here
from audit.testing import FakeEncoder, png
from audit.types import Dataset

FITTED, CHECKED, WITHIN = (30_000, 200_000), (10_000, 100_000), 0.2
REPEATED, MOST_REPEATED = 3, 500_000
DIMENSIONS = 512
FINGERPRINT = "c" * 64
LISTED = 1000
"""Names that a store of objects lists in one request."""


class Encoder(FakeEncoder):
    """The mean colour, in 512 dimensions."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self.record, "dimensions", DIMENSIONS)
        object.__setattr__(self.record, "fingerprint", FINGERPRINT)

    def encode_images(self, images):
        return np.tile(super().encode_images(images), (1, 171))[:, :DIMENSIONS]


class Images:
    """Small files with different contents."""

    def __init__(self, count):
        self._count, self._kinds = count, [png((kind, 0, 0)) for kind in range(200)]

    def __len__(self):
        return self._count

    def __getitem__(self, row):
        return self._kinds[row % 200] + row.to_bytes(8, "big")


def made(count):
    index = pd.Index([f"{row}.png" for row in range(count)], dtype="str")
    frame = pd.DataFrame({"race": np.resize(["Black", "White"], count)}, index=index, dtype="str")
    return Dataset("synthetic", Images(count), frame, {}, "0" * 64, "made", "none")


# ---- what is measured, each in a process of its own ------------------------------------------------------------------------------------


def embed(count, folder):
    """Embed in one process."""
    embed_here(Encoder(), made(count), folder, batch_size=32, max_skip=0.01, progress=None)
    files = [path.stat().st_size for path in folder.rglob("*.shard")]
    return {"bytes": sum(files), "shards": len(files)}


def open_and_read(count, folder):
    """Open the cache, verify every shard, and read every row in one process: the first part of judging."""
    cache = EmbeddingCache(folder, FINGERPRINT, "image", DIMENSIONS)
    assert len(cache) == count
    assert cache.read(list(cache)).shape == (count, DIMENSIONS)
    return {}


def share(count, folder):
    """Fill a shared cache in one process and open it in another; requests are counted."""
    memory = fsspec.filesystem("memory")
    asked = {"put": 0, "get": 0, "list": 0}

    def counting(name, kind, size):
        plain = getattr(memory, name)

        def counted(*given, **more):
            asked[kind] += size(given)
            return plain(*given, **more)

        setattr(memory, name, counted)

    counting("pipe_file", "put", lambda given: 1)
    counting("cat", "get", lambda given: len(given[0]))
    counting("ls", "list", lambda given: 1)
    rows = np.zeros((SHARD_ROWS, DIMENSIONS), np.float32)
    for machine in ("one", "two"):
        os.environ["AUDIT_CACHE_DIR"] = str(folder / machine)
        cache = EmbeddingCache(SharedRoot("memory://shared"), FINGERPRINT, "image", DIMENSIONS, "model")
        for start in range(0, count if machine == "one" else 0, SHARD_ROWS):
            keys = [f"{row:064d}" for row in range(start, min(start + SHARD_ROWS, count))]
            cache.add(dict(zip(keys, rows, strict=False)))
    return asked


KINDS = {"embed": embed, "judge": open_and_read, "share": share}


def measure(kind, count, folder):
    words = [sys.executable, __file__, "--measure", kind, str(count), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def measured(kind, count, folder):
    found = KINDS[kind](count, folder)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({**found, "cpu_s": sum(each.ru_utime + each.ru_stime for each in used), "memory": used[0].ru_maxrss * 1024}))


# ---- the model -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """``start + each * n``, through two measurements."""

    start: float
    each: float

    @classmethod
    def through(cls, points):
        (n0, y0), (n1, y1) = points
        each = (y1 - y0) / (n1 - n0)
        return cls(y0 - each * n0, each)

    def __call__(self, n):
        return self.start + self.each * n


@dataclass(frozen=True)
class CostModel:
    """Costs of a number of images; a part of them is a number of images too."""

    embed_cpu_s: Line
    embed_memory: Line
    judge_cpu_s: Line
    judge_memory: Line
    row_bytes: float
    """Bytes per image in the cache."""

    def bytes(self, n):
        return self.row_bytes * n

    def shards(self, n, parts=1):
        return -(-n // parts // SHARD_ROWS) * parts

    def requests(self, n, parts=1):
        """Requests to a URL: one PUT per shard, one GET per shard for judging, and one listing of all shards per process."""
        shards = self.shards(n, parts)
        return {"put": shards + 1, "get": shards, "list": -(-shards // LISTED) + parts}

    def foretold(self, n):
        return {
            "embed cpu_s": self.embed_cpu_s(n), "embed memory": self.embed_memory(n), "embed bytes": self.bytes(n),
            "judge cpu_s": self.judge_cpu_s(n), "judge memory": self.judge_memory(n),
            **{f"share {kind}": number for kind, number in self.requests(n).items() if kind != "list"},
        }  # fmt: skip


def observed(counts, folder):
    """Measure each kind at each size, size after size and three times, so that a machine that slows down does so for all of them.

    What would take a quarter of an hour is measured once. Of CPU time the least counts: whatever else runs adds to it.
    """
    seen = {count: {kind: [] for kind in KINDS} for count in counts}
    for turn in range(REPEATED):
        for count in counts:
            root = Path(folder) / str(count)
            for kind in KINDS:
                if kind == "embed" and turn and count > MOST_REPEATED:
                    continue
                place = root / ("share" if kind == "share" else "cache")
                if kind != "judge":  # which opens what was embedded last
                    shutil.rmtree(place, ignore_errors=True)
                seen[count][kind].append(measure(kind, count, place))
    return {
        count: {
            f"{kind} {name}": (min if name == "cpu_s" else median)(each[name] for each in found)
            for kind, found in kinds.items()
            for name in found[0]
        }
        for count, kinds in seen.items()
    }


def fitted(seen):
    lines = {name: Line.through([(n, seen[n][name]) for n in FITTED]) for name in seen[FITTED[0]]}
    most = FITTED[-1]
    return CostModel(
        lines["embed cpu_s"], lines["embed memory"], lines["judge cpu_s"], lines["judge memory"], seen[most]["embed bytes"] / most
    )


def written_out(model, rate, n=10**8):
    """The table for 10^8 images."""
    rows = [("GPUs", "8", "64")]
    parts = {gpus: n // gpus for gpus in (8, 64)}
    rows += [
        ("images/s, all together", *(f"{rate * gpus:,}" for gpus in parts)),
        ("hours of embedding", *(f"{part / rate / 3600:.1f}" for part in parts.values())),
        ("CPU cores that keep one GPU busy, besides decoding", *(f"{max(model.embed_cpu_s.each * rate, 0):.1f}" for _ in parts)),
        ("memory of one part, GB", *(f"{model.embed_memory(part) / 1e9:.1f}" for part in parts.values())),
        ("cache, GB", *(f"{model.bytes(n) / 1e9:.0f}" for _ in parts)),
        ("PUT requests", *(f"{model.requests(n, gpus)['put']:,}" for gpus in parts)),
        ("GET requests, to judge", *(f"{model.requests(n, gpus)['get']:,}" for gpus in parts)),
        ("hours to open and verify the cache, to judge", *(f"{model.judge_cpu_s(n) / 3600:.1f}" for _ in parts)),
        ("memory to judge from embeddings, GB", *(f"{model.judge_memory(n) / 1e9:.0f}" for _ in parts)),
    ]
    return "\n".join(["| " + " | ".join(row) + " |" for row in (rows[0], ("---", "---:", "---:"), *rows[1:])])


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--check", type=int, nargs="*", default=list(CHECKED))
    parse.add_argument("--rate", type=int, default=1500, help="images/s of one GPU")
    given = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = observed((*FITTED, *given.check), folder)
    model = fitted(seen)
    print(model)
    worst = 0.0
    for count in given.check:
        for name, value in model.foretold(count).items():
            off = value / seen[count][name] - 1
            worst = max(worst, abs(off))
            print(f"{count:>9,}  {name:<13} foretold {value:>15,.1f}  measured {seen[count][name]:>15,.1f}  {off:+.1%}")
    print(f"\n10^8 images of {DIMENSIONS} dimensions, {given.rate:,} images/s per GPU\n\n{written_out(model, given.rate)}")
    if worst > WITHIN:
        sys.exit(f"off by {worst:.0%}, more than {WITHIN:.0%}")


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measured(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
