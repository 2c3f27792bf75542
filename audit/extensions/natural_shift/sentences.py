"""Sentences about natural shifts: how accuracy changes on images of another condition, for which groups, and what is expected."""

from __future__ import annotations

from audit.extensions.natural_shift.record import NaturalShift, ShiftedRate, ShiftResult
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, difference, in_words, p_phrase, percent

WHERE = "natural shifts"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "Images come from several conditions, as people and cameras made them. Is accuracy in another condition the same as in the standard "
    "one, and do all groups lose equally? Every condition has different images: besides the condition, their content may differ."
)
EFFECTIVE = (
    "Effective robustness is the accuracy in the other condition minus what the line through other models predicts from this model’s "
    "accuracy in the standard one: above 0 the model loses less than models of its accuracy do, below 0 more. An interval that includes 0 "
    "shows neither."
)
READING = "Hollow: the standard condition. Filled, with the interval of the change: the other condition; coloured if groups lose unequally."
METHOD = (
    "The interval of a change is Newcombe’s (Zou and Donner’s if images come in clusters), for a single group. p: groups are "
    "exchanged between images of one condition, and the most significant pair of groups is tested in its own standard errors (Chung and "
    "Romano 2013); adjusted for all {tests} of this section (Benjamini and Hochberg)."
)
FIT = (
    "The line is fitted to logits of accuracies, of at least four other models (Taori et al. 2020); the interval is that of a prediction "
    "for one more model (Student’s t), widened by the sampling error of this model’s own accuracies."
)


def shift_title(natural_shift: NaturalShift) -> str:
    """Return the heading of a question by an attribute."""
    by = f" By {phrases.attributes([natural_shift.attribute])}" if natural_shift.attribute else ""
    return f"{phrases.stopped(natural_shift.question)}{by}"


def what_is_asked(audit: AuditResult) -> str:
    """Return the question, and explain effective robustness if it is shown."""
    return f"{ASKED} {EFFECTIVE}" if _estimated(audit) else ASKED


def _estimated(audit: AuditResult) -> bool:
    rates = (
        rate
        for natural_shift in audit.analyses["natural_shifts"]
        for shift in natural_shift.results
        for rate in (shift.overall, *shift.by_group)
    )
    return any(rate.effective for rate in rates)


def result(audit: AuditResult) -> str:
    """Say how large the largest drop over all images is, under how many shifts groups change unequally, and which is most significant."""
    shifts = {
        (natural_shift.column, shift.condition): shift.overall
        for natural_shift in audit.analyses["natural_shifts"]
        for shift in natural_shift.results
    }
    known = [(key, rate) for key, rate in shifts.items() if rate.difference is not None]
    sentences = []
    if known:
        (_, condition), rate = min(known, key=lambda shift: shift[1].difference or 0.0)
        change = difference(rate.difference, rate.low, rate.high)
        ends = f"from {percent(rate.standard.value)} to {percent(rate.shifted.value)}"
        largest = "The largest change: accuracy" if len(known) > 1 else "Accuracy"
        sentences.append(f"{largest} on images of ‘{condition}’ goes {ends}, a change of {change} points.")
        sentences += [_effective_sentence(rate)] if rate.effective else []
    return " ".join((*sentences, *_unequal(audit)))


def _effective_sentence(rate: ShiftedRate) -> str:
    effective = rate.effective
    if effective is None:
        return ""
    shown = difference(effective.value, effective.low, effective.high)
    return f"{in_words(effective.models, 'other model')} predict {percent(effective.predicted)}: effective robustness {shown} points."


def _unequal(audit: AuditResult) -> tuple[str, ...]:
    tests = max((natural_shift.tests for natural_shift in audit.analyses["natural_shifts"]), default=0)
    unequal = signals(audit)
    if not tests:
        return ("Whether groups change equally is not judged here.",)
    if not unequal:
        limited = " A limited run has no signals." if audit.data.limited else ""
        where = "No" if tests == 1 else f"In none of {in_words(tests, 'comparison')} is an"
        return (f"{where} unequal change {'is ' * (tests == 1)}significant: it is undecided whether there is one.{limited}",)
    where = "Groups" if tests == 1 else f"In {count(len(unequal))} of {in_words(tests, 'comparison')}, groups"
    return (f"{where} change unequally. Most significant: {_signal(*unequal[0])}",)


def signals(audit: AuditResult) -> list[tuple[NaturalShift, ShiftResult]]:
    """Return the conditions in which groups change unequally, most significant first."""
    unequal = [
        (natural_shift, one)
        for natural_shift in audit.analyses["natural_shifts"]
        for one in natural_shift.results
        if one.verdict == "signal" and one.pair is not None
    ]
    return sorted(unequal, key=lambda signal: signal[1].p_adjusted or 0.0)


def _signal(natural_shift: NaturalShift, shift: ShiftResult) -> str:
    pair = shift.pair
    assert pair is not None  # noqa: S101  (the caller checked)
    ends = {rate.group: (percent(rate.standard.value), percent(rate.shifted.value)) for rate in shift.by_group}
    moved = [f"{phrases.group(group)} goes from {ends[group][0]} to {ends[group][1]}" for group in (pair.second, pair.first)]
    apart = f"{difference(pair.difference, pair.low, pair.high)} points apart (adjusted {p_phrase(shift.p_adjusted or 0.0)})"
    return f"on images of ‘{shift.condition}’, {moved[0]}, and {moved[1]}; {apart}."


def unjudged(natural_shift: NaturalShift) -> str:
    """Say why a question is not judged; empty if it is."""
    return f"{shift_title(natural_shift)}: {sentence(natural_shift.reason)}." if natural_shift.reason else ""


def not_estimated(audit: AuditResult) -> tuple[str, ...]:
    """Say why effective robustness over all images is not estimable, once per reason."""
    reasons = [
        shift.overall.not_estimable
        for natural_shift in audit.analyses["natural_shifts"]
        for shift in natural_shift.results
        if shift.overall.not_estimable
    ]
    return tuple(dict.fromkeys(f"Effective robustness: {sentence(reason)}." for reason in reasons))


def method(audit: AuditResult) -> str:
    """Explain how p and the line are computed, if they are shown."""
    tests = max((natural_shift.tests for natural_shift in audit.analyses["natural_shifts"]), default=0)
    judged = METHOD.format(tests=in_words(tests, "comparison")) if tests else ""
    return " ".join(filter(None, (judged, FIT if _estimated(audit) else "")))


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about natural shifts in summary and terminal."""
    named = phrases.NOT_PLANNED if signals(audit) else "Natural shifts: "
    return f"{named}{result(audit)}" if audit.analyses["natural_shifts"] else ""
