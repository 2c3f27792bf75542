"""Several values of one attribute: an image counts in each group with its share of the votes.

Votes are levels joined by ``|``, one per annotator or value: ``3|3|4`` counts two thirds in 3 and one third in 4.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from audit.errors import DataError
from strictio.tables import quoted

SEPARATOR = "|"
MOST_VOTES = 1000
_SHOWN = 60


def votes(text: str) -> tuple[str, ...]:
    """The levels chosen for an image, each as often as it was chosen.

    >>> votes("3|3|4")
    ('3', '3', '4')
    """
    return tuple(text.split(SEPARATOR))


def level_counts(texts: Iterable[str], *, several: bool) -> dict[str, int]:
    """Count the images of each level; an image with several values counts for each of them.

    >>> level_counts(["3|3|4", "4"], several=True)
    {'3': 1, '4': 2}
    """
    codes, levels = pd.factorize(texts if isinstance(texts, pd.Series) else np.array(list(texts), object))
    counted = dict(zip(map(str, levels), np.bincount(codes, minlength=len(levels)).tolist(), strict=True))
    if not several:
        return counted
    counts: Counter[str] = Counter()
    for text, images in counted.items():
        counts.update(dict.fromkeys(votes(text), images))
    return dict(counts)


def given_values(text: str) -> tuple[str, ...]:
    """The values of a cell, a Python list as text or values joined by ``|``. Raises ValueError if it starts like a list but is not one.

    >>> given_values("['Africa', 'Asia']"), given_values("Africa|Asia"), given_values("Africa")
    (('Africa', 'Asia'), ('Africa', 'Asia'), ('Africa',))
    """
    if not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split(SEPARATOR))
    try:
        literal = ast.literal_eval(text.strip())
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("not a list") from error
    if not isinstance(literal, list) or not all(isinstance(value, str | int | float | None) for value in literal):
        raise ValueError("not a list of texts")
    return tuple("" if value is None else str(value).strip() for value in literal)


def counted_votes(
    levels: Sequence[str], counts: Sequence[str], columns: Mapping[str, Sequence[str]], where: Callable[[int], str], source: str
) -> list[str]:
    """The votes of each row, from one column of counts per level; empty if no annotator chose any.

    Raises DataError for the first cell that is not a whole number from 0 on; an empty cell is 0.

    Examples
    --------
    >>> columns = {"tone_1": ["2", "0"], "tone_2": ["1", ""]}
    >>> counted_votes(("1", "2"), ("tone_1", "tone_2"), columns, str, "labels.csv")
    ['1|1|2', '']
    """
    numbers = [_whole(name, columns[name], where, source) for name in counts]
    rows = []
    for row, votes_of_row in enumerate(zip(*numbers, strict=True)):
        if sum(votes_of_row) > MOST_VOTES:
            what = f"{source}: {sum(votes_of_row):,} votes for one image ({where(row)})"
            raise DataError(what, where=f"columns {counts[0]!r} to {counts[-1]!r}", fix=f"give counts of at most {MOST_VOTES:,} in all")
        rows.append(SEPARATOR.join(level for level, number in zip(levels, votes_of_row, strict=True) for _ in range(number)))
    return rows


def _whole(name: str, cells: Sequence[str], where: Callable[[int], str], source: str) -> list[int]:
    known: dict[str, int] = {}
    for row, text in enumerate(cells):
        if text not in known:
            try:
                number = float(text) if text.strip() else 0.0
            except ValueError:
                number = -1.0
            if not (number >= 0 and number.is_integer()):
                why = f"found {quoted(text[:_SHOWN])} ({where(row)})"
                raise DataError(
                    f"{source}: a cell that is not a count", where=f"column {name!r}", why=why, fix="give a whole number, 0 or above"
                )
            known[text] = int(number)
    return [known[text] for text in cells]
