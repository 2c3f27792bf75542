"""Geometry of small multiples: one row per model, one column per question, the models of a column on one axis.

A cell is a line from the lower rate to the higher one, with a large dot at the affected group; its texts belong to the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.charts.forest import Scale, percent_texts, share_axis
from reports.charts.groups import placed_ticks, plot_scale, share

MOST_COLUMNS, _MOST_TICKS = 3, 4
"""More would be too narrow on a laptop."""


@dataclass(frozen=True)
class RateRange:
    """The gap of one model in one question: the rates of two groups."""

    kind: str
    """Verdict, which decides the colour."""
    lower: float
    higher: float
    affected: tuple[bool, bool]
    """Whether the group with the lower rate, and that with the higher one, is affected."""
    gap: str
    interval: str
    groups: str
    """Both groups with their rates: ``Black 85.5 % → White 97.5 %``."""
    key: str
    """Anchor of the finding; empty if the page has none."""


@dataclass(frozen=True)
class MultipleCell:
    """A range with its positions."""

    range: RateRange
    lower: str
    higher: str
    radii: tuple[str, str]


@dataclass(frozen=True)
class MultipleColumn:
    """One question, with its axis and the cell of each model; None stands for a model without it."""

    title: str
    ticks: tuple[tuple[str, str], ...]
    cells: tuple[MultipleCell | None, ...]


@dataclass(frozen=True)
class ModelVerdict:
    """A verdict on a model, with the anchor of what is about it, and the probe."""

    key: str
    verdict: str
    word: str
    probe: str


@dataclass(frozen=True)
class ModelsChart:
    """Small multiples: the models as rows, the questions as columns."""

    models: Sequence[tuple[str, Sequence[ModelVerdict]]]
    columns: Sequence[MultipleColumn]
    caption: str


def multiple_column(title: str, ranges: Mapping[str, RateRange], rows: Sequence[str]) -> MultipleColumn:
    """Place the models of one question on a common axis; `rows` are the keys of the models in their order."""
    ticks = share_axis(end for one in ranges.values() for end in (one.lower, one.higher))
    scale = plot_scale(ticks)
    cells = tuple(_cell(ranges[row], scale) if row in ranges else None for row in rows)
    placed = placed_ticks(scale, ticks, percent_texts(ticks))
    return MultipleColumn(title, placed if len(ticks) <= _MOST_TICKS else placed[::2], cells)


def _cell(one: RateRange, scale: Scale) -> MultipleCell:
    radii = tuple("6" if affected else "3.5" for affected in one.affected)
    return MultipleCell(one, share(scale(one.lower)), share(scale(one.higher)), (radii[0], radii[1]))
