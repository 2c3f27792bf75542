"""The random maps that a mitigation is compared with: by cosines of unmapped images, against mapping every image, in one run.

10,000 images of 512 dimensions, 66 answers, three groups; half of them fitted. The plain way multiplies all images by each map's matrix
and answers as an audit does. Prints milliseconds of processor time a map for both, their ratio, how many gaps differ, and the seconds for
99 maps of one kind and 999 of the other (at most 120).
"""

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from audit.extensions.mitigate.methods import METHODS, FitInputs, GroupShuffle, fit_map, random_map
from audit.extensions.mitigate.shown import DRAWS, MORE_DRAWS, TestHalf
from audit.linear_maps import LinearMap, unit
from audit.measure import predict
from audit.measure.embedded import AskedMeasurement
from audit.plans import Direction
from audit.statistics.metrics import METRICS
from audit.statistics.paired.counted import Judge, control_gaps
from audit.types import Claim, LabelSet, Measurement, ModelRecord, Predictions, Settings

IMAGES, DIMENSIONS, ANSWERS, GROUPS, TIMED, LONGEST = 10_000, 512, 66, ("a", "b", "c"), 20, 120.0


def made() -> tuple[FitInputs, TestHalf]:
    """Two halves in which groups differ along one direction."""
    rng = np.random.default_rng(0)
    answers, codes = (rng.integers(kinds, size=IMAGES) for kinds in (ANSWERS, len(GROUPS)))
    centres, apart = rng.normal(size=(ANSWERS, DIMENSIONS)), rng.normal(size=DIMENSIONS)
    images = (centres[answers] + np.outer(codes - 1, apart) + 3 * rng.normal(size=(IMAGES, DIMENSIONS))).astype("f4")
    names = [f"answer {number}" for number in range(ANSWERS)]
    prompts = dict(zip(names, centres + 0.5 * np.outer(rng.normal(size=ANSWERS), apart), strict=True))
    pairs = {f"{side} {number}": vector for number in range(8) for side, vector in zip("xy", rng.normal(size=(2, DIMENSIONS)), strict=True)}
    same = tuple((f"x {number}", f"y {number}") for number in range(8))
    inputs = FitInputs(
        unit(images[::2]), codes[::2], answers[::2], np.arange(IMAGES // 2), Direction(same[:1], same[1:]), prompts | pairs
    )  # fmt: skip
    labels = LabelSet("answers", tuple(names), {name: (name,) for name in names})
    measurement = Measurement("answer", "Which?", labels, "made v1", (Claim("accuracy", ("group",)),), truth="answer")
    attributes = pd.DataFrame({"answer": np.array(names)[answers], "group": np.array(GROUPS)[codes]}, dtype="str")[1::2]
    record = ModelRecord("m", "k", "f", "s", 0, DIMENSIONS, "float32", "softmax", 100.0, None, "a", "p", "t")
    judge = Judge("answer/accuracy/group", METRICS["accuracy"], None, ("group",), {"group": GROUPS}, Settings())
    asked = AskedMeasurement(measurement, record, images[1::2], prompts, attributes)
    return inputs, TestHalf(asked, judge, (), ("image", "text"))


def plainly(shown: TestHalf, change: LinearMap) -> Predictions:
    """The answers of mapped embeddings."""
    task, matrix = shown.task, change.matrix
    texts = {prompt: matrix @ unit(vector) for prompt, vector in task.text_embeddings.items()}
    return predict(task.measurement, task.record, unit(task.image_embeddings) @ matrix.T, texts, task.attributes)


def timed(answers: Callable[[np.random.Generator], Predictions], shown: TestHalf, draws: int) -> tuple[float, tuple[float, ...]]:
    start = time.process_time()  # of all threads: other programs on the machine do not count
    gaps = control_gaps(answers, shown.target, draws, np.random.default_rng(1))
    return time.process_time() - start, gaps


def main() -> int:
    inputs, shown = made()
    shuffle, slow = GroupShuffle.of(inputs), False
    _ = inputs.whitening  # once a run
    print(f"{os.cpu_count()} cores; {os.getloadavg()[0]:.1f} processes wait or run")
    for method in METHODS:
        fit = fit_map(method, inputs)
        draw: dict[str, Callable[[np.random.Generator], LinearMap]] = {"random": lambda rng, fit=fit: random_map(fit, rng)}
        if METHODS[method].by_groups:
            draw["shuffled"] = lambda rng, method=method: shuffle.refitted(method, inputs, rng)
        seconds = 0.0
        for kind, drawn in draw.items():
            ours, gaps = timed(lambda rng, drawn=drawn: shown.answers(drawn(rng)), shown, TIMED)
            plain, others = timed(lambda rng, drawn=drawn: plainly(shown, drawn(rng)), shown, TIMED)
            differ = int((np.abs(np.subtract(gaps, others)) > 1e-12).sum())
            each = f"{1000 * plain / TIMED:6.0f} ms  {1000 * ours / TIMED:5.0f} ms  {plain / ours:5.1f} times"
            print(f"{method:<30} {kind:<9} {each}  {differ} differ", flush=True)
            draws = DRAWS + MORE_DRAWS if kind == list(draw)[-1] else DRAWS
            seconds += ours / TIMED * draws
        slow = slow or seconds > LONGEST
        print(f"{method:<30} {seconds:.0f} s for all", flush=True)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
