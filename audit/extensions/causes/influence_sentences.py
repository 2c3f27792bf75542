"""Sentences about groups of captions that were left out one at a time, and about proxies for it."""

from __future__ import annotations

from audit.extensions.causes import sentences as text
from audit.extensions.causes.record import ENOUGH, Causes, GroupInfluence, Influence, Proxy, ProxyCheck
from audit.records.base import Estimate
from reports.text.numbers import decimal, in_words, level, number, upper_first

NOT_TESTED = (
    "Groups of captions left out together: each was left out alone.",
    "Single captions: the effects are those of whole groups, and a group of many pairs may have a larger effect for that reason alone.",
)
NAMES: dict[Proxy, str] = {"tracin": "TracIn", "similarity": "gradient similarity"}


def effects_sentence(facts: Causes, influence: Influence) -> str:
    """Say what leaving out groups does to the outcome."""
    groups, planned = influence.groups, facts.plan.influence
    dose = f" at dose {planned.at:g}" if planned else ""
    begin = (
        f"{in_words(len(groups), 'group')} of captions left out one at a time{dose}, {in_words(len(influence.seeds), 'seed')}. With all "
        f"groups, the {text.outcome_name(facts.plan.outcome)} is {text.percent_of(facts, influence.level)}."
    )
    if groups[0].effect is None:
        return f"{begin} With one seed, the effects have no interval."
    joint, shown = f"joint {level(facts.settings.alpha)} intervals", [group for group in groups if is_shown(group)]
    if not shown:
        return f"{begin} We found no evidence that leaving one of them out changes it ({joint})."
    largest = max(shown, key=lambda group: abs(group.difference))
    have = f"{len(shown)} of them {'has' if len(shown) == 1 else 'have'} an effect ({joint})"
    return f"{begin} {have}{'; the largest is' if len(shown) > 1 else ':'} {group_effect(largest)}."


def is_shown(group: GroupInfluence) -> bool:
    """Whether the interval of an effect excludes 0."""
    return group.effect is not None and not group.effect.low <= 0 <= group.effect.high


def group_effect(group: GroupInfluence) -> str:
    """Say how the outcome changes without a group."""
    change = text.in_points(group.effect) if group.effect else f"{number(group.difference, 1, signed=True)} points"
    return f"without “{group.group}” ({in_words(group.pairs, 'pair')}): {change}"


def order_sentence(influence: Influence) -> str:
    """Say how far the order of the effects can be reproduced, which limits every proxy."""
    if influence.agreement is None or influence.ceiling is None:
        why = "With one seed" if len(influence.seeds) < 2 else "Because all effects of a seed are equal"
        return f"{why}, it is unknown how much of the order of the groups is chance, so no proxy can be judged."
    between = f"The order of the effects has a rank correlation of {decimal(influence.agreement, 2)} between two seeds"
    seeds = in_words(len(influence.seeds), "seed")
    if influence.ceiling < ENOUGH:
        limit = (
            f"even a perfect proxy would be expected to reach only {decimal(influence.ceiling, 2)} against the mean of {seeds}"
            if influence.ceiling
            else "the mean over seeds has no order that could be predicted"
        )
        return f"{between}: it is mostly chance, and {limit}. So no proxy can be judged. More seeds, or larger groups, may show an order."
    return f"{between}; a perfect proxy would be expected to reach {decimal(influence.ceiling, 2)} against the mean of {seeds}."


def proxy_sentence(influence: Influence, check: ProxyCheck) -> str:
    """Say how well a proxy predicts the order of the effects, and whether it may be used as an explanation."""
    name, groups = upper_first(NAMES[check.proxy]), f"over {in_words(len(influence.groups), 'group')}"
    return f"{name}: rank correlation with leaving out {correlation(check.correlation)} {groups}. {_use(influence, check)}"


def _use(influence: Influence, check: ProxyCheck) -> str:
    judgement = influence.judgement(check)
    if judgement == "explains":
        return f"At least {decimal(ENOUGH, 1)}, and its interval is above 0: here it predicts the order of the groups."
    if judgement == "cannot be judged":
        return "Not offered as an explanation, because it cannot be judged."
    if check.correlation is None:
        return "Not offered as an explanation: it is the same for all groups."
    if check.correlation.value < ENOUGH:
        return f"Not offered as an explanation: it is under {decimal(ENOUGH, 1)}."
    return "Not offered as an explanation: its interval is not above 0."


def correlation(estimate: Estimate | None) -> str:
    """Format a correlation with its interval.

    >>> correlation(Estimate(-0.314, -0.8, 0.42)), correlation(None)
    ('−0.31 [−0.8, 0.42]', 'unknown')
    """
    return "unknown" if estimate is None else f"{decimal(estimate.value, 2)} [{decimal(estimate.low, 2)}, {decimal(estimate.high, 2)}]"


def stand_in_sentence(facts: Causes, influence: Influence) -> str:
    """Say what the gradients are of."""
    return (
        f"The gradients are of probabilities instead of answers: {text.percent_of(facts, influence.stand_in, places=1)} at the end of "
        f"training, where the outcome itself is {text.percent_of(facts, influence.level, places=1)}."
    )
