"""Resampling: 10,000 replicates of a count table against fairlearn's bootstrap, in one run.

126 groups, one rate; fairlearn resamples rows and is timed on a few replicates, from which 10,000 are extrapolated. Then our time for
10 k, 100 k and 1 M images: it depends on cells and replicates. CPU seconds, best of three.
"""

import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate

from audit.statistics.counts import grouped_counts
from audit.statistics.metrics import METRICS, tally
from audit.statistics.resampling import resample_counts, spread_of_rates
from audit.types import Predictions

GROUPS, REPLICATES, FEW, REPEATS = 126, 10_000, 3, 3
LEVELS = tuple(f"g{i:03d}" for i in range(GROUPS))


def predictions(images: int) -> Predictions:
    source = np.random.default_rng(0)
    # Every group has images, or fairlearn's replicates and ours would not speak of the same groups.
    codes = np.concatenate([np.repeat(np.arange(GROUPS), 20), source.integers(0, GROUPS, images - 20 * GROUPS)])
    y_pred = np.where(source.random(images) < 0.15, "yes", "no")
    attributes = pd.DataFrame({"group": np.array(LEVELS)[codes]}, dtype="str")
    return Predictions(("yes", "no"), ("yes", "no"), np.zeros((images, 2), np.float32), y_pred, None, attributes, np.zeros(images))


def cells(given: Predictions) -> np.ndarray:
    counted = tally(grouped_counts(given, ("group",), {"group": LEVELS}), METRICS["selection_rate"], frozenset({"yes"}))
    return np.stack([counted.events, counted.n - counted.events], axis=1)


def intervals(counts: np.ndarray) -> np.ndarray:
    """Return the intervals of all groups' rates and of the gap."""
    drawn = resample_counts(counts, REPLICATES, np.random.default_rng(0))
    rates = drawn[..., 0] / drawn.sum(axis=2)
    return np.quantile(np.column_stack([rates, spread_of_rates(rates)]), [0.025, 0.975], axis=0)


def cpu_seconds(function: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        before = time.process_time()
        function()
        spent.append(time.process_time() - before)
    return min(spent)


def fairlearn_seconds(given: Predictions) -> float:
    """Seconds per replicate: the time with a few replicates minus the time without, to exclude the point estimates."""
    selected = (given.y_pred == "yes").astype(int)

    def frame(**bootstrap: object) -> MetricFrame:
        rates = {"selection_rate": selection_rate}
        return MetricFrame(metrics=rates, y_true=selected, y_pred=selected, sensitive_features=given.attributes["group"], **bootstrap)

    bare = cpu_seconds(frame)
    return (cpu_seconds(lambda: frame(n_boot=FEW, ci_quantiles=[0.025, 0.975], random_state=0)) - bare) / FEW


def main() -> None:
    warnings.simplefilter("ignore")  # fairlearn warns of groups that vanish from a replicate
    given = predictions(10_000)
    counts = cells(given)
    ours, theirs = cpu_seconds(lambda: intervals(counts)) / REPLICATES, fairlearn_seconds(given)
    print(f"10,000 images, {GROUPS} groups, one rate, CPU seconds")
    print(f"fairlearn n_boot   {theirs:.4f} s per replicate ({FEW} timed), {theirs * REPLICATES:,.0f} s for {REPLICATES:,}")
    print(f"count table        {ours * 1e6:.1f} us per replicate, {ours * REPLICATES:.2f} s for {REPLICATES:,} with intervals")
    print(f"ratio per replicate {theirs / ours:,.0f}x")
    for images in (10_000, 100_000, 1_000_000):
        larger = predictions(images)
        built, table = cpu_seconds(lambda given=larger: cells(given)), cells(larger)
        spent = cpu_seconds(lambda table=table: intervals(table))
        print(f"{images:>9,} images   {spent:.2f} s for {REPLICATES:,} replicates; count table built once in {built:.2f} s")


if __name__ == "__main__":
    main()
