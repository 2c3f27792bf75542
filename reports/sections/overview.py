"""Several audits of a page at a glance: a grid of questions and models, with verdicts and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext, PlacedFinding
from reports.text import phrases
from reports.text.headline import headline_of, interval_level, question
from reports.text.order import by_severity


@dataclass(frozen=True)
class AuditColumn:
    """An audit and its verdict."""

    key: str
    model: str
    probe: str
    verdict: str
    word: str
    sentence: str


@dataclass(frozen=True)
class GapCell:
    """One question of one audit; the gap is empty if it cannot be estimated."""

    key: str
    verdict: str
    gap: str
    interval: str


@dataclass(frozen=True)
class GapRow:
    """One question; None stands for an audit without it."""

    question: str
    cells: tuple[GapCell | None, ...]


@dataclass(frozen=True)
class Overview:
    """Audits as columns, pre-specified questions as rows."""

    audits: tuple[AuditColumn, ...]
    rows: tuple[GapRow, ...]
    without: int
    """Questions that no audit can estimate."""
    level: str
    """Level of the intervals, in percent."""


def overview(contexts: Sequence[AuditContext]) -> Overview:
    """Return the audits as columns, and every pre-specified question of any of them as a row, worst first."""
    questions: dict[tuple[str, str], dict[str, PlacedFinding]] = {}
    for context in contexts:
        for placed in context.primary:
            questions.setdefault((context.audit.probe.name, placed.finding.id), {})[context.key] = placed
    ordered = sorted(questions.values(), key=lambda findings: min(by_severity(placed.finding) for placed in findings.values()))
    judged = [findings for findings in ordered if any(_has_verdict(placed) for placed in findings.values())]
    by_key = {context.key: context for context in contexts}
    return Overview(
        audits=tuple(_column(context) for context in contexts),
        rows=tuple(_row(findings, by_key) for findings in judged),
        without=len(ordered) - len(judged),
        level=interval_level(contexts[0].results.settings),
    )


def _has_verdict(placed: PlacedFinding) -> bool:
    return placed.finding.verdict != "not estimable"


def _column(context: AuditContext) -> AuditColumn:
    headline = headline_of(context.audit, context.results.settings)
    return AuditColumn(
        key=context.key,
        model=context.audit.model.name,
        probe=context.audit.probe.name,
        verdict=context.audit.verdict,
        word=headline.word,
        sentence=headline.sentence,
    )


def _row(findings: dict[str, PlacedFinding], contexts: dict[str, AuditContext]) -> GapRow:
    first = next(iter(findings))
    return GapRow(
        question=question(findings[first].finding, contexts[first].audit),
        cells=tuple(_cell(findings[key]) if key in findings else None for key in contexts),
    )


def _cell(placed: PlacedFinding) -> GapCell:
    finding = placed.finding
    gap = phrases.gap_and_interval(finding) if _has_verdict(placed) else ("", "")
    return GapCell(placed.key, finding.verdict, *gap)
