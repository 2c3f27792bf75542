"""From a tested claim to one of four verdicts, with the sentence that says why. "Not significant" never becomes "fair"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.records.results import Finding, Gap, Rate, Verdict
from audit.statistics.equivalence import equivalence_bound
from audit.statistics.units.sampling_unit import FEWEST_CLUSTERS
from audit.types import Group, Settings

LIMITED = "LIMITED RUN: a sample of the images settles nothing."
_ELSEWHERE = "Chance gives so much only between groups that it moves further than these two, which clearly differ."
_NAMED = 5
"""Groups outside the comparison that a sentence names; it counts the others."""
_PHRASES: tuple[tuple[Verdict, str, str], ...] = (
    ("disparity", "shows a disparity", "show a disparity"),
    ("inconclusive", "is inconclusive", "are inconclusive"),
    ("not estimable", "cannot be estimated", "cannot be estimated"),
    ("equivalent", "is equivalent within its tolerance", "are equivalent within their tolerance"),
)


@dataclass(frozen=True)
class Run:
    """What the verdicts of a run must own up to."""

    settings: Settings
    limited: bool
    excluded: str | None
    """Images left out, in words: ``"3 of 180 images could not be read"``."""


@dataclass(frozen=True)
class Ruling:
    """A verdict and why."""

    verdict: Verdict
    exceeds_tolerance: bool
    reason: str


def rule(finding: Finding, run: Run) -> Ruling:
    """Apply the ordered rules: not estimable, equivalent, disparity, inconclusive.

    `finding` carries its adjusted p, and pairs only where that p rejects. A limited run can be nothing but inconclusive.
    """
    ruling = _rule(finding, run)
    left_out = _left_out(run) if ruling.verdict == "equivalent" else []
    reason = " ".join([ruling.reason, *_not_compared(finding), *left_out])
    if run.limited:
        return Ruling("inconclusive", False, f"{LIMITED} {reason}")
    return Ruling(ruling.verdict, ruling.exceeds_tolerance, reason)


def _rule(finding: Finding, run: Run) -> Ruling:
    gap, alpha = finding.gap, run.settings.alpha
    if gap is None:
        return Ruling("not estimable", False, _why_not_estimable(finding, run.settings))
    rejected = gap.p_adjusted <= alpha
    if _all_within(finding, gap, alpha):
        return Ruling("equivalent", False, _why_equivalent(finding, gap, rejected, alpha))
    if rejected:
        exceeds = any(pair.beyond_tolerance for pair in finding.pairs)
        beyond = (
            f"At least one pair differs by more than the tolerance of {_points(finding.tolerance)}, after correction."
            if exceeds
            else f"That it exceeds the tolerance of {_points(finding.tolerance)} is not shown."
        )
        return Ruling("disparity", exceeds, " ".join([_measured(finding, gap), *_clearest(finding, gap), beyond, *_size_open(gap)]))
    return Ruling("inconclusive", False, f"{_measured(finding, gap)} {_why_inconclusive(finding, gap)}")


def _size_open(gap: Gap) -> list[str]:
    """Say why the interval of a detected gap may include 0: the test asks one question, the interval holds for all pairs."""
    if gap.low > 0:
        return []
    return ["Its interval holds for every pair of groups at once and includes 0: that groups differ is shown, by how much is not."]


def _clearest(finding: Finding, gap: Gap) -> list[str]:
    """Name the pair that the test is of where it is another than the widest: thin groups may lie farther apart by chance."""
    if gap.clearest is None:
        return []
    if gap.clearest == (gap.highest, gap.lowest):
        return [_ELSEWHERE] if gap.value <= gap.null_95 else []
    cells = {rate.group: rate for rate in finding.by_group}
    high, low = (_rate(cells[group]) for group in gap.clearest)
    return [f"Beside what chance moves them by, {high} and {low} differ most clearly: the test is of these."]


def _all_within(finding: Finding, gap: Gap, alpha: float) -> bool:
    if gap.farthest is not None:
        return gap.farthest < finding.tolerance
    estimable = [rate for rate in finding.by_group if rate.status == "ok"]
    events, n = (np.array([getattr(rate, field) for rate in estimable]) for field in ("events", "n"))
    return equivalence_bound(events, n, alpha) < finding.tolerance


def _why_not_estimable(finding: Finding, settings: Settings) -> str:
    if finding.overall.n == 0:
        return f"No image counts for the {_subject(finding)}: there is nothing to divide by."
    estimable = sum(rate.status == "ok" for rate in finding.by_group)
    fewest = max(settings.min_group_size, 2)
    clusters = f" in at least {FEWEST_CLUSTERS} clusters" if finding.overall.clusters is not None else ""
    return (
        f"A comparison needs two groups with at least {fewest} images that count for the {_subject(finding)}{clusters}; "
        f"{estimable or 'none'} of {len(finding.by_group)} has."
    )


def _why_equivalent(finding: Finding, gap: Gap, rejected: bool, alpha: float) -> str:
    estimable = [rate for rate in finding.by_group if rate.status == "ok"]
    pairs = len(estimable) * (len(estimable) - 1) // 2
    every = f"every one of the {pairs} pairs" if pairs > 1 else "the pair"
    sentences = [
        f"{_measured(finding, gap)} Equivalent within the tolerance: the {100 * (1 - 2 * alpha):g} % interval of {every} "
        f"lies inside ±{_points(finding.tolerance)}."
    ]
    if rejected:
        sentences.append("The difference is detectable but smaller than the tolerance.")
    rates = [rate.events / rate.n for rate in estimable]
    if max(rates) <= finding.tolerance or min(rates) >= 1 - finding.tolerance:
        sentences.append("All rates lie within one tolerance of the end of the scale, so this margin says little about their ratio.")
    return " ".join(sentences)


def _why_inconclusive(finding: Finding, gap: Gap) -> str:
    return (
        f"Neither a difference nor its absence within {_points(finding.tolerance)} is shown; between any two groups these images "
        f"would find a difference of {_points(gap.minimum_detectable)} with power 0.8."
    )


def _measured(finding: Finding, gap: Gap) -> str:
    cells = {rate.group: rate for rate in finding.by_group}
    lowest, highest = (_rate(cells[group]) for group in (gap.lowest, gap.highest))
    subject = _subject(finding)
    corrected = "adjusted " if finding.primary else "uncorrected "
    return (
        f"{subject[0].upper()}{subject[1:]} runs from {lowest} to {highest}: a gap of {_points(gap.value)} "
        f"({corrected}{_p(gap.p_adjusted)}; chance alone gives up to {_points(gap.null_95)})."
    )


def _not_compared(finding: Finding) -> list[str]:
    """Name the groups that the verdict does not cover: a filtered audit is no audit of everybody."""
    others = [rate for rate in finding.by_group if rate.status != "ok"]
    if not others:
        return []
    named = ", ".join(f"{_name(rate.group)} (n = {rate.n:,})" for rate in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return [f"Not compared: {named}{more}."]


def _left_out(run: Run) -> list[str]:
    return [f"Not covered: {run.excluded.rstrip('.')}."] if run.excluded else []


def conclusion(findings: Sequence[Finding], run: Run) -> tuple[Verdict, str]:
    """Return the verdict of the audit, the worst over its primary findings, and a sentence that counts them."""
    verdicts = [finding.verdict for finding in findings if finding.primary]
    if not verdicts:
        return "inconclusive", "No question of this audit takes part in its verdict, so nothing is concluded."
    parts: list[str] = []
    for verdict, one, many in _PHRASES:
        if count := verdicts.count(verdict):
            of = f" of {len(verdicts)} question{'s' if len(verdicts) > 1 else ''}" if not parts else ""
            parts.append(f"{count}{of} {one if count == 1 else many}")
    sentences = [LIMITED] * run.limited + [f"{', '.join(parts)}."]
    return _worst(verdicts), " ".join([*sentences, *_left_out(run)])


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    present = set(verdicts)
    if "disparity" in present:
        return "disparity"
    if len(present) == 1:
        return verdicts[0]
    return "inconclusive"


def _subject(finding: Finding) -> str:
    metric = finding.metric.replace("_", " ")
    return metric if finding.outcome is None else f"{metric} of '{finding.outcome}'"


def _name(group: Group) -> str:
    return " × ".join(group)


def _rate(rate: Rate) -> str:
    return f"{100 * rate.events / rate.n:.1f} % ({_name(rate.group)}, n = {rate.n:,})"


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f} points"


def _p(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.2g}".replace("0.", ".")
