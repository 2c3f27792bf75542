"""Do intervals and verdicts hold where images have unequal weights? Samples whose weighted rates are known, one verdict a sample.

A design draws images with weights, independently; the answer may depend on the weight. What a group's rate estimates is E[w event] / E[w].
Prints the coverage of 95 % intervals of rates and of differences (at least .93), and how often "disparity" is concluded where no two
groups differ, and "equivalent" where two differ by the whole tolerance (at most .07). Seeded: sample i of a design is always the same.
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

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        weight = self.weights(rng, n)
        return weight, rng.random(n) < np.clip(self.rate + self.slope * np.log(weight), 0.0, 1.0)

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
    samples = parser.parse_args().samples
    worst = []
    for name, (groups, wrong) in DESIGNS.items():
        rates, differences, shares = measure(groups, samples)
        false = shares.get(wrong or "", 0.0)
        worst.append((rates, differences, false))
        print(f"{name:52} rates {rates:.3f}  differences {differences:.3f}  wrong {wrong} {false:.3f}  {shares}", flush=True)
    coverage, of_differences, false = np.array(worst).T
    held = coverage.min() >= 0.93 and np.nanmin(of_differences) >= 0.93 and false.max() <= 0.07
    print("held" if held else "NOT HELD")
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
