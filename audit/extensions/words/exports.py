"""The words in training captions on a terminal, and as a table of all ratios."""

from __future__ import annotations

from audit.cli.screen import Screen
from audit.extensions.words import sentences as text
from audit.extensions.words.record import CaptionWords, WordRatio
from reports.exports.markdown import ordinary_spaces
from reports.exports.tables import csv_text
from reports.exports.terminal.lines import lines_of, row_of
from reports.text.numbers import count
from reports.tidy import Columns, tidy

_PIPE = Screen()
_MOST_ROWS = 20
_WIDTHS = (24, 12, 12, 24)
"""Columns of the table; the first takes the rest of a wider screen."""
_WORD: Columns = {
    **{name: name for name in ("word", "group", "events", "images", "rate", "rate_others", "log_ratio", "low", "high")},
    **{name: name for name in ("low_adjusted", "high_adjusted")},
}  # fmt: skip
_OF_GROUP: Columns = {"group_captions": "captions", "group_images": "images"}


def caption_words_lines(facts: CaptionWords, screen: Screen = _PIPE) -> str:
    """Return the headline, the groups, and the words that differ most."""
    rows = text.by_evidence(facts)
    blocks = [
        [*lines_of(text.words_headline(facts), screen), *lines_of(text.words_deck(facts), screen)],
        [
            *lines_of(text.groups_sentence(facts), screen),
            *(line for group in facts.groups for line in lines_of(text.group_size(group), screen, 2)),
        ],
        _table(facts, rows[:_MOST_ROWS], screen),
        lines_of(" ".join(filter(None, (_marked(rows), text.READING, text.correction(facts), text.absent(facts)))), screen),
    ]
    return ordinary_spaces("\n\n".join("\n".join(block) for block in blocks if block))


def _marked(rows: list[WordRatio]) -> str:
    more = f" The next {count(len(rows) - _MOST_ROWS)} rows are in words.csv." if len(rows) > _MOST_ROWS else ""
    return f"{'* The interval excludes equal shares.' if any(ratio.direction for ratio in rows) else ''}{more}".strip()


def _table(facts: CaptionWords, rows: list[WordRatio], screen: Screen) -> list[str]:
    if not rows:
        return []
    two, names = len(facts.groups) == 2, [group.name for group in facts.groups]
    head = ("word", *names, "ratio [interval]") if two else ("word, group", "in group", "in others", "ratio [interval]")
    cells = [head, *(_cells(ratio, two=two) for ratio in rows)]
    widths = (screen.columns - sum(_WIDTHS[1:]) - 3, *_WIDTHS[1:])
    return [line for row in cells for line in row_of(list(zip(row, widths, strict=True)), screen)]


def _cells(ratio: WordRatio, *, two: bool) -> tuple[str, ...]:
    name = ratio.word if two else f"{ratio.word}, {ratio.group}"
    return f"{name} *" if ratio.direction else name, text.share_text(ratio.rate), text.share_text(ratio.rate_others), text.ratio_text(ratio)


def caption_words_csv(facts: CaptionWords) -> str:
    """Return one row per word and group as CSV text; an empty limit is infinite, an empty ratio is not estimable."""
    sizes = {group.name: group for group in facts.groups}
    return csv_text(*tidy((_WORD, _OF_GROUP), ((ratio, sizes[ratio.group]) for ratio in facts.ratios)))
