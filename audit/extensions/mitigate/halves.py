"""The two halves of the images: a map is fitted on one and shown on the other, and no cluster is in both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.errors import DataError
from audit.measure.embedded import fit_half
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

LEFT_OUT = -1
"""Code of an image whose group is unknown or too small: nothing is fitted on it."""


def split_seed(fingerprint: str) -> int:
    """The seed of the split of a data set. It cannot be chosen: another split until the result is better would be a search.

    Examples
    --------
    >>> split_seed("a"), split_seed("b")
    (4210231216, 1548243615)
    """
    return int(hashlib.sha256(f"halves of {fingerprint}".encode()).hexdigest()[:8], 16)


def fitted_groups(attribute: pd.Series, levels: Group, fewest: int) -> tuple[Int[np.ndarray, "n"], Group]:
    """The number of each image's group, and the groups: those with twice `fewest` images, so that a half may have `fewest`.

    Raises DataError if there are fewer than two.
    """
    counts = attribute.value_counts()
    groups = tuple(level for level in levels if counts.get(level, 0) >= 2 * fewest)
    if len(groups) < 2:
        why = ", ".join(f"{level}: {counts.get(level, 0)}" for level in levels)
        raise DataError(
            f"fewer than two groups of {attribute.name!r} have {2 * fewest} images, {fewest} in each half",
            why=f"images: {why}", fix="give more images, or lower --min-group-size",
        )  # fmt: skip
    return np.array([groups.index(level) if level in groups else LEFT_OUT for level in attribute], np.int64), groups


def fitted_half(units: Sequence[str], codes: Int[np.ndarray, "n"], seed: int) -> Bool[np.ndarray, "n"]:
    """The images on which maps are fitted: half of the units (clusters, or equal images), whichever order they come in.

    If a group would have too few units in a half (`FEWEST_CLUSTERS`), units are halved among those with the same groups.
    """
    half = fit_half(units, seed)
    return half if _fewest_units(units, codes, half) >= FEWEST_CLUSTERS else _stratified(units, codes, seed)


def require_units(units: Sequence[str], codes: Int[np.ndarray, "n"], half: Bool[np.ndarray, "n"], groups: Group, unit: str) -> None:
    """Raise DataError if a group has too few units in a half."""
    for rows, name in ((half, "fitted"), (~half, "shown")):
        for group, count in zip(groups, _units_by_group(units, codes, rows), strict=True):
            if count < FEWEST_CLUSTERS:
                raise DataError(
                    f"the group {group!r} has {count} clusters ({unit}) in the {name} half of the images",
                    why=f"{FEWEST_CLUSTERS} are needed: fewer say little about others", fix="give more data, or choose another --question",
                )  # fmt: skip


def identifiers_sha256(identifiers: Sequence[str]) -> str:
    """sha256 (hex) of identifiers, one per line, sorted."""
    lines = "".join(f"{identifier}\n" for identifier in sorted(identifiers))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def _units_by_group(units: Sequence[str], codes: Int[np.ndarray, "n"], rows: Bool[np.ndarray, "n"]) -> list[int]:
    named = pd.Series(list(units))
    return [named[rows & (codes == group)].nunique() for group in range(int(codes.max()) + 1)]


def _fewest_units(units: Sequence[str], codes: Int[np.ndarray, "n"], half: Bool[np.ndarray, "n"]) -> int:
    return min(count for rows in (half, ~half) for count in _units_by_group(units, codes, rows))


def _stratified(units: Sequence[str], codes: Int[np.ndarray, "n"], seed: int) -> Bool[np.ndarray, "n"]:
    groups_of: dict[str, set[int]] = {}
    for unit, code in zip(units, codes.tolist(), strict=True):
        groups_of.setdefault(unit, set()).add(code)
    chosen: set[str] = set()
    strata = sorted({tuple(sorted(groups)) for groups in groups_of.values()})
    for number, stratum in enumerate(strata):
        inside = [unit for unit, groups in groups_of.items() if tuple(sorted(groups)) == stratum]
        half = fit_half(inside, seed)
        # The larger half of an odd number goes to either side in turn.
        chosen |= {unit for unit, fit in zip(inside, half, strict=True) if fit} if number % 2 == 0 else _smaller(inside, half)
    return np.fromiter((unit in chosen for unit in units), bool, len(units))


def _smaller(inside: Sequence[str], half: Bool[np.ndarray, "m"]) -> set[str]:
    fitted = {unit for unit, fit in zip(inside, half, strict=True) if fit}
    others = set(inside) - fitted
    return others if len(others) < len(fitted) else fitted
