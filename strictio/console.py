"""Text on its way to a terminal or a log: what could change the text around it is made visible, what cannot be printed is replaced."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from typing import TextIO

MOST_CHARACTERS, MOST_LINES = 500, 100
"""Limits of a message: characters per line, and lines."""
IN_ASCII = str.maketrans({
    "▲": "!", "◆": "*", "≈": "=", "⊘": "-", "◂": "<", "▸": ">", "⇄": "x", "⇅": "%", "○": "-", "·": "-", "–": "-", "—": "-", "−": "-",
    "×": "x", "…": "...", "→": "->", "±": "+/-",
    "‘": "'", "’": "'", "“": '"', "”": '"', "≤": "<=", "≥": ">=", "²": "^2", "\u2060": "",
})  # fmt: skip
_REPLACED = "vlm-audit"
"""What replaces characters that an encoding does not have, by the name that Python's streams know it by."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_HARMLESS = frozenset("\n\t\u200c\u200d\u2060")
"""Line breaks, and what joins the parts of an emoji or of a word."""


def prepare_streams() -> None:
    """Let standard output and error print every text, in any encoding; each command begins with it."""
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_REPLACED)


def _replace_closed_streams() -> None:
    """Let what goes to a standard stream that was closed (``2>&-``) go nowhere.

    Its number is taken as well: the next file that is opened would get it, and with it what libraries in C print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)  # a file of ours may have the number by now
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)  # gets the least free number, which is this one
            os.set_inheritable(descriptor, True)
        setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123 - open until the end


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(IN_ASCII)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(_REPLACED, _replacement)  # the only way to give Python's streams a rule of one's own


def visible(text: str) -> str:
    r"""Return text in which controls and marks of direction are written as their numbers; lines stay lines.

    Examples
    --------
    >>> print(visible("Fe\x1b[31mmale\u202e"))
    Fe\x1b[31mmale\u202e
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char in _HARMLESS or unicodedata.category(char) not in _HIDDEN else char.encode("unicode_escape").decode() for char in text
    )


def readable(message: str) -> str:
    """Return a message as a person can read it: visible, and cut where it is endless.

    Examples
    --------
    >>> len(readable("a" * 4_000_000))
    500
    """
    lines = message.split("\n", MOST_LINES)
    if len(lines) > MOST_LINES:
        lines[MOST_LINES] = "…"
    return "\n".join(visible(line[: MOST_CHARACTERS - 1] + "…" if len(line) > MOST_CHARACTERS else line) for line in lines)


def put(message: str, stream: TextIO | None, *, whole: bool = False) -> OSError | None:
    """Print a message, cut where it is endless unless it must stay `whole`.

    If the reader has gone, or the disk is full, the program continues; the error is returned.
    """
    if stream is None:
        return None
    encoding = stream.encoding or "utf-8"
    try:
        text = visible(message) if whole else readable(message)
        print(text.encode(encoding, _REPLACED).decode(encoding), file=stream, flush=True)
    except OSError as error:
        discard(stream)
        return error
    return None


def discard(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere, so that Python does not fail on it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
