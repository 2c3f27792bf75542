"""What benchmarks of speed share: a ViT-B/32 with random weights, JPEGs, the limit that matrix products set, medians. Measures nothing."""

import gzip
import importlib.metadata
import importlib.util
import io
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

GFLOP = 8.818
"""Cost of one image at 224 px in ViT-B/32's image tower: 4.409 billion multiply-adds."""
LABELS = ["doctor", "nurse", "teacher", "cook", "firefighter", "judge", "farmer", "pilot", "scientist", "mechanic", "artist", "singer",
    "student", "office worker", "factory worker", "astronaut", "detective", "guard", "builder", "athlete", "baker", "barber", "driver",
    "engineer", "lawyer", "librarian", "painter", "photographer", "plumber", "postman", "reporter", "sailor", "soldier", "tailor", "waiter",
]  # fmt: skip


def installed(package: str) -> bool:
    """Return whether a peer is installed, and print a line if it is not."""
    there = importlib.util.find_spec(package) is not None
    if not there:
        print(f"skipped: {package} is not installed", flush=True)
    return there


def say_setting(*packages: str) -> None:
    """Print what determines the absolute numbers."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "pillow", *packages)]
    threads = f"torch {torch.get_num_threads()} threads, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}"
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{', '.join(versions)}; {len(os.sched_getaffinity(0))} cores, {threads}, {load}", flush=True)


def templates() -> list[str]:
    """Return ImageNet's eighty templates, the label as ``{c}``, from open_clip."""
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    return [template("{c}") for template in OPENAI_IMAGENET_TEMPLATES]


def tokenizer() -> CLIPTokenizer:
    """Return CLIP's tokenizer, from the merges that open_clip brings along."""
    from open_clip.tokenizer import bytes_to_unicode, default_bpe

    with gzip.open(default_bpe()) as file:
        lines = file.read().decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines]
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=merges)


def model_folder(folder: Path) -> CLIPModel:
    """Save a ViT-B/32 with random weights, and return it."""
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(vision_config={"patch_size": 32})).eval()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    return model


def jpegs(count: int, width: int, height: int | None = None) -> list[bytes]:
    """Return smooth colours with noise, of some 90 kB at 448 px, as photographs have them; square unless `height` is given."""
    height = height or width
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(count):
        image = Image.fromarray(rng.integers(0, 256, (14, 14, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        noisy = np.asarray(image, np.int16) + rng.normal(0, 9, (height, width, 3)).astype(np.int16)
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        contents.append(buffer.getvalue())
    return contents


def product_limit(dtype: torch.dtype) -> float:
    """Return the images per second that matrix products of the tower's largest shape (batch 32) allow in this run."""
    left, right = torch.randn(1600, 768, dtype=dtype), torch.randn(768, 3072, dtype=dtype)
    left @ right
    best = 0.0
    for _ in range(10):
        started = time.perf_counter()
        for _ in range(4):
            left @ right
        best = max(best, 4 * 2 * 1600 * 768 * 3072 / (time.perf_counter() - started))
    return best / GFLOP / 1e9


def medians(work: Mapping[str, tuple[int, Callable[[], object]]], repeats: int) -> dict[str, tuple[float, float]]:
    """Return items per second of wall-clock time and of CPU time for each kind of work, one after another `repeats` times: medians."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, (items, function) in work.items():
            wall, cpu = time.perf_counter(), cpu_s()
            function()
            found[name].append((items / (time.perf_counter() - wall), items / (cpu_s() - cpu)))
    return {name: (_median(rates, 0), _median(rates, 1)) for name, rates in found.items()}


def _median(rates: Sequence[tuple[float, float]], place: int) -> float:
    return statistics.median(rate[place] for rate in rates)


def cpu_s() -> float:
    """Return the CPU seconds of this process and of its finished children."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
