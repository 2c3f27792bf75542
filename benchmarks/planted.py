"""Do the conclusions hold end to end? Files with planted rates through ``audit.run --predictions``, one verdict a file.

What `benchmarks/coverage.py` shows on counts, with its group counts and its analytic power, from the file to `results.json`: coverage of
the intervals, "disparity" where there is none, power, "equivalent" where it is wrong. Seeded: file number i of a kind is always the same.
Prints each share beside what it must be; two standard errors of the simulation are allowed, and said. ``--files`` a kind, ``--workers``.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from audit.run import main as audit_run
from benchmarks.coverage import FAILED, GROUPS, analytic_power, report

WARNED = "OMP_NUM_THREADS"
FILES = 150
"""Of each kind: two standard errors of a share of .05 are .036."""
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
    """What results.json says about a file, beside what is true in it."""

    verdict: str
    lowest: str | None
    rates: tuple[bool, ...]
    """Whether the interval of each rate of at least 100 images and 5 expected events, on either side, holds the truth."""
    contrasts: tuple[bool, ...]
    """The same of each group's difference to the rest, where both are as large."""


def table(kind: Kind, number: int) -> pd.DataFrame:
    """Return file `number` of a kind, one row an image."""
    source = np.random.default_rng([kind.seed, number])
    k = source.binomial(kind.n, kind.rates[number % len(kind.rates)])
    event = np.repeat(np.tile([True, False], len(k)), np.stack([k, kind.n - k], axis=1).ravel())
    rows = {"group": np.repeat([f"g{place:03d}" for place in range(len(k))], kind.n)}
    if not kind.truth:
        return pd.DataFrame(rows | {"y_pred": np.where(event, "yes", "no")})
    truth = source.random(len(event)) < 0.5
    return pd.DataFrame(rows | {"y_true": np.where(truth, "yes", "no"), "y_pred": np.where(truth == event, "yes", "no")})


def found(kind: Kind, number: int) -> Found:
    """Put file `number` of a kind through the command and read what it left."""
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
    """Hold the intervals of a finding against the truth."""
    rest = (n @ truth - n * truth) / (n.sum() - n)
    large = (n >= 100) & (n * np.minimum(truth, 1 - truth) >= 5)
    place = {f"g{i:03d}": i for i in range(len(n))}
    rates = [holds(each, truth[place[each["group"][0]]]) for each in finding["by_group"] if large[place[each["group"][0]]]]
    against = [(each, place[each["first"][0]]) for each in finding["contrasts"]]
    contrasts = [holds(each, truth[i] - rest[i]) for each, i in against if large[i] and n.sum() - n[i] >= 100]
    return Found(verdict, finding["gap"]["lowest"][0] if finding["gap"] else None, tuple(rates), tuple(contrasts))


def holds(interval: dict, truth: float) -> bool:
    return bool(interval["low"] <= truth <= interval["high"])


@cache
def pool(workers: int) -> ProcessPoolExecutor:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def all_found(kind: Kind, files: int, workers: int) -> list[Found]:
    return list(pool(workers).map(partial(found, kind), range(files), chunksize=5))


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
]
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
"""Analytic chance of "equivalent" at a tolerance of 5 points: .94 (measured on counts) and .96."""


def allowed(share: float, number: int) -> float:
    """Return two standard errors of a share of so many draws."""
    return float(2 * np.sqrt(share * (1 - share) / number))


def judged(what: str, measured: float, bound: float, number: int) -> bool:
    error = allowed(bound, number)
    report(what, measured, f"at most {bound:g} + {error:.3f} (simulation), {number} files", measured <= bound + error)
    return measured <= bound + error


def covers(kind: Kind, files: Sequence[Found]) -> bool:
    met = True
    for name, held in (
        ("rates", [x for each in files for x in each.rates]),
        ("differences to the rest", [x for each in files for x in each.contrasts]),
    ):
        share, error = float(np.mean(held)), allowed(0.95, len(held))
        inside = 0.93 - error <= share <= 0.975 + error
        report(f"  coverage of {name}", share, f".93 to .975, +- {error:.3f}; {len(held)} intervals", inside)
        met &= inside
    return met


def share(files: Sequence[Found], verdict: str) -> float:
    return sum(each.verdict == verdict for each in files) / len(files)


def no_disparity(kind: Kind, number: int, workers: int) -> bool:
    """At most 7 of 100 audits alarm where nothing differs."""
    files = all_found(kind, number, workers)
    return judged(f'{kind.name}: "disparity"', share(files, "disparity"), 0.07, number) & covers(kind, files)


def planted(kind: Kind, number: int, workers: int) -> bool:
    """The alarms where something differs are as many as the test's power says."""
    files = all_found(kind, number, workers)
    power = analytic_power(kind.rates[0], int(kind.n[0]))
    alarms, error = share(files, "disparity"), allowed(power, number)
    within = abs(alarms - power) <= 0.05 + error
    report(kind.name, alarms, f"analytic {power:.3f}, within .05 + {error:.3f}; {number} files", within)
    named = float(np.mean([each.lowest == "g000" for each in files if each.verdict == "disparity"]))
    report("  the planted group is the lowest of those", named, "", None)
    return within & covers(kind, files)


def apart(kind: Kind, number: int, workers: int) -> bool:
    """What differs by the tolerance is called equivalent in at most 5 of 100 audits."""
    files = all_found(kind, number, workers)
    return judged(f'{kind.name}: "equivalent"', share(files, "equivalent"), 0.05, number) & covers(kind, files)


def alike(kind: Kind, number: int, workers: int) -> bool:
    """What is equal, and large enough, is called so."""
    files = all_found(kind, number, workers)
    equal, error = share(files, "equivalent"), allowed(0.94, number)
    report(f'{kind.name}: "equivalent"', equal, f"at least .94 - {error:.3f}; {number} files", equal >= 0.94 - error)
    return (equal >= 0.94 - error) & covers(kind, files)


PLANS = [(plan, kind) for plan, kinds in ((no_disparity, NONE), (planted, PLANTED), (apart, APART), (alike, ALIKE)) for kind in kinds]


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--files", type=int, default=FILES, help="planted files a kind (default: %(default)s)")
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parse.parse_args()
    started = time.perf_counter()
    for plan, kind in PLANS:
        plan(kind, given.files, given.workers)
    print(f"\n{time.perf_counter() - started:.0f} s; " + (f"not met: {'; '.join(FAILED)}" if FAILED else "every criterion met"))


if __name__ == "__main__":
    main()
