"""What one check of the doctor found."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """Numbers in words, and where something is wrong what it means and what to do."""

    words: str
    wrong: bool = False
