"""Sentences about few-shot probes: what a few labelled images per class teach the probe, and for which groups."""

from __future__ import annotations

from audit.analyses.records import ConditionResult
from audit.extensions.few_shot.record import DrawnRate, FewShot, Shots
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, in_words, number, p_phrase, percent

WHERE = "what examples teach"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "A linear probe learns the labels from a few images per class, not from their names, and classifies other images. "
    "The rows show how many of these it gets right in each group; a gain that differs between groups says for whom examples help, not "
    "why."
)
READING = (
    "Dot: mean accuracy of the draws. Bar: from the lowest draw to the highest, on the same test images; not an interval. The interval "
    "over draws is that of the mean (Student’s t)."
)


def compared_gains(audit: AuditResult) -> tuple[tuple[FewShot, ConditionResult], ...]:
    """Return all comparisons with zero-shot that have a p."""
    return tuple(
        (few_shot, one)
        for few_shot in audit.analyses["few_shot"]
        if few_shot.conditions
        for one in few_shot.conditions.results
        if one.p_adjusted is not None
    )


def few_shot_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many gains over zero-shot differ between groups, and which is most significant."""
    gains = compared_gains(audit)
    if not gains:
        return "No gain over zero-shot is compared between groups here."
    signals = sorted((gain for gain in gains if gain[1].verdict == "signal"), key=lambda gain: gain[1].p_adjusted or 0.0)
    of = f"{count(len(signals)) if signals else 'None'} of {in_words(len(gains), 'gain')} over zero-shot"
    rate = f"(each number of images by each attribute; false discovery rate {percent(settings.alpha)})"
    if not signals:
        limited = " A limited run has no signals." if audit.data.limited else ""
        return f"{of} {rate} differs between groups beyond chance: it is undecided whether examples help some more.{limited}"
    return f"{of} {rate} {'differs' if len(signals) == 1 else 'differ'} between groups beyond chance. {_gain(*signals[0])}"


def _gain(few_shot: FewShot, result: ConditionResult) -> str:
    pair = result.pair
    if pair is None:
        return ""
    first, second = phrases.group(pair.first), phrases.group(pair.second)
    return (
        f"With {learned_from(result.condition.name)}, {first} gain {number(abs(pair.difference), 0)} points more than {second} "
        f"(adjusted {p_phrase(result.p_adjusted or 0.0)}; first draw)."
    )


def learned_from(name: str) -> str:
    """Name the number of training images of a condition."""
    return name if name.startswith("all") else f"{in_words(int(name.split(' ')[0]), 'image')} of each class"


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about few-shot probes in summary and terminal; empty unless a gain differs beyond chance."""
    differs = any(one.verdict == "signal" for _, one in compared_gains(audit))
    return f"{phrases.NOT_PLANNED}{few_shot_result(audit, settings)}" if differs else ""


def few_shot_title(few_shot: FewShot) -> str:
    """Return the title of a chart."""
    return f"‘{few_shot.measurement}’ by {phrases.attributes([few_shot.attribute])}"


def few_shot_caption(few_shot: FewShot) -> str:
    """Return the question with the number of classes, test images and draws."""
    images = f"{in_words(few_shot.classes, 'class', 'classes')}; tested on {in_words(few_shot.test, 'image')}, none of them in training"
    return f"{phrases.stopped(few_shot.question)} {images}; {in_words(few_shot.draws, 'draw')}."


def shots_heading(shots: Shots) -> str:
    """Return the number of training images and the chosen penalty."""
    much = "All images" if shots.shots is None else f"{in_words(shots.shots, 'image')} of each class"
    return f"{much} (C\u00a0=\u00a0{shots.strength:g})"


def interval_over_draws(rate: DrawnRate) -> str:
    """Return the interval of a mean over draws; empty for one draw, or if all agree, which a few draws may do by chance."""
    return "" if rate.low is None or rate.high is None or rate.lowest == rate.highest else f"{percent(rate.low)} to {percent(rate.high)}"


def fewer_sentence(few_shot: FewShot) -> str:
    """Name the classes with fewer images than requested, if any."""
    named = {name: n for shots in few_shot.shots for name, n in shots.fewer}
    if not named:
        return ""
    return f"Trained on all their images, which are fewer: {phrases.some([f'{name} ({count(n)})' for name, n in named.items()])}."


def few_shot_method(few_shots: tuple[FewShot, ...]) -> str:
    """Explain the method; empty if nothing was trained."""
    learned = [few_shot for few_shot in few_shots if few_shot.shots]
    if not learned:
        return ""
    return (
        "Logistic regression (L-BFGS) on embeddings of length 1, not standardised. Half of the units of each class is used for training; a "
        f"fifth of that ({in_words(learned[0].held_out, 'image')}) is held out to choose C. The other half is used for testing; equal "
        "images, and those of one cluster, stay on one side. Whether gains differ is tested on the first draw only, against zero-shot "
        "answers for the same images. All draws share their test images: their spread, and the interval over draws (Student’s t), "
        "reflect the choice of training images, and say nothing about other test images."
    )


def nothing_learned(few_shot: FewShot) -> str:
    """Say why nothing was trained; empty if it was."""
    return f"{few_shot_title(few_shot)}: not estimable, because {phrases.stopped(sentence(few_shot.reason))}" if few_shot.reason else ""
