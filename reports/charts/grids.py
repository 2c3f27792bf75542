"""The shades of a heat map of two attributes, and the order of the points of a specification curve."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence.prompt_sensitivity import SpecificationCurve, SpecificationPoint
from audit.records.finding import Rate
from audit.results import Finding

_SHADES = 4
"""Shades on either side of the rate of all images."""


@dataclass(frozen=True)
class HeatCell:
    """A group of two levels and its shade."""

    cell: Rate | None
    shade: str


@dataclass(frozen=True)
class HeatMap:
    """Rates of two attributes as a grid."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    reach: float
    """Distance to the overall rate at which the shade is darkest."""


def heat_map(finding: Finding) -> HeatMap | None:
    """Shade a finding by two attributes, diverging from the overall rate; None for other findings. The shade only repeats the number."""
    if len(finding.attributes) != 2:
        return None
    cells = {cell.group: cell for cell in finding.by_group}
    rows, columns = (tuple(dict.fromkeys(levels[side] for levels in cells)) for side in (0, 1))
    middle = finding.overall.value
    compared = [cell.value for cell in cells.values() if cell.status == "ok" and cell.value is not None]
    reach = max((abs(value - middle) for value in compared), default=0.0) if middle is not None else 0.0

    def shaded(cell: Rate | None) -> HeatCell:
        return HeatCell(cell, _shade(cell, middle, reach))

    shades = tuple((row, tuple(shaded(cells.get((row, column))) for column in columns)) for row in rows)
    return HeatMap(columns, shades, reach)


def _shade(cell: Rate | None, middle: float | None, reach: float) -> str:
    """Return ``below-4`` to ``above-4``, ``level`` in between, ``hatched`` for a group not compared, ``blank`` without a rate."""
    if cell is None or cell.value is None or middle is None:
        return "blank"
    if cell.status != "ok":
        return "hatched"
    return shade(cell.value - middle, reach)


def shade(difference: float, reach: float) -> str:
    """Return the shade of a difference from all images; the darkest at `reach`."""
    step = round(_SHADES * difference / reach) if reach else 0
    return "level" if step == 0 else f"{'above' if step > 0 else 'below'}-{abs(step)}"


def share_shade(share: float) -> str:
    """Return the shade of the share of a wrong answer: darkest from one half on, none for less than one in 16."""
    return shade(share, 0.5) if share < 0.5 else f"above-{_SHADES}"


def in_order(curve: SpecificationCurve) -> tuple[SpecificationPoint, ...]:
    """Return the estimable points sorted by effect, then the others in their original order."""
    known = [point for point in curve.points if point.difference is not None]
    return (*sorted(known, key=lambda point: point.difference or 0.0), *(point for point in curve.points if point.difference is None))
