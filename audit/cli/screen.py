"""The capabilities of a terminal: its width, colours and characters, from a stream and the environment."""

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
"""A space that keeps a number and its unit on one line."""


@dataclass(frozen=True)
class Screen:
    """What can be shown; the defaults are for a file or a pipe."""

    columns: int = 80
    colours: bool = False
    ascii: bool = False

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str] = os.environ) -> Screen:
        """The capabilities of a stream; a file or a pipe has the columns of a plain screen.

        Colours only on a terminal that supports them, and not if `NO_COLOR` is set. ASCII if the encoding lacks an icon, or if the
        locale is explicitly C: Python writes UTF-8 there, but the terminal may not support it.
        """
        columns = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST) if stream.isatty() else cls.columns
        colours = is_interactive(stream, environment) and not environment.get("NO_COLOR")
        return cls(columns, colours, _is_c(environment) or not _has_icons(stream.encoding))

    @property
    def more(self) -> str:
        """The suffix of a truncated text."""
        return self.characters("…")

    def paint(self, text: str, colour: str | None) -> str:
        """Colour a text, by the name of the colour; unchanged without colours."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colours and colour else text

    def characters(self, text: str) -> str:
        """A text in characters that can be shown; in ASCII, others are written as their number."""
        if not self.ascii:
            return text
        plain = unicodedata.normalize("NFC", text).translate(IN_ASCII).split(_UNBREAKABLE)
        return _UNBREAKABLE.join(part.encode("ascii", "backslashreplace").decode("ascii") for part in plain)


def is_interactive(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal that supports moving the cursor and colours."""
    return stream.isatty() and environment.get("TERM") != "dumb"


def _has_icons(encoding: str | None) -> bool:
    try:
        "▲◆≈⊘↑↓⇄⇅×−".encode(encoding or "utf-8")  # an in-memory text stream has no encoding
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _is_c(environment: Mapping[str, str]) -> bool:
    """Whether the locale C was chosen explicitly; for an unset locale, Python and most terminals use UTF-8."""
    chosen = environment.get("LC_ALL") or environment.get("LANG")
    return chosen in ("C", "POSIX")
