"""What a terminal can show: a stream and the environment in, its width, colours and characters out."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from strictio.console import IN_ASCII

NARROWEST, WIDEST = 40, 100
_COLOURS: Mapping[str, str] = {"red": "31", "amber": "33", "teal": "36", "grey": "2"}
_UNBREAKABLE = "\u00a0"
"""A space that holds a number and its unit together until lines are broken."""


@dataclass(frozen=True)
class Screen:
    """What can be shown; as it stands, what a file or a pipe gets."""

    columns: int = 80
    colours: bool = False
    ascii: bool = False

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str] = os.environ) -> Screen:
        """Return what a stream can show; a file or a pipe has the columns of a plain screen.

        Colours only on a terminal that takes them, and not where `NO_COLOR` is set. ASCII where the encoding has no icon, and where the
        locale is C by name: Python writes UTF-8 there, the terminal need not.
        """
        columns = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST) if stream.isatty() else cls.columns
        colours = is_interactive(stream, environment) and not environment.get("NO_COLOR")
        return cls(columns, colours, _is_c(environment) or not _has_icons(stream.encoding))

    @property
    def more(self) -> str:
        """What stands at the end of a text that was cut."""
        return self.characters("…")

    def paint(self, text: str, colour: str | None) -> str:
        """Return a text in a colour, by its name; as it is where there are none."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colours and colour else text

    def characters(self, text: str) -> str:
        """Return a text in the characters that can be shown; a foreign one that ASCII has not is written as its number."""
        if not self.ascii:
            return text
        plain = unicodedata.normalize("NFC", text).translate(IN_ASCII).split(_UNBREAKABLE)
        return _UNBREAKABLE.join(part.encode("ascii", "backslashreplace").decode("ascii") for part in plain)


def is_interactive(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal that can go back in a line and change its colour."""
    return stream.isatty() and environment.get("TERM") != "dumb"


def _has_icons(encoding: str | None) -> bool:
    try:
        "▲◆≈○×−".encode(encoding or "utf-8")  # a text in memory has none
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _is_c(environment: Mapping[str, str]) -> bool:
    """Whether somebody chose the locale C; of one that nothing names, Python makes UTF-8, and so do most terminals."""
    chosen = environment.get("LC_ALL") or environment.get("LANG")
    return chosen in ("C", "POSIX")
