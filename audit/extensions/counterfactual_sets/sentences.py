"""Sentences and captions about counterfactual sets: how often answers change with one attribute, and in which direction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.extensions.counterfactual_sets.record import CounterfactualSets, HarmlessBaseline, MemberDifference, MemberPair
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, difference, in_words, number, p_phrase, percent, rate, upper_first

WHERE = "counterfactual sets"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "A set shows the same scene several times, with one attribute of the person changed: does the answer change with it, and in one "
    "direction? It may also change for no reason, so the same images are tested again cropped, mirrored, and as a JPEG file, which "
    "does not change the person: only changes beyond that are a response to the person, or to other differences within a set."
)
READING = (
    "Upper, filled dot: pairs of images of one set that are answered differently. Lower, hollow dot: images that are answered differently "
    "after a harmless change. Bars: intervals. Coloured if the upper is significantly above the lower."
)
DIRECTION = (
    "Right of 0, the first of a pair is given the answer more often, left of 0 the second. A model may change many answers without a "
    "direction: then the net difference stays near 0. Coloured if answers or probabilities shift significantly."
)
METHOD = (
    "p of the excess: the pairs of a set and the harmless changes of its images are exchanged within sets (one-sided). p of a net and of a "
    "shift: the sign of each {unit} is a coin flip. For sets of more than two: Cochran’s Q of the answers and the members’ mean "
    "probabilities, with members exchanged within sets. Whole {units} change together; adjusted for all {tests} of this section (Holm). "
    "Shift: difference of mean probabilities of the answer, in points; its interval is Student’s over {units}."
)


def sets_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many tests of the sets are beyond chance, and which is most significant; or that there are too few sets to judge."""
    significant = list(signals(audit))
    tests = max((sets.tests for sets in audit.analyses["counterfactual_sets"]), default=0)
    if not tests:
        return "Nothing is judged here: there are too few sets; the numbers are shown with their n."
    if not significant:
        limited = " A limited run has no signals." if audit.data.limited else ""
        return f"None of {in_words(tests, 'test')} is beyond chance: it is undecided whether the changed attribute matters.{limited}"
    first = min(significant, key=lambda signal: signal[0])[1]
    changes = sum(sets.harmless is not None and sets.harmless.verdict == "signal" for sets in audit.analyses["counterfactual_sets"])
    return f"{_kinds(changes, len(significant) - changes, tests)} Most significant: {first}"


def _kinds(changes: int, directions: int, tests: int) -> str:
    """Say how many tests find more changes than harmless ones cause, regardless of direction, and how many find a direction."""
    of, shown = f"of {in_words(tests, 'test')} (Holm)", "that one member is given an answer more often"
    if not changes:
        return f"{count(directions)} {of} {'shows' if directions == 1 else 'show'} {shown}."
    more = f"In {count(changes)} {of} answers change more often than after harmless changes, in either direction"
    return f"{more}; {count(directions) if directions else 'none'} {'show' if directions > 1 else 'shows'} {shown}."


def signals(audit: AuditResult) -> Iterator[tuple[float, str]]:
    """Yield p and sentence for every test that is beyond chance."""
    for sets in audit.analyses["counterfactual_sets"]:
        if sets.harmless and sets.harmless.verdict == "signal":
            yield sets.harmless.p_adjusted, excess_sentence(sets, sets.harmless)
        if sets.members_differ:
            yield from _of_members(sets, sets.members_differ)
        for pair in sets.pairs:
            yield from _of_pair(sets, pair)


def _of_members(sets: CounterfactualSets, test: MemberDifference) -> Iterator[tuple[float, str]]:
    if test.verdict != "signal":
        return
    members = in_words(len(sets.members), "member")
    p = min(test.q_p_adjusted, test.score_p_adjusted)
    yield p, f"{_asked(sets)} the {members} of a set are not given ‘{sets.outcome}’ equally often (adjusted {p_phrase(p)})."


def _of_pair(sets: CounterfactualSets, pair: MemberPair) -> Iterator[tuple[float, str]]:
    if pair.verdict == "signal":
        yield min(pair.net_p_adjusted, pair.shift_p_adjusted), pair_sentence(sets, pair)


def _asked(sets: CounterfactualSets) -> str:
    return f"When only {phrases.attributes([sets.attribute])} changes (“{sets.question}”),"


def excess_sentence(sets: CounterfactualSets, baseline: HarmlessBaseline) -> str:
    """Say how often pairs of images get different answers, and how often harmless changes alter an answer."""
    return (
        f"{_asked(sets)} {estimate(sets.differing)} of image pairs in {in_words(sets.sets, 'set')} get different answers; a harmless "
        f"change alters {estimate(baseline.rate)} of answers (adjusted {p_phrase(baseline.p_adjusted)})."
    )


def pair_sentence(sets: CounterfactualSets, pair: MemberPair) -> str:
    """Say which of two members gets the answer more often, by answers and by probability."""
    shift = difference(pair.shift, pair.shift_low, pair.shift_high) if pair.shift_low is not None else number(pair.shift, 1, signed=True)
    return (
        f"{_asked(sets)} only {pair.first} is given ‘{sets.outcome}’ in {count(pair.only_first)} of {in_words(sets.sets, 'set')}, only "
        f"{pair.second} in {count(pair.only_second)}: net {difference(pair.net.value, pair.net.low, pair.net.high)} points (adjusted "
        f"{p_phrase(pair.net_p_adjusted)}); its probability shifts by {shift} points (adjusted {p_phrase(pair.shift_p_adjusted)})."
    )


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about the sets in summary and terminal; empty unless one is beyond chance."""
    return f"{phrases.NOT_PLANNED}{sets_result(audit, settings)}" if any(signals(audit)) else ""


def estimate(interval: object) -> str:
    """Format a rate with its interval; None becomes "not estimable"."""
    value, low, high = (getattr(interval, name, None) for name in ("value", "low", "high"))
    return rate(value, low, high)


def asked_in_full(sets: CounterfactualSets) -> str:
    """Return the question of a row."""
    return f"{phrases.stopped(sets.question)}"


def changed(sets: CounterfactualSets) -> str:
    """Return what differs within the sets: ``gender: man, woman``."""
    return f"{phrases.attributes([sets.attribute])}: {', '.join(sets.members)}"


def sizes(sets: CounterfactualSets) -> str:
    """Return how many sets and independent units there are."""
    lacking = f", {count(sets.incomplete)} incomplete" if sets.incomplete else ""
    return f"{count(sets.sets)}{lacking} ({in_words(sets.clusters, 'cluster')})"


def why_not(sets: CounterfactualSets) -> str:
    """Say why sets are not judged; empty if they are."""
    return phrases.stopped(upper_first(sentence(sets.reason))) if sets.reason else ""


def harmless_cells(baseline: HarmlessBaseline) -> tuple[str, ...]:
    """Return how many answers each harmless change alters."""
    return tuple(
        f"{percent(change.changed / change.images)} ({count(change.changed)} of {count(change.images)})" for change in baseline.changes
    )


def method(all_sets: Sequence[CounterfactualSets]) -> str:
    """Explain how p was computed; empty if nothing was judged."""
    tests = max((sets.tests for sets in all_sets), default=0)
    units = " or ".join(dict.fromkeys(phrases.attributes([sets.cluster_attribute]) for sets in all_sets))
    if not tests:
        return ""
    draws = f" If not all arrangements are tried, {count(max(sets.draws for sets in all_sets))} are drawn."
    return METHOD.format(unit=units, units=f"{units}s", tests=in_words(tests, "test")) + draws
