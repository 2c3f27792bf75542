"""Draws `comparison.json` as one self-contained HTML page. A pure function of the facts: equal facts give equal bytes."""

from __future__ import annotations

from pathlib import Path

from audit.errors import DataError
from audit.records.comparison import Comparisons, from_json
from reports.comparison import page as comparison_page
from reports.render import environment
from reports.text import comparison as comparison_words


def render(comparisons: Comparisons) -> str:
    """Return the page of `comparisons` as HTML."""
    template = environment().get_template("comparison.html")
    return template.render(page=comparison_page.page(comparisons), slicer=None, said=comparison_words)


def read(directory: Path) -> Comparisons:
    """Return the comparisons of a directory that `audit.compare` left.

    Raises
    ------
    DataError
        If there is no comparison.json in it, or it is not one.
    """
    path = directory / "comparison.json"
    try:
        return from_json(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(
            f"no comparison in {str(directory)!r}",
            why=f"comparison.json: {error.strerror}",
            fix="name the directory that a comparison left",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("comparison.json is not text", where=str(path), why="it is not UTF-8", fix="compare again") from error
