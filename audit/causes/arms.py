"""Differences between arms that were trained with the same seeds: a randomized block design, with seeds as blocks.

The interval is over seeds (the residual of arm + seed) and over images (which all models share).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t

from audit.causes.curve import pooled_interval
from audit.causes.outcome import RateOutcome, weighted_sum
from audit.records.base import Estimate

Blocks = Mapping[str, Mapping[int, RateOutcome]]
"""Arm -> seed -> outcome."""


def shared_seeds(blocks: Blocks) -> tuple[int, ...]:
    """The seeds with which every arm was trained."""
    return tuple(sorted(set.intersection(*(set(seeds) for seeds in blocks.values()))))


def differences(blocks: Blocks, pairs: Sequence[tuple[str, str]], alpha: float) -> list[Estimate | None]:
    """Return the differences, first minus second, jointly for all pairs (Bonferroni); None with fewer than two shared seeds."""
    seeds = shared_seeds(blocks)
    if len(seeds) < 2:
        return [None] * len(pairs)
    values = np.array([[blocks[arm][seed].value for seed in seeds] for arm in blocks])
    residual = values - values.mean(axis=0, keepdims=True) - values.mean(axis=1, keepdims=True) + values.mean()
    df = (len(blocks) - 1) * (len(seeds) - 1)
    variance = 2 * float((residual**2).sum()) / df / len(seeds)
    weights = np.repeat([1.0, -1.0], len(seeds)) / len(seeds)
    made: list[Estimate | None] = []
    for first, second in pairs:
        value, over_images = weighted_sum([blocks[arm][seed] for arm in (first, second) for seed in seeds], weights)
        clusters = blocks[first][seeds[0]].clusters
        made.append(pooled_interval(value, (variance, df), (over_images, clusters - 1), alpha / len(pairs)))
    return made


def mean_difference(blocks: Blocks, first: str, second: str) -> float:
    """Return the difference over the shared seeds; over all if none is shared."""
    seeds = shared_seeds(blocks)
    means = [np.mean([blocks[arm][seed].value for seed in seeds or blocks[arm]]) for arm in (first, second)]
    return float(means[0] - means[1])


def is_called(outcome: RateOutcome, alpha: float) -> bool:
    """Whether the interval over images excludes 0.

    The variance is that of the observed images: a difference of 0 in all of them is not called.
    """
    if outcome.clusters < 2 or not outcome.variance:
        return False
    return bool(abs(outcome.value) > t.ppf(1 - alpha / 2, outcome.clusters - 1) * outcome.variance**0.5)
