"""Boxes in a table: the part of an image that a row is about. Literals in cells are parsed as literals; nothing is evaluated."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import DataError
from strictio.tables import quoted

Region = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels or as fractions of the image's width and height."""
NO_BOX, NO_AREA, OUTSIDE = "no box", "box without area", "box outside the picture"
"""Why a row has no crop."""
_NAMES = ("x", "y", "width", "height")
_SHOWN = 60


@dataclass(frozen=True)
class Box:
    """Columns that give the box of a row's person or object: the crop is the image, its source image is the cluster.

    Raises TypeError for a string instead of a tuple, ValueError unless there are one or four columns and the margin is not negative.

    Examples
    --------
    >>> Box(("XMin", "YMin", "XMax", "YMax"), corners=True, shares=True, margin=0.1).margin
    0.1
    """

    columns: tuple[str, ...]
    """Four columns: ``("x", "y", "width", "height")``, or with `corners` left, top, right, bottom. Or one column with literals:
    ``[x, y, width, height]`` or ``{"x": …, "y": …, "width": …, "height": …}``."""
    corners: bool = False
    """Whether the last two numbers are the right and bottom edge, not width and height."""
    shares: bool = False
    """Whether the numbers are fractions of the image's width and height, 0 to 1, not pixels."""
    margin: float = 0.0
    """Margin added on each side, as a fraction of the box's width and height, clipped to the image."""

    def __post_init__(self) -> None:
        columns: object = self.columns
        if isinstance(columns, str):
            raise TypeError(f"columns: {columns!r}, expected a tuple; a comma makes a tuple of one: ({columns!r},)")
        if len(self.columns) not in (1, 4):
            raise ValueError(f"a box has one column or four, not {len(self.columns)}")
        if not 0 <= self.margin < math.inf:
            raise ValueError(f"invalid margin {self.margin!r}: expected 0 or above")


def read_boxes(box: Box, columns: Mapping[str, Sequence[str]], where: Callable[[int], str], source: str) -> list[Region | str]:
    """The region of each row of a table of text, or why it has none; raises DataError for the first cell that is not a box.

    Examples
    --------
    >>> read_boxes(Box(("box",)), {"box": ["[10, 20, 30, 40]", "", "[1, 2, 0, 5]"]}, str, "labels.csv")
    [(10.0, 20.0, 40.0, 60.0), 'no box', 'box without area']
    """
    cells = [columns[name] for name in box.columns]
    regions: list[Region | str] = []
    for row, texts in enumerate(zip(*cells, strict=True)):
        try:
            regions.append(_region(box, texts))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            shown = ", ".join(quoted(text[:_SHOWN]) for text in texts)
            expected = "four numbers" if len(texts) == 4 else "a literal such as [x, y, width, height] or {'x': 1, 'y': 2, …}"
            why, fix = f"found {shown} ({where(row)}); expected {expected}", "correct the cell, or leave it empty: the row is then left out"
            raise DataError(f"{source}: a cell that is not a box", where=f"column {box.columns[0]!r}", why=why, fix=fix) from error
    return regions


def _region(box: Box, texts: Sequence[str]) -> Region | str:
    if not all(text.strip() for text in texts):
        return NO_BOX
    numbers = _numbers(ast.literal_eval(texts[0].strip())) if len(texts) == 1 else tuple(map(float, texts))
    if not all(map(math.isfinite, numbers)):
        return NO_BOX
    left, top, *end = numbers
    right, bottom = end if box.corners else (left + end[0], top + end[1])
    if right <= left or bottom <= top:
        return NO_AREA
    if right <= 0 or bottom <= 0 or (box.shares and (left >= 1 or top >= 1)):
        return OUTSIDE
    return left, top, right, bottom


def _numbers(literal: Any) -> tuple[float, ...]:
    """Extract the four numbers of a literal; raises ValueError otherwise."""
    if isinstance(literal, dict):
        if not set(_NAMES) <= set(literal):
            raise ValueError(f"no {', '.join(_NAMES)}")
        literal = [literal[name] for name in _NAMES]
    if not isinstance(literal, list | tuple) or len(literal) != 4 or any(isinstance(number, bool | str | bytes) for number in literal):
        raise ValueError("not four numbers")
    return tuple(math.nan if number is None else float(number) for number in literal)
