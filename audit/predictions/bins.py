"""Numbers as attributes: divides a column of numbers into groups, at edges or at quantiles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.errors import DataError, UsageError, nearest
from audit.types import UNKNOWN, Dataset, Group, Note

if TYPE_CHECKING:
    import pyarrow as pa
    from jaxtyping import Float

MOST_QUANTILES = 12
BINNED = "binned"
"""Code of the note about how a column was divided, with its `column` and `levels`."""
_FORM = "--bins age=18,30,60 cuts at these numbers, --bins age=4 into quarters; one edge is written age=18,"


@dataclass(frozen=True)
class Bins:
    """How to divide a column of numbers."""

    column: str
    edges: tuple[float, ...] = ()
    """Increasing; a number on an edge belongs to the group above. Empty: use quantiles."""
    quantiles: int = 0
    """Number of groups with about equally many rows."""

    @property
    def levels(self) -> Group:
        """The groups from low to high.

        Examples
        --------
        >>> Bins("age", (18.0, 30.5)).levels
        ('under 18', '18 to under 30.5', '30.5 and over')
        """
        shown = [repr(int(edge)) if edge.is_integer() else repr(edge) for edge in self.edges]
        between = (f"{low} to under {high}" for low, high in pairwise(shown))
        return (f"under {shown[0]}", *between, f"{shown[-1]} and over")

    def cut(self, numbers: Float[np.ndarray, "n"]) -> np.ndarray:
        """The group of each number; `UNKNOWN` for NaN.

        Examples
        --------
        >>> Bins("age", (18.0,)).cut(np.array([17.9, 18.0, np.nan])).tolist()
        ['under 18', '18 and over', 'unknown']
        """
        names = np.array([*self.levels, UNKNOWN], object)
        bin_numbers = np.searchsorted(np.array(self.edges), numbers, side="right")
        return np.asarray(names[np.where(np.isnan(numbers), len(self.edges) + 1, bin_numbers)])

    def resolved(self, numbers: Float[np.ndarray, "n"], source: str) -> Bins:
        """Replace quantiles by edges; raises DataError if the numbers have too few distinct values for two groups."""
        if self.edges:
            return self
        known = numbers[~np.isnan(numbers)]
        shares = np.arange(1, self.quantiles) / self.quantiles
        # Each edge is a number that occurs; equal quantiles are merged, and there is no edge at the lowest number.
        edges = np.unique(np.quantile(known, shares, method="higher")) if len(known) else known
        edges = edges[edges > known.min()] if len(known) else edges
        if not len(edges):
            raise DataError(
                f"{source}: the column {self.column!r} cannot be cut into {self.quantiles} groups",
                why="nearly all of its numbers are the same" if len(known) else "it holds no numbers",
                fix=f"name edges: --bins {self.column}=18,30,60",
            )
        return replace(self, edges=tuple(edges.tolist()))

    def note(self) -> Note:
        """A note for readers, which also records the order of the groups."""
        return Note(BINNED, {"column": self.column, "levels": self.levels, "quantiles": self.quantiles})


def parse_bins(text: str) -> Bins:
    """Parse ``NAME=EDGE,EDGE`` or ``NAME=QUANTILES``; raises UsageError for anything else.

    Examples
    --------
    >>> parse_bins("age=18,30"), parse_bins("age=4"), parse_bins("age=18,").edges
    (Bins(column='age', edges=(18.0, 30.0), quantiles=0), Bins(column='age', edges=(), quantiles=4), (18.0,))
    """
    name, equals, cuts = text.rpartition("=")
    try:
        numbers = [float(cut) for cut in cuts.split(",") if cut.strip()]
    except ValueError:
        numbers = []
    if not equals or not name.strip() or not numbers or not all(map(np.isfinite, numbers)):
        raise UsageError(f"malformed --bins {text!r}", fix=_FORM)
    if "," not in cuts:
        if not (numbers[0].is_integer() and 2 <= numbers[0] <= MOST_QUANTILES):
            raise UsageError(f"--bins {text!r}: from 2 to {MOST_QUANTILES} groups of about as many rows", fix=_FORM)
        return Bins(name.strip(), quantiles=int(numbers[0]))
    if any(low >= high for low, high in pairwise(numbers)):
        raise UsageError(f"--bins {text!r}: the edges do not increase", fix=_FORM)
    return Bins(name.strip(), tuple(numbers))


def binned_levels(notes: Iterable[Note | str]) -> dict[str, Group]:
    """Column -> its groups from low to high, from notes."""
    known = (note.values for note in notes if isinstance(note, Note) and note.code == BINNED)
    return {str(values["column"]): tuple(map(str, _sequence(values["levels"]))) for values in known}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


# ---- dividing ------------------------------------------------------------------------------------------------------------------------


def bin_table(table: pa.Table, bins: Sequence[Bins], source: str) -> tuple[pa.Table, tuple[Bins, ...]]:
    """Divide columns of numbers in a table into groups; also returns the bins with their edges.

    Raises UsageError if there is no such column; DataError for the first cell that is not a number. Empty cells stay empty.
    """
    import pyarrow as pa

    done = []
    for binning in bins:
        if binning.column not in table.column_names:
            raise UsageError(f"{source} has no column {binning.column!r} for --bins", fix=nearest(binning.column, table.column_names))
        texts = _texts(table[binning.column], binning.column, source)
        numbers = _numbers(texts, binning.column, source, lambda row: f"row {row + 1} after the header")
        resolved = binning.resolved(numbers, source)
        groups = pa.chunked_array([pa.array(resolved.cut(numbers), pa.string(), mask=np.isnan(numbers))])
        table = table.set_column(table.column_names.index(binning.column), binning.column, groups)
        done.append(resolved)
    return table, tuple(done)


def bin_dataset(dataset: Dataset, bins: Sequence[Bins]) -> Dataset:
    """Divide number attributes of a data set into groups; raises the errors of `bin_table`."""
    attributes, levels = dataset.attributes, dict(dataset.levels)
    notes = list(dataset.notes)
    for binning in bins:
        if binning.column not in attributes.columns:
            fix = nearest(binning.column, map(str, attributes.columns))
            raise UsageError(f"no attribute {binning.column!r} for --bins", where=dataset.name, fix=fix)
        numbers = _numbers(
            attributes[binning.column].tolist(), binning.column, dataset.name, lambda row: f"the row of {dataset.attributes.index[row]!r}"
        )
        resolved = binning.resolved(numbers, dataset.name)
        attributes = attributes.assign(**{binning.column: resolved.cut(numbers)}).astype({binning.column: "str"})
        levels[binning.column] = (*resolved.levels, *((UNKNOWN,) if np.isnan(numbers).any() else ()))
        notes.append(resolved.note())
    if not bins:
        return dataset
    # Other groups are other data: audits with different bins must not count as audits of one table.
    named = sorted(f"{binning.column}: {levels[binning.column]}" for binning in bins)
    cut = hashlib.sha256("\n".join([dataset.fingerprint, *named]).encode())
    return replace(dataset, attributes=attributes, levels=levels, notes=tuple(notes), fingerprint=cut.hexdigest())


def _texts(column: pa.ChunkedArray, name: str, source: str) -> Sequence[str | None]:
    import pyarrow as pa

    kind: Any = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not is_number and not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataError(f"{source}: the column {name!r} holds {kind}, which cannot be cut by --bins", fix="give numbers")
    texts: Sequence[str | None] = column.cast(kind).cast(pa.string()).to_pylist()
    return texts


def _numbers(texts: Sequence[str | None], name: str, source: str, where: Callable[[int], str]) -> Float[np.ndarray, "n"]:
    """The numbers, NaN for missing ones; raises DataError for the first text that is not a finite number."""
    known = {text: _number(text) for text in dict.fromkeys(texts)}
    if wrong := {text for text, number in known.items() if number is None}:
        rows = [row for row, text in enumerate(texts) if text in wrong]
        raise DataError(
            f"{source}: {len(rows)} row{'s' * (len(rows) > 1)} of the column {name!r} with something that is not a number",
            where=f"first in {where(rows[0])}",
            why=f"found {str(texts[rows[0]])[:80]!r}",
            fix="give a number with a decimal point, or leave the cell empty where it is not known",
        )
    return np.array([known[text] for text in texts], np.float64)


def _number(text: str | None) -> float | None:
    """The number in a cell, NaN if it is missing, None if it is something else."""
    bare = (text or "").strip()
    if bare in ("", UNKNOWN, "nan"):
        return np.nan
    try:
        number = float(bare) if "_" not in bare else np.nan  # Python would accept 1_000
    except ValueError:
        return None
    return number if np.isfinite(number) else None
