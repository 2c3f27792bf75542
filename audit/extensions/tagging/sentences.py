"""Sentences and captions about labels above a threshold: which groups get which labels more often than expected by chance."""

from __future__ import annotations

from collections.abc import Sequence

from audit.extensions.tagging.record import TaggedLabel, Tagging
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, decimal, in_words, number, p_phrase, percent, span

WHERE = "labels"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "A long list of labels is offered, and an image gets every label whose probability exceeds a threshold, as in an image-tagging "
    "service. The numbers say which labels the images of each group get, and not what is true of the people shown."
)
OWN = (
    "An image gets every label of the classifier whose probability exceeds a threshold. The numbers say which labels the images of each "
    "group get, and not what is true of the people shown."
)
GIVEN = (
    "Each image has the labels that are in the file. The numbers say which labels the images of each group get, and not what is true of "
    "the people shown."
)
READING = (
    "Two bars per label: the share of images that get it in the group that gets it most often (above) and least often (below), in colour "
    "if the groups differ beyond chance. Points: other groups."
)


def asked_sentence(taggings: Sequence[Tagging]) -> str:
    """Explain the question: about a label set, the labels of a classifier, or those of a file."""
    if all(tagging.rule == "given" for tagging in taggings):
        return GIVEN
    return OWN if taggings[0].logit_scale is None else ASKED


def skewed(audit: AuditResult) -> tuple[tuple[Tagging, TaggedLabel], ...]:
    """Return the labels that groups get unequally often beyond chance, most significant first."""
    signals = [(tagging, label) for tagging in audit.analyses["taggings"] for label in tagging.labels if label.verdict == "signal"]
    return tuple(sorted(signals, key=lambda signal: (signal[1].p_adjusted, -(signal[1].chi2 or 0.0))))


def similarities_differ(audit: AuditResult) -> bool:
    """Whether groups get labels by similarity unequally often beyond chance; labels of a file or a classifier are not similarities."""
    return any(tagging.logit_scale is not None for tagging, _ in skewed(audit))


def tagging_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many labels are beyond chance, and which is the most skewed."""
    tested = sum(len(tagging.labels) for tagging in audit.analyses["taggings"])
    if not tested:
        return "No label is estimable."
    signals, rule_given = skewed(audit), all(tagging.rule == "given" for tagging in audit.analyses["taggings"])
    comparisons = "each label by each attribute" if rule_given else "each label by each attribute and threshold"
    of = f"{count(len(signals)) if signals else 'None'} of {in_words(tested, 'comparison')} ({comparisons}; false discovery rate "
    of += percent(settings.alpha)
    if signals:
        return f"{of}) {'is' if len(signals) == 1 else 'are'} beyond chance. The most skewed: {label_sentence(*signals[0])}"
    limited = " A limited run has no signals." if audit.data.limited else ""
    return f"{of}) is beyond chance: it is undecided whether groups get labels unequally often.{limited}"


def label_sentence(tagging: Tagging, label: TaggedLabel) -> str:
    """Return one label as a sentence: group first, then its share, that of the group that gets it least, and their difference."""
    most, least = (f"{percent(share_of(tagging, label, group), 1)} of {images_of(tagging, group)}" for group in (label.most, label.least))
    above = "" if tagging.threshold is None else f" above {percent(tagging.threshold, 1)}"
    return (
        f"{phrases.group((label.most,))} get ‘{label.label}’{above} in {most}, {phrases.group((label.least,))} in {least}: a difference of "
        f"{number(label.difference, 1)} points {span(label.low, label.high, 1)} (adjusted {p_phrase(label.p_adjusted)})."
    )


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about labels in summary and terminal; empty unless one is beyond chance."""
    return f"{phrases.NOT_PLANNED}{tagging_result(audit, settings)}" if skewed(audit) else ""


def share_of(tagging: Tagging, label: TaggedLabel, group: str) -> float:
    """Return the share of a group's images that get a label."""
    group_index = tagging.groups.index(group)
    return label.counts[group_index] / tagging.sizes[group_index]


def images_of(tagging: Tagging, group: str) -> str:
    """Return the number of images of a group."""
    return in_words(tagging.sizes[tagging.groups.index(group)], "image")


def tagging_title(tagging: Tagging) -> str:
    """Return the title of a chart."""
    above = "" if tagging.threshold is None else f", labels above {percent(tagging.threshold, 1)}"
    return f"By {phrases.attributes([tagging.attribute])}{above}"


def tagging_caption(tagging: Tagging) -> str:
    """Return the question, and how many labels are beyond chance."""
    n_signals = sum(label.verdict == "signal" for label in tagging.labels)
    of = f"{count(n_signals) if n_signals else 'none'} of {in_words(len(tagging.labels), 'label')} beyond chance"
    return f"{phrases.stopped(tagging.question)} {tagging_title(tagging)}: {of}."


def average_sentence(tagging: Tagging) -> str:
    """Give the average number of labels per image, by group."""
    named = phrases.some([f"{phrases.group((group,))} {decimal(n, 2)}" for group, n in zip(tagging.groups, tagging.per_image, strict=True)])
    return f"Labels per image, on average: {named}."


def heading(group: str) -> str:
    """Return the heading of the labels that one group gets most often."""
    return f"Most often given to {phrases.group((group,))}"


def probability_sentence(tagging: Tagging) -> str:
    """Explain the probabilities, without which a threshold means nothing."""
    if tagging.rule == "given":
        return f"{in_words(tagging.offered, 'label')} in the file; thresholds, if any, are those of the service that gave them."
    if tagging.logit_scale is None:
        most = f" The {count(len(tagging.labels))} that most images get were compared." if len(tagging.labels) < tagging.offered else ""
        how = "probabilities that add up to 1" if tagging.rule == "softmax" else "a probability of its own each"
        return f"{in_words(tagging.offered, 'label')} of the classifier, with {how}.{most}"
    if tagging.rule == "sigmoid":
        return f"{in_words(tagging.offered, 'label')}, each with its own probability (sigmoid) that does not depend on the others."
    alike = percent(1 / tagging.offered, 2)
    return (
        f"{in_words(tagging.offered, 'label')} have probabilities that add up to 1 (softmax at a logit scale of "
        f"{decimal(tagging.logit_scale, 1)}): if all fitted equally well, each would have {alike}. With another number of labels, or "
        "another scale, other labels are above a threshold."
    )


def method_sentence(taggings: Sequence[Tagging]) -> str:
    """Explain how p and intervals were computed; empty if nothing is estimable."""
    drawn = next((tagging for tagging in taggings if tagging.labels), None)
    if drawn is None:
        return ""
    return (
        "p: Pearson’s χ² for all groups, uncorrected; if an expected count is under 5, Fisher’s exact test for two groups, and for "
        f"more groups {count(drawn.draws)} shuffles of the groups (ten times as many if none reaches χ²). Adjusted for all labels, "
        "including those that no image gets (Benjamini-Hochberg). Difference: between the two groups that differ most, with Newcombe’s "
        "interval, which does not account for that choice."
    )


def not_estimable_sentence(tagging: Tagging) -> str:
    """Say why the labels of an attribute have no numbers at any threshold; empty if they have."""
    by = f"By {phrases.attributes([tagging.attribute])}"
    return f"{by}: not estimable, because {phrases.stopped(sentence(tagging.reason))}" if tagging.reason else ""
