"""Sentences and captions of associations: whose images are nearer to which words, in how much more than shuffled groups explain."""

from __future__ import annotations

from audit.records.analyses.similarity import AssociatedGroup, AssociationTest
from audit.records.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, decimal, in_words, p_phrase, percent

ASKED = (
    "Every image is compared with two lists of words. d compares a group with all other images, in standard deviations: above 0 its images "
    "are nearer to the first list, below 0 to the second. It says what the model connects with a group, not what is true of the people "
    "shown; a d that shuffled groups reach too shows neither a difference nor that there is none."
)
READING = "Dot: d of the group, filled where it is beyond chance. Line: 0. Bar: what 19 of 20 shuffles of the groups give."


def associated(audit: AuditResult) -> tuple[tuple[AssociationTest, AssociatedGroup], ...]:
    """Return the groups whose association is beyond chance, the most significant first."""
    found = [(test, group) for test in audit.associations for group in test.groups if group.verdict == "signal"]
    return tuple(sorted(found, key=lambda each: (each[1].p_adjusted, -abs(each[1].effect_size or 0.0))))


def association_result(audit: AuditResult, settings: Settings) -> str:
    """Return how many associations are beyond chance, and the farthest."""
    asked = sum(len(test.groups) for test in audit.associations)
    if not asked:
        return "No association is estimable."
    found = associated(audit)
    rate = f"false discovery rate {percent(settings.alpha)}"
    of = f"{count(len(found)) if found else 'None'} of {in_words(asked, 'association')} (each group against the rest; {rate})"
    if found:
        return f"{of} {'is' if len(found) == 1 else 'are'} beyond chance. The farthest: {group_sentence(*found[0])}"
    limited = " A limited run signals nothing." if audit.data.limited else ""
    return f"{of} is beyond chance: whether groups differ is undecided.{limited}"


def group_sentence(test: AssociationTest, group: AssociatedGroup) -> str:
    """Return one association: group first, then the words, then d and what chance gives."""
    near, far = (test.first, test.second) if group.difference >= 0 else (test.second, test.first)
    d = decimal(group.effect_size, 2)
    return (
        f"{phrases.group((group.group,))} (n\u00a0=\u00a0{count(group.n)}) are nearer to ‘{near}’ than to ‘{far}’, compared with the rest: "
        f"d\u00a0=\u00a0{d}; 19 of 20 shuffles give {by_chance(group)} (adjusted {p_phrase(group.p_adjusted)})."
    )


def line(audit: AuditResult, settings: Settings) -> str:
    """Return what summary and terminal say of associations: nothing unless one is beyond chance."""
    return f"Not planned: {association_result(audit, settings)}" if associated(audit) else ""


def by_chance(group: AssociatedGroup) -> str:
    """Return between what d lies for 19 of 20 shuffles."""
    return f"{decimal(group.chance.low, 2)} to {decimal(group.chance.high, 2)}" if group.chance else ""


def association_title(test: AssociationTest) -> str:
    """Return what a chart is about."""
    return f"By {phrases.attributes([test.attribute])}: ‘{test.first}’ against ‘{test.second}’"


def why_not(test: AssociationTest) -> str:
    """Return why an association has no numbers; empty where it has."""
    return f"{association_title(test)}: not estimable, for {phrases.stopped(sentence(test.reason))}" if test.reason else ""
