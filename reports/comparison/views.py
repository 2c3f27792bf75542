"""What the templates of a comparison print: texts, and charts whose marks have their places. Made by `reports.comparison.page`."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.comparison import Change, Comparison, Comparisons, Series, Side, Trajectory
from audit.records.results import ProbeRecord
from reports.charts.curves import StepCurve
from reports.charts.dumbbells import Dumbbell
from reports.charts.forest import Forest


@dataclass(frozen=True)
class ChangedGroupRow:
    """One group's change in texts."""

    name: str
    n: str
    before: str
    after: str
    gained: str
    lost: str
    change: str
    corrected: str
    p: str
    status: str
    compared: bool


@dataclass(frozen=True)
class ChangedPairRow:
    """Two groups in texts."""

    first: str
    second: str
    before: str
    after: str
    change: str
    corrected: str
    reversed: bool


@dataclass(frozen=True)
class ChangeView:
    """A change with its charts; outside the verdict without them."""

    key: str
    change: Change
    title: str
    reason: str
    headline: str
    before: str
    after: str
    gap: str
    p: str
    facts: tuple[tuple[str, str], ...]
    rows: tuple[ChangedGroupRow, ...]
    pairs: tuple[ChangedPairRow, ...]
    of_pairs: int
    dumbbell: Dumbbell | None
    forest: Forest | None
    folded: bool


@dataclass(frozen=True)
class ComparisonView:
    """One model against the first, under one probe."""

    key: str
    comparison: Comparison
    probe: ProbeRecord
    reason: str
    images: str
    top: tuple[ChangeView, ...]
    primary: tuple[ChangeView, ...]
    context: tuple[ChangeView, ...]


@dataclass(frozen=True)
class PointRow:
    """One checkpoint in texts."""

    step: str
    gap: str
    p: str
    extremes: str
    rates: tuple[str, ...]


@dataclass(frozen=True)
class TrajectoryView:
    """A claim over the steps."""

    key: str
    trajectory: Trajectory
    title: str
    reason: str
    groups: tuple[str, ...]
    rows: tuple[PointRow, ...]
    gap: StepCurve | None
    rates: StepCurve | None


@dataclass(frozen=True)
class SeriesView:
    """A run under one probe."""

    key: str
    series: Series
    primary: tuple[TrajectoryView, ...]
    context: tuple[TrajectoryView, ...]


@dataclass(frozen=True)
class SideRow:
    """A model in texts."""

    side: Side
    role: str
    step: str
    created: str
    verdicts: str


@dataclass(frozen=True)
class ComparisonPage:
    """Everything that the templates print."""

    comparisons: Comparisons
    title: str
    deck: str
    short_hashes: str
    """For the running header of the print: hexadecimal digits, blanks and a plus, whatever the file says."""
    views: tuple[ComparisonView, ...]
    series: tuple[SeriesView, ...]
    sides: tuple[SideRow, ...]
    created: str
    command: str
    thresholds: tuple[tuple[str, str, str, str], ...]
    environment: tuple[tuple[str, str], ...]
    equivalence_level: float
    sha256: str
