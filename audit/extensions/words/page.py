"""Who is called what in training captions, as one page: the words that differ between groups as a chart, and a table of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.words import sentences as text
from audit.extensions.words.record import CaptionWords, WordRatio
from audit.version import __version__
from reports.charts.tracks import TrackRow, TrackTable, difference_track
from reports.environment import draw
from reports.provenance import About
from reports.section import Page
from reports.table import Row, Table
from reports.text.numbers import count, times

MOST_ROWS = 40
"""Rows of the chart; those that differ come first."""
MOST_WORDS, MOST_GROUPS = 200, 10
"""Rows and columns of the table of shares."""
_WIDEST = 6
"""The scale ends at ratios of 64 and 1/64 at most."""


@dataclass(frozen=True, kw_only=True)
class WordsPage(Page):
    """What `page.html` prints."""

    about: About
    deck: str
    headline: str
    sentences: tuple[str, ...]
    sizes: tuple[str, ...]
    chart: TrackTable
    shares: Table
    limits: tuple[str, ...]
    method: str


def caption_words_page(facts: CaptionWords) -> str:
    """Return the page as HTML."""
    page = WordsPage(
        what="page",
        scripts=(),
        about=About(title=text.TITLE, tool=f"vlm-audit {__version__}"),
        contents=[("Words", "words", ""), ("Share of captions", "shares", ""), ("What this cannot tell", "limits", "")],
        deck=text.words_deck(facts),
        headline=text.words_headline(facts),
        sentences=tuple(filter(None, (text.groups_sentence(facts), text.absent(facts)))),
        sizes=tuple(map(text.group_size, facts.groups)),
        chart=words_chart(facts),
        shares=word_shares(facts),
        limits=text.limits(facts),
        method=text.interval_method(facts),
    )
    return draw("words/page.html", page=page, texts=text, correction=text.correction(facts))


def words_chart(facts: CaptionWords) -> TrackTable:
    """Return one row per word, or per word and group if there are more than two groups, on a logarithmic scale."""
    rows = text.by_evidence(facts)
    shown, two = rows[:MOST_ROWS], len(facts.groups) == 2
    ticks = log_ticks(shown)
    widest, more = times(math.exp(ticks[-1])), len(rows) - len(shown)
    names = [group.name for group in facts.groups]
    ends = (f"{widest} × for {names[1]}", f"{widest} × for {names[0]}") if two else (f"1/{widest}", f"{widest} times as often")
    columns = (*(names if two else ("In the group", "In all other groups")), "Ratio [interval]")
    rest = f" The next {count(more)} rows are in words.csv." if more else ""
    caption = f"An interval that does not reach the line in the middle shows a difference. The scale is logarithmic.{rest}"
    return TrackTable(caption, "Word" if two else "Word, group", ends, columns, tuple(_row(ratio, ticks, two=two) for ratio in shown))


def _row(ratio: WordRatio, ticks: tuple[float, ...], *, two: bool) -> TrackRow:
    low, high = ticks[0] * 2, ticks[-1] * 2  # clipped by the scale
    value = ratio.log_ratio if ratio.log_ratio is not None else high if ratio.rate else low
    ends = (low if ratio.low_adjusted is None else ratio.low_adjusted, high if ratio.high_adjusted is None else ratio.high_adjusted)
    track = difference_track(value, *ends, ticks, hot=bool(ratio.direction))
    cells = (text.share_text(ratio.rate), text.share_text(ratio.rate_others), text.ratio_text(ratio))
    return TrackRow(ratio.word, track, cells, "" if two else ratio.group)


def log_ticks(ratios: Sequence[WordRatio]) -> tuple[float, ...]:
    """Return ticks at powers of 2 (of 4 on a wide scale) that include every ratio, up to 64.

    >>> [round(tick / math.log(2), 6) for tick in log_ticks([])]
    [-1.0, 0.0, 1.0]
    """
    values = [ratio.log_ratio if ratio.log_ratio is not None else text.evidence(ratio) for ratio in ratios]
    powers = min(max([1, *(math.ceil(abs(value) / math.log(2)) for value in values)]), _WIDEST)
    step = -(-powers // 3)
    whole = step * -(-powers // step)
    return tuple(power * math.log(2) for power in range(-whole, whole + 1, step))


def word_shares(facts: CaptionWords) -> Table:
    """Return the share of every group's captions with each word, the most frequent words first."""
    by_word: dict[str, list[WordRatio]] = {}
    for ratio in facts.ratios:
        by_word.setdefault(ratio.word, []).append(ratio)
    ordered = sorted(by_word.items(), key=lambda item: -sum(ratio.events for ratio in item[1]))
    groups = facts.groups[:MOST_GROUPS]
    rows = tuple(
        Row((word, *(f"{text.share_text(ratio.rate)} ({count(ratio.events)})" for ratio in ratios[: len(groups)])))
        for word, ratios in ordered[:MOST_WORDS]
    )
    cut = len(ordered) > MOST_WORDS or len(facts.groups) > MOST_GROUPS
    caption = f"Share of the captions of each group that contain a word, and their number.{' words.csv has all.' if cut else ''}"
    return Table("Share of captions", caption, ("Word", *(group.name for group in groups)), rows)
