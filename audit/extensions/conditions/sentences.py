"""Sentences about conditions: how each group's rate changes with images, prompts or examples, and whether groups change equally."""

from __future__ import annotations

from collections.abc import Iterator

from audit.analyses.records import ConditionResult, Conditions, CorruptionError, GroupError
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, difference, in_words, p_phrase, percent, rate

WHERE = "what changed conditions do"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = {
    "prompts": "The same images are tested with other prompts: who gains, and do all groups gain equally?",
    "images": "The same images are tested again, each changed in a way that keeps its content visible: do all groups of images lose "
    "equally, or does the model fail for some sooner than for others?",
    "attack": "The pixels of the same images are changed a little, along the model’s gradients, against the right answer: is one "
    "group easier to attack than another?",
    "shots": "The model gets more and more labelled examples: who gains, and do all groups gain equally?",
}
"""The question of each kind."""
READING = (
    "Each line is a group, from the baseline at 0 to the strongest condition; bars are intervals. Groups with parallel lines change "
    "equally; a line that drops away from the others is a group for which the model fails sooner."
)
SLOPES = "Hollow: the baseline. Filled, with its interval: the change from there, same images; coloured if groups change unequally."
METHOD = (
    "Intervals of a change are paired (Agresti and Min) and hold for a single group. p: each image’s gain or loss stays "
    "fixed while groups (or whole clusters) are exchanged; the most significant pair of groups, in its own standard errors (Chung and "
    "Romano 2013); adjusted for all {tests} of this section (Benjamini and Hochberg). “No signal” means undecided, not equal."
)


def what_was_asked(audit: AuditResult) -> str:
    """Return the questions, in the order of their kinds."""
    return " ".join(ASKED[kind] for kind in dict.fromkeys(condition.kind for condition in audit.analyses["conditions"]))


def conditions_title(conditions: Conditions) -> str:
    """Return the heading of a question by an attribute."""
    return f"{conditions.question} By {phrases.attributes(conditions.attributes)}"


def measured(conditions: Conditions) -> str:
    """Name the rate."""
    return "accuracy" if conditions.outcome is None else f"share answered ‘{conditions.outcome}’"


def result(audit: AuditResult) -> str:
    """Say under how many conditions groups change unequally, and which is most significant; or that nothing is judged."""
    tests = max((condition.tests for condition in audit.analyses["conditions"]), default=0)
    if not tests:
        return "Nothing is judged here: fewer than two groups are large enough; the numbers are shown with their n."
    ordered = sorted(signals(audit), key=lambda signal: signal[0])
    if not ordered:
        limited = " A limited run has no signals." if audit.data.limited else ""
        return (
            f"In none of {in_words(tests, 'comparison')} is an unequal change significant: it is undecided whether there is one.{limited}"
        )
    of = f"In {count(len(ordered))} of {in_words(tests, 'comparison')}, groups change unequally (Benjamini and Hochberg)."
    return f"{of} Most significant: {ordered[0][1]}"


def signals(audit: AuditResult) -> Iterator[tuple[float, str]]:
    """Yield adjusted p and sentence for every condition under which groups change unequally."""
    for condition in audit.analyses["conditions"]:
        for effect in condition.results:
            if effect.verdict == "signal" and effect.pair is not None and effect.p_adjusted is not None:
                yield effect.p_adjusted, _signal(condition, effect, effect.p_adjusted)


def _signal(conditions: Conditions, effect: ConditionResult, p: float) -> str:
    pair = effect.pair
    assert pair is not None  # noqa: S101  (the caller checked)
    ends = {rate.before.group: (percent(rate.before.value), percent(rate.after.value)) for rate in effect.by_group}
    moved = [f"{phrases.group(group)} goes from {ends[group][0]} to {ends[group][1]}" for group in (pair.second, pair.first)]
    apart = difference(pair.difference, pair.low_adjusted, pair.high_adjusted)
    return (
        f"with {effect.condition.name}, {measured(conditions)} of {moved[0]}, and of {moved[1]}; {apart} points apart "
        f"(adjusted {p_phrase(p)})."
    )


def error_in_words(conditions: Conditions) -> str:
    """State the mean corruption error of all images and of the groups that differ most; empty without one."""
    error = conditions.corruption_error
    if error is None:
        return ""
    kinds = in_words(sum(kind.in_mean for kind in error.kinds), "kind")
    divided = f", each divided by the published error of {error.normalized_by}" if error.normalized_by else ", not normalised by a baseline"
    overall = f"Mean corruption error ({kinds} of corruption at five severities{divided}; frost, which is procedural here, is left out): "
    return f"{overall}{group_error(error.overall)} over all images. {_error_gap(error)}".rstrip()


def _error_gap(error: CorruptionError) -> str:
    if (gap := error.gap) is None:
        return ""
    values = {group.group: percent(group.value) for group in error.by_group}
    apart = difference(gap.difference.value, gap.difference.low, gap.difference.high)
    chance = "" if gap.difference.low > 0 else " That difference could be chance alone."
    return (
        f"Highest for {phrases.group(gap.highest)} ({values[gap.highest]}), lowest for {phrases.group(gap.lowest)} "
        f"({values[gap.lowest]}): {apart} points apart.{chance}"
    )


def group_error(error: GroupError) -> str:
    """Return a mean corruption error with its interval."""
    return rate(error.value, error.low, error.high)


def unjudged(conditions: Conditions) -> str:
    """Say why a question is not judged; empty if it is."""
    return f"{conditions_title(conditions)}: {sentence(conditions.reason)}." if conditions.reason else ""


def method(audit: AuditResult) -> str:
    """Explain how p is computed; empty if nothing is judged."""
    tests = max((condition.tests for condition in audit.analyses["conditions"]), default=0)
    return METHOD.format(tests=in_words(tests, "comparison")) if tests else ""


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about conditions in summary and terminal."""
    named = phrases.NOT_PLANNED if any(signals(audit)) else "Conditions: "
    errors = " ".join(filter(None, map(error_in_words, audit.analyses["conditions"])))
    return f"{named}{result(audit)} {errors}".rstrip() if audit.analyses["conditions"] else ""
