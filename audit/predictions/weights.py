"""A column of weights: how much each image counts for in a rate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.changed.subset import part_of
from audit.data.schema import counted, quoted
from audit.errors import DataError, UsageError, nearest
from audit.types import UNKNOWN, Dataset, Exclusion, Note, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jaxtyping import Bool, Float

_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_SMALLEST, _LARGEST, _WIDEST_RATIO = 1e-50, 1e50, 1e15
"""Weights are summed and squared, and variances square that again: within these bounds nothing overflows or underflows. A weight below
the largest divided by the last would be lost to rounding in their sum, so that its row would count as an image without influence."""


def sample_weights(column: pa.ChunkedArray, name: str, source: str, where: Callable[[int], str] | None = None) -> Float[np.ndarray, "n"]:
    """Read a column of weights; raises DataError for the first weight that is not a number, is negative or cannot be summed.

    `where` returns the name of a row (by default its position in the file). A weight of 0 is allowed: such rows are left out.
    """
    where = where or (lambda row: f"row {row + 1} after the header")
    kind: Any = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if any(is_one(kind) for is_one in _NUMBERS):
        numbers = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
        texts = column
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        texts = column.cast(pa.string())
        numbers = np.array([_number(text) for text in texts.to_pylist()])
    else:
        raise DataError(f"{source}: the column of weights {quoted(name)} holds {kind}", fix="give one number per row, 0 or above")
    for bad, what, why, fix in _unusable(numbers):
        if bad.any():
            row = int(bad.argmax())
            raise DataError(
                f"{source}: {counted(int(bad.sum()), 'row')} with a weight that {what}",
                where=f"column {quoted(name)}, first in {where(row)}",
                why=f"found {_found(texts[row].as_py())}{why}", fix=fix,
            )  # fmt: skip
    if not numbers.any():
        raise DataError(f"{source}: every weight in the column {quoted(name)} is 0", fix="name the column that holds the weights")
    return np.asarray(numbers)


def _unusable(numbers: Float[np.ndarray, "n"]) -> Iterator[tuple[Bool[np.ndarray, "n"], str, str, str]]:
    """Yield which rows have an unusable weight, what is wrong with it, why that matters and what to do."""
    write = "give each row a number, 0 or above, with a decimal point; 0 leaves a row out"
    yield ~np.isfinite(numbers), "is missing or not a finite number", "", write
    yield numbers < 0, "is negative", "", write
    divide = "divide the whole column by one number: only the ratios of weights count"
    limits = f"; sums of squares hold {_SMALLEST:g} to {_LARGEST:g}"
    yield numbers > _LARGEST, "is too large to be squared and summed", limits, divide
    yield (numbers > 0) & (numbers < _SMALLEST), "is too small to be squared and summed", limits, divide
    largest = float(numbers.max(initial=0.0))
    lost = f", beside a largest weight of {largest:g}: over {_WIDEST_RATIO:g} times as much, which rounding loses"
    check = "check the largest; 0 leaves a row out"
    yield (numbers > 0) & (numbers * _WIDEST_RATIO < largest), "is too small beside the largest", lost, check


def _number(text: str | None) -> float:
    try:
        return float(text or "nan") if "_" not in (text or "") else np.nan  # Python would accept 1_000
    except ValueError:
        return np.nan


def _found(value: object) -> str:
    text = str(value)
    return "nothing" if value is None or not text.strip() or text in ("nan", UNKNOWN) else quoted(text)


def check_groups(weights: Float[np.ndarray, "n"], attributes: pd.DataFrame, name: str, source: str) -> None:
    """Raise `DataError` if every image of a group of one attribute has the weight 0: its rates would be 0 / 0."""
    for column in attributes.columns:
        levels = attributes[column].to_numpy(object)
        if empty := sorted(set(levels) - set(levels[weights > 0]) - {UNKNOWN}):
            raise DataError(
                f"{source}: every weight of the group {quoted(str(empty[0]))} is 0",
                where=f"column {quoted(name)}; {counted(int((levels == empty[0]).sum()), 'row')} with {column} {quoted(str(empty[0]))}",
                why="a rate divides by the sum of the weights",
                fix="give them weights above 0, or leave these rows out of the table",
            )


def weights_of_0(gone: pd.DataFrame, name: str) -> Exclusion:
    """Exclude the images with weight 0; `gone` has their attributes."""
    by_group = {str(column): {str(k): int(v) for k, v in gone[column].value_counts().items()} for column in gone.columns}
    return Exclusion(Note("weight_of_0", {"column": name}), len(gone), by_group, tuple(map(str, gone.index[:10])))


def with_weights(dataset: Dataset, name: str, attributes: Sequence[str]) -> Dataset:
    """Remove the images with weight 0; the attribute with the weights no longer has levels to slice by.

    Raises UsageError if it does not exist; DataError as `sample_weights` and, for `attributes`, `check_groups` do.
    """
    weights = weights_of(dataset.attributes, name, dataset.name)
    others = dataset.attributes.drop(columns=name)
    check_groups(weights, others[list(dict.fromkeys(attributes))], name, dataset.name)
    # Last: samples keep the shares of the first attributes.
    dataset = replace(dataset, attributes=others.assign(**{name: dataset.attributes[name]}))
    if not weights.all():
        left_out = (*dataset.exclusions, weights_of_0(others[weights == 0], name))
        dataset = replace(part_of(dataset, np.flatnonzero(weights).tolist()), exclusions=left_out)
    return replace(dataset, levels={attribute: levels for attribute, levels in dataset.levels.items() if attribute != name})


def weights_of(attributes: pd.DataFrame, name: str, source: str) -> Float[np.ndarray, "n"]:
    """The weights in an attribute; raises UsageError if it does not exist, DataError as `sample_weights` does."""
    if name not in attributes.columns:
        raise UsageError(f"no attribute {name!r} to weight by", where=source, fix=nearest(name, map(str, attributes.columns)))
    texts = pa.chunked_array([pa.array(attributes[name].astype(object), pa.string())])
    return sample_weights(texts, name, source, lambda row: f"the row of {attributes.index[row]!r}")


def weighing(predictions: Predictions, weights: str | None, source: str) -> Predictions:
    """Add weights from an attribute to predictions that have none of their own."""
    if weights is None or predictions.weight is not None:
        return predictions
    return replace(predictions, weight=weights_of(predictions.attributes, weights, source))
