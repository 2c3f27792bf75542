"""Decoding in separate processes (`Decoders`) against threads that call Pillow in this one, on the same images in one run.

Prints for each kind of image the ratio of wall-clock times (above 1: the processes are faster) and that of CPU seconds, both once the
processes run, and how long the first image took. Pillow alone does not notice a truncated JPEG; to notice it, a progressive one
is decoded twice. Last: images through `embed_images`, new and cached; the latter start no process.
"""

import io
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from audit.embedding.embed import embed_images
from audit.testing import FakeEncoder
from audit.types import Dataset
from strictio.images.decoders import Decoders

KINDS = {
    "224 px": (224, 224, 1000, {}),
    "1 MP": (1200, 900, 100, {}),
    "12 MP": (4000, 3000, 16, {}),
    "12 MP progressive": (4000, 3000, 8, {"progressive": True}),
}
WORKERS = min(8, os.cpu_count() or 1)


def jpeg(width: int, height: int, seed: int, options: dict[str, bool]) -> bytes:
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def pillow(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    ImageOps.exif_transpose(image, in_place=True)
    return image.convert("RGB")


def timed(decode, contents) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as threads:
        for image in threads.map(decode, contents):
            del image
    return time.perf_counter() - started


def cpu_s(decoders: Decoders | None = None) -> float:
    """Return the CPU seconds of this process and of the decoders that run."""
    running = decoders._running if decoders else ()
    ticks = (Path(f"/proc/{each._process.pid}/stat").read_text().rpartition(")")[2].split()[11:13] for each in running)
    return sum(os.times()[:2]) + sum(sum(map(int, tick)) for tick in ticks) / os.sysconf("SC_CLK_TCK")


def compare(name: str, contents: list[bytes]) -> None:
    best = {"threads": [np.inf, np.inf], "processes": [np.inf, np.inf]}
    started = time.perf_counter()
    with Decoders(WORKERS) as decoders:
        decoders.decode(contents[0])
        first = time.perf_counter() - started
        timed(decoders.decode, contents[: 4 * WORKERS])
        for _ in range(5):
            for kind, decode in (("threads", pillow), ("processes", lambda content: decoders.decode(content).image)):
                before = cpu_s(decoders)
                wall = timed(decode, contents)
                best[kind] = [min(best[kind][0], wall), min(best[kind][1], cpu_s(decoders) - before)]
    ratios = [threads / processes for threads, processes in zip(best["threads"], best["processes"], strict=True)]
    rate = len(contents) / best["processes"][0]
    print(f"{name:<18} {rate:7.0f} images/s, wall ratio {ratios[0]:.2f}, CPU ratio {ratios[1]:.2f}, first after {first:.2f} s", flush=True)


def main() -> None:
    for name, (width, height, count, options) in KINDS.items():
        compare(name, [jpeg(width, height, seed, options) for seed in range(4)] * (count // 4))
    contents = [jpeg(224, 224, seed, {}) for seed in range(500)]
    data = Dataset("made", contents, pd.DataFrame(index=range(500)), {}, "0" * 64, "made", "none")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("new", "cached"):
            started = time.perf_counter()
            embed_images(FakeEncoder(), data, Path(folder) / "cache")
            print(f"{kind:<18} {500 / (time.perf_counter() - started):7.0f} images/s through embed_images", flush=True)


if __name__ == "__main__":
    main()
