"""Are the verdicts on a change right? Simulated pairs of models on the same images, through the functions that `audit.compare` calls.

For each scenario: how often a gap is reported as changed, as reversed, or as not changed by more than the tolerance, and how often the
interval of the change covers the truth. An alarm is wrong if the gap did not change (at most 7 %); "no change that matters" is wrong if a
difference changed by the tolerance or more (at most 5.5 %). The last lines show that the cost depends on groups and draws, not on images.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

from audit.statistics.paired.changes import change_bound, gap_change, pair_changes
from audit.statistics.paired.joint import JointCounts
from audit.types import Settings

FACES = (2085, 1556, 1516, 1550, 1415, 1209, 1623)
TOLERANCE = 0.05


@dataclass(frozen=True)
class Scenario:
    """Rates of two models by group, and the share of images in which they differ in either direction."""

    name: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    churn: float
    n: tuple[int, ...]

    @property
    def truth(self) -> float:
        return float(np.ptp(self.after) - np.ptp(self.before))

    @property
    def farthest(self) -> float:
        """Largest change of a difference between two groups."""
        return float(np.ptp(np.subtract(self.after, self.before)))

    def draw(self, rng: np.random.Generator) -> JointCounts:
        before, after = np.array(self.before), np.array(self.after)
        lost, gained = np.maximum(before - after, 0) + self.churn, np.maximum(after - before, 0) + self.churn
        shares = np.stack([before - lost, lost, gained, 1 - before - gained], axis=1)
        cells = np.array([rng.multinomial(images, share) for images, share in zip(self.n, shares, strict=True)])
        return JointCounts(tuple((str(i),) for i in range(len(self.n))), cells, cells.sum(axis=1))


SCENARIOS = (
    Scenario("nothing, 2 x 100 at .8", (0.8,) * 2, (0.8,) * 2, 0.08, (100,) * 2),
    Scenario("nothing, 7 x 200 at .8", (0.8,) * 7, (0.8,) * 7, 0.08, (200,) * 7),
    Scenario("nothing, FairFace's races at .05", (0.05,) * 7, (0.05,) * 7, 0.02, FACES),
    Scenario("nothing, 7 x 30 at .9", (0.9,) * 7, (0.9,) * 7, 0.05, (30,) * 7),
    Scenario("all rise from .6 to .9, 7 x 200", (0.6,) * 7, (0.9,) * 7, 0.02, (200,) * 7),
    Scenario("all rise from .5 to .97, 2 x 100", (0.5,) * 2, (0.97,) * 2, 0.01, (100,) * 2),
    Scenario("a gap of .2 stays, 3 x 100", (0.9, 0.8, 0.7), (0.9, 0.8, 0.7), 0.05, (100,) * 3),
    Scenario("a gap of .2 stays, all fall, 3 x 100", (0.9, 0.8, 0.7), (0.8, 0.7, 0.6), 0.05, (100,) * 3),
    Scenario("the gap shrinks from .25 to .01, 3 x 100", (0.97, 0.72, 0.97), (0.99, 0.98, 0.99), 0.005, (100,) * 3),
    Scenario("a gap of .05 appears, FairFace's races", (0.9,) * 7, (0.9,) * 6 + (0.85,), 0.02, FACES),
    Scenario("the gap halves from .1, FairFace's races", (0.9,) * 6 + (0.8,), (0.9,) * 6 + (0.85,), 0.02, FACES),
    Scenario("changed places, 2 x 200", (0.9, 0.7), (0.7, 0.9), 0.05, (200,) * 2),
    Scenario("a difference changes by the tolerance, 2 x 1000", (0.8, 0.8), (0.8, 0.75), 0.05, (1000,) * 2),
    Scenario("the same, few answers change, 300 and 3000", (0.8, 0.8), (0.775, 0.825), 0.001, (300, 3000)),
    Scenario("the same, few answers change, 2 x 300", (0.8, 0.8), (0.825, 0.775), 0.001, (300,) * 2),
)


def measured(scenario: Scenario, runs: int, settings: Settings, rng: np.random.Generator) -> bool:
    """Print one line and return whether its criterion is met."""
    alarms = covered = same = turned = 0
    for _ in range(runs):
        counts = scenario.draw(rng)
        gap = gap_change(counts, settings, rng)
        within = change_bound(counts, settings.alpha) < TOLERANCE
        alarms += gap.p <= settings.alpha and not within
        covered += gap.low - 1e-12 <= scenario.truth <= gap.high + 1e-12
        same += within
        turned += any(pair.reversed for pair in pair_changes(counts, settings.alpha))
    shares = [count / runs for count in (alarms, same, turned, covered)]
    false_alarm = scenario.truth == 0 and shares[0] > 0.07
    false_peace = scenario.farthest >= TOLERANCE - 1e-9 and shares[1] > 0.055
    word = "NOT MET" if false_alarm or false_peace else "met"
    print(f"  {scenario.name:<50} {scenario.truth:+.3f}  " + "  ".join(f"{share:8.3f}" for share in shares) + f"   {word}", flush=True)
    return word == "met"


def cost(settings: Settings) -> None:
    """Print the cost of one change for increasing numbers of images."""
    for images in (10_000, 100_000, 1_000_000):
        counts = Scenario("", (0.9,) * 14, (0.88,) * 14, 0.02, (images // 14,) * 14).draw(np.random.default_rng(0))
        began = time.perf_counter()
        gap_change(counts, settings, np.random.default_rng(0))
        pair_changes(counts, settings.alpha)
        print(f"  {images:>9,} images, 14 groups, {settings.draws:,} draws: {1000 * (time.perf_counter() - began):6.1f} ms")


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--runs", type=int, default=1000)
    parse.add_argument("--draws", type=int, default=999)
    arguments = parse.parse_args()
    rng, settings = np.random.default_rng(0), Settings(draws=arguments.draws)
    print(f"{arguments.runs} planted pairs each; alpha {settings.alpha}, tolerance {TOLERANCE}")
    print(f"  {'truth':<50} change   changed   no change  reversed   covered")
    met = [measured(scenario, arguments.runs, settings, rng) for scenario in SCENARIOS]
    print("Cost of one change, without the one pass that counts the images")
    cost(Settings())
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
