"""What was answered in each group, read off the count table: sums of counts and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Int

    from audit.records.counts import CountRecord
    from audit.types import Group


@dataclass(frozen=True)
class Crosstab:
    """Images by level of one attribute, true answer and answer."""

    levels: Group
    truths: Group
    """The true answers that occur; one empty name where nothing is true."""
    answers: Group
    """The answers that can be given or were."""
    n: Int[np.ndarray, "g t a"]


def crosstab(record: CountRecord, attribute: str) -> Crosstab:
    """Return the images of each level of an attribute by true answer and answer.

    Examples
    --------
    Two levels, two answers, nothing true: 3 images of the second level were given the first answer.

    >>> from audit.records.counts import CountRecord
    >>> record = CountRecord("m", ("light",), (("day", "night"),), ("yes", "no"), False, (1, 2), (4, 3), ())
    >>> crosstab(record, "light").n.tolist()
    [[[0, 4]], [[3, 0]]]
    """
    sizes = [len(levels) for levels in record.levels]
    answers = len(record.answers)
    shape = (*sizes, answers, answers) if record.truth else (*sizes, answers)
    codes = np.unravel_index(np.array(record.cells, np.int64), shape)
    place = record.attributes.index(attribute)
    truth = codes[-2] if record.truth else np.zeros(len(record.cells), np.int64)
    n = np.zeros((sizes[place], answers if record.truth else 1, answers), np.int64)
    np.add.at(n, (codes[place], truth, codes[-1]), np.array(record.n, np.int64))
    occurs = n.sum(axis=(0, 2)) > 0
    truths = tuple(np.array(record.answers, object)[occurs]) if record.truth else ("",)
    return Crosstab(record.levels[place], truths, record.answers, n[:, occurs] if record.truth else n)
