"""Are intervals and verdicts right if images have unequal weights? Samples whose weighted rates are known, one verdict per sample.

A design draws images with weights, independently; the answer may depend on the weight. What a group's rate estimates is E[w event] / E[w].
Prints the coverage of 95 % intervals of rates and of differences (at least .93), and how often "disparity" is concluded where no two
groups differ, and "equivalent" where two differ by the whole tolerance (at most .07). Where a few heavy images hold all errors the
coverage is shown and not judged; of two designs without anything wrong the share of "equivalent" is its power. Seeded: sample i of a
design is always the same.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.statistics.findings import findings
from audit.statistics.verdict import decide_finding
from audit.types import Claim, LabelSet, Measurement, Predictions, Settings

SETTINGS, SAMPLES = Settings(draws=499), 400
CLAIM = Claim("selection_rate", ("group",), "yes")
ASKED = Measurement("m", "?", LabelSet("m", ("yes", "no"), {}), "none", (CLAIM,), outcomes={"yes": ("yes",)})
MANY = 4_000_000

Weights = Callable[[np.random.Generator, int], np.ndarray]


def lognormal(sigma: float) -> Weights:
    return lambda rng, n: rng.lognormal(0.0, sigma, n)


def two(ratio: float, share: float) -> Weights:
    return lambda rng, n: np.where(rng.random(n) < share, ratio, 1.0)


def some(ratio: float, heavy: int, of: int) -> Weights:
    """Give exactly `heavy` of `of` images the larger weight."""
    return lambda rng, n: np.where(np.arange(n) % of < heavy, ratio, 1.0)


def equal(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.ones(n)


@dataclass(frozen=True)
class Group:
    """Images of one group: how many, and what is true of them."""

    n: int
    rate: float
    weights: Weights
    slope: float = 0.0
    """How the rate changes with the logarithm of the weight."""
    heavy: tuple[int, float] | None = None
    """So many of the images have another rate: those with the largest weights."""

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        weight = self.weights(rng, n)
        rate = np.clip(self.rate + self.slope * np.log(weight), 0.0, 1.0)
        if self.heavy is not None:
            rate[np.argsort(-weight, kind="stable")[: self.heavy[0] * n // self.n]] = self.heavy[1]
        return weight, rng.random(n) < rate

    def truth(self) -> float:
        weight, event = self.draw(np.random.default_rng(0), MANY)
        return float(weight @ event / weight.sum())


DESIGNS: dict[str, tuple[tuple[Group, ...], str | None]] = {
    "weights 1 and 10, 300 each, .8": ((Group(300, 0.8, two(10, 0.2)),) * 3, "disparity"),
    "lognormal .5, 100 each, .2": ((Group(100, 0.2, lognormal(0.5)),) * 2, "disparity"),
    "lognormal 1, 300 each, .05": ((Group(300, 0.05, lognormal(1.0)),) * 3, "disparity"),
    "lognormal 1 against equal, 300 and 1,000, .8": ((Group(300, 0.8, lognormal(1.0)), Group(1000, 0.8, equal)), "disparity"),
    "weights 1 and 10, 60 against 2,000, .5": ((Group(60, 0.5, two(10, 0.5)), Group(2000, 0.5, lognormal(0.5))), "disparity"),
    "rate falls with the weight, 400 each": ((Group(400, 0.7, lognormal(0.7), -0.15),) * 2, "disparity"),
    "rate rises with the weight, 400 each": ((Group(400, 0.6, two(5, 0.3), 0.2),) * 2, "disparity"),
    "differ by the tolerance, 2,000 each": ((Group(2000, 0.8, lognormal(0.5)), Group(2000, 0.85, lognormal(0.7))), "equivalent"),
    "differ by the tolerance, 3,000 and 500, .02": ((Group(3000, 0.02, two(10, 0.2)), Group(500, 0.07, two(3, 0.5))), "equivalent"),
    "seven groups of 150, lognormal .7, .9": ((Group(150, 0.9, lognormal(0.7)),) * 7, "disparity"),
    "10 of 2,000 weigh 100 and hold all errors": (
        (Group(2000, 1.0, some(100, 10, 2000), heavy=(10, 0.8505)), Group(2000, 1.0, some(100, 10, 2000))), "equivalent"),
    "8 of 500 weigh 20 and hold all errors": (
        (Group(500, 1.0, some(20, 8, 500), heavy=(8, 0.79625)), Group(500, 1.0, some(20, 8, 500))), "equivalent"),
    "15 of 5,000 weigh 200 and hold all errors": (
        (Group(5000, 1.0, some(200, 15, 5000), heavy=(15, 0.8669)), Group(5000, 1.0, some(200, 15, 5000))), "equivalent"),
    "5 of 100 weigh 3 and hold all errors": (
        (Group(100, 1.0, some(3, 5, 100), heavy=(5, 0.63333)), Group(100, 1.0, some(3, 5, 100))), "equivalent"),
    "power of equivalence, lognormal 1, 500 each, .99": ((Group(500, 0.99, lognormal(1.0)),) * 2, None),
    "power of equivalence, lognormal 1, 500 each, .97": ((Group(500, 0.97, lognormal(1.0)),) * 2, None),
    "power of equivalence, lognormal 1, 2,000 each, .95": ((Group(2000, 0.95, lognormal(1.0)),) * 2, None),
}  # fmt: skip


def sample(groups: tuple[Group, ...], seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    weights, events = zip(*(group.draw(rng, group.n) for group in groups), strict=True)
    names = np.repeat([str(place) for place in range(len(groups))], [group.n for group in groups])
    answers = np.where(np.concatenate(events), "yes", "no")
    none = np.zeros((len(names), 0), np.float32)
    attributes = pd.DataFrame({"group": names})
    return Predictions(("yes", "no"), ("yes", "no"), none, answers, None, attributes, none[0], weight=np.concatenate(weights))


def measure(groups: tuple[Group, ...], samples: int) -> tuple[float, float, dict[str, float]]:
    """Return the coverage of rates, of differences, and the share of each verdict."""
    known = {group: group.truth() for group in set(groups)}
    truth = [known[group] for group in groups]
    levels = {"group": tuple(str(place) for place in range(len(groups)))}
    rates, differences, ended = [], [], []
    for seed in range(samples):
        [finding] = findings(ASKED, sample(groups, seed), levels, SETTINGS)
        verdict, _ = decide_finding(finding, SETTINGS, limited=False)
        judged = [(rate, true) for rate, true in zip(finding.by_group, truth, strict=True) if rate.status == "ok"]
        rates += [rate.low <= true <= rate.high for rate, true in judged]
        if len(groups) == 2 and finding.contrasts:
            differences.append(finding.contrasts[0].low <= truth[0] - truth[1] <= finding.contrasts[0].high)
        ended.append(verdict)
    shares = {verdict: ended.count(verdict) / samples for verdict in sorted(set(ended))}
    return float(np.mean(rates)), float(np.mean(differences)) if differences else np.nan, shares


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--only", default="", help="designs whose name contains this")
    given = parser.parse_args()
    samples, worst = given.samples, []
    for name, (groups, wrong) in DESIGNS.items():
        if given.only not in name:
            continue
        rates, differences, shares = measure(groups, samples)
        false = shares.get(wrong or "", 0.0)
        if wrong is not None:
            # Where ten images hold all errors no interval from the sample covers: only what is concluded is judged.
            worst.append((rates, differences, false) if all(group.heavy is None for group in groups) else (1.0, 1.0, false))
        print(f"{name:52} rates {rates:.3f}  differences {differences:.3f}  wrong {wrong} {false:.3f}  {shares}", flush=True)
    coverage, of_differences, false = np.array(worst or [(1.0, 1.0, 0.0)]).T
    held = coverage.min() >= 0.93 and np.nanmin(of_differences) >= 0.93 and false.max() <= 0.07
    print("held" if held else "NOT HELD")
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
