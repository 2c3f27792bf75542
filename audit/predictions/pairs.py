"""Counterfactual pairs in a table: rows that agree on some columns and differ in one attribute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from audit.errors import DataError, UsageError
from audit.naming import natural_order
from audit.types import UNKNOWN, Group, PairedClaim, Predictions

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 10
"""An attribute with more levels has too many pairs of levels."""


@dataclass(frozen=True)
class PairColumns:
    """The columns that define pairs of rows."""

    attribute: str
    """The attribute that changes within a pair."""
    within: Group
    """The columns that together identify a set: its rows differ only in the attribute."""


def parse_pairs(text: str) -> PairColumns:
    """Parse ``--pairs ATTRIBUTE=COLUMN,COLUMN``; raises UsageError for anything else.

    Examples
    --------
    >>> parse_pairs("tone=scene")
    PairColumns(attribute='tone', within=('scene',))
    """
    name, equals, columns = text.partition("=")
    within = tuple(dict.fromkeys(column.strip() for column in columns.split(",") if column.strip()))
    if not equals or not name.strip() or not within or name.strip() in within:
        fix = "--pairs tone=scene: rows that agree on scene and differ in tone"
        raise UsageError(f"malformed --pairs {text!r}", fix=fix)
    return PairColumns(name.strip(), within)


def paired_claims(
    pairs: Sequence[PairColumns], measurement: str, outcomes: Sequence[str], predictions: Predictions, cluster: str | None
) -> Iterator[PairedClaim]:
    """Yield a claim for every two levels of an attribute and every question: right answers, if the truth is known, and each outcome.

    Rows with one value of `cluster` count as one sampling unit; None: those of a set do. Raises UsageError if an attribute has too many
    levels; DataError if no two rows form a pair.
    """
    questions = [*([None] if predictions.y_true is not None else []), *outcomes]
    for pair in pairs:
        levels = natural_order(set(predictions.attributes[pair.attribute].unique()) - {UNKNOWN})
        if len(levels) > MOST_LEVELS:
            why = f"it has {len(levels)} levels, and at most {MOST_LEVELS} are paired with each other"
            fix = _turned_round(pair, predictions.attributes) or "leave out the rows of some levels"
            raise UsageError(f"--pairs: {pair.attribute!r} has too many levels", why=why, fix=fix)
        if not _are_paired(pair, predictions.attributes):
            raise DataError(
                f"--pairs: no two rows agree on {', '.join(pair.within)} and differ in {pair.attribute}",
                why="a pair is two rows of one set",
                fix=_turned_round(pair, predictions.attributes) or "name the column that says which rows show the same: --pairs tone=scene",
            )
        for first, second in combinations(levels, 2):
            for outcome in questions:
                yield PairedClaim(measurement, pair.attribute, first, second, pair.within, cluster or pair.within[0], outcome)


def _are_paired(columns: PairColumns, attributes: pd.DataFrame) -> bool:
    """Whether two rows agree on the columns that identify a set, and differ in the attribute."""
    rows = attributes[[*columns.within, columns.attribute]]
    known = rows[(rows != UNKNOWN).all(axis=1)]
    return bool(len(known)) and bool(known.groupby(list(columns.within), observed=True)[columns.attribute].nunique().max() > 1)


def _turned_round(columns: PairColumns, attributes: pd.DataFrame) -> str | None:
    """A suggestion to exchange attribute and column, if that gives pairs."""
    other = PairColumns(columns.within[0], (columns.attribute,))
    few = attributes[other.attribute].nunique() <= MOST_LEVELS
    meant = len(columns.within) == 1 and few and _are_paired(other, attributes)
    return f"did you mean --pairs {other.attribute}={columns.attribute}? What changes within a pair stands first" if meant else None
