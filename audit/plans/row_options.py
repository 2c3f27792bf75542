"""Options that differ from row to row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Int


@dataclass(frozen=True)
class RowOptions:
    """Where the options of each row stand, and the question: columns of `Dataset.texts`."""

    columns: Mapping[str, str]
    """label -> the column with its option: a label is a role that means the same in every row, such as "stereotyped"."""
    question: str | None = None
    """The column with what a generative model is asked; None: which option describes the image."""
    stem: str | None = None
    """The column with what stands before each option in the texts of a dual encoder, which reads no question; None: the option alone."""
    others: str | None = None
    """The label of every option of another row: the row's own name among all names. `columns` then has one label. Dual encoders only."""
    private: bool = False
    """Whether the texts name people: they are counted and never written, shown or logged."""


class RowQuestions(NamedTuple):
    """Which rows were asked the same, whatever their images show."""

    readings: tuple[Int[np.ndarray, "n"], ...]
    """Number of each row's question: by the texts that a dual encoder reads and, where there is a question, by that as well."""
    guessed: float
    """Share of rows in which a guess names one role."""
