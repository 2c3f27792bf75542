"""What one check of the doctor found."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """Numbers in words, and where something is wrong what it means and what to do."""

    words: str
    wrong: bool = False
    doubtful: bool = False
    """Worth a look; it may be meant so."""

    @property
    def mark(self) -> str:
        return "WRONG" if self.wrong else "LOOK" if self.doubtful else "ok"
