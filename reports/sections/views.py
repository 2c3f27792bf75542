"""The values that templates print: texts, and charts whose marks have their places. Made by `reports.sections.page`."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.results import AuditResult, Finding, MeasurementRecord, Rate, Results, SpecificationCurve
from audit.types import PublishedTable
from reports.charts.forest import Forest
from reports.charts.grids import CurveFigure, HeatMap, ShareBar
from reports.charts.panels import Strip
from reports.sections.answers import AnswersView
from reports.sections.confidence import Confidence
from reports.sections.evidence import Evidence
from reports.sections.scores import ScoreView


@dataclass(frozen=True)
class GroupRow:
    """One group of a finding in texts."""

    name: str
    n: str
    events: str
    rate: str
    baseline: str
    shrunk: str
    difference: str
    corrected: str
    p: str
    status: str
    compared: bool


@dataclass(frozen=True)
class PairRow:
    """Two groups in texts."""

    first: str
    second: str
    difference: str
    corrected: str
    p: str
    beyond: bool


@dataclass(frozen=True)
class FindingView:
    """A finding with its charts."""

    key: str
    finding: Finding
    title: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    rows: tuple[GroupRow, ...]
    has_baseline: bool
    rates: Forest
    differences: Forest | None
    """None outside the verdict too: a hundred such charts weigh more than they tell, and the table has the numbers."""
    heat: HeatMap | None
    pairs: tuple[PairRow, ...]
    pairs_in_all: int
    """Of the compared groups; results.json keeps fewer of many groups outside the verdict."""
    folded: bool
    brief: bool
    """Context on a page of many findings: only its groups; the table of findings has its gap, and results.json all else."""
    shrunk: str
    """What shrunk rates rest on; empty where there are none."""


@dataclass(frozen=True)
class Top:
    """A sentence of the first screen that leads to its section."""

    sentence: str
    title: str
    key: str
    verdict: str
    strip: Strip | None


@dataclass(frozen=True)
class MeasurementView:
    """A measurement with its findings: those that count for the verdict, and the others."""

    key: str
    record: MeasurementRecord
    primary: tuple[FindingView, ...]
    context: tuple[FindingView, ...]
    prompts: tuple[tuple[str, tuple[str, ...], str], ...]
    """Label, its prompts, and the answer it stands for."""
    has_prompts: bool
    """False where the labels were not put as prompts: answers read from a file, options of a question."""
    outcomes: tuple[tuple[str, tuple[str, ...]], ...]
    answers: tuple[tuple[str, int], ...]
    """How often each answer was given, the commonest first."""
    same_as: str
    """Where on the page the same prompts stand already; empty where they do not."""


@dataclass(frozen=True)
class PublishedRowView:
    """A row of a published table and, where we asked the same, ours."""

    label: str
    published: tuple[float | None, ...]
    ours: tuple[Rate | None, ...]


@dataclass(frozen=True)
class PublishedView:
    """A published table."""

    key: str
    table: PublishedTable
    rows: tuple[PublishedRowView, ...]


@dataclass(frozen=True)
class CurveRow:
    """One wording in texts."""

    preset: str
    variant: str
    difference: str
    gap: str
    p: str
    default: bool


@dataclass(frozen=True)
class CurveView:
    """A specification curve."""

    key: str
    curve: SpecificationCurve
    shares: ShareBar | None
    figure: CurveFigure | None
    rows: tuple[CurveRow, ...]
    has_numbers: bool
    """Whether anything was estimable under any wording; where nothing was, the wordings are named and no more."""


@dataclass(frozen=True)
class CountTable:
    """Images of each level of an attribute: used, left out by reason, converted by kind."""

    attribute: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class AuditView:
    """One audit of the page."""

    key: str
    audit: AuditResult
    top: tuple[Top, ...]
    left_out: tuple[str, ...]
    primary: tuple[FindingView, ...]
    context: tuple[FindingView, ...]
    measurements: tuple[MeasurementView, ...]
    published: tuple[PublishedView, ...]
    paired: Forest | None
    curves: tuple[CurveView, ...]
    counts: tuple[CountTable, ...]
    reason: str
    warnings: tuple[str, ...]
    depends: tuple[CurveView, ...]
    """Curves whose answer depends on wording."""
    evidence: Evidence
    confidence: Confidence
    answers: tuple[AnswersView, ...]
    scores: tuple[ScoreView, ...]
    clearest: FindingView | None
    """The first finding with a gap, in the order of the findings table."""
    has_strips: bool


@dataclass(frozen=True)
class Page:
    """Everything that the templates print."""

    results: Results
    audits: tuple[AuditView, ...]
    title: str
    short_hashes: str
    """For the running header of the print, part of the style sheet: hexadecimal digits, blanks and a plus, whatever the file says."""
    created: str
    command: str
    thresholds: tuple[tuple[str, str, str, str], ...]
    environment: tuple[tuple[str, str], ...]
    has_examples: bool
    has_clusters: bool
    counts_images: bool
    """Whether an audit on the page takes one image for one case: what needs that stands in none other."""
    equivalence_level: float
    """In percent: the level of the intervals that an equivalence needs."""
    sha256: str
