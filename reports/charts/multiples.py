"""Small multiples: one row per model, one column per question, and all gaps on one axis from 0. Its texts belong to a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.charts.gaps import GapMark, Ticks
from reports.text.headline.captions import Legend

MOST_COLUMNS = 3
"""More would be too narrow on a laptop."""


@dataclass(frozen=True)
class ModelGap:
    """The gap of one model in one question."""

    verdict: str
    """Decides icon and colour; empty for the model that the others are compared with."""
    marks: GapMark | None
    """None if the gap is not estimable."""
    gap: str
    interval: str
    groups: str
    """Both groups with their rates: ``Black 85.5 % → White 97.5 %``."""
    key: str
    """Anchor of the finding; empty if the page has none."""


@dataclass(frozen=True)
class QuestionColumn:
    """One question with the gap of each model; None stands for a model without it."""

    title: str
    images: str
    """Number of images that count: ``n = 5,792``."""
    cells: tuple[ModelGap | None, ...]


@dataclass(frozen=True)
class ModelVerdict:
    """A verdict on a model, with the anchor of what is about it, and the probe."""

    key: str
    verdict: str
    word: str
    probe: str


@dataclass(frozen=True)
class ChartedModel:
    """A row of the chart."""

    name: str
    verdicts: Sequence[ModelVerdict]
    instead: str
    """Printed across the columns if the model has a gap in none of them."""


@dataclass(frozen=True)
class ModelsChart:
    """Small multiples: the models as rows, the questions as columns."""

    models: Sequence[ChartedModel]
    columns: Sequence[QuestionColumn]
    ticks: Ticks
    caption: str
    legend: Legend
