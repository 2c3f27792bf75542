"""Captions of the charts on the first screen."""

from __future__ import annotations

from collections.abc import Sequence

from audit.predictions.default_claims import DEFAULT_CLAIMS
from audit.results import AuditResult, Finding
from audit.types import Group, Settings
from reports.text import phrases
from reports.text.headline.differences import interval_level, rate_name
from reports.text.numbers import count, exact_points, exact_tolerances, in_words, times
from reports.text.reasons import beyond_in_ratio_alone, that_count, within_points
from reports.text.responsiveness import composition_sentence
from reports.text.units import TOGETHER


def groups_title(finding: Finding, audit: AuditResult) -> str:
    """Return the title of the chart of groups: ``Gender accuracy by race``."""
    name = rate_name(finding, audit)
    return f"{name[:1].upper()}{name[1:]} by {phrases.attributes(finding.attributes)}"


def leading_title(finding: Finding, audit: AuditResult) -> str:
    """Return the same for the chart of the first screen, which may show an exploratory comparison."""
    return groups_title(finding, audit) + ("" if finding.primary else ", not planned")


Legend = tuple[tuple[str, str], ...]
"""What each mark of a chart means: its kind, which is a CSS class, and words."""


def groups_legend(finding: Finding, hot: Sequence[Group], settings: Settings) -> Legend:
    """Say what each mark of the chart of groups means, and how many images count; `hot` are the groups in colour."""
    pair = phrases.leading_pair(finding)
    named = " and ".join(phrases.group(group) for group in phrases.leading_groups(finding))
    band = () if finding.diffuse or pair is None or not pair.chance else (("band", f"chance alone may put {named} this far apart"),)
    coloured = (("hot", _coloured(finding, hot)),) if hot else ()
    estimate = f"rate and its {interval_level(settings)}\u00a0% interval, n\u00a0=\u00a0{count(finding.overall.n)}{that_count(finding)}"
    return (("estimate", estimate), *band, *coloured)


def _coloured(finding: Finding, hot: Sequence[Group]) -> str:
    if finding.diffuse:
        return "most different from the rest"
    if finding.better == "neither":
        return "the two groups compared"
    first, second = (phrases.group(group) for group in phrases.leading_groups(finding))
    return "worse off" if len(hot) > 1 else f"{first}, worse off than {second}"


def questions_title(questions: int, others: int = 0) -> str:
    """Return the heading of the list of questions about rates; `others` are about scores and trends.

    Examples
    --------
    >>> questions_title(1), questions_title(2), questions_title(7)
    ('The planned question', 'Both planned questions', 'All 7 planned questions')
    >>> questions_title(2, 3)
    '2 of 5 planned questions: rates'
    """
    if others:
        return f"{questions} of {questions + others} planned questions: rates"
    return {1: "The planned question", 2: "Both planned questions"}.get(questions, f"All {questions} planned questions")


def questions_caption(findings: Sequence[Finding], audit: AuditResult, last: str) -> str:
    """Say how to read the list of questions: who planned them, what a gap is, and the axis."""
    if not findings:
        return ""
    ratios = {finding.ratio_tolerance for finding in findings if finding.ratio_tolerance}
    above = f"a ratio above {' or '.join(f'{ratio:g}' for ratio in sorted(ratios))}"
    of_rest = any(finding.ratio_of_rest for finding in findings if finding.ratio_tolerance)
    low = f"Near 0 and 100\u00a0%, {above} of the rarer share" if of_rest else f"For low rates, {above}"
    rare = f" {low} also counts." if ratios else ""
    which = "Gap: between the two groups with the strongest evidence of a large difference or, if none is found, that may differ most"
    return f"{planned_by(audit)} {which}. Axis from 0 to {last} points.{rare}"


def planned_by(audit: AuditResult) -> str:
    """Say who planned the questions: only a plan lock is older than the run."""
    if audit.lock is not None:
        return "Planned in the plan lock, and asked as locked."
    by_default = audit.probe.made is None and audit.probe.source.startswith(DEFAULT_CLAIMS)
    return f"Planned by {'default rules' if by_default else 'the probe'}, without a plan lock."


def questions_legend(findings: Sequence[Finding], settings: Settings) -> Legend:
    """Say what each mark of the list of questions means."""
    tolerances = {exact_tolerances(finding.tolerance, None) for finding in findings}
    tolerance = f"tolerance of {tolerances.pop()}" if len(tolerances) == 1 else "tolerance of the question"
    tested = [phrases.tested_bound(finding) is not None for finding in findings]
    joint = f"its {interval_level(settings)}\u00a0% interval, joint for all pairs of groups"
    level = f"{100 * (1 - 2 * settings.alpha):g}\u00a0%"
    return (
        *((("estimate", f"gap and {joint}"),) if not all(tested) else (("dot", "gap"),)),
        *((("bound", f"if equivalent: no two groups differ by more (equivalence test, {level})"),) if any(tested) else ()),
        ("tolerance", tolerance),
    )


def is_judged(finding: Finding) -> bool:
    """Whether a question has a row in the list: groups can be compared, and the answers respond to the images."""
    return finding.gap is not None and finding.verdict != "not estimable"


def unjudged_sentences(findings: Sequence[Finding], settings: Settings) -> tuple[str, ...]:
    """Say how many of the questions have no row, by reason."""
    without = [finding for finding in findings if not is_judged(finding)]
    few, blind = ([finding for finding in without if bool(finding.unresponsive) is wanted] for wanted in (False, True))
    return (*([few_sentence(few, settings)] if few else []), *([blind_sentence(blind)] if blind else []))


def few_sentence(findings: Sequence[Finding], settings: Settings) -> str:
    """Say how many questions have too few images: ``11 questions: fewer than two groups with 30 images``."""
    clusters = " in enough clusters" if any(finding.overall.clusters is not None for finding in findings) else ""
    return f"{in_words(len(findings), 'question')}: fewer than two groups with {settings.min_group_size} images that count{clusters}"


def blind_sentence(findings: Sequence[Finding]) -> str:
    """Say how many questions have no verdict because there is no evidence that the answers depend on the images, or units are unknown."""
    why = TOGETHER if findings[0].unresponsive == "units" else "no evidence that the answers depend on the images"
    return f"{in_words(len(findings), 'question')}: {why}"


def tags(finding: Finding, shift: str) -> tuple[str, ...]:
    """Return the tags of a verdict in a list."""
    beyond = ("exceeds the tolerance" if finding.exceeds_tolerance else "may be within tolerance",) * (finding.verdict == "disparity")
    if finding.exceeds_tolerance and beyond and finding.gap and finding.gap.ratio_low is not None and beyond_in_ratio_alone(finding):
        beyond = (f"ratio of {phrases.rare_rates(finding)} {times(finding.gap.ratio_low)} or more",)
    if finding.verdict == "inconclusive" and within_points(finding) and finding.ratio_tolerance is not None and not finding.withheld:
        beyond = (f"within ±{exact_points(finding.tolerance)}; ratio of {phrases.rare_rates(finding)} undecided",)
    return (*beyond, *filter(None, (shift, "explained by group composition" if composition_sentence(finding) else "")))
