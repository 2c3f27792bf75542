"""Sentences and captions about associations: which groups' images are closer to which words, beyond what shuffled groups show."""

from __future__ import annotations

from collections.abc import Sequence

from audit.extensions.association.record import AssociatedGroup, AssociationTest
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, decimal, in_words, p_phrase, percent

WHERE = "associations with words"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "Every image is compared with two lists of words. d compares a group with all other images, in standard deviations: above 0, its "
    "images are closer to the first list, below 0 to the second. It says what the model associates with a group, not what is true of the "
    "people shown; a d that shuffled groups also reach shows neither a difference nor its absence."
)
CONCEPTS_ASKED = (
    "Every image is compared with many words, one at a time. d (C-ASC) says how much closer to a word a group’s images are than all "
    "others, in standard deviations: above 0 closer, below 0 less close. It says what the model associates with a group, not what is "
    "true of the people shown; a d that shuffled groups also reach shows neither a difference nor its absence."
)
IMAGES_ASKED = (
    "Every image is compared with two sets of images (iEAT). d compares a group with all other images, in standard deviations: above 0, "
    "its images are closer to the first set, below 0 to the second. It says what looks similar to the model, style and background "
    "included, not what is true of the people shown; a d that shuffled groups also reach shows neither a difference nor its absence."
)
METHOD = (
    "d: WEAT’s effect size, with the images as targets: the difference of the mean associations of a group and of all other images, in "
    "standard deviations of both. An association is the mean cosine with the first words minus that with the second."
)
IMAGES_METHOD = (
    "d of images with images: iEAT’s effect size, the same with the mean cosines with the images of both sets instead of the words’; "
    "those images are not among the ones compared."
)
CONCEPTS_METHOD = (
    "d of a single word: C-ASC (So-B-IT), the difference of the mean cosines of a group and of all other images with the word, in "
    "standard deviations over all images."
)
READING = "Dot: d of the group, filled if it is beyond chance. Line: 0. Bar: range of d in 19 of 20 shuffles of the groups."


def asked_sentence(tests: Sequence[AssociationTest]) -> str:
    """Explain the kinds of tests: of two word lists, of single words, of two sets of images."""
    kinds = {
        ASKED: any(test.second and test.images is None for test in tests),
        CONCEPTS_ASKED: any(not test.second for test in tests),
        IMAGES_ASKED: any(test.images is not None for test in tests),
    }
    return " ".join(text for text, there in kinds.items() if there)


def method_sentence(tests: Sequence[AssociationTest]) -> str:
    """Explain d and p; empty if nothing is estimable."""
    known = [test for test in tests if test.groups]
    if not known:
        return ""
    kinds = {
        METHOD: any(test.second and test.images is None for test in known),
        IMAGES_METHOD: any(test.images is not None for test in known),
        CONCEPTS_METHOD: any(not test.second for test in known),
    }
    shuffled = [test.draws for test in known if not test.exact]
    against = f"against {count(max(shuffled))} shuffles of the groups" if shuffled else "exact, over all arrangements of the groups"
    exact = " (exact, over all arrangements, if there are few images)" if shuffled and len(shuffled) < len(known) else ""
    p = f"p: two-sided, {against}{exact}; adjusted for all associations (Benjamini-Hochberg)."
    return " ".join((*(text for text, there in kinds.items() if there), p))


def associated(audit: AuditResult) -> tuple[tuple[AssociationTest, AssociatedGroup], ...]:
    """Return the groups whose association is beyond chance, most significant first."""
    signals = [(test, group) for test in audit.analyses["associations"] for group in test.groups if group.verdict == "signal"]
    return tuple(sorted(signals, key=lambda signal: (signal[1].p_adjusted, -abs(signal[1].effect_size or 0.0))))


def similarities_differ(audit: AuditResult) -> bool:
    """Whether the similarity to some words differs between groups beyond chance."""
    return bool(associated(audit))


def association_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many associations are beyond chance, and which is the most significant."""
    total = sum(len(test.groups) for test in audit.analyses["associations"])
    if not total:
        return "No association is estimable."
    signals = associated(audit)
    rate = f"false discovery rate {percent(settings.alpha)}"
    of = f"{count(len(signals)) if signals else 'None'} of {in_words(total, 'association')} (each group against the rest; {rate})"
    if signals:
        return f"{of} {'is' if len(signals) == 1 else 'are'} beyond chance. Most significant: {group_sentence(*signals[0])}"
    limited = " A limited run has no signals." if audit.data.limited else ""
    return f"{of} is beyond chance: it is undecided whether groups differ.{limited}"


def group_sentence(test: AssociationTest, group: AssociatedGroup) -> str:
    """Return one association as a sentence: group first, then the words, then d and what is expected by chance."""
    near, far = (test.first, test.second) if group.difference >= 0 else (test.second, test.first)
    d = decimal(group.effect_size, 2)
    nearer = f"closer to ‘{near}’ than to ‘{far}’, compared with the rest"
    if not test.second:
        nearer = f"{'closer' if group.difference >= 0 else 'less close'} to ‘{test.first}’ than the rest"
    return (
        f"{phrases.group((group.group,))} (n\u00a0=\u00a0{count(group.n)}) are {nearer}: "
        f"d\u00a0=\u00a0{d}; in 19 of 20 shuffles {by_chance(group)} (adjusted {p_phrase(group.p_adjusted)})."
    )


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about associations in summary and terminal; empty unless one is beyond chance."""
    return f"{phrases.NOT_PLANNED}{association_result(audit, settings)}" if associated(audit) else ""


def by_chance(group: AssociatedGroup) -> str:
    """Return the range of d in 19 of 20 shuffles."""
    return f"{decimal(group.chance.low, 2)} to {decimal(group.chance.high, 2)}" if group.chance else ""


def association_title(test: AssociationTest) -> str:
    """Return the title of a chart."""
    if not test.second:
        return f"By {phrases.attributes([test.attribute])}: single words"
    sets = "" if test.images is None else f" (images: {count(test.images[0])} and {count(test.images[1])})"
    return f"By {phrases.attributes([test.attribute])}: ‘{test.first}’ against ‘{test.second}’{sets}"


def concepts_caption(tests: Sequence[AssociationTest]) -> str:
    """Return the question about single words by one attribute, and how many associations are beyond chance."""
    groups = [group for test in tests for group in test.groups]
    n_signals = sum(group.verdict == "signal" for group in groups)
    of = f"{count(n_signals) if n_signals else 'none'} of {in_words(len(groups), 'association')} of a word with a group beyond chance"
    return f"{phrases.stopped(tests[0].question)} By {phrases.attributes([tests[0].attribute])}: {of}."


def why_not(test: AssociationTest) -> str:
    """Say why an association has no numbers; empty if it has."""
    return f"{association_title(test)}: not estimable, because {phrases.stopped(sentence(test.reason))}" if test.reason else ""
