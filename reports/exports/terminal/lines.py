"""Wrapping text for a terminal, where wide characters take two columns, and the marks of verdicts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from audit.cli.screen import Screen
from strictio.console import visible

MARKS = {
    "disparity": "▲", "signal": "◆", "equivalent": "≈", "inconclusive": "?", "no signal": "–", "not estimable": "⊘",
    "gap reversed": "⇄", "gap grew": "↑", "gap shrank": "↓", "mixed": "⇅",
}  # fmt: skip
"""The icons of `base/icons.html` and `comparison/icons.html` as characters."""
_COLOURS = {
    "disparity": "red", "signal": "amber", "equivalent": "teal", "inconclusive": "amber", "gap reversed": "red", "gap grew": "red",
    "mixed": "red",
}  # fmt: skip
_BLANKS = re.compile("[ \n\t]+")


def wrapped(text: str, columns: int = 80, more: str = "…") -> list[str]:
    """Wrap a text between words, but not between a number and its unit; `more` marks words that are cut."""
    lines = [""]
    for word in filter(None, _BLANKS.split(visible(text))):
        longer = f"{lines[-1]} {word}".lstrip()
        if width(longer) <= columns:
            lines[-1] = longer
        else:
            lines.append(fit(word, columns, more).rstrip())
    return [line for line in lines if line] or [""]


def fit(text: str, columns: int, more: str = "…") -> str:
    """Pad a text to a number of columns, or cut it and mark the cut with `more`."""
    text = " ".join(visible(text).split(" "))
    if width(text) <= columns:
        return text + " " * (columns - width(text))
    kept = ""
    for character in text:
        if width(kept + character + more) > columns:
            break
        kept += character
    return kept + more + " " * (columns - width(kept + more))


def width(text: str) -> int:
    """Return the width of a text in columns."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


# ---- on a screen ---------------------------------------------------------------------------------------------------------------------


def lines_of(text: str, screen: Screen, indent: int = 0) -> list[str]:
    """Wrap a text to the width of a screen, in characters that it supports."""
    return [" " * indent + line for line in wrapped(screen.characters(visible(text)), screen.columns - indent, screen.more)]


def row_of(cells: Sequence[tuple[str, int]], screen: Screen, apart: int = 1) -> list[str]:
    """Lay out cells (text and width) side by side, `apart` spaces between them; longer texts continue below, in their column."""
    parts = [(wrapped(screen.characters(visible(text)), room, screen.more), room) for text, room in cells]
    lines = zip_longest(*(([fit(line, room, screen.more) for line in part]) for part, room in parts))
    blank = [" " * room for _, room in parts]
    return [(" " * apart).join(cell or empty for cell, empty in zip(line, blank, strict=True)).rstrip() for line in lines]


def mark(verdict: str, screen: Screen) -> str:
    """Return the mark of a verdict, or of the outcome of a comparison, in its colour."""
    return screen.paint(screen.characters(MARKS[verdict]), _COLOURS.get(verdict))


def marked(verdict: str, text: str, screen: Screen, *, whole: bool = False) -> list[str]:
    """Wrap a text after the mark of a verdict; `whole` also colours the text."""
    return after_sign(MARKS[verdict], _COLOURS.get(verdict), text, screen, whole=whole)


def after_sign(sign: str, colour: str | None, text: str, screen: Screen, *, whole: bool = False) -> list[str]:
    """Wrap a text after a sign in a colour; `whole` also colours the text."""
    shown = screen.characters(sign)
    indent = width(shown) + 1
    first, *others = wrapped(screen.characters(visible(text)), screen.columns - indent, screen.more)
    of_text = colour if whole else None
    return [
        f"{screen.paint(shown, colour)} {screen.paint(first, of_text)}",
        *(f"{' ' * indent}{screen.paint(line, of_text)}" for line in others),
    ]
