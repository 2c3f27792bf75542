"""Association tests: how much nearer one set of targets is than another to attributes, from embeddings, and what is expected by chance.

Targets and attributes may be texts or images: for CLIP, usually two groups of images and two lists of words. An effect size
ignores the number of targets, so it is always returned with its p and its null range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from audit.measure.zero_shot import cosine_scores
from audit.ties import least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MOST_ENUMERATED = 50_000
"""With at most this many arrangements all are enumerated: two sets of nine."""
_BLOCK = 1 << 22
"""Entries of arrangements held in memory at once."""
_NOTHING = 1e-13
"""Rounding error of cosines if nothing varies."""


@dataclass(frozen=True)
class Association:
    """An effect size with its significance."""

    effect_size: float
    """d: difference of means in standard deviations; at most 2 for any number of targets. NaN if nothing varies."""
    p: float
    exact: bool
    """Whether all arrangements were enumerated; else p is ``(1 + extreme) / (draws + 1)``."""
    arrangements: int
    """Number of arrangements; the smallest possible p is about 1 divided by it."""
    null_low: float
    null_high: float
    """2.5 % and 97.5 % percentiles of d over the arrangements: with few targets, d may be large by chance."""


def associations(
    targets: Float[np.ndarray, "m d"], first: Float[np.ndarray, "p d"], second: Float[np.ndarray, "q d"]
) -> Float[np.ndarray, "m"]:
    """How much nearer each target is to one set of attributes than to another.

    ``s(w, A, B) = mean over a of cos(w, a) - mean over b of cos(w, b)``; 0 is equally near to both. The lengths of embeddings do not
    matter.
    Caliskan, Bryson and Narayanan 2017, https://arxiv.org/abs/1608.07187

    Examples
    --------
    >>> associations(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]])).tolist()
    [1.5]
    """
    return np.asarray(cosine_scores(targets, first).mean(axis=1) - cosine_scores(targets, second).mean(axis=1))


def weat(
    x: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, "n d"],
    attributes: tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "q d"]],
    rng: np.random.Generator,
    *,
    draws: int = 9999,
) -> Association:
    """Test whether two sets of targets differ in how near they are to two sets of attributes (WEAT; for images, iEAT).

    ``d = (mean over X of s - mean over Y of s) / sd over both of s``, s as in `associations`, sd with n - 1.

    Parameters
    ----------
    x, y : float[m, d], float[n, d]
        Embeddings of the targets, at least two in each set: images of two groups, words of two kinds.
    attributes : (float[p, d], float[q, d])
        Embeddings of the attributes A and B, such as pleasant and unpleasant words.
    rng : Generator
        Source of the arrangements if not all are enumerated.
    draws : int
        Number of arrangements to draw if there are more than `MOST_ENUMERATED`.

    Returns
    -------
    Association
        d is 0 if both sets are alike, positive if X is nearer to A. p is two-sided; published tests are one-sided.

    Raises
    ------
    ValueError
        If a set of targets has fewer than two members.

    References
    ----------
    Caliskan, Bryson and Narayanan 2017, https://arxiv.org/abs/1608.07187; Steed and Caliskan 2021, https://arxiv.org/abs/2010.15052

    Examples
    --------
    Two completely separate sets of two: of six arrangements, this one and its reverse are the most extreme.

    >>> x, y = np.array([[1.0, 0.1], [1.0, 0.2]]), np.array([[0.1, 1.0], [0.2, 1.0]])
    >>> found = weat(x, y, (np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])), np.random.default_rng(0))
    >>> round(found.effect_size, 2), round(found.p, 3), found.exact, found.arrangements
    (1.73, 0.333, True, 6)
    """
    together = np.concatenate([associations(x, *attributes), associations(y, *attributes)])
    return _tested(together[:, None], len(x), draws, rng)[0]


def sc_eat(
    targets: Float[np.ndarray, "m d"],
    attributes: tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "q d"]],
    rng: np.random.Generator,
    *,
    draws: int = 9999,
) -> tuple[Association, ...]:
    """Test for each target alone whether it is nearer to one set of attributes than to another (SC-EAT).

    ``d = (mean over A of cos - mean over B of cos) / sd over both of cos``, sd with n - 1. The arrangements of the attributes are shared by
    all targets; parameters are those of `weat`, with at least two attributes in each set.

    References
    ----------
    Caliskan, Bryson and Narayanan 2017, https://arxiv.org/abs/1608.07187

    Examples
    --------
    >>> a, b = np.array([[1.0, 0.0], [1.0, 0.1]]), np.array([[0.0, 1.0], [0.1, 1.0]])
    >>> [found] = sc_eat(np.array([[1.0, 1.0]]), (a, b), np.random.default_rng(0))
    >>> abs(round(found.effect_size, 6)), found.p
    (0.0, 1.0)
    """
    cosine = cosine_scores(targets, np.concatenate(attributes))
    return _tested(cosine.T, len(attributes[0]), draws, rng)


def groups_against_rest(
    values: Float[np.ndarray, "n"], codes: Int[np.ndarray, "n"], rng: np.random.Generator, *, draws: int = 9999
) -> tuple[Association, ...]:
    """Test for each group whether its values differ from those of all others: `weat` for every group, with shared shuffles, two-sided.

    `values` are the associations of the targets, `codes` the number of each target's group; every number from 0 on occurs at least once.

    Examples
    --------
    >>> found = groups_against_rest(np.arange(40.0), np.repeat([0, 1], 20), np.random.default_rng(0), draws=199)
    >>> [round(each.effect_size, 2) for each in found], found[0].p
    ([-1.71, 1.71], 0.005)
    """
    order = np.argsort(codes, kind="stable")
    sizes, centred = np.bincount(codes), (values - values.mean())[order]
    starts, rest = np.concatenate([[0], np.cumsum(sizes)[:-1]]), len(values) - sizes
    scale = 1 / sizes + 1 / np.maximum(rest, 1)
    drawn = []
    step = max(1, _BLOCK // len(values))
    for start in range(0, draws, step):
        shuffled = rng.permuted(np.tile(centred, (min(step, draws - start), 1)), axis=1)
        drawn.append(np.add.reduceat(shuffled, starts, axis=1) * scale)
    return _summaries(np.add.reduceat(centred, starts) * scale, np.concatenate(drawn), centred.std(ddof=1), None)


def _tested(values: Float[np.ndarray, "n m"], first: int, draws: int, rng: np.random.Generator) -> tuple[Association, ...]:
    """Test in each column whether the mean of the first rows differs from that of the others, over arrangements of the rows."""
    n = len(values)
    if first < 2 or n - first < 2:
        raise ValueError(f"sets of {first} and {n - first}: an association test needs two members of each set at least")
    centred = values - values.mean(axis=0)
    # In centred values the difference of means is the sum of the first set, times a constant: one product gives all arrangements.
    scale = 1 / first + 1 / (n - first)
    every = comb(n, first)
    exact = every <= MOST_ENUMERATED
    chosen = _every_subset(n, first) if exact else _drawn_subsets(n, first, draws, rng)
    drawn = np.concatenate([scale * (block @ centred) for block in chosen])
    observed = scale * centred[:first].sum(axis=0)
    return _summaries(observed, drawn, centred.std(axis=0, ddof=1), every if exact else None)


def _summaries(
    observed: Float[np.ndarray, "m"],
    drawn: Float[np.ndarray, "b m"],
    deviation: Float[np.ndarray, "m"] | np.floating,
    every: int | None,
) -> tuple[Association, ...]:
    """Compare differences of means with those of all arrangements (`every` of them), or of drawn ones."""
    count = (np.abs(drawn) >= least_equal(np.abs(observed), np.abs(drawn).max(axis=0)) - _NOTHING).sum(axis=0)
    p = count / every if every else (1 + count) / (len(drawn) + 1)
    known = np.where(deviation > _NOTHING, deviation, np.nan)
    effect, null = observed / known, np.percentile(drawn, (2.5, 97.5), axis=0) / known
    return tuple(
        Association(float(effect[i]), float(p[i]), every is not None, len(drawn), float(null[0, i]), float(null[1, i]))
        for i in range(len(observed))
    )


def _every_subset(n: int, size: int) -> Iterator[Float[np.ndarray, "b n"]]:
    places = np.array(list(combinations(range(n), size)))
    chosen = np.zeros((len(places), n))
    np.put_along_axis(chosen, places, 1.0, axis=1)
    yield chosen


def _drawn_subsets(n: int, size: int, draws: int, rng: np.random.Generator) -> Iterator[Float[np.ndarray, "b n"]]:
    step = max(1, _BLOCK // n)
    for start in range(0, draws, step):
        chosen = np.zeros((min(step, draws - start), n))
        chosen[:, :size] = 1.0
        yield rng.permuted(chosen, axis=1)
