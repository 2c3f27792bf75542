"""10,000 arrangements of an association test: one matrix product against the plain recomputation, in one run.

Two sets of 60 images, two of 25 words, 512 dimensions. The plain one computes every cosine and mean again for each arrangement, as
published code does; a few of its arrangements are timed. Prints seconds of both and their ratio (at least 1,000), and how far d is apart.
"""

import sys
import time

import numpy as np

from audit.measure.association import weat

TARGETS, WORDS, DIMENSIONS, DRAWS, TIMED, LEAST = 60, 25, 512, 10_000, 5, 1_000


def cosine(u, v) -> float:
    return float(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)))


def association(target, first, second) -> float:
    return float(np.mean([cosine(target, each) for each in first]) - np.mean([cosine(target, each) for each in second]))


def plain(x, y, first, second) -> tuple[float, float]:
    """Return the difference of means and the effect size of one arrangement."""
    of_x, of_y = ([association(target, first, second) for target in targets] for targets in (x, y))
    difference = float(np.mean(of_x) - np.mean(of_y))
    return difference, difference / float(np.std([*of_x, *of_y], ddof=1))


def main() -> int:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, TARGETS, DIMENSIONS))
    first, second = rng.normal(size=(2, WORDS, DIMENSIONS))
    best = min(timed(lambda: weat(x, y, (first, second), np.random.default_rng(1), draws=DRAWS))[0] for _ in range(3))
    found = weat(x, y, (first, second), np.random.default_rng(1), draws=DRAWS)
    together = np.concatenate([x, y])

    def some():
        for _ in range(TIMED):
            order = rng.permutation(len(together))
            plain(together[order[:TARGETS]], together[order[TARGETS:]], first, second)

    slow = timed(some)[0] / TIMED * DRAWS
    apart = abs(found.effect_size - plain(x, y, first, second)[1])
    print(f"plain {slow:.0f} s   one product {best:.3f} s   ratio {slow / best:,.0f}x   difference of d {apart:.1e}")
    return int(slow / best < LEAST or apart > 1e-12)


def timed(function) -> tuple[float, object]:
    began = time.perf_counter()
    value = function()
    return time.perf_counter() - began, value


if __name__ == "__main__":
    sys.exit(main())
