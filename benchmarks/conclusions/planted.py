"""Are the conclusions right end to end? Files with simulated rates through ``audit.run --predictions``, one verdict per file.

Does from the file to `results.json` what `coverage.py` does on counts, with its group counts and its exact power: coverage of the
intervals, wrong "disparity", power, wrong "equivalent". Seeded: file number i of a kind is always the same. Prints each share with its
criterion. A share that misses it by less than two standard errors of the simulation is not a refutation, and is called "within error",
not "met".
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from audit.run import main as audit_run
from benchmarks.conclusions.coverage import AGES, GROUPS, exact_power, normal_power

WARNED = "OMP_NUM_THREADS"
FILES, POWER_FILES = 300, 1000
"""Of each kind: two standard errors of a share of .05 are .025; of one of .4, which has .05 on either side, .031."""
EQUAL = (0.05, 0.15, 0.8)


@dataclass(frozen=True)
class Kind:
    """What is true in a file."""

    name: str
    n: np.ndarray
    rates: tuple[np.ndarray, ...]
    """By group; file number i has those of place i, over and over."""
    truth: bool = False
    """Whether the rate is that of right answers, beside a true answer; else that of the answer "yes"."""
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """What results.json says about a file, compared with what is true in it."""

    verdict: str
    lowest: str | None
    rates: tuple[bool, ...]
    """Whether the interval of each rate of at least 100 images and 5 expected events, on either side, holds the truth."""
    contrasts: tuple[bool, ...]
    """The same of each group's difference to the rest, where both are as large."""


def table(kind: Kind, number: int) -> pd.DataFrame:
    """Return file `number` of a kind, one row per image."""
    source = np.random.default_rng([kind.seed, number])
    k = source.binomial(kind.n, kind.rates[number % len(kind.rates)])
    event = np.repeat(np.tile([True, False], len(k)), np.stack([k, kind.n - k], axis=1).ravel())
    rows = {"group": np.repeat([f"g{place:03d}" for place in range(len(k))], kind.n)}
    if not kind.truth:
        return pd.DataFrame(rows | {"y_pred": np.where(event, "yes", "no")})
    # One true answer: of two, both kinds of error would be planned questions beside accuracy.
    return pd.DataFrame(rows | {"y_true": "yes", "y_pred": np.where(event, "yes", "no")})


def found(kind: Kind, number: int) -> Found:
    """Run the command on file `number` of a kind and read the results."""
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        file, out = Path(folder) / "answers.csv", Path(folder) / "audit"
        table(kind, number).to_csv(file, index=False)
        if audit_run(["--predictions", str(file), "--attributes", "group", "--out", str(out)]) != 0:
            raise RuntimeError(f"{kind.name}, file {number}: {said.getvalue()}")
        audit = json.loads((out / "results.json").read_text())["audits"][0]
    (finding,) = (each for each in audit["findings"] if each["primary"])
    return read(audit["verdict"], finding, kind.n, kind.rates[number % len(kind.rates)])


def read(verdict: str, finding: dict, n: np.ndarray, truth: np.ndarray) -> Found:
    """Compare the intervals of a finding with the truth."""
    rest = (n @ truth - n * truth) / (n.sum() - n)
    large = (n >= 100) & (n * np.minimum(truth, 1 - truth) >= 5)
    place = {f"g{i:03d}": i for i in range(len(n))}
    rates = [holds(each, truth[place[each["group"][0]]]) for each in finding["by_group"] if large[place[each["group"][0]]]]
    against = [(contrast, place[contrast["first"][0]]) for contrast in finding["contrasts"]]
    against = against if len(n) > 2 else against[:1]  # of two groups each is the other's rest: one comparison
    contrasts = [holds(each, truth[i] - rest[i]) for each, i in against if large[i] and n.sum() - n[i] >= 100]
    return Found(verdict, finding["gap"]["lowest"][0] if finding["gap"] else None, tuple(rates), tuple(contrasts))


def holds(interval: dict, truth: float) -> bool:
    return bool(interval["low"] <= truth <= interval["high"])


@cache
def pool(workers: int) -> ProcessPoolExecutor:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


# ---- the kinds -------------------------------------------------------------------------------------------------------------------


def lower(n: np.ndarray, rate: float, effect: float) -> np.ndarray:
    """Return one rate for all groups but the first, whose is lower by `effect`."""
    return np.where(np.arange(len(n)) == 0, rate - effect, rate)


NONE = [
    Kind(f"no disparity, {groups} groups, p = .05, .15, .8", n, tuple(np.full(len(n), p) for p in EQUAL), seed=groups)
    for groups, n in GROUPS.items()
]
PLANTED = [
    Kind(f"{groups} groups of {n}, p = .85, one {100 * effect:g} points lower", sizes, (lower(sizes, 0.85, effect),), True, seed)
    for seed, (groups, n, effect) in enumerate(
        [(7, 300, 0.05), (7, 300, 0.08), (7, 300, 0.10), (14, 400, 0.05), (14, 400, 0.07), (14, 400, 0.10)], start=1000
    )
    for sizes in [np.full(groups, n)]
] + [Kind("FairFace's ages, .15, those of 20-29 3 points higher", AGES, (np.where(np.arange(9) == 3, 0.18, 0.15),), seed=1006)]
APART = [
    Kind("2 groups of 1000, .15 and .10: 5 points, the tolerance", np.full(2, 1000), (np.array([0.15, 0.1]),), seed=2000),
    Kind("2 groups of 1000, .85 and .90, right answers", np.full(2, 1000), (np.array([0.85, 0.9]),), True, seed=2001),
    Kind("7 groups, .10, one 5 points higher", GROUPS[7], (lower(GROUPS[7], 0.1, -0.05),), seed=2002),
    Kind("14 groups, .10, one 5 points higher", GROUPS[14], (lower(GROUPS[14], 0.1, -0.05),), seed=2003),
]
ALIKE = [
    Kind("7 groups, equal, p = .9", GROUPS[7], (np.full(7, 0.9),), True, seed=3000),
    Kind("2 groups of 1000, equal, p = .1", np.full(2, 1000), (np.full(2, 0.1),), seed=3001),
]
"""Chance of "equivalent" at a tolerance of 5 points: .94 (simulated on counts) and .96 (exact); .9 is asked of both."""


def judged(what: str, share: float, low: float, high: float, number: int) -> str:
    """Print a share of `number` draws with its criterion; return "met", "within error" or "NOT MET"."""
    bound = min((each for each in (low, high) if 0 < each < 1), key=lambda each: abs(each - share))
    error = 2 * np.sqrt(bound * (1 - bound) / number)
    word = "met" if low <= share <= high else "within error" if low - error <= share <= high + error else "NOT MET"
    print(f"  {what:<66} {share:7.4f}   {low:.3f} to {high:.3f}, 2 SE {error:.3f}, of {number:<7} {word}", flush=True)
    return word


def covers(files: Sequence[Found]) -> list[str]:
    """Judge the coverage of all intervals."""
    return [
        judged(f"  coverage of {name}", float(np.mean(held)), 0.93, 0.975, len(held))
        for name, held in (
            ("rates", [x for file in files for x in file.rates]),
            ("differences to the rest", [x for file in files for x in file.contrasts]),
        )
    ]


def share(files: Sequence[Found], verdict: str) -> float:
    return sum(file.verdict == verdict for file in files) / len(files)


def no_disparity(kind: Kind, files: Sequence[Found]) -> list[str]:
    """At most 7 of 100 audits report a disparity if nothing differs."""
    return [judged(f'{kind.name}: "disparity"', share(files, "disparity"), 0.0, 0.07, len(files)), *covers(files)]


def planted(kind: Kind, files: Sequence[Found]) -> list[str]:
    """If something differs, disparities are as frequent as the test's power says."""
    even, truth = len(set(kind.n.tolist())) == 1, kind.rates[0]
    power = exact_power(truth, int(kind.n[0])) if even else normal_power(truth, kind.n, np.random.default_rng(0))[0]
    return [
        judged(f"{kind.name}: {power:.3f}", share(files, "disparity"), power - 0.05, min(power + 0.05, 1.0), len(files)),
        *covers(files),
    ]


def apart(kind: Kind, files: Sequence[Found]) -> list[str]:
    """Groups that differ by the tolerance are called equivalent in at most 5 of 100 audits."""
    return [judged(f'{kind.name}: "equivalent"', share(files, "equivalent"), 0.0, 0.05, len(files)), *covers(files)]


def alike(kind: Kind, files: Sequence[Found]) -> list[str]:
    """Equal groups, if large enough, are called equivalent."""
    return [judged(f'{kind.name}: "equivalent"', share(files, "equivalent"), 0.9, 1.0, len(files)), *covers(files)]


@dataclass(frozen=True)
class Plan:
    """Files of one kind, and what must come out."""

    kind: Kind
    judge: Callable[[Kind, Sequence[Found]], list[str]]
    files: int

    def __call__(self, workers: int, files: int | None = None) -> list[str]:
        """Run the command on the files; return one word per criterion."""
        found_in = list(pool(workers).map(partial(found, self.kind), range(files or self.files), chunksize=5))
        return self.judge(self.kind, found_in)


PLANS = [
    Plan(kind, judge, files)
    for judge, kinds, files in (
        (no_disparity, NONE, FILES),
        (planted, PLANTED, POWER_FILES),
        (apart, APART, FILES),
        (alike, ALIKE, FILES),
    )
    for kind in kinds
]


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--files", type=int, help=f"simulated files per kind (default: {FILES}, {POWER_FILES} for a power)")
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parse.parse_args()
    started = time.perf_counter()
    words = [word for plan in PLANS for word in plan(given.workers, given.files)]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    print(f"\n{time.perf_counter() - started:.0f} s; {counts}")


if __name__ == "__main__":
    main()
