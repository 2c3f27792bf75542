"""The first screen of a page about several models: its headline and the caption of its chart."""

from __future__ import annotations

from collections.abc import Sequence

from audit.results import AuditResult, Finding
from audit.types import Settings
from reports.text import phrases
from reports.text.headline import captions, headline_of, interval_level
from reports.text.numbers import points

_WORDS = {
    "disparity": "disparity", "inconclusive": "undecided", "equivalent": "no difference that matters", "not estimable": "not estimable",
}  # fmt: skip
"""Verdicts, worst first, as they stand before "in 2 of 3 models"."""

Asked = tuple[AuditResult, Finding]
"""A question with the audit that tested it."""


def verdict_counts(audits: Sequence[AuditResult], settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the verdicts of the audits, worst first, each with its count: ``Disparity: 2``."""
    words = [(audit.verdict, headline_of(audit, settings).word) for audit in audits]
    ordered = sorted(dict.fromkeys(words), key=lambda pair: [*_WORDS].index(pair[0]))
    return tuple((verdict, f"{word}: {words.count((verdict, word))}") for verdict, word in ordered)


def models_sentence(asked: Sequence[Asked]) -> str:
    """Say how the models differ in one question: in how many it is a disparity, and from which gap to which."""
    if not asked:
        return "No question could be judged in two models."
    audit, finding = asked[0]
    verdicts = [finding.verdict for _, finding in asked]
    counted = [f"{word} in {_of(verdicts.count(verdict), len(verdicts))}" for verdict, word in _WORDS.items() if verdict in verdicts]
    title = captions.groups_title(finding, audit)
    return f"{title}: {', '.join(counted)}{_from_to(asked)}."


def _of(count: int, models: int) -> str:
    if count < models:
        return f"{count} of {models} models"
    return "both models" if models == 2 else f"all {models} models"


def _from_to(asked: Sequence[Asked]) -> str:
    """Name the models with the smallest and the largest gap: ``; the gap is between 3 points (new) and 15 points (old)``."""
    sized = sorted(
        ((pair.difference, audit.model.name, finding) for audit, finding in asked if (pair := phrases.leading_pair(finding))),
        key=lambda one: one[:2],
    )
    if len(sized) < 2:
        return ""
    places = min(phrases.gap_places(finding) for _, _, finding in (sized[0], sized[-1]))
    ends = [f"{points(difference, places)} ({name})" for difference, name, _ in (sized[0], sized[-1])]
    if points(sized[0][0], places) == points(sized[-1][0], places):
        return f"; the gap is {points(sized[0][0], places)} in each"
    return f"; the gap is between {ends[0]} and {ends[1]}"


def worst_sentence(audit: AuditResult, settings: Settings) -> str:
    """Name the worst model with its own headline."""
    headline = headline_of(audit, settings)
    return f"Worst is {audit.model.name}. {headline.sentence} {headline.size}".strip()


def models_caption(settings: Settings, *, paired: bool) -> str:
    """Say how to read the chart of several models."""
    differ = "whether two models differ is tested below, paired by image" if paired else "whether two models differ is not tested here"
    interval = f"with its {interval_level(settings)}\u00a0% interval"
    return (
        "Each line runs from the rate of one group to that of another: the two with the strongest evidence of a large difference or, if "
        f"none is found, that may differ most. Large dot: the affected group. Number: the gap in points, {interval}; {differ}. Colour: "
        "verdict. Models: worst first, by verdict, then by how large a gap is at least."
    )
