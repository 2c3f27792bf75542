"""Weights with which groups have target shares of the draws, also within each value of other columns.

These are the first and second moments that M4 balances ("CLIP the Bias", Alabdulmohsin et al. 2024, https://arxiv.org/abs/2403.04547): how
often a group occurs, and how often together with a label. Here, the weights meet them exactly and are as near as possible to the original
ones in relative entropy. They are found by raking (iterative proportional fitting, Deming and Stephan 1940,
https://doi.org/10.1214/aoms/1177731829).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contrastive.data.source import TrainingDataError, printable

_ROUNDS, _NEAR = 10_000, 1e-12


def raked(
    weight_n: NDArray[np.float64], group_n: NDArray[np.int64], share_g: NDArray[np.float64], columns: Mapping[str, Sequence[str]]
) -> NDArray[np.float64]:
    """Return the weights nearest to `weight_n` with which the groups have the shares `share_g`, overall and within each value of `columns`.

    `group_n`: -1 for pairs of other groups, which keep their weight. Within a value, the pairs of the groups keep their total weight; pairs
    without a value of a column are restricted by the overall shares only. Raises `TrainingDataError` if there are no such weights.

    >>> weight_n = np.ones(6)  # three men and a woman among the nurses and mechanics, and two drawings of other things
    >>> job = ["nurse", "nurse", "nurse", "mechanic", "", ""]
    >>> raked(weight_n, np.array([0, 0, 1, 0, -1, -1]), np.array([1.0, 0.0]), {"job": job}).tolist()
    [1.5, 1.5, 0.0, 1.0, 1.0, 1.0]
    """
    own = np.flatnonzero(group_n >= 0)
    groups, weights = group_n[own], weight_n[own].astype(np.float64)
    blocks = [np.zeros(len(own), np.int64)]
    for name, values in columns.items():
        blocks.append(_numbered(name, [values[row] for row in own.tolist()], groups, weights, share_g))
    cell_n = groups  # pairs with the same group and values are a cell, and get the same factor
    for block in blocks:
        cell_n = np.unique(cell_n * (int(block.max(initial=0)) + 2) + block + 1, return_inverse=True)[1]
    first_c = np.unique(cell_n, return_index=True)[1]
    before_c = np.bincount(cell_n, weights).astype(np.float64)
    after_c = _proportional(before_c, groups[first_c], np.stack(blocks)[:, first_c], share_g)
    if after_c is None:
        why = f"the values of {' and '.join(map(printable, columns))} leave too few pairs of some groups"
        raise TrainingDataError("no weights give the groups these shares", why=why, fix="fewer columns in data.balance_within")
    result = weight_n.astype(np.float64)
    result[own] *= np.divide(after_c, before_c, out=np.zeros_like(after_c), where=before_c > 0)[cell_n]
    return result


def _proportional(
    mass_c: NDArray[np.float64], group_c: NDArray[np.int64], blocks: NDArray[np.int64], share_g: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Fit the masses of cells to the shares within every block in turn until all fit; None if they never do.

    `blocks`: for each column, the block of every cell, -1 for none. A block keeps its mass.
    """
    totals = [np.bincount(block[block >= 0], mass_c[block >= 0]) for block in blocks]
    for _ in range(_ROUNDS):
        before_c = mass_c
        for block, total_b in zip(blocks, totals, strict=True):
            mass_gb = np.zeros((len(share_g), len(total_b)))
            np.add.at(mass_gb, (group_c[block >= 0], block[block >= 0]), mass_c[block >= 0])
            target_gb = share_g[:, None] * total_b
            factor_gb = np.divide(target_gb, mass_gb, out=np.zeros_like(target_gb), where=mass_gb > 0)
            mass_c = np.where(block >= 0, mass_c * factor_gb[group_c, block], mass_c)
        if np.abs(mass_c - before_c).max(initial=0) <= _NEAR * mass_c.max(initial=0):
            return mass_c if _fits(mass_c, group_c, blocks, share_g) else None
    return None


def _fits(mass_c: NDArray[np.float64], group_c: NDArray[np.int64], blocks: NDArray[np.int64], share_g: NDArray[np.float64]) -> bool:
    for block in blocks:
        mass_gb = np.zeros((len(share_g), int(block.max(initial=0)) + 1))
        np.add.at(mass_gb, (group_c[block >= 0], block[block >= 0]), mass_c[block >= 0])
        if not np.allclose(mass_gb, share_g[:, None] * mass_gb.sum(0), rtol=1e-6, atol=1e-9 * mass_c.sum()):
            return False
    return True


def _numbered(
    name: str, values: Sequence[str], groups: NDArray[np.int64], weights: NDArray[np.float64], share_g: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the number of each pair's value, -1 without one; raises if a value lacks pairs of a group that should have a share of it."""
    known = sorted(set(values) - {""})
    number = {value: index for index, value in enumerate(known)} | {"": -1}
    block = np.array([number[value] for value in values], np.int64)
    mass_gb = np.zeros((len(share_g), len(known)))
    np.add.at(mass_gb, (groups[block >= 0], block[block >= 0]), weights[block >= 0])
    lacking = np.flatnonzero(((mass_gb == 0) & (share_g[:, None] > 0) & (mass_gb.sum(0) > 0)).any(axis=0))
    if len(lacking):
        more = f", and {len(lacking) - 3} more values" if len(lacking) > 3 else ""
        values_named = ", ".join(repr(printable(known[index])) for index in lacking[:3])
        what = f"a group of optim.target_shares has no pairs with {name[:80]} = {values_named}{more}"
        raise TrainingDataError(what, why="it cannot have its share of them", fix="merge rare values, or clear them in the data")
    return block
