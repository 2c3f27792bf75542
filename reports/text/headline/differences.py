"""Sentences about one difference: for which group a rate is worse (or higher, if neither side is better), and by how much."""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.records.finding import LeadingPair, Rate
from audit.results import AuditResult, Finding
from audit.types import Group, Settings
from reports.text import phrases
from reports.text.error_rates import confused, frequency, with_error_rates
from reports.text.evidence import lost_words, shifted
from reports.text.numbers import end, lower_first, points, upper_first
from reports.text.responsiveness import composition_sentence
from reports.text.sentences import AT_EQUAL_TRUTH, metric_of, subject_of, truth_of

_NOUNS = {"fairface": "faces"}
"""What the images of a probe show, if its groups are adjectives of it: Black faces. Otherwise only the group's name is printed."""
_VERBS = {
    "selection_rate": "‘{outcome}’ is the answer {more} often",
    "true_positive_rate": "‘{outcome}’ is recognised {more} often",
    "false_negative_rate": "‘{outcome}’ is missed {more} often",
    "false_positive_rate": "‘{outcome}’ is wrongly given {more} often",
    "true_negative_rate": "‘{outcome}’ is correctly ruled out {more} often",
    "precision": "The answer ‘{outcome}’ is right {more} often",
    "rate_among_answered": "Among images with an answer, ‘{outcome}’ is the answer {more} often",
    "retrieval_rate": "Images are {outcome} {more} often",
}
_TAKEN, _IS_TAKEN = "‘{}’ is taken for ‘{}’ {} often", "Is ‘{}’ taken for ‘{}’ equally often"
_QUESTIONS = {
    "selection_rate": "Is ‘{outcome}’ the answer equally often",
    "true_positive_rate": "Is ‘{outcome}’ recognised equally often",
    "false_negative_rate": "Is ‘{outcome}’ missed equally often",
    "false_positive_rate": "Is ‘{outcome}’ wrongly given equally often",
    "true_negative_rate": "Is ‘{outcome}’ correctly ruled out equally often",
    "precision": "Is the answer ‘{outcome}’ right equally often",
    "rate_among_answered": "Among images with an answer, is ‘{outcome}’ the answer equally often",
    "retrieval_rate": "Are images {outcome} equally often",
}
_SPEAKS, _DIGIT = re.compile(r"[^\W\d_]{3}"), re.compile(r"\d")
_DIFFUSE_NAMED = 2


@dataclass(frozen=True)
class Ends:
    """Two groups between which a rate differs, with the difference and its simultaneous interval."""

    first: Rate
    """The worse rate; if neither side is better, the higher one."""
    second: Rate
    pair: LeadingPair
    """Their difference, with its interval and what is expected by chance."""


def ends(finding: Finding) -> Ends | None:
    """Return the two groups to name and their difference."""
    pair = phrases.leading_pair(finding)
    if pair is None:
        return None
    first, second = (phrases.rate_of(finding, group) for group in phrases.leading_groups(finding))
    return Ends(first, second, pair)


def affected(finding: Finding) -> tuple[Group, ...]:
    """Return the affected groups: the one with the worse rate, or both if neither side is better or no pair stands out."""
    if finding.diffuse:
        return tuple(rate.group for rate in _far_from_the_rest(finding))
    extremes = ends(finding)
    if extremes is None:
        return ()
    return (extremes.first.group,) if finding.better != "neither" else (extremes.first.group, extremes.second.group)


def beyond_the_rest(finding: Finding) -> tuple[Group, ...]:
    """Return the affected groups, and those that differ from the rest in the same direction by significantly more than the tolerance."""
    named = affected(finding)
    of = {contrast.first: contrast for contrast in finding.contrasts}
    side = of[named[0]].difference if named and named[0] in of else 0.0
    far = [contrast.first for contrast in finding.contrasts if contrast.beyond_tolerance and contrast.difference * side > 0]
    return tuple(dict.fromkeys((*named, *far)))


def _far_from_the_rest(finding: Finding) -> list[Rate]:
    farthest = sorted(finding.contrasts, key=lambda contrast: (contrast.p, -abs(contrast.difference)))[:_DIFFUSE_NAMED]
    return [phrases.rate_of(finding, contrast.first) for contrast in farthest]


# ---- sentences -----------------------------------------------------------------------------------------------------------------------


def statement(finding: Finding, audit: AuditResult, *, natural: bool = False) -> str:
    """Say for whom a rate is worse, without a full stop: ``Less accurate for Black faces: 88.6 %, against 96.7 % for White faces``.

    With `natural`, the rates are natural frequencies, too: ``88.6 % (1 in 9 wrong)``.
    """
    extremes = ends(with_error_rates(finding, audit))
    if extremes is None:
        return f"{upper_first(rate_name(finding, audit))} by {phrases.attributes(finding.attributes)} is not estimable"
    if finding.diffuse:
        return _diffuse_statement(finding, audit)
    more = "less" if extremes.first.group == extremes.pair.lower else "more"
    if finding.gap and finding.gap.within:
        named = f"{whom_phrase(extremes.first, finding, audit, once=True)} than for {whom_phrase(extremes.second, finding, audit)}"
        return f"{_verb(finding, audit, more)} for {named}, within the same {phrases.units_inside(finding)}"
    shown = with_error_rates(finding, audit)
    first, second = _rates(shown, extremes, shown.metric if natural else "")
    return (
        f"{_verb(finding, audit, more)} for {whom_phrase(extremes.first, finding, audit, once=True)}: {first}, against {second} for "
        f"{whom_phrase(extremes.second, finding, audit)}"
    )


def _diffuse_statement(finding: Finding, audit: AuditResult) -> str:
    rates = _far_from_the_rest(with_error_rates(finding, audit))
    far = " and ".join(f"{whom_phrase(rate, finding, audit)} ({phrases.cell_value(rate)})" for rate in rates)
    differs = f"{upper_first(rate_name(finding, audit))} differs by {phrases.attributes(finding.attributes)}"
    return f"{differs}, though no two groups stand out; the most different from the rest are {far}"


def _rates(finding: Finding, extremes: Ends, metric: str) -> tuple[str, str]:
    """Return both rates; given their metric, with natural frequencies in brackets, unless equal ones would hide the difference."""
    first, second = phrases.pair_values(finding)
    often = [frequency(rate, metric) if metric else "" for rate in (extremes.first, extremes.second)]
    return (first, second) if often[0] == often[1] else (f"{first} ({often[0]})", f"{second} ({often[1]})")


def rate_name(finding: Finding, audit: AuditResult) -> str:
    """Name the tested rate for use within a sentence, with its measurement if there are several: ``gender accuracy``."""
    if pair := confused(finding, audit):
        where = f" ({finding.measurement})" if len(audit.measurements) > 1 else ""
        return f"share of ‘{pair[0]}’ taken for ‘{pair[1]}’{where}"
    truth = truth_of(finding, audit)
    name = subject_of(finding, truth) if len(audit.measurements) > 1 else metric_of(finding, truth)
    return lower_first(name)


def size_sentence(finding: Finding, settings: Settings) -> str:
    """Return the size of the difference that `statement` names: ``The gap is 8 points (95 % interval 5 to 11).``"""
    pair = phrases.leading_pair(finding)
    if pair is None:
        return ""
    inside = f" within {phrases.units_inside(finding)}" if finding.gap and finding.gap.within else ""
    return f"The {'widest gap' if finding.diffuse else 'gap'}{inside} is {size_in_words(finding, pair, settings)}."


def size_in_words(finding: Finding, pair: LeadingPair, settings: Settings) -> str:
    """Return a size in points with its interval in words: ``8 points (95 % interval 5 to 11)``."""
    places = phrases.gap_places(finding)
    interval = f"{interval_level(settings)}\u00a0% interval {end(pair.low, places)} to {end(pair.high, places)}"
    return f"{points(pair.difference, places)} ({interval})"


def interval_level(settings: Settings) -> str:
    """Return the level of the intervals, in percent.

    Examples
    --------
    >>> interval_level(Settings(alpha=0.05))
    '95'
    """
    return f"{round(100 * (1 - settings.alpha), 6):g}"


def signal_sentence(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Return an exploratory finding as a sentence with its uncertainty."""
    return f"{statement(finding, audit)}. {size_sentence(finding, settings)}"


def caution(finding: Finding) -> str:
    """Return a short caution: that adjusting for other attributes, or group composition, changes a difference; else empty."""
    pair = shifted(finding)
    if pair is not None:
        what = "the order is reversed" if pair.shift == "reversed" else lost_words(pair)
        return f"but {what} at equal {phrases.equal(pair.others)}"
    return "but group composition explains it" if composition_sentence(finding) else ""


def question(finding: Finding, audit: AuditResult) -> str:
    """Return the question that a finding answers: ``Is accuracy the same regardless of race?``"""
    regardless = f"regardless of {' and '.join(name.replace('_', ' ') for name in finding.attributes)}?"
    if finding.metric == "accuracy":
        answers = answers_phrase(finding, audit)
        return f"Are {answers} equally accurate {regardless}" if answers else f"Is accuracy the same {regardless}"
    pair = confused(finding, audit)
    named = _QUESTIONS.get(finding.metric, f"Is the {metric_of(finding, None)} the same")
    clause = _IS_TAKEN.format(*pair) if pair else named.format(outcome=finding.outcome)
    equal = f"{AT_EQUAL_TRUTH}, " if finding.shares else ""
    return f"{_where(finding, audit)}{clause} {equal}{regardless}"


def _verb(finding: Finding, audit: AuditResult, more: str) -> str:
    if finding.metric == "accuracy":
        answers = answers_phrase(finding, audit)
        return f"{upper_first(answers)} are {more} accurate" if answers else f"{more.capitalize()} accurate"
    if pair := confused(finding, audit):
        return _where(finding, audit) + _TAKEN.format(*pair, more)
    template = _VERBS.get(finding.metric)
    if template is None:
        return f"{upper_first(rate_name(finding, audit))} is {'lower' if more == 'less' else 'higher'}"
    verb = template.format(outcome=finding.outcome, more=more)
    return f"{_where(finding, audit)}{f'{upper_first(AT_EQUAL_TRUTH)}, {verb}' if finding.shares else verb}"


def _where(finding: Finding, audit: AuditResult) -> str:
    """Return the measurement as a prefix if several measurements ask the same question."""
    return f"{finding.measurement}: " if _ambiguous(finding, audit) else ""


def answers_phrase(finding: Finding, audit: AuditResult) -> str:
    """Name the answers by their question if there are several: ``gender answers``."""
    if len(audit.measurements) < 2:
        return ""
    truth = truth_of(finding, audit)
    named = finding.measurement if truth in (None, "y_true") or _ambiguous(finding, audit) else phrases.attributes([truth or ""])
    return f"answers to ‘{named}’" if truth in (None, "y_true") else f"{named} answers"


def _ambiguous(finding: Finding, audit: AuditResult) -> bool:
    """Whether another measurement asks the same question about its answers."""
    name = (finding.metric, finding.outcome, finding.attributes, truth_of(finding, audit))
    return any(
        (other.metric, other.outcome, other.attributes, truth_of(other, audit)) == name and other.measurement != finding.measurement
        for other in audit.findings
    )


def whom_phrase(cell: Rate, finding: Finding, audit: AuditResult, *, once: bool = False) -> str:
    """Return a readable name of a group: ``Black faces``, ``age 3-9``; `once` also names the attribute of a self-explanatory level."""
    noun = _NOUNS.get(audit.probe.name)
    levels = list(zip(map(_words, finding.attributes), cell.group, strict=False))
    speaking = [(name, level) for name, level in levels if _speaks(name, level)]
    plain = [phrases.group((level,)) for _, level in speaking]
    others = [f"{name} {phrases.group((level,))}" for name, level in levels if not _speaks(name, level)]
    if noun:
        return " ".join([*plain, noun, *(["of", " and ".join(others)] if others else [])])
    of = [name for name, level in speaking if name.lower() not in level.lower()] if once else []
    if others:  # put each attribute next to its own level: in brackets at the end it would seem to apply to all
        plain = [f"{group} ({name})" if name in of else group for group, (name, _) in zip(plain, speaking, strict=True)]
        return " × ".join([*plain, *others])
    return " × ".join(plain) + (f" ({' × '.join(of)})" if of else "")


def _words(attribute: str) -> str:
    return phrases.attributes([attribute])


def _speaks(attribute: str, level: str) -> bool:
    """Whether a level explains itself: letters without a digit, or it contains the attribute's name. Ages do not."""
    return attribute.lower() in level.lower() or bool(_SPEAKS.search(level) and not _DIGIT.search(level))
