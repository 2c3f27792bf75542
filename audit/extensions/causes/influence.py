"""Groups of captions left out one at a time, and whether cheap proxies predict the order of their effects.

The effect of a group is exact in one sense only: another training without it, which also differs by chance. So the order of the effects
is compared between seeds, and a proxy is judged only if that order is reproducible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm, rankdata

from audit.extensions.causes.arms import Blocks, differences
from audit.extensions.causes.facts import Audited
from audit.extensions.causes.plan import without_group
from audit.extensions.causes.record import CausesPlan, GroupInfluence, Influence, PlannedInfluence, Proxy, ProxyCheck, SeedInfluence
from audit.records.base import Estimate

if TYPE_CHECKING:
    from jaxtyping import Float

REFERENCE = "all groups"


@dataclass(frozen=True)
class Proxies:
    """What the trainer computes for one model with all groups (``python -m contrastive.influence``)."""

    pairs: Sequence[int]
    """Number of training pairs of each group."""
    sampled: Sequence[int]
    tracin: Sequence[float]
    similarity: Sequence[float]
    target: float
    steps: Sequence[int]


def whole_seeds(influence: PlannedInfluence, trained: Mapping[tuple[str | None, int], object]) -> tuple[int, ...]:
    """The seeds with all models that influence needs; `trained` has (arm, seed) of the models at its dose."""
    arms = (None, *(without_group(group.name) for group in influence.groups))
    return tuple(seed for seed in influence.seeds if all((arm, seed) in trained for arm in arms))


def at_dose(plan: CausesPlan, models: Sequence[Audited]) -> dict[tuple[str | None, int], Audited]:
    """Return (arm, seed) -> model for those with all groups or without one, at the dose of influence."""
    if plan.influence is None:
        return {}
    fits = [one for one in models if one.model.part in ("fit", "left out") and one.model.dose == plan.influence.at]
    return {(one.model.arm, one.model.seed): one for one in fits}


def influence_of(plan: CausesPlan, audited: Sequence[Audited], proxies: Mapping[int, Proxies]) -> Influence | None:
    """Return the effects of the groups and the checks of the proxies; `proxies`: by seed. None if no seed has all models."""
    if plan.influence is None or not proxies:
        return None
    models, seeds, alpha = at_dose(plan, audited), tuple(proxies), audited[0].settings.alpha
    arms = {REFERENCE: None, **{group.name: without_group(group.name) for group in plan.influence.groups}}
    blocks = {name: {seed: models[arm, seed].outcome for seed in seeds} for name, arm in arms.items()}
    level_as = np.array([[outcome.value for outcome in own.values()] for own in blocks.values()])
    effect_gs = level_as[1:] - level_as[0]
    proxy_gs = {name: np.array([getattr(proxies[seed], name) for seed in seeds]).T for name in _PROXIES}
    agreement = seed_agreement(effect_gs)
    return Influence(
        groups=_groups(blocks, effect_gs, proxy_gs, proxies, alpha),
        level=float(level_as[0].mean()),
        stand_in=float(np.mean([one.target for one in proxies.values()])),
        seeds=seeds,
        steps=tuple(proxies[seeds[0]].steps),
        agreement=agreement,
        reliability=None if agreement is None else reliability(agreement, len(seeds)),
        proxies=tuple(
            ProxyCheck(name, rank_correlation(effect_gs.mean(axis=1), of.mean(axis=1), alpha), seed_agreement(of))
            for name, of in proxy_gs.items()
        ),
    )


def _groups(
    blocks: Blocks,
    effect_gs: Float[np.ndarray, "g s"],
    proxy_gs: Mapping[Proxy, Float[np.ndarray, "g s"]],
    proxies: Mapping[int, Proxies],
    alpha: float,
) -> tuple[GroupInfluence, ...]:
    names, first, seeds = [name for name in blocks if name != REFERENCE], next(iter(proxies.values())), tuple(proxies)
    intervals = differences(blocks, [(name, REFERENCE) for name in names], alpha)
    made = []
    for g, name in enumerate(names):
        own = {"tracin": proxy_gs["tracin"][g], "similarity": proxy_gs["similarity"][g]}
        means = {proxy: float(values.mean()) for proxy, values in own.items()}
        effect = float(effect_gs[g].mean())
        by_seed = tuple(SeedInfluence(seed, *map(float, values)) for seed, *values in zip(seeds, effect_gs[g], *own.values(), strict=True))
        level = float(np.mean([outcome.value for outcome in blocks[name].values()]))
        made.append(GroupInfluence(name, first.pairs[g], first.sampled[g], level, effect, **means, effect=intervals[g], seeds=by_seed))
    return tuple(sorted(made, key=lambda group: (group.difference, group.group)))


_PROXIES: tuple[Proxy, ...] = ("tracin", "similarity")


def spearman(first: Float[np.ndarray, "g"], second: Float[np.ndarray, "g"]) -> float | None:
    """Rank correlation, ties with their mean rank; None if one side has a single value.

    >>> spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0]))  # 1 - 6 * (1 + 1) / (4 * 15)
    0.8
    """
    ranks = [rankdata(side) - (len(side) + 1) / 2 for side in (first, second)]
    squares = [float(side @ side) for side in ranks]
    return round(float(ranks[0] @ ranks[1]) / (squares[0] * squares[1]) ** 0.5, 12) if all(squares) else None


def rank_correlation(first: Float[np.ndarray, "g"], second: Float[np.ndarray, "g"], alpha: float) -> Estimate | None:
    """Return the rank correlation with its interval over groups, for four groups or more.

    Fisher's z with the variance (1 + r² / 2) / (g - 3) of Bonett & Wright 2000, https://doi.org/10.1007/BF02294183. Near 1, where z is
    infinite, r counts as half a step of its possible values below.
    """
    value = spearman(first, second)
    if value is None:
        return None
    n = len(first)
    most = 1 - 6 / (n**3 - n)
    bounded = min(max(value, -most), most)
    half = float(norm.ppf(1 - alpha / 2)) * ((1 + bounded**2 / 2) / (n - 3)) ** 0.5
    low, high = (float(np.tanh(np.arctanh(bounded) + way * half)) for way in (-1, 1))
    return Estimate(value, min(low, value), max(high, value))


def seed_agreement(values: Float[np.ndarray, "g s"]) -> float | None:
    """Mean rank correlation of two seeds; None with one seed, or if a seed has one value only."""
    pairs = [spearman(values[:, one], values[:, other]) for one, other in combinations(range(values.shape[1]), 2)]
    known = [pair for pair in pairs if pair is not None]
    return float(np.mean(known)) if known and len(known) == len(pairs) else None


def reliability(agreement: float, seeds: int) -> float:
    """Reliability of the mean over seeds, from the agreement of single seeds (Spearman-Brown); 0 if they do not agree.

    >>> reliability(0.5, 2), reliability(-0.2, 2), reliability(1.0, 3)
    (0.6666666666666666, 0.0, 1.0)
    """
    return seeds * agreement / (1 + (seeds - 1) * agreement) if agreement > 0 else 0.0
