"""Decoding in processes of their own (`Decoders`) against threads that call Pillow in this one, on the same images in one run.

Prints for each kind of image the ratio of wall-clock times (above 1: the processes are faster) and that of CPU seconds; the start of the
processes counts. Pillow alone does not see that a JPEG was cut. Last: reading embeddings that are cached, which starts no process.
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

from audit.data.decoding.decoders import Decoders
from audit.embedding.embed import embed_images
from audit.testing import FakeEncoder
from audit.types import Dataset

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


def timed(decode, contents) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), os.times()
    with ThreadPoolExecutor(WORKERS) as threads:
        for image in threads.map(decode, contents):
            del image
    return time.perf_counter() - wall, sum(os.times()[:2]) - sum(cpu[:2])


def main() -> None:
    for name, (width, height, count, options) in KINDS.items():
        contents = [jpeg(width, height, seed, options) for seed in range(4)] * (count // 4)
        best = {"threads": (np.inf, np.inf), "processes": (np.inf, np.inf)}
        for _ in range(3):
            best["threads"] = min(best["threads"], timed(pillow, contents))
            before = sum(os.times()[2:4])
            with Decoders(WORKERS) as decoders:
                wall, cpu = timed(lambda content, decoders=decoders: decoders.decode(content).image, contents)
            best["processes"] = min(best["processes"], (wall, cpu + sum(os.times()[2:4]) - before))
        ratios = [threads / processes for threads, processes in zip(best["threads"], best["processes"], strict=True)]
        print(f"{name:<18} {count / best['processes'][0]:7.0f} images/s, wall ratio {ratios[0]:.2f}, CPU ratio {ratios[1]:.2f}", flush=True)
    contents = [jpeg(224, 224, seed, {}) for seed in range(500)]
    data = Dataset("made", contents, pd.DataFrame(index=range(500)), {}, "0" * 64, "made", "none")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("new", "cached"):
            started = time.perf_counter()
            embed_images(FakeEncoder(), data, Path(folder) / "cache")
            print(f"{kind:<18} {500 / (time.perf_counter() - started):7.0f} images/s through embed_images", flush=True)


if __name__ == "__main__":
    main()
