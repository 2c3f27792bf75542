"""The whole FairFace probe on made-up embeddings: seconds, seconds per image, and peak memory at 10^4, 10^5 and 10^6 images.

``python -m benchmarks.scale.many_images [N …]``, a process each. 512 dimensions; the groups of the images are as common as in FairFace and
their embeddings lie a little apart. Everything between the embeddings and the results: answers to every measurement and specification,
tests, evidence. No image, no model, no page.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

import probes
from audit.engine.answers import specified
from audit.engine.probe_audit import AnsweredProbe, build_result, one_thread
from audit.engine.texts import given_texts
from audit.measure import predict
from audit.measure.label_sets import answer_all
from audit.types import Dataset, Measurement, ModelRecord, Predictions, Settings
from probes.faces import AGES, GENDERS, RACES

SIZES = (10_000, 100_000, 1_000_000)
DIMENSIONS = 512
RACE_SHARES = (0.190, 0.142, 0.138, 0.142, 0.129, 0.111, 0.148)
AGE_SHARES = (0.018, 0.124, 0.108, 0.301, 0.213, 0.123, 0.073, 0.029, 0.011)
RECORD = ModelRecord(
    name="made up", kind="none", fingerprint="0" * 64, sha256="0" * 64, parameters=0, dimensions=DIMENSIONS, dtype="float32",
    score_rule="softmax", logit_scale=100.0, logit_bias=None, architecture="none", preprocessing="none", tokenizer="none",
)  # fmt: skip


def people(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the attributes of `n` images."""
    race, gender, age = rng.choice(RACES, n, p=RACE_SHARES), rng.choice(GENDERS, n), rng.choice(AGES, n, p=AGE_SHARES)
    binary = np.where(race == "White", "White", "Non-White")
    columns = {"race": race, "gender": gender, "age": age, "race_binary": binary}
    return pd.DataFrame({name: pd.array(column, dtype="str") for name, column in columns.items()}, index=pd.RangeIndex(n).astype("str"))


def embeddings(attributes: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return one float32 row per image: noise, and a direction for each of its groups."""
    vectors = rng.standard_normal((len(attributes), DIMENSIONS), np.float32)
    for name in ("race", "gender", "age"):
        codes, levels = pd.factorize(attributes[name], sort=True)
        directions = rng.standard_normal((len(levels), DIMENSIONS), np.float32)
        for level in range(len(levels)):  # group by group: a whole second array would take two gigabytes
            vectors[codes == level] += directions[level] / 4
    return vectors


def main(n: int) -> None:
    """Audit `n` images and print time and memory."""
    probe, rng = probes.get("fairface"), np.random.default_rng(0)
    attributes = people(n, rng)
    levels = {"race": RACES, "gender": GENDERS, "age": AGES, "race_binary": ("White", "Non-White")}
    dataset = Dataset("made up", [b""] * n, attributes, levels, "0" * 64, "made up", "none")
    vectors = embeddings(attributes, rng)
    texts = {text: rng.standard_normal(DIMENSIONS, np.float32) for text in given_texts(probe).texts}
    began, cpu = time.perf_counter(), time.process_time()

    def answer(measurement: Measurement) -> Predictions:
        return predict(measurement, RECORD, vectors, texts, attributes)

    with one_thread():
        answers = {measurement.name: answer(measurement) for measurement in probe.measurements}
        specifications = specified(probe, answer, lambda alike: answer_all(alike, RECORD, vectors, texts, attributes))
    answered = time.perf_counter() - began
    done = build_result(AnsweredProbe(RECORD, dataset, attributes, answers, specifications), probe, Settings()).result
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{n:>9,} images: {wall:6.1f} s ({answered:.1f} s to answer), {cpu:6.1f} CPU s, {1e6 * cpu / n:7.1f} CPU us per image, "
        f"peak {peak:.2f} GiB, {len(done.findings)} findings, "
        f"{sum(len(specification.points) for specification in done.specifications)} specifications",
        flush=True,
    )


if __name__ == "__main__":
    if os.environ.get("MANY_IMAGES"):
        main(int(os.environ["MANY_IMAGES"]))
    else:
        for size in map(int, sys.argv[1:] or SIZES):
            subprocess.run([sys.executable, "-m", "benchmarks.scale.many_images"], env={**os.environ, "MANY_IMAGES": str(size)}, check=True)
