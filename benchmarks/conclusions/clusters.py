"""Are conclusions right if images come in clusters that are unlike? Simulated designs, one verdict per file.

Designs differ in numbers, sizes and correlations of clusters, nested, crossed and mixed; in those named "in 20: ..." every cluster
contains images of all groups, which are then compared within clusters. For each design, prints the share of wrong "disparity" or
"equivalent", the power compared with that of a cluster-robust t test (regression with clustered errors, clusters - 1 degrees of freedom)
and of sign flips (at least .9 of the better one, or of the t test if groups are not compared within clusters), the coverage of the
intervals of rates and differences, and the share that is not estimable. Seeded: file i of a design is always the same. ``--counts`` passes
the counts directly to the statistics; otherwise every file goes through ``audit.run --predictions``.
"""

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtr
from scipy.stats import beta

from audit.run import main as audit_run
from audit.statistics.contrasts import ComparedGroups, gap_of
from audit.statistics.null import generator, sign_flip_p
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import ClusterTable, cluster_table
from audit.statistics.units.sampling_unit import ImageUnits, SamplingUnits
from audit.statistics.verdict import verdicts
from audit.types import Settings

ALPHA, TOLERANCE, DRAWS, FILES = 0.05, 0.05, 999, 400
GEOMETRIC = tuple(np.round(np.geomspace(1, 300, 60)).astype(int).tolist())


@dataclass(frozen=True)
class Part:
    """Clusters that differ only in their images: images of each cluster by group, and the rates of the groups."""

    images: tuple[tuple[int, ...], ...]
    rates: tuple[float, ...]
    correlation: float
    """Correlation of two images of a cluster, whose rate is beta-distributed (0 or 1 if it is 1); the same quantile in all groups."""


@dataclass(frozen=True)
class Design:
    """What is true in a file, and what must not be concluded."""

    name: str
    parts: tuple[Part, ...]
    wrong: str | None = None
    """The verdict that must be rare: "disparity" if nothing differs, "equivalent" at the tolerance; None: power is measured."""
    most: float = 0.07

    @property
    def truth(self) -> np.ndarray:
        n, events = (sum(part for part in parts) for parts in zip(*(_expected(part) for part in self.parts), strict=True))
        return np.asarray(events / n)


@dataclass(frozen=True)
class Found:
    """The conclusions about a file."""

    verdict: str
    rates: tuple[bool, ...]
    """Whether the interval of each judged rate covers the truth."""
    contrasts: tuple[bool, ...]
    t: bool
    """Whether the cluster-robust t test of the first two groups rejects."""
    flips: bool = False
    """Whether the sign-flip test of their weighted differences within clusters rejects."""
    inside: bool = False
    """Whether groups are compared within clusters, as the sign flips do; else these test another difference, on part of the images."""
    contradicts: bool = False
    """Whether it is a disparity whose leading pair does not exceed chance or has an interval that includes 0."""


def _expected(part: Part) -> tuple[np.ndarray, np.ndarray]:
    n = np.array(part.images).sum(axis=0)
    return n, n * np.array(part.rates)


def nested(*groups: tuple[Sequence[int], float, float]) -> tuple[Part, ...]:
    """Clusters that each belong to one group: their images, the rate, the correlation."""
    width = len(groups)
    return tuple(
        Part(
            tuple(tuple(size if place == group else 0 for place in range(width)) for size in sizes),
            tuple(rate if place == group else 0.0 for place in range(width)),
            correlation,
        )
        for group, (sizes, rate, correlation) in enumerate(groups)
    )


def crossed(clusters: int, images: Sequence[int], rates: Sequence[float], correlation: float) -> Part:
    return Part((tuple(images),) * clusters, tuple(rates), correlation)


def halved(rates: tuple[float, float], correlation: float) -> tuple[Part, ...]:
    """Sixty clusters of 1 to 300 images of one group, and half as many of another."""
    return (Part(tuple((size, max(1, size // 2)) for size in GEOMETRIC), rates, correlation),)


def rows(design: Design, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cluster, group and event of each image of file `number`."""
    source = np.random.default_rng([sum(design.name.encode()), number])
    found, so_far = [], 0
    for part in design.parts:
        n, rates = np.array(part.images), np.array(part.rates)
        place = source.random(len(n))[:, None]
        if part.correlation == 0:
            each = np.broadcast_to(rates, n.shape)
        elif part.correlation == 1:
            each = (place < rates).astype(float)
        else:
            weight = (1 - part.correlation) / part.correlation
            each = beta.isf(place, np.maximum(rates * weight, 1e-9), (1 - rates) * weight)
        events = source.binomial(n, each)
        cluster, group = np.nonzero(n)
        counts, hits = n[cluster, group], events[cluster, group]
        owner = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(owner)) - np.repeat(counts.cumsum() - counts, counts)
        found.append((so_far + cluster[owner], group[owner], within < hits[owner]))
        so_far += len(n)
    cluster, group, event = (np.concatenate(each) for each in zip(*found, strict=True))
    return cluster, group, event


def robust_t(table: ClusterTable) -> bool:
    """Whether a linear regression of the event on the first two groups, with clustered errors, finds a difference."""
    pair = table.of(np.array([0, 1]))
    (events, n), clusters = pair.totals, int(pair.count.sum())
    if (events == 0).all() or (events == n).all():
        return False
    residual = (pair.events - events / n * pair.n) / n
    scale = clusters / (clusters - 1) * (n.sum() - 1) / (n.sum() - 2)
    variance = scale * float(pair.count @ (residual[:, 0] - residual[:, 1]) ** 2)
    t = abs(float(events[0] / n[0] - events[1] / n[1])) / max(variance, 1e-20) ** 0.5
    return bool(2 * stdtr(clusters - 1, -t) <= ALPHA)


def sign_flips(table: ClusterTable) -> bool:
    """Whether flipped signs of ``w (rate_a - rate_b)`` of the first two groups are as far from 0 in at most 5 of 100: 9,999 draws."""
    both = np.repeat(np.arange(len(table.count)), np.where((table.n[:, :2] > 0).all(axis=1), table.count, 0))
    n, events = table.n[both][:, :2], table.events[both][:, :2]
    moved = (events[:, 0] * n[:, 1] - events[:, 1] * n[:, 0]) / np.maximum(n.sum(axis=1), 1)
    return sign_flip_p(moved, 9999, np.random.default_rng(0)) <= ALPHA


def inside_clusters(design: Design) -> np.ndarray:
    """Return the true differences between all pairs of groups within clusters: [a, b], weighted by n_a n_b / (n_a + n_b)."""
    weight = difference = 0.0
    for part in design.parts:
        n, rates = np.array(part.images, float), np.array(part.rates)
        w = (n[:, :, None] * n[:, None] / np.maximum(n[:, :, None] + n[:, None], 1)).sum(axis=0)
        weight, difference = weight + w, difference + w * (rates[:, None] - rates)
    return np.asarray(difference / np.maximum(weight, 1e-9))


def by_counts(design: Design, number: int) -> Found:
    """Pass the counts of file `number` to the statistics."""
    cluster, group, event = rows(design, number)
    table, truth = cluster_table(cluster, group, event, len(design.truth)), design.truth
    alone = cluster.size == len(np.unique(cluster))
    units: SamplingUnits = ImageUnits(*table.totals) if alone else ClusterUnits(table, by_design=True)
    judged = np.flatnonzero(units.enough() & (units.n >= 30))
    low, high = units.intervals(ALPHA)
    held = tuple(bool(low[i] <= truth[i] <= high[i]) for i in judged)
    if len(judged) < 2:
        return Found("not estimable", held, (), robust_t(table))
    units, rates = units.of(judged), truth[judged]
    first, second = np.triu_indices(len(judged), 1)
    low, high = units.differences(first, second, ALPHA)
    groups = ComparedGroups(tuple((str(place),) for place in judged), units)
    gap = gap_of(groups, generator(0, f"{design.name} {number}"), Settings(draws=DRAWS))
    close = gap.equivalence_bound is not None and gap.equivalence_bound < TOLERANCE
    verdict = verdicts(close, gap.p, ALPHA, len(judged), apart=gap.low > 0).item()
    inside = inside_clusters(design) if units.within_clusters else rates[:, None] - rates
    true = inside[first, second]
    held_differences = ((low <= true) & (true <= high)).tolist()
    pair = gap.leading if verdict == "disparity" else None
    contradicts = pair is not None and (pair.difference <= pair.chance or pair.low <= 0)
    return Found(verdict, held, tuple(held_differences), robust_t(table), sign_flips(table), units.within_clusters, contradicts)


def by_file(design: Design, number: int) -> Found:
    """Run the command on file `number` and read the results."""
    cluster, group, event = rows(design, number)
    table = pd.DataFrame({"person": cluster, "group": [f"g{place:02d}" for place in group], "y_pred": np.where(event, "yes", "no")})
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        file, out = Path(folder) / "answers.csv", Path(folder) / "audit"
        table.to_csv(file, index=False)
        flags = ["--attributes", "group", "--cluster", "person", "--out", str(out)]
        if audit_run(["--predictions", str(file), *flags]) not in (0, 1):
            raise RuntimeError(f"{design.name}, file {number}: {said.getvalue()}")
        audit = json.loads((out / "results.json").read_text())["audits"][0]
    (finding,) = (each for each in audit["findings"] if each["primary"])
    truth = {(f"g{place:02d}",): rate for place, rate in enumerate(design.truth)}
    judged = [each for each in finding["by_group"] if each["status"] == "ok"]
    held = tuple(bool(each["low"] <= truth[tuple(each["group"])] <= each["high"]) for each in judged)
    contrasts: tuple[bool, ...] = ()
    if len(truth) == 2 and finding["contrasts"]:
        one = finding["contrasts"][0]
        difference = truth[tuple(one["first"])] - next(rate for group, rate in truth.items() if group != tuple(one["first"]))
        if finding["gap"]["within"] is not None:
            difference = float(inside_clusters(design)[(0, 1) if one["first"] == ["g00"] else (1, 0)])
        contrasts = (bool(one["low"] <= difference <= one["high"]),)
    pair = finding["gap"]["leading"] if finding["verdict"] == "disparity" else None
    contradicts = pair is not None and (pair["difference"] <= pair["chance"] or pair["low"] <= 0)
    counted = cluster_table(cluster, group, event, len(truth))
    inside = finding["gap"] is not None and finding["gap"]["within"] is not None
    return Found(finding["verdict"], held, contrasts, robust_t(counted), sign_flips(counted), inside, contradicts)


FIFTY, ONE = (50,), (1,)
UNEQUAL = tuple(np.geomspace(30, 3000, 20).astype(int).tolist())
DESIGNS = [
    # Reported by an independent check.
    Design("20 x 50 r .9 | 200 x 50 r .05", nested((FIFTY * 20, 0.8, 0.9), (FIFTY * 200, 0.8, 0.05)), "disparity"),
    Design("20 x 2 | 100 x 100, r .1", nested(((2,) * 20, 0.8, 0.1), ((100,) * 100, 0.8, 0.1)), "disparity"),
    Design("40 x 10 r 1 | 400 x 10 r 0", nested(((10,) * 40, 0.8, 1), ((10,) * 400, 0.8, 0)), "disparity"),
    Design("20 x 50 r .5 .8 | 1000 single .5", nested((FIFTY * 20, 0.8, 0.5), (ONE * 1000, 0.5, 0))),
    Design("20 x 50 r .5 .8 | 1000 single .8", nested((FIFTY * 20, 0.8, 0.5), (ONE * 1000, 0.8, 0)), "disparity"),
    Design("50 persons 10 + 1, .5 and .65", (crossed(50, (10, 1), (0.5, 0.65), 0.3),)),
    Design("50 persons 10 + 1, equal", (crossed(50, (10, 1), (0.5, 0.5), 0.3),), "disparity"),
    Design(
        "300 x 20 at .002 | 15 x 20, one tenth at 1",
        (*nested(((20,) * 300, 0.002, 0), ((20,) * 15, 0.1, 1)),),
        "equivalent",
        0.02,
    ),
    Design(
        "970 single + 30 x 300, .02 | .07",
        nested((ONE * 970 + (300,) * 30, 0.02, 0.5), (ONE * 970 + (300,) * 30, 0.07, 0.5)),
        "equivalent",
    ),
    Design("900 single + 100 x 200 r .5, twice", nested(*[(ONE * 900 + (200,) * 100, 0.5, 0.5)] * 2), "disparity"),
    Design("180 single + 20 x 200 r .5, twice", nested(*[(ONE * 180 + (200,) * 20, 0.5, 0.5)] * 2), "disparity"),
    # Others.
    Design("20 x 50 r .05 | 200 x 50 r .9", nested((FIFTY * 20, 0.8, 0.05), (FIFTY * 200, 0.8, 0.9)), "disparity"),
    Design("15 x 300 r .3 | 400 single, .1", nested(((300,) * 15, 0.1, 0.3), (ONE * 400, 0.1, 0)), "disparity"),
    Design("60 of 1 to 300 r .5 | 400 single, .4", nested((GEOMETRIC, 0.4, 0.5), (ONE * 400, 0.4, 0)), "disparity"),
    Design("20 x 50 r .3 | 200 x 50 r .02, .02", nested((FIFTY * 20, 0.02, 0.3), (FIFTY * 200, 0.02, 0.02)), "disparity"),
    Design("7 x 30 x 10, r .05 to .9", nested(*[((10,) * 30, 0.7, r) for r in (0.05, 0.2, 0.5, 0.9, 0.1, 0.1, 0.3)]), "disparity"),
    Design(
        "14 groups, 15 to 45 x 5 to 15, r .05 to .9",
        nested(*[((5 + 5 * (i % 3),) * (15 + 10 * (i % 4)), 0.3, (0.05, 0.3, 0.6, 0.9)[i % 4]) for i in range(14)]),
        "disparity",
    ),
    Design("30 x 20 r .1 .8 | 300 x 20 r .1 .7", nested(((20,) * 30, 0.8, 0.1), ((20,) * 300, 0.7, 0.1))),
    Design("20 x 50 r .05 .05 | 200 x 50 r .05 .12", nested((FIFTY * 20, 0.05, 0.05), (FIFTY * 200, 0.12, 0.05))),
    Design("60 x 5 r .3, .8 | .6", nested(((5,) * 60, 0.8, 0.3), ((5,) * 60, 0.6, 0.3))),
    Design("200 sets of 4 poses r .5, .6", (crossed(200, (1, 1, 1, 1), (0.6,) * 4, 0.5),), "disparity"),
    Design("200 sets of 4 poses r .5, one + .08", (crossed(200, (1, 1, 1, 1), (0.6, 0.6, 0.6, 0.68), 0.5),)),
    Design("40 sets of 30 + 3 + 1 r .8, .3", (crossed(40, (30, 3, 1), (0.3,) * 3, 0.8),), "disparity"),
    Design(
        "mixed: 60 pairs of 5 r .4, 300 single | 40 x 10 r .7",
        (crossed(60, (5, 5), (0.7, 0.7), 0.4), *nested((ONE * 300, 0.7, 0), ((10,) * 40, 0.7, 0.7))),
        "disparity",
    ),
    Design(
        "mixed, .7 | .8",
        (crossed(60, (5, 5), (0.7, 0.8), 0.4), *nested((ONE * 300, 0.7, 0), ((10,) * 40, 0.8, 0.7))),
    ),
    # One pair on the first screen: with its own chance, and led only where it is shown.
    Design("20 x 20 r .02 .5 | 300 single .65", nested(((20,) * 20, 0.5, 0.02), (ONE * 300, 0.65, 0))),
    Design("20 x 20 r .1 .5 | 300 single .5", nested(((20,) * 20, 0.5, 0.1), (ONE * 300, 0.5, 0)), "disparity"),
    Design("singles: 5,000 | 5,000 | 40, .6", nested((ONE * 5000, 0.6, 0), (ONE * 5000, 0.6, 0), (ONE * 40, 0.6, 0)), "disparity"),
    Design("singles: 5,000 | 5,000 | 40, .6 .63 .6", nested((ONE * 5000, 0.6, 0), (ONE * 5000, 0.63, 0), (ONE * 40, 0.6, 0))),
    Design("singles: 7 x 300, .8", nested(*[(ONE * 300, 0.8, 0)] * 7), "disparity"),
    Design("singles: 20 of 30 to 3,000, .7", nested(*[(ONE * n, 0.7, 0) for n in UNEQUAL]), "disparity"),
    # Whole persons fail in one group: in a fifth of the files none of 30 is sampled.
    Design("30 x 20, .05 wholly | 900 single .05", nested(((20,) * 30, 0.05, 1), (ONE * 900, 0.05, 0)), "disparity"),
    Design("60 x 20, .05 wholly | 900 single .05", nested(((20,) * 60, 0.05, 1), (ONE * 900, 0.05, 0)), "disparity"),
    # Clusters that hold images of both groups, or of all: compared inside them.
    Design("in 20: 15 + 15, .08 .01", (crossed(20, (15, 15), (0.08, 0.01), 0),)),
    Design("in 20: 15 + 15 r .3, .5 .6", (crossed(20, (15, 15), (0.5, 0.6), 0.3),)),
    Design("in 40: 5 + 5 r .5, .8 .7", (crossed(40, (5, 5), (0.8, 0.7), 0.5),)),
    Design("in 60: 1 to 300 and half as many r .3, .6 .65", (*halved((0.6, 0.65), 0.3),)),
    Design("in 60: 1 to 300 and half as many r .8, .08 .02", (*halved((0.08, 0.02), 0.8),)),
    Design("in 30: 30 + 10 r .1, .3 .38", (crossed(30, (30, 10), (0.3, 0.38), 0.1),)),
    Design("in 30: 25 + 5 or 5 + 25 r .3, .5 .58", (crossed(15, (25, 5), (0.5, 0.58), 0.3), crossed(15, (5, 25), (0.5, 0.58), 0.3))),
    Design("in 150: 1 + 1 r .5, .5 .63", (crossed(150, (1, 1), (0.5, 0.63), 0.5),)),
    Design("in 24: 20 + 20 r .1, .98 .93", (crossed(24, (20, 20), (0.98, 0.93), 0.1),)),
    Design("in 20: 30 + 30 r .8, .5 .58", (crossed(20, (30, 30), (0.5, 0.58), 0.8),)),
    Design("in 40: 10 + 10 + 10 r .3, .5 .58 .5", (crossed(40, (10, 10, 10), (0.5, 0.58, 0.5), 0.3),)),
    Design("in 20: 15 + 15 r .3, .05", (crossed(20, (15, 15), (0.05, 0.05), 0.3),), "disparity"),
    Design("in 40: 30 + 3, .02", (crossed(40, (30, 3), (0.02, 0.02), 0),), "disparity"),
    Design("in 60: 1 to 300 and half as many r .8, .08", (*halved((0.08, 0.08), 0.8),), "disparity"),
    Design("in 60: 1 to 300 and half as many, .5", (*halved((0.5, 0.5), 0),), "disparity"),
    Design("in 40: 10 + 10 + 10 r .3, .3", (crossed(40, (10, 10, 10), (0.3,) * 3, 0.3),), "disparity"),
    Design(
        "in 20: 90 + 10 at .7, 10 + 90 at .3", (crossed(10, (90, 10), (0.7,) * 2, 0.1), crossed(10, (10, 90), (0.3,) * 2, 0.1)), "disparity"
    ),
    Design("in 60: 20 + 20 r .1, .10 .15", (crossed(60, (20, 20), (0.10, 0.15), 0.1),), "equivalent"),
    Design("in 100: 10 + 10 r .3, .02 .07", (crossed(100, (10, 10), (0.02, 0.07), 0.3),), "equivalent"),
    Design("in 30: 40 + 40, .5 .55", (crossed(30, (40, 40), (0.5, 0.55), 0),), "equivalent"),
    Design("300 x 20 r .1, .10 | .15", nested(((20,) * 300, 0.1, 0.1), ((20,) * 300, 0.15, 0.1)), "equivalent"),
    Design("100 x 10 r .5, .05 | .15", nested(((10,) * 100, 0.05, 0.5), ((10,) * 100, 0.15, 0.5)), "equivalent", 0.02),
]


def judge(design: Design, found: Sequence[Found]) -> list[str]:
    """Print the conclusions with their criteria; return one word per criterion."""
    verdict = np.array([each.verdict for each in found])
    estimable = verdict != "not estimable"
    words = []
    print(f"{design.name}: not estimable {1 - estimable.mean():.3f}")
    t, flips = np.mean([each.t for each in found]), np.mean([each.flips for each in found])
    beside = f"(t test: {t:.3f}, sign flips: {flips:.3f})"
    if design.wrong:
        share = float(np.mean(verdict == design.wrong))
        words.append(_line(f'"{design.wrong}" {beside}', share, share <= design.most, f"<= {design.most}"))
    else:
        inside = any(each.inside for each in found)
        share, least = float(np.mean(verdict == "disparity")), 0.9 * (max(t, flips) if inside else t)
        words.append(_line(f'"disparity" {beside}', share, share >= least or not estimable.all(), f">= {least:.3f}"))
    contradicts = float(np.mean([each.contradicts for each in found]))
    words.append(_line("leads with a pair within chance or 0", contradicts, contradicts == 0, "<= 0"))
    for name, held in (
        ("rates", [x for each in found for x in each.rates]),
        ("differences", [x for each in found for x in each.contrasts]),
    ):
        if held:
            words.append(_line(f"coverage of {name}", float(np.mean(held)), np.mean(held) >= 0.93, ">= 0.93"))
    return words


def _line(what: str, share: float, met: bool, limit: str) -> str:
    word = "met" if met else "NOT MET"
    print(f"  {what:<56} {share:6.3f}   {limit:<10} {word}", flush=True)
    return word


def run(design: Design, measure: Callable[[Design, int], Found], files: int, pool: ProcessPoolExecutor) -> list[str]:
    return judge(design, list(pool.map(partial(measure, design), range(files), chunksize=10)))


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--files", type=int, default=FILES, help=f"files per design (default: {FILES})")
    parse.add_argument("--counts", action="store_true", help="counts instead of files: ten times as fast")
    parse.add_argument("--only", default="", help="designs whose name contains this")
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parse.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        measure = by_counts if given.counts else by_file
        words = [word for design in DESIGNS if given.only in design.name for word in run(design, measure, given.files, pool)]
    print(f"\n{time.perf_counter() - started:.0f} s; " + ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words)))


if __name__ == "__main__":
    main()
