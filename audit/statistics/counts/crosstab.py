"""Answers by group, computed from the count table: sums of counts and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from audit.records.counts import CountRecord
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Int


@dataclass(frozen=True)
class Crosstab:
    """Images by group, true answer and answer."""

    levels: Group
    """Levels of the attribute; of several attributes every combination, as in ``Black × Female``."""
    truths: Group
    """The true answers that occur; one empty name if there is no truth."""
    answers: Group
    """The possible answers and those that occur."""
    n: Int[np.ndarray, "g t a"]


def crosstab(record: CountRecord, *attributes: str) -> Crosstab:
    """Number of images for each level of an attribute, or of several together, by true answer and answer.

    Examples
    --------
    Two levels, two answers, no truth: 3 images of the second level got the first answer.

    >>> from audit.records.counts import CountRecord
    >>> record = CountRecord("m", ("light",), (("day", "night"),), ("yes", "no"), False, (1, 2), (4, 3), ())
    >>> crosstab(record, "light").n.tolist()
    [[[0, 4]], [[3, 0]]]
    """
    truths = record.answers if record.truth else ("",)
    shape = (*map(len, record.levels), len(truths), len(record.answers))
    *levels, truth, answer = np.unravel_index(np.array(record.cells, np.int64), shape)
    axes = [record.attributes.index(attribute) for attribute in attributes]
    sizes = [shape[axis] for axis in axes]
    group = np.ravel_multi_index([levels[axis] for axis in axes], sizes)
    n = np.zeros((prod(sizes), *shape[-2:]), np.int64)
    np.add.at(n, (group, truth, answer), np.array(record.n, np.int64))
    occurs = (n.sum(axis=(0, 2)) > 0) | (not record.truth)
    names = tuple(map(" × ".join, product(*(record.levels[axis] for axis in axes))))
    return Crosstab(names, tuple(np.array(truths, object)[occurs]), record.answers, n[:, occurs])
