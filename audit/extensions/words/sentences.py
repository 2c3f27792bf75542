"""Sentences and cells about the words in training captions: who is called what."""

from __future__ import annotations

import math

from audit.extensions.words.record import CaptionGroup, CaptionWords, WordRatio
from reports.text import phrases
from reports.text.numbers import count, end, factor, in_words, level, times

TITLE = "Who is called what"
_ABSENT_NAMED = 5
_TELLS_NOTHING = 0.001
"""A lower limit of a ratio below this, or an upper one above its inverse, is not printed."""
READING = (
    "A ratio is the share of a group’s captions that contain a word, divided by that share among the captions of all other groups: 2 is "
    "twice as often. A word counts once per caption, as a whole word, in upper or lower case; its plural counts only if it is listed."
)
LIMITS = (
    "Words are counted, not understood: a word in a denial counts, and so does a word about another person in the picture.",
    "A difference between captions is not yet a difference between answers of a model. Audit the model that is trained on them.",
    "The shares are exact for the captions counted here. The intervals say what to expect of more captions from the same source.",
)
_FROM_CAPTIONS = (
    "The groups come from the captions. If captions name the group less often together with some words, the ratios of these words are "
    "distorted; a column of groups (data.groups) avoids this."
)
_FROM_COLUMNS = "The groups are what the data say; they are not how the people shown identify themselves."


def words_deck(facts: CaptionWords) -> str:
    """Return what was counted."""
    captions, images = (sum(getattr(group, name) for group in facts.groups) for name in ("captions", "images"))
    return f"{facts.source} · {in_words(captions, 'caption')} of {in_words(images, 'image')} · before training"


def words_headline(facts: CaptionWords) -> str:
    """Say how many words differ between groups, after correction."""
    words = len(facts.words)
    differ = len({ratio.word for ratio in facts.ratios if ratio.direction})
    if differ:
        verb, other = "is" if differ == 1 else "are", "the other" if len(facts.groups) == 2 else "the others"
        return f"{count(differ)} of {in_words(words, 'word')} {verb} used more often, or less often, for one group than for {other}."
    if words == 1:
        return f"No difference between the groups was detected in the use of ‘{facts.words[0][0]}’."
    return f"No difference between the groups was detected in the use of {in_words(words, 'word')}."


def correction(facts: CaptionWords) -> str:
    """Say for what the intervals hold."""
    if facts.comparisons == 1:
        return f"The interval has a level of {level(facts.alpha)}."
    return (
        f"The intervals hold for all {count(facts.comparisons)} ratios together ({level(facts.alpha)}, Bonferroni). words.csv also has the "
        "interval of each ratio by itself."
    )


def groups_sentence(facts: CaptionWords) -> str:
    """Say where the groups come from, and what they leave out."""
    if not facts.group_words:
        return f"The groups are those of {facts.attribute} in the data.{left_out(facts)}"
    words = "; ".join(f"{name} ({phrases.some(forms)})" for name, forms in facts.group_words)
    return (
        f"The groups come from the captions: an image belongs to a group if its captions contain words of that group and of no other: "
        f"{words}.{left_out(facts)}"
    )


def left_out(facts: CaptionWords) -> str:
    """Say which images are not compared, after a space; empty if all are."""
    where = " in the captions" if facts.group_words else ""
    named = [f"{in_words(group.images, 'image')} with {group.name}{where}" for group in facts.left_out]
    return f" Not compared: {' and '.join(named)}." if named else ""


def absent(facts: CaptionWords) -> str:
    """Name the words that no caption of any group contains; empty if all occur."""
    totals: dict[str, int] = {}
    for ratio in facts.ratios:
        totals[ratio.word] = totals.get(ratio.word, 0) + ratio.events
    names = [word for word, total in totals.items() if not total]
    if not names:
        return ""
    verb = "is" if len(names) == 1 else "are"
    listed = ", ".join(names[:_ABSENT_NAMED]) + (f" and {count(len(names) - _ABSENT_NAMED)} more" if len(names) > _ABSENT_NAMED else "")
    return f"{in_words(len(names), 'word')} {verb} in no caption of these groups: {listed}."


def limits(facts: CaptionWords) -> tuple[str, ...]:
    """Return what these numbers cannot tell."""
    return (*LIMITS, _FROM_CAPTIONS if facts.group_words else _FROM_COLUMNS)


def interval_method(facts: CaptionWords) -> str:
    """Say how the intervals were computed."""
    if facts.clustered:
        return (
            "Some images have several captions, so the images are the independent units: the limits of the two shares (Wilson, at the "
            "effective number of captions) are combined on the logarithmic scale (Zou and Donner 2008)."
        )
    return "Every image has one caption. The intervals are score intervals of a ratio (Koopman 1984; Gart and Nam 1988)."


def group_size(group: CaptionGroup) -> str:
    """Name a group with its numbers of images and captions."""
    return f"{group.name} ({in_words(group.images, 'image')}, {in_words(group.captions, 'caption')})"


# ---- rows --------------------------------------------------------------------------------------------------------------------------------


def by_evidence(facts: CaptionWords) -> list[WordRatio]:
    """Return the rows to show: those that differ first, by the limit next to 1; then the most frequent words.

    With two groups, one row per word, that of the first group: the ratio of the second is its inverse. Words in no caption have no row.
    """
    two = len(facts.groups) == 2
    rows = [ratio for ratio in facts.ratios if (ratio.rate or ratio.rate_others) and (not two or ratio.group == facts.groups[0].name)]
    return sorted(rows, key=lambda ratio: (-evidence(ratio), -max(ratio.rate, ratio.rate_others)))


def evidence(ratio: WordRatio) -> float:
    """Distance of the adjusted interval from equal rates, on the log scale; 0 if it includes them."""
    ends = ratio.low_adjusted, ratio.high_adjusted
    return max(0.0, *(side * end for side, end in zip((1, -1), ends, strict=True) if end is not None))


def ratio_text(ratio: WordRatio) -> str:
    r"""Return a ratio with its adjusted interval; without a ratio, the only limit.

    Examples
    --------
    >>> ratio_text(WordRatio("nurse", "woman", 20, 20, 0.2, 0.1, 0.693, 0.01, 1.4, 0.0, 1.5)).replace("\xa0", " ")
    '2 [1, 4.48]'
    >>> ratio_text(WordRatio("nurse", "woman", 0, 0, 0.0, 0.1, None, None, -1.0, None, -0.5)).replace("\xa0", " ")
    'never woman, at most 0.607'
    """
    low, high = (None if end is None else math.exp(end) for end in (ratio.low_adjusted, ratio.high_adjusted))
    if ratio.log_ratio is not None and low is not None and high is not None:
        return factor(math.exp(ratio.log_ratio), low, high)
    if ratio.rate:
        return f"only {ratio.group}" if low is None or low < _TELLS_NOTHING else f"only {ratio.group}, at least\u00a0{times(low)}"
    return f"never {ratio.group}" if high is None or high > 1 / _TELLS_NOTHING else f"never {ratio.group}, at most\u00a0{times(high)}"


def share_text(rate: float) -> str:
    r"""Return a share in percent, with two significant digits.

    Examples
    --------
    >>> [share_text(rate).replace("\xa0", " ") for rate in (0.0, 0.000123, 0.0456, 0.5)]
    ['0 %', '0.012 %', '4.6 %', '50 %']
    """
    places = max(0, 1 - math.floor(math.log10(100 * rate))) if rate else 0
    return f"{end(rate, places)}\u00a0%"
