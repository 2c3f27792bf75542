"""Sentences about a watch. An alarm says that a gap exceeds the tolerance; no alarm says nothing about how small a gap is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audit.extensions.watch.record import FIRST_SHARE, MOST_LATE, GapWatch, PairTest, Watch, WatchedQuestion, WatchPlan
from audit.gates.parse import PlannedQuestion
from audit.types import UNKNOWN
from reports.text.numbers import clean, count, decimal, decimals, exact_points, in_words, level, number, span, upper_first
from reports.text.phrases import attributes, group, listed
from reports.text.sentences import metric_of

ALARM, NO_ALARM = "Alarm", "No alarm"
_ROUNDING = 1e-9
_MOST, _LEAST = 6, -2
"""Decades beyond which a wealth is not printed in digits."""
NOT_TOLD = (
    "No alarm is not evidence of small gaps: there may be too few rows. To show that a gap is small, audit the rows.",
    "A gap that exists only for a while raises an alarm only if it lasts long enough.",
    "The groups are what the columns say; they are not how the people shown identify themselves.",
    "Gaps between intersections of attributes, and ratios of rates, are not watched.",
)


def watch_title(facts: Watch) -> str:
    """Return the title of the page."""
    return f"Watch over “{facts.plan.source}”"


def watch_deck(facts: Watch) -> str:
    """Say how many rows were used, and how many looks there were."""
    files = in_words(len({rows.file for rows in facts.used}), "file")
    return f"{in_words(facts.rows, 'row')} in {files}, {in_words(len(facts.looks), 'look')}"


def watched_question_title(question: WatchedQuestion) -> str:
    """Return what is watched: ``Accuracy by gender``; the measurement only if it has a name of its own."""
    of = "" if question.measurement == "predictions" else f" ({question.measurement})"
    planned = PlannedQuestion(
        question.id, question.measurement, question.metric, question.outcome, (question.attribute,), primary=True, better="neither"
    )
    return f"{upper_first(metric_of(planned, None))}{of} by {attributes([question.attribute])}"


def above(first: str, second: str) -> str:
    """Return the names of two groups, the higher one first."""
    return f"{group((first,))} above {group((second,))}"


def by_more(plan: WatchPlan) -> str:
    """Return the tolerance as the end of a sentence; nothing if any gap counts."""
    return f" by more than {exact_points(plan.tolerance)}" if plan.tolerance else ""


def alarm_headline(gap: GapWatch, plan: WatchPlan) -> str:
    """Say which group exceeds which; empty without an alarm."""
    if gap.alarm is None:
        return ""
    first, second = group((gap.alarm.first,)), group((gap.alarm.second,))
    return f"{watched_question_title(gap.question)}: the rate of {first} exceeds that of {second}{by_more(plan)}."


def watch_headline(facts: Watch) -> str:
    """Return the first alarm, or say that no gap has been shown; and name the groups that were not in the first look."""
    plan = facts.plan
    exceeds = f"exceed {exact_points(plan.tolerance)}" if plan.tolerance else "exist"
    shown = alarm_headline(facts.alarms[0], plan) if facts.alarms else f"No gap has been shown to {exceeds} so far."
    late = listed([f"{group((name,))} ({attributes([attribute])})" for attribute, name in facts.late_groups])
    return f"{shown} New since the first look, and watched: {late}." if late else shown


def details(facts: Watch) -> list[str]:
    """Return what a reader of the headline has to know, one sentence per line."""
    if not facts.alarms:
        return ["This is not evidence that the gaps are smaller.", strongest(facts)]
    first, *others = facts.alarms
    lines = [alarm_place(first, facts), interval_sentence(first, facts.plan)]
    return [*lines, *(f"Also: {alarm_headline(gap, facts.plan)} {alarm_place(gap, facts)}" for gap in others)]


def alarm_place(gap: GapWatch, facts: Watch) -> str:
    """Say at which row the alarm was raised."""
    if gap.alarm is None:
        return ""
    return f"The alarm was raised at row {count(gap.alarm.row)} of {count(facts.rows)} ({gap.alarm.file})."


def strongest(facts: Watch) -> str:
    """Say which test comes closest to an alarm."""
    gap = max((gap for gap in facts.gaps if gap.pairs), key=lambda gap: gap.pairs[0].log10_most)
    pair = gap.pairs[0]
    if not any(10**pair.log10_most > pair.stake * (1 + _ROUNDING) for gap in facts.gaps for pair in gap.pairs):
        return "No bet on a gap has gained anything."
    return (
        f"Closest to an alarm: {watched_question_title(gap.question)}, {above(pair.first, pair.second)}; the wealth was at most "
        f"{wealth(pair.log10_most)}, and an alarm takes {threshold(facts.plan)}."
    )


def interval_sentence(gap: GapWatch, plan: WatchPlan) -> str:
    """Return the bounds of the difference that raised the alarm."""
    if gap.alarm is None:
        return ""
    names = (gap.alarm.first, gap.alarm.second)
    pair = next(pair for pair in gap.pairs if {pair.first, pair.second} == {*names})
    low, high = (pair.low, pair.high) if (pair.first, pair.second) == names else (-pair.high, -pair.low)
    places, certain = decimals(low, high), f"({level(plan.alpha)}, for all pairs and looks together)"
    if low > high:
        return (
            f"The difference, {above(*names)}, has changed: it was above {number(low, places)} points in some rows and below "
            f"{number(high, places)} points in others {certain}."
        )
    bounds = f"between {number(low, places)} and {number(high, places)} points"
    return f"If it has not changed, the difference, {above(*names)}, is {bounds} {certain}."


def pair_interval(pair: PairTest) -> str:
    """Return the bounds of a difference in points; of one that has changed, what it was above and below at different times."""
    places = decimals(pair.low, pair.high)
    if pair.low > pair.high:
        return f"changed: above {number(pair.low, places, signed=True)}, below {number(pair.high, places, signed=True)}"
    return span(pair.low, pair.high, places, signed=True)


def wealth(log10: float) -> str:
    """Format a wealth with three significant digits.

    Examples
    --------
    >>> wealth(0.0), wealth(2.0), wealth(math.log10(3.217)), wealth(9.0), wealth(-5.0)
    ('1', '100', '3.22', 'over 1,000,000', 'under 0.01')
    """
    if log10 > _MOST:
        return f"over {count(10**_MOST)}"
    if log10 < _LEAST:
        return f"under {decimal(10.0**_LEAST, -_LEAST)}"
    value = 10**log10
    return decimal(value, max(0, 2 - math.floor(log10)))


def threshold(plan: WatchPlan) -> str:
    """Return the wealth that raises the alarm."""
    return wealth(plan.log_threshold / math.log(10))


def late_sentence(gap: GapWatch) -> str:
    """Name the groups that were not in the first look, and their first rows; empty without one."""
    late = listed([
        f"{group((one.group,))} from row {count(one.row)} ({clean(one.file)}), with a wealth of {wealth(math.log10(one.stake))} at first"
        for one in gap.late
    ])  # fmt: skip
    return f"New in {attributes([gap.question.attribute])} since the first look: {late}." if late else ""


def others_sentence(gap: GapWatch) -> str:
    """Name groups that are not compared, with their rows; empty if every group is."""
    rows = {other.group: other.n for other in gap.others if other.n}
    unknown = rows.pop(UNKNOWN, 0)
    named = listed([f"{group((name,))} ({count(n)})" for name, n in rows.items()])
    sentences = []
    if rows:
        sentences.append(
            f"Not watched, because {in_words(len(gap.late), 'new group')} of {attributes([gap.question.attribute])} are already: {named}. "
            "To watch them, begin a new watch with another --out."
        )
    if unknown:
        sentences.append(f"Left out, with an unknown value: {in_words(unknown, 'row')}.")
    return " ".join(sentences)


def cut_sentence(cut: Sequence[str]) -> str:
    """Say which files end in the middle of a line: ``The last line of day.csv is incomplete and was left for the next look.``"""
    files = listed([clean(name) for name in cut])
    return f"The last line of {files} is incomplete and was left for the next look."


def watch_plan_rows(plan: WatchPlan) -> Sequence[tuple[str, str]]:
    """Return the plan, term by term."""
    columns, first = plan.columns, f"{count(round(100 * FIRST_SHARE))}\u00a0%"
    rows = [
        ("Predictions", plan.source), ("Alarm", f"a gap exceeds {exact_points(plan.tolerance)}"),
        ("Probability of a false alarm", f"at most {100 * plan.alpha:g}\u00a0%, about any gap, however often one looks"),
        ("Questions", "; ".join(watched_question_title(question) for question in plan.questions)),
        ("Groups", "; ".join(f"{attributes([name])}: {', '.join(levels)}" for name, levels in _levels(plan).items())),
        ("Tests", f"{count(sum(question.tests for question in plan.questions))}, one for each question and ordered pair of groups"),
        ("Threshold", f"a wealth of {threshold(plan)}: the number of tests over {first} of the probability of a false alarm"),
        ("New groups", f"up to {MOST_LATE} per question share the rest of that probability"),
    ]  # fmt: skip
    rows += [("Outcomes", "; ".join(plan.outcomes))] if plan.outcomes else []
    rows += [("Bins", "; ".join(columns.bins))] if columns.bins else []
    return [*rows, *([("Cluster", f"{columns.cluster}: one row each")] if columns.cluster else [])]


def _levels(plan: WatchPlan) -> dict[str, tuple[str, ...]]:
    return {question.attribute: question.groups for question in plan.questions}
