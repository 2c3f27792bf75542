"""Texts of an index of audits."""

from __future__ import annotations

from collections.abc import Collection

from reports.text.numbers import in_words
from reports.text.numbers import level as level

TITLE = "Audits at a glance"
TABLE, BROKEN = "All audits", "Cannot be read"
COLUMNS = (
    "Model", "Probe", "Data", "Images", "Verdict", "Most severe planned question", "Gap, points", "Interval", "On one scale", "Date",
)  # fmt: skip
VERDICTS = ("disparity", "inconclusive", "equivalent", "not estimable")
"""In sort order: those that need attention come first."""
NONE_PLANNED = "no planned question"
_NOT_COMPARED = "Do not compare models by overlapping intervals: use vlm-audit compare."
_BAND = "the band is the tolerance"
_OR_BOUND = " or, if equivalent, the bound of the equivalence test"
CAPTION = (
    "One row per audit. The gap is that of its most severe planned question, in points, with the interval at the level of that "
    f"audit{_OR_BOUND}. The chart has one scale for all rows, from 0; {_BAND}. {_NOT_COMPARED}"
)
SORT = "Click a column heading to sort; click again to reverse."
FILTER_TEXT, FILTER_VERDICT, ANY_VERDICT, SHOWN = "Model, probe, data or question", "Verdict", "Any verdict", "Audits shown:"


def index_deck(audits: int, directories: int) -> str:
    """Say how many audits there are, in how many directories."""
    return f"{in_words(audits, 'audit')} in {in_words(directories, 'directory', 'directories')}"


def shared_title(probe: str, data: str) -> str:
    """Return the title of the table of audits that share their images and questions."""
    return f"Same questions: {probe} · {data}" if probe != data else f"Same questions: {probe}"


def shared_caption(images: int, end: str, levels: Collection[str], more: int) -> str:
    """Say what the rows and columns are; `end` is the end of the scale in points, `more` the number of questions without a column."""
    at = f" at {next(iter(levels))}" if len(levels) == 1 else ", at the level of its audit"
    rest = f" {in_words(more, 'more shared question')}: see the reports." if more else ""
    return (
        f"Audits of the same {in_words(images, 'image')}. Gap of each planned question in points with its interval{at}{_OR_BOUND}; "
        f"the chart goes from 0 to {end}, {_BAND}.{rest} {_NOT_COMPARED}"
    )
