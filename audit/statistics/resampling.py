"""Resampled counts, for the interval of any composite of rates. The cost depends on cells and draws, not on images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.draws import multinomial
from audit.ties import least_equal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jaxtyping import Float, Int

ENOUGH = 50
"""Draws that reach the observed value, after which `sequential_p` stops: with 999 draws, all are made if p is below .05."""
_STEPS = 1 << 16


def resample_counts(
    counts: Float[np.ndarray, "g c"] | Int[np.ndarray, "g c"], draws: int, rng: np.random.Generator
) -> Int[np.ndarray, "b g c"]:
    """Redraw the counts of each group from its own shares: a bootstrap of the images, stratified by group, on counts.

    Parameters
    ----------
    counts : int or float[g, c]
        Images of each group in each cell. May be fractions: smoothed counts are shares of the group's rounded total.
    draws : int
        Number of replicates.
    rng : Generator
        Source of the draws.

    Returns
    -------
    int[b, g, c]
        Every replicate has as many images in each group as the table; a group without images stays empty.

    Examples
    --------
    >>> drawn = resample_counts(np.array([[90, 10], [0, 50]]), 1000, np.random.default_rng(0))
    >>> drawn.shape, drawn.sum(axis=2).min(axis=0).tolist(), drawn[:, 1].tolist()[0], bool(abs(drawn[:, 0, 0].mean() - 90) < 0.5)
    ((1000, 2, 2), [100, 50], [0, 50], True)
    """
    drawn = np.zeros((draws, *counts.shape), np.int64)
    totals = counts.sum(axis=1)
    for group in np.flatnonzero(totals):
        # Group by group, so that the draw of one group does not depend on which others exist.
        drawn[:, group] = multinomial(int(np.rint(totals[group])), counts[group] / totals[group], (draws,), rng)
    return drawn


def exceedance_p(null: Float[np.ndarray, "b"], observed: float) -> float:
    """Share of draws, including the observed one, that reach the observed value: ``(1 + #{null >= observed}) / (b + 1)``, never 0."""
    return float((1 + np.count_nonzero(null >= least_equal(observed))) / (len(null) + 1))


def sequential_p(null: Iterable[Float[np.ndarray, "b"]], observed: float) -> float:
    """`exceedance_p` for draws that come in blocks, stopping as soon as `ENOUGH` of them reach the observed value.

    p is then `ENOUGH` divided by the draws up to that one: p above .05 needs few draws, and p below it uses all draws.

    References
    ----------
    Besag and Clifford 1991, https://doi.org/10.1093/biomet/78.2.301

    Examples
    --------
    Every second draw reaches 1: the 50th is draw 100. Of 98 draws only 49 do.

    >>> half = np.tile([0.0, 1.0], 40)
    >>> sequential_p([half, half, half], 1.0), sequential_p([half, half[:18]], 1.0)
    (0.5, 0.5050505050505051)
    """
    reached = seen = 0
    for part in null:
        places = np.flatnonzero(part >= least_equal(observed))
        if reached + len(places) >= ENOUGH:
            return float(ENOUGH / (seen + places[ENOUGH - reached - 1] + 1))
        reached, seen = reached + len(places), seen + len(part)
    return (1 + reached) / (1 + seen)


def spread_of_rates(rates: Float[np.ndarray, "*b g"]) -> Float[np.ndarray, "*b"]:
    """Largest minus smallest rate over the groups; undefined rates (NaN) are ignored; NaN if every rate is undefined."""
    highest, lowest = np.fmax.reduce(rates, axis=-1), np.fmin.reduce(rates, axis=-1)
    return np.asarray(highest - lowest)


def hull(value: float, deviations: Float[np.ndarray, "b"], alpha: float) -> tuple[float, float]:
    """Interval of a difference of gaps: the percentile interval of the bootstrap united with its mirror image.

    A gap is biased upwards by chance, and the bootstrap adds that bias once more. If there is no true gap, the percentile interval
    misses it (measured coverage .42 to .89 instead of .95), otherwise its mirror image does; their hull covers .94 to .99.

    Parameters
    ----------
    value : float
        The estimate.
    deviations : float[b]
        Replicates minus the value around which they were drawn.
    alpha : float
        One minus the level.
    """
    low, high = np.quantile(deviations, [alpha / 2, 1 - alpha / 2])
    return value + float(min(low, -high)), value + float(max(high, -low))


def dealt_one_by_one(rows: Int[np.ndarray, "r"], columns: Int[np.ndarray, "g"]) -> bool:
    """Whether `shuffled_tables` shuffles the labels themselves, as `shuffled_labels` does: with many cells and few images."""
    kept, total = (int(np.count_nonzero(rows)), int(np.count_nonzero(columns))), int(rows.sum())
    return min(kept) > 1 and total <= np.log(total + 1) * kept[0] * kept[1]


def shuffled_labels(columns: Int[np.ndarray, "g"], size: int, rng: np.random.Generator) -> Int[np.ndarray, "b n"]:
    """Shuffled group labels, with `columns` images in each group.

    Labels are drawn independently; then random images of each group that got too many are moved to groups that got too few.
    All images are treated alike, so every arrangement of these sizes is equally likely; swapping every image (Fisher and Yates) takes
    twice as long.

    Examples
    --------
    >>> shuffled_labels(np.array([2, 1]), 3, np.random.default_rng(0)).tolist()
    [[0, 1, 0], [1, 0, 0], [1, 0, 0]]
    """
    groups, images = len(columns), int(columns.sum())
    steps = np.rint(np.cumsum(columns) / max(images, 1) * _STEPS).astype(int)
    group_of = np.repeat(np.arange(groups, dtype=np.min_scalar_type(groups)), np.diff(steps, prepend=0))
    shuffled = np.empty((size, images), group_of.dtype)
    for labels in shuffled if images else ():
        bits = rng.bit_generator.random_raw(images // 4 + 1).view(np.uint16)[:images]  # a quarter of the time of `rng.integers`
        np.take(group_of, bits, out=labels, mode="clip")
        missing = columns - np.bincount(labels, minlength=groups)
        many = [(np.flatnonzero(labels == group), -missing[group]) for group in np.flatnonzero(missing < 0)]
        if many:
            moved = np.concatenate([rng.choice(*places, replace=False, shuffle=False) for places in many])
            labels[moved] = rng.permutation(np.repeat(np.arange(groups), np.maximum(missing, 0)))
    return shuffled


def shuffled_tables(
    rows: Int[np.ndarray, "r"], columns: Int[np.ndarray, "g"], size: int, rng: np.random.Generator
) -> Int[np.ndarray, "b r g"]:
    """Random tables with these margins, distributed like those from shuffled labels.

    Examples
    --------
    >>> shuffled_tables(np.array([30, 0]), np.array([15, 15]), 1, np.random.default_rng(0)).tolist()
    [[[15, 15], [0, 0]]]
    """
    rows_kept, columns_kept = rows > 0, columns > 0
    if min(rows_kept.sum(), columns_kept.sum()) < 2:  # scipy returns negative counts if only one table is possible
        return np.tile(np.outer(rows, columns) // max(int(rows.sum()), 1), (size, 1, 1))
    if dealt_one_by_one(rows, columns):
        offsets, cells = np.repeat(np.arange(len(rows)) * len(columns), rows), len(rows) * len(columns)
        tables = np.stack([np.bincount(offsets + labels, minlength=cells) for labels in shuffled_labels(columns, size, rng)])
        return tables.reshape(size, len(rows), len(columns))
    drawn = _cell_by_cell(rows[rows_kept], columns[columns_kept], size, rng)
    if rows_kept.all() and columns_kept.all():
        return drawn
    tables = np.zeros((size, len(rows), len(columns)), np.int64)
    tables[:, rows_kept[:, None] & columns_kept] = drawn.reshape(size, -1)
    return tables


def _cell_by_cell(
    rows: Int[np.ndarray, "r"], columns: Int[np.ndarray, "g"], size: int, rng: np.random.Generator
) -> Int[np.ndarray, "b r g"]:
    """`scipy.stats.random_table` with these margins, cell by cell (Patefield 1981, https://doi.org/10.2307/2346669)."""
    from scipy.stats import random_table  # takes half a second of CPU time to import

    margins = [np.array(sums, np.int64) for sums in (rows, columns)]
    return np.asarray(random_table(*margins).rvs(size=size, random_state=rng, method="patefield"))
