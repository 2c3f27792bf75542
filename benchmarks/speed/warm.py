"""CPU seconds of whole commands: a warm FairFace audit, what a cold one spends beyond embedding, and predictions without a page.

``python -m benchmarks.speed.warm [IMAGES]``. A CLIP with random weights (ViT-B/32's image tower), IMAGES (10,954) small pictures in
FairFace's layout, made-up embeddings of all of them and of every text in the cache. The warm audit has every question, curve and page; the
cold one is of 160 pictures of 224 pixels and an empty cache, less what the encoder alone takes for them. Each number is of a process,
imports included; modules are compiled, as those of an installed package are after a first run.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import probes
from audit.embedding.cache import EmbeddingCache, image_key, text_key
from audit.embedding.embed import DECODE_POLICY
from audit.embedding.known import QUIET_S
from audit.engine.texts import given_texts
from audit.models import load
from audit.types import Encoder
from benchmarks.scale.many_images import embeddings, people
from benchmarks.speed.made import model_folder

COLD = 160
COLUMNS = ["age", "gender", "race"]


def pictures(folder: Path, attributes: pd.DataFrame, side: int, rng: np.random.Generator) -> list[Path]:
    """Write a label table and its JPEGs in FairFace's layout; no person is shown."""
    (folder / "val").mkdir(parents=True)
    files = [folder / "val" / f"{number}.jpg" for number in range(len(attributes))]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (14, 14, 3), np.uint8)).resize((side, side)).save(file, quality=90)
    table = attributes[COLUMNS].assign(file=[f"val/{file.name}" for file in files])
    table[["file", *COLUMNS]].to_csv(folder / "fairface_label_val.csv", index=False)
    return files


def fill(cache: Path, encoder: Encoder, files: list[Path], attributes: pd.DataFrame, rng: np.random.Generator) -> None:
    """Put made-up embeddings of the pictures and of every text of the probe into the cache."""
    record = encoder.record
    rows = embeddings(attributes, rng)
    texts = sorted(given_texts(probes.get("fairface")).texts)
    directions = rng.standard_normal((len(texts), record.dimensions), np.float32)
    keys = [image_key(file.read_bytes(), DECODE_POLICY) for file in files]
    for tower, names, vectors in (("image", keys, rows), ("text", map(text_key, texts), directions)):
        cache_of_tower = EmbeddingCache(cache, record.fingerprint, tower, record.dimensions, record.name)
        cache_of_tower.add(dict(zip(names, vectors, strict=True)))


def cpu_s(words: list[str]) -> float:
    """Return the CPU seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def encoding_s(encoder: Encoder, files: list[Path]) -> float:
    """Return the CPU seconds of the encoder alone."""
    images = [Image.open(file).convert("RGB") for file in files]
    texts = sorted(given_texts(probes.get("fairface")).texts, key=len)
    began = time.process_time()
    for start in range(0, len(images), 32):
        encoder.encode_images(images[start : start + 32])
    for start in range(0, len(texts), 64):
        encoder.encode_texts(texts[start : start + 64])
    return time.process_time() - began


def main(n: int) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_folder(folder / "model")
        attributes = people(n, rng)
        files = pictures(folder / "many", attributes, 16, rng)
        few = pictures(folder / "few", people(COLD, rng), 224, rng)
        os.environ |= {"AUDIT_CACHE_DIR": str(folder / "cache"), "AUDIT_CACHE_KEY": str(folder / "key")}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the first of two equal runs compiles modules, the second is counted
        encoder = load(str(folder / "model"))
        fill(folder / "cache", encoder, files, attributes, rng)
        time.sleep(QUIET_S + 1)  # until the files count as left alone
        audit = ["-m", "audit.run", "--model", str(folder / "model"), "--probe", "fairface", "--data"]
        first, warm = (cpu_s([*audit, str(folder / "many"), "--out", str(folder / "out")]) for _ in range(2))
        to = ["--out", str(folder / "cold"), "--cache-root"]
        _, cold = (cpu_s([*audit, str(folder / "few"), *to, str(folder / empty)]) for empty in ("first", "second"))
        answers = folder / "answers.csv"
        truth = attributes["race"].to_numpy()
        given = np.where(rng.random(n) < 0.6, truth, rng.permutation(truth))
        attributes[COLUMNS].assign(y_true=truth, y_pred=given).to_csv(answers, index_label="id")
        _, without_page = (cpu_s(["-c", f"import audit; audit.audit(predictions={str(answers)!r})"]) for _ in range(2))
        print(f"{n:,} images, embeddings kept: {first:.1f} CPU s while files are unknown, {warm:.1f} CPU s warm")
        print(f"{COLD} images, nothing kept: {cold:.1f} CPU s, {cold - encoding_s(encoder, few):.1f} of them beyond the encoder")
        print(f"{n:,} predictions without a page: {without_page:.1f} CPU s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_954)
