"""What was counted in captions, with any ratios."""

import math
from dataclasses import replace

from audit.extensions.words.page import caption_words_page
from audit.extensions.words.record import CaptionGroup, CaptionWords, WordRatio


def ratio(word, group="woman", rate=0.2, others=0.1, low=-0.1, high=1.5, events=20):
    log = math.log(rate / others) if rate and others else None
    return WordRatio(word, group, events if rate else 0, events if rate else 0, rate, others, log, low, high, low, high)


def facts(*ratios, groups=("woman", "man"), **changes):
    words = tuple(dict.fromkeys(one.word for one in ratios))
    made = CaptionWords(
        source="pairs.csv", attribute="gender", group_words=(), words=tuple((word, (word,)) for word in words),
        groups=tuple(CaptionGroup(name, 100, 120) for name in groups), left_out=(), clustered=True, alpha=0.05,
        comparisons=len(words) if len(groups) == 2 else len(words) * len(groups), ratios=ratios,
    )  # fmt: skip
    return replace(made, **changes)


def both(word, rate, others, low, high):
    """Return the ratios of a word for two groups: the second is the inverse of the first."""
    flipped = (None if high is None else -high), (None if low is None else -low)
    return ratio(word, "woman", rate, others, low, high), ratio(word, "man", others, rate, *flipped)


NURSE, DOCTOR, THIEF = both("nurse", 0.2, 0.05, 0.7, 2.1), both("doctor", 0.1, 0.1, -0.5, 0.5), both("thief", 0.0, 0.1, None, -0.9)
PILOT = both("pilot", 0.0, 0.0, None, None)

PAGES = {"words": lambda: caption_words_page(facts(*NURSE, *PILOT))}
