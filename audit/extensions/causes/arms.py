"""Differences between arms that were trained with the same seeds: a randomized block design, with seeds as blocks.

The interval is over seeds (the residual of arm + seed) and over images (which all models share).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audit.extensions.causes.curve import pooled_interval
from audit.extensions.causes.outcome import RateOutcome, variance_over_images, weighted_sum
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
        outcomes, level = [blocks[arm][seed] for arm in (first, second) for seed in seeds], alpha / len(pairs)
        value, over_images = weighted_sum(outcomes, weights)[0], variance_over_images(outcomes, weights, level)
        made.append(pooled_interval(value, (variance, df), (over_images, max(outcomes[0].clusters - 1, 1)), level))
    return made


def mean_difference(blocks: Blocks, first: str, second: str) -> float:
    """Return the difference over the shared seeds; over all if none is shared."""
    seeds = shared_seeds(blocks)
    means = [np.mean([blocks[arm][seed].value for seed in seeds or blocks[arm]]) for arm in (first, second)]
    return float(means[0] - means[1])


def is_called(outcome: RateOutcome, alpha: float) -> bool:
    """Whether the interval over images excludes 0.

    A difference in every image is called if there are enough of them, although the images do not vary.
    """
    over_images = outcome.interval(alpha)
    return outcome.clusters > 1 and (over_images.low > 0 or over_images.high < 0)
