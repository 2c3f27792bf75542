"""Intervals over images and replicates: how often do they cover the true gap of a model of which a few seeds were audited?

Every run draws images (shared by the replicates) and replicates. The probability of a right answer for an image has a part of the
group, a part of the image that all replicates share, and a part of (replicate, group), with a given standard deviation. The truth is the
largest difference of the groups' rates over all images and replicates of the kind. Printed: how often the interval over both sources
holds it; beside it the mean width, and how often the interval over images alone would. Also how often a gate whose limit is the true gap
ends wrongly by more than chance may: `gap_mean > limit` breached (the lower end lies above it), or held (the upper end lies below).
"""

import argparse
import time

import numpy as np
from scipy.special import ndtri

from audit.replicates import gap_over_replicates
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import cluster_table
from audit.statistics.units.sampling_unit import gap_interval

ALPHA, SHARED = 0.05, 0.7
"""Correlation of two replicates' answers to an image, on the normal scale."""
DESIGNS = {
    "two groups": (np.array([0.85, 0.75]), np.array([400, 400])),
    "one small group": (np.array([0.9, 0.8]), np.array([2000, 60])),
    "rare events": (np.array([0.04, 0.01]), np.array([500, 500])),
    "four groups": (np.array([0.9, 0.88, 0.85, 0.8]), np.array([500, 300, 300, 100])),
    "seven groups, none differs": (np.full(7, 0.8), np.array([300, 250, 200, 200, 150, 120, 100])),
}


def draw(rates: np.ndarray, n: np.ndarray, deviation: float, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Return events of each replicate and image: bool[r, n]; the rate of each group over replicates is as planted."""
    # A deviation in points would leave the range of rates near 0 or 1: it is applied on the normal scale, where the mean stays known.
    slope = np.exp(-(ndtri(rates) ** 2) / 2) / np.sqrt(2 * np.pi)
    tau = deviation / slope
    centre = ndtri(rates) * np.sqrt(1 + tau**2)
    level = np.repeat(centre + tau * rng.standard_normal((replicates, len(n))), n, axis=1)
    image = np.sqrt(SHARED) * rng.standard_normal(int(n.sum())) + np.sqrt(1 - SHARED) * rng.standard_normal((replicates, int(n.sum())))
    return image < level


def intervals(events: np.ndarray, n: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the interval over both sources, and that over images alone."""
    codes, replicates = np.repeat(np.arange(len(n)), n), len(events)
    units = ClusterUnits(cluster_table(np.tile(np.arange(len(codes)), replicates), np.tile(codes, replicates), events.ravel(), len(n)))
    rates = np.array([np.bincount(codes, weights=event, minlength=len(n)) / n for event in events])
    both = gap_over_replicates(rates, units, ALPHA)
    return (both.low, both.high), gap_interval(units, ALPHA)


def coverage(design: str, deviation: float, replicates: int, runs: int) -> tuple[float, float, float, float, float]:
    """Return how often the interval holds the truth, its mean width, how often that over images alone does; how gates at the truth end."""
    rates, n = DESIGNS[design]
    rng = np.random.default_rng([runs, replicates, round(1000 * deviation), *design.encode()])
    truth, held, alone, width, breached, kept = float(np.ptp(rates)), 0, 0, 0.0, 0, 0
    for _ in range(runs):
        both, images = intervals(draw(rates, n, deviation, replicates, rng), n)
        held += both[0] - 1e-12 <= truth <= both[1] + 1e-12
        alone += images[0] - 1e-12 <= truth <= images[1] + 1e-12
        width += both[1] - both[0]
        breached, kept = breached + (both[0] > truth + 1e-12), kept + (both[1] < truth - 1e-12)
    return held / runs, width / runs, alone / runs, breached / runs, kept / runs


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--runs", type=int, default=1000)
    runs, start, missed = parse.parse_args().runs, time.monotonic(), []
    print(f"Coverage of 95 % intervals over images and replicates, R = {runs} runs; as it should be: at least .93")
    columns = {"design": 28, "sd, points": 10, "replicates": 10, "coverage": 9, "width": 7, "images alone": 13, "breached": 9, "held": 6}
    print(" ".join(f"{name:>{width}}" for name, width in columns.items()))
    for design in DESIGNS:
        for deviation in (0.0, 0.01, 0.03):
            for replicates in (2, 3, 5, 10):
                held, width, alone, *gates = coverage(design, deviation, replicates, runs)
                missed += [(design, deviation, replicates)] * (held < 0.93 or max(gates) > 0.05)
                print(f"{design:<28} {100 * deviation:>10.0f} {replicates:>10} {held:>9.3f} {width:>7.3f} {alone:>13.3f} "
                      f"{gates[0]:>9.3f} {gates[1]:>6.3f}", flush=True)  # fmt: skip
    print(f"{time.monotonic() - start:.0f} s; below .93, or gates above .05: {missed or 'none'}")


if __name__ == "__main__":
    main()
