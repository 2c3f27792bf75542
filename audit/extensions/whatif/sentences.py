"""Sentences and table cells about what-ifs, the settings that were tried.

The phrasing is restricted: a gap "would change from a to b on these images". A model that exists only in a computation is never called
fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.extensions.whatif import EXTENSION
from audit.extensions.whatif.record import Ending, Frontier, Refused, WhatIf, WhatIfs
from audit.records.changed_model import CONTENT
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence as note_text
from reports.text.numbers import NOT_ESTIMABLE, count, in_words, number, p_phrase, percent
from reports.text.phrases import attributes, group

WHERE = "what-ifs"
"""Name of this analysis."""
DESCRIPTIONS: Mapping[str, str] = {
    "neutral-label": "A harmless label is offered, too. It can only take images from the other labels.",
    "combined-prompts": "Each answer is combined with other attributes; its probabilities are summed.",
    "abstention": "No answer if the two best answers are close. Abstaining does not mean being right, and may be unequal.",
    "projection": "The direction in which prompts of the groups differ is removed.",
    "calibrated-projection": "The same, and prompts that should mean the same are moved closer together.",
    "dropped-dimensions": "The coordinates with most information about the group are left out.",
    "group-thresholds": "One threshold per group (fairlearn's ThresholdOptimizer, for answers of yes or no).",
    "re-ranking": "The order of the results is changed so that every group keeps its share at every rank.",
}
ENDINGS: Mapping[Ending, str] = {
    "smaller": "smaller",
    "indistinguishable": "smaller, and no longer distinguishable from chance, which is not zero",
    "unchanged": "no change detected",
    "larger": "larger",
    "reversed": "reversed: the other group is ahead",
    "levelled down": "levelled down: no group is better off",
    "no better than random": "no better than a random change of its kind",
    "not judged": "not judged, because of too few clusters",
}


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line on a terminal that says where the what-ifs are."""
    return f"and what-ifs for {in_words(len(audit.analyses['what_ifs']), 'question')}: see the report"


def name_of(method: str) -> str:
    """Return what a report calls a method; one of another version keeps its name."""
    return EXTENSION.analyses[0].methods.get(method, method)


def described(method: str) -> tuple[str, str]:
    """Return what a report calls a method, and its description."""
    return name_of(method), DESCRIPTIONS.get(method, "")


def summary(question: WhatIfs, tried: Sequence[WhatIf]) -> str:
    """Give the unmodified model's gap and accuracy, and the number of settings tried."""
    if not tried or question.target is None:
        return "Every setting was refused, for the reasons below."
    first = tried[0]
    methods = len({what_if.method for what_if in tried})
    return (
        f"On {in_words(question.target.shown_on, 'image')} of the shown half the unmodified model has a gap of "
        f"{phrases.size(first.gap_before)} and an accuracy of {percent(first.utility.before, 1)} ({note_text(question.cost)}). "
        f"{in_words(len(tried), 'setting')} of {in_words(methods, 'method')} {'was' if len(tried) == 1 else 'were'} tried, "
        f"and all of them are shown; each p is adjusted for that number (Holm)."
    )


PUBLISHED = (
    "In a re-analysis of published outputs (SEM, arXiv:2603.19028; 56 comparisons of each method with the unchanged model), projection of "
    "prompts was better in 16 and worse in 24, calibrated projection better in 22 and worse in 21."
)
"""About the two methods that are made from prompts."""


def what_if_caveats(question: WhatIfs, tried: Sequence[WhatIf], *, within_clusters: bool) -> tuple[str, ...]:
    """Name the sampling unit, the groups that cannot be compared, and what is known of methods that were tried.

    `within_clusters`: whether the finding itself compares groups within clusters, which what-ifs do not.
    """
    if not tried:
        return ()
    first, of = tried[0], attributes([question.unit])
    clustered = question.unit != CONTENT
    held = f"the shown half holds {count(question.units)} of them"
    sentences = [f"The sampling unit is the {of}: all its images stay in one half; {held}."] if clustered else []
    if within_clusters:
        sentences.append("The verdict compares groups within clusters; gaps here are differences of rates over all images of this half.")
    if first.not_compared:
        lacking = "images or clusters" if clustered else "images"
        sentences.append(f"Too few {lacking} in this half to compare: {', '.join(map(group, first.not_compared))}.")
    if {what_if.method for what_if in tried} & {"projection", "calibrated-projection"}:
        sentences.append(PUBLISHED)
    return tuple(sentences)


def units_sentence(what_ifs: Sequence[WhatIfs]) -> str:
    """Name the sampling unit of intervals, noise floor, p and cost for all questions together."""
    units = [unit for unit in dict.fromkeys(what_if.unit for what_if in what_ifs) if unit != CONTENT]
    if not units:
        return "The sampling unit is the image."
    named = " or ".join(attributes([unit]) for unit in units)
    other = "; for a question without clusters it is the image" if any(what_if.unit == CONTENT for what_if in what_ifs) else ""
    return f"The sampling unit of every interval, p and cost, and of the gap expected by chance, is the {named}{other}."


def ending_text(what_if: WhatIf) -> str:
    """Say how the gap changed; a reversal has its own p-value, since the gap may be as large as before."""
    own = f" ({p_phrase(what_if.reversal_p_adjusted, 'adjusted p')})" if what_if.outcome == "reversed" else ""
    return ENDINGS[what_if.outcome] + own


def other_attribute_text(frontier: Frontier, setting: WhatIf) -> str:
    """Return the gap of the same setting by another attribute."""
    for point in frontier.points:
        other = point.what_if
        if (other.method, other.setting) == (setting.method, setting.setting):
            ending = "" if other.outcome == "unchanged" else f": {ENDINGS[other.outcome]}"
            return f"{number(other.gap_before.value, 1)} → {number(other.gap.value, 1)}{ending}"
    return NOT_ESTIMABLE


def extreme_rates_text(what_if: WhatIf) -> str:
    """Return the lowest and the highest rate after: a gap can close from either side."""
    ordered = sorted(what_if.by_group, key=lambda cell: cell.after)
    low, high = ordered[0], ordered[-1]
    return f"{group(low.group)} {percent(low.after, 1)}, {group(high.group)} {percent(high.after, 1)}"


def refused_sentences(refused: Sequence[Refused]) -> tuple[str, ...]:
    """Return one sentence per method and reason, with the number of settings that were refused."""
    settings: dict[tuple[str, str], list[str]] = {}
    for refusal in refused:
        settings.setdefault((refusal.method, note_text(refusal.reason)), []).append(refusal.setting)
    sentences = []
    for (method, reason), stopped in settings.items():
        name = name_of(method) if method else f"Judged by {', '.join(stopped)}"
        which = f" ({in_words(len(stopped), 'setting')})" if method and any(stopped) else ""
        sentences.append(f"{name}{which}: {reason}.")
    return tuple(sentences)
