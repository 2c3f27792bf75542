"""Peak memory of a cold audit of a web dataset, from a thousand images to a hundred thousand: images are not kept in memory.

Every size is audited by a separate process, with an encoder that costs next to nothing and an empty cache. Memory may grow only by what an
audit keeps for each image: identifier, content hash, attributes, embedding, predictions. The goal: at most 4 kB per image; the images
themselves have 12 kB each, encoded, and as much decoded. ``--images N [N …]`` changes the sizes (10⁵ images take 1.3 GB of disk).
"""

import argparse
import io
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.speed.predictions import measured

SIDE, SHARD = 64, 5000
MOST_BYTES = 4096
ENCODER = """
import hashlib
import numpy as np

class Cheap:
    logit_scale = 100.0
    fingerprint = "cheap"

    def encode_images(self, images):
        return np.stack([np.asarray(image.resize((4, 4)), np.float32).reshape(-1) / 255 for image in images])

    def encode_texts(self, texts):
        return np.stack([np.random.default_rng(int(hashlib.sha256(each.encode()).hexdigest()[:8], 16)).normal(size=48) for each in texts])
"""


def bitmap(rng: np.random.Generator) -> bytes:
    """Return an uncompressed image of noise: no two are alike, and decoding costs little."""
    size = 3 * SIDE * SIDE
    header = b"BM" + (54 + size).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    header += (40).to_bytes(4, "little") + SIDE.to_bytes(4, "little") * 2 + (1).to_bytes(2, "little") + (24).to_bytes(2, "little")
    return header + bytes(24) + rng.bytes(size)


def write_shard(path: Path, number: int, images: int) -> None:
    rng = np.random.default_rng(number)
    with tarfile.open(path, "w") as archive:
        for place in range(images):
            row = {"class": ("cup", "boat")[int(rng.integers(2))], "region": ("north", "south", "west")[int(rng.integers(3))]}
            for ending, content in (("bmp", bitmap(rng)), ("json", json.dumps(row).encode())):
                member = tarfile.TarInfo(f"{number:05d}/{place:06d}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000])
    sizes = sorted(parse.parse_args().images)
    peaks = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "models.py").write_text(ENCODER)
        for size in sizes:
            data = folder / str(size)
            data.mkdir()
            for number, first in enumerate(range(0, size, SHARD)):
                write_shard(data / f"{number:03d}.tar", number, min(SHARD, size - first))
            os.environ["AUDIT_CACHE_DIR"] = str(folder / f"cache-{size}")
            command = [sys.executable, "-m", "audit.run", "--quiet", "--model", f"{folder}/models.py:Cheap", "--probe", "zeroshot"]
            wall, cpu, peak = measured([*command, "--data", str(data), "--out", f"{place}/out-{size}"])
            used = json.loads((folder / f"out-{size}" / "results.json").read_text())["audits"][0]["data"]["used"]
            peaks.append(peak)
            stored = sum(file.stat().st_size for file in data.iterdir()) / 1e6
            print(f"{used:>9,} images ({stored:,.0f} MB)  {wall:6.1f} s wall  {cpu:6.1f} s CPU  {1000 * peak:6.0f} MB peak", flush=True)
    grown = (peaks[-1] - peaks[0]) * 1e9 / max(sizes[-1] - sizes[0], 1)
    print(f"an image more costs {grown:,.0f} bytes (goal: at most {MOST_BYTES:,}; the image itself has {3 * SIDE * SIDE:,})")
    if grown > MOST_BYTES:
        raise SystemExit("memory grows with the images")


if __name__ == "__main__":
    main()
