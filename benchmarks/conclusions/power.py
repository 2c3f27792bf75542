"""Is the printed detectable difference detected four times out of five? And do diffuse and single differences have the better test's power?

Layouts alone, and as the hardest of 10 and of 40 questions (p at most alpha over their number, as in Holm's first step). Seeded.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from audit.statistics.null import gap_test
from audit.statistics.power import detectable_difference

ALPHA, DRAWS, AUDITS = 0.05, 4999, 2000
WORDS = {True: "met", False: "NOT MET"}
LAYOUTS = [
    (0.05, (1000, 1000)), (0.3, (35, 10_000)), (0.05, (35, 10_000)), (0.5, (200, 200)), (0.3, (40,) * 4), (0.85, (300,) * 7),
    (0.1, (80, 100, 3000)), (0.05, (1209, 1415, 1516, 1550, 1556, 1623, 2085)),
]  # fmt: skip
SHAPES = {
    "60 groups of 100, half .80, half .85": ((100,) * 60, [0.80, 0.85] * 30),
    "30 groups of 200, half .50, half .56": ((200,) * 30, [0.50, 0.56] * 15),
    "14 groups of 400, evenly from .80 to .86": ((400,) * 14, np.linspace(0.80, 0.86, 14)),
    "7 groups of 300, one .10 lower": ((300,) * 7, [0.75] + [0.85] * 6),
    "14 groups of 400, one .07 lower": ((400,) * 14, [0.78] + [0.85] * 13),
    "30 groups, one of 400 .09 lower": ((400,) + (100,) * 29, [0.71] + [0.80] * 29),
    "no difference, 60 groups of 100": ((100,) * 60, [0.8] * 60),
}  # fmt: skip


def found(n: tuple[int, ...], rates: np.ndarray, seed: int) -> tuple[float, float, float | None]:
    """Return p, that of the pair and that of chi-square, of one audit."""
    source = np.random.default_rng(seed)
    null = gap_test(source.binomial(n, rates), np.array(n), DRAWS, source)
    return null.p, null.pair_p, null.chi2_p


def detected(pool: ProcessPoolExecutor, audits: int) -> Iterator[bool]:
    print("detectable difference: share found at that difference of the smallest group (.78 to .82)")
    for rate, n in LAYOUTS:
        sizes = np.array(n)
        for questions in (1, 10, 40):
            level = ALPHA / questions
            difference = detectable_difference(np.rint(rate * sizes).astype(int), sizes, level)
            rates = np.full(len(n), rate)
            rates[sizes.argmin()] += difference if rate <= 0.5 else -difference
            p = np.array(list(pool.map(partial(found, n, rates), range(audits), chunksize=50)), float)[:, 0]
            share = float(np.mean(p <= level))
            met = abs(share - 0.8) <= 0.02 + 2 * (0.16 / audits) ** 0.5 * (audits < AUDITS)
            print(f"  {rate} of {n}, hardest of {questions}: {difference:.4f} found in {share:.3f}  {WORDS[bool(met)]}", flush=True)
            yield bool(met)


def shaped(pool: ProcessPoolExecutor, audits: int) -> Iterator[bool]:
    print("shapes of difference: both tests together, the most significant pair, chi-square (at least .9 of the better)")
    for name, (n, rates) in SHAPES.items():
        p = np.array(list(pool.map(partial(found, n, np.array(rates)), range(audits), chunksize=50)), float)
        both, pair, chi2 = np.mean(p <= ALPHA, axis=0)
        met = both <= 0.07 if name.startswith("no difference") else both >= 0.9 * max(pair, chi2)
        print(f"  {name}: {both:.3f}, {pair:.3f}, {chi2:.3f}  {WORDS[bool(met)]}", flush=True)
        yield bool(met)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--audits", type=int, default=AUDITS, help=f"simulated audits per line (default: {AUDITS})")
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parse.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        met = [*shaped(pool, given.audits), *detected(pool, given.audits)]
    print(f"\n{time.perf_counter() - started:.0f} s; {sum(met)} of {len(met)} met")


if __name__ == "__main__":
    main()
