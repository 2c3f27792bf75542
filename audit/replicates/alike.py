"""Checks that audits are replicates of one model: different weights, but the same questions about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.data.schema import quoted
from audit.engine import AuditedProbe
from audit.errors import DataError, UsageError
from audit.naming import finding_id
from audit.types import Group, Predictions, Probe

if TYPE_CHECKING:
    from jaxtyping import Int

_SAME_IMAGES = "replicates answer about the same images"


@dataclass(frozen=True)
class ModelQuestions:
    """A model, with the ids of its planned questions."""

    name: str
    planned: Group

    @classmethod
    def of(cls, name: str, probe: Probe) -> ModelQuestions:
        """A model with the questions of a probe in its form for the model."""
        claims = ((measurement.name, claim) for measurement in probe.measurements for claim in measurement.claims)
        return cls(name, tuple(finding_id(measurement, claim) for measurement, claim in claims if claim.primary))


def check_planned(models: Sequence[ModelQuestions], probe: str) -> None:
    """Raise UsageError for fewer than two replicates, DataError if their questions differ."""
    if len(models) < 2:
        raise UsageError(
            "replicates need two models", where=f"probe {probe!r}", why=f"only {models[0].name!r} was asked",
            fix="give --model (or --predictions) once for each replicate",
        )  # fmt: skip
    for one, other in chain.from_iterable(((models[0], other), (other, models[0])) for other in models[1:]):
        if missing := [question for question in one.planned if question not in other.planned]:
            raise DataError(
                f"{other.name} was not asked {missing[0]!r}, which {one.name} was",
                why="replicates are taken together question by question", fix="ask all of them the same, or audit this one by itself",
            )  # fmt: skip


def check_distinct(replicates: Sequence[AuditedProbe]) -> None:
    """Raise UsageError if one model is given twice."""
    for one, other in combinations(replicates, 2):
        if one.result.model.fingerprint == other.result.model.fingerprint and _same_answers(one, other):
            raise UsageError(
                f"{one.result.model.name!r} and {other.result.model.name!r} are one model",
                why="their fingerprints and all their answers are equal", fix="give each replicate once: another seed, another step",
            )  # fmt: skip


def _same_answers(one: AuditedProbe, other: AuditedProbe) -> bool:
    return one.predictions.keys() == other.predictions.keys() and all(
        np.array_equal(answered.y_pred, other.predictions[name].y_pred) for name, answered in one.predictions.items()
    )


def places_of(first: Predictions, other: Predictions, names: tuple[str, str]) -> Int[np.ndarray, "n"]:
    """The index of each row of the first replicate among those of the other.

    Raises DataError for the first row that only one has, or whose values differ.
    """
    rows, others = first.attributes.index, other.attributes.index
    for index, held, (has, lacks) in ((rows, others, names), (others, rows, names[::-1])):
        if len(absent := index.difference(held, sort=False)):
            raise DataError(f"{has} has the row {quoted(str(absent[0]))}, and {lacks} does not", why=_SAME_IMAGES,
                            fix="give every replicate the same images, or leave the row out with --exclude")  # fmt: skip
    if rows.has_duplicates and not rows.equals(others):
        raise DataError(f"the rows of {names[0]} and {names[1]} cannot be matched", why="an identifier occurs in several rows",
                        fix="give both the same order of rows")  # fmt: skip
    places = np.arange(len(rows)) if rows.equals(others) else others.get_indexer(rows)
    _check_values(_shown(first), {name: column[places] for name, column in _shown(other).items()}, rows, names)
    return np.asarray(places)


def _shown(predictions: Predictions) -> dict[str, np.ndarray]:
    """The values of an image besides the answer."""
    columns = {str(name): column.to_numpy(object) for name, column in predictions.attributes.items()}
    others = {"y_true": predictions.y_true, "the weight": predictions.weight, "the cluster": _cluster_names(predictions)}
    return columns | {name: column for name, column in others.items() if column is not None}


def _cluster_names(predictions: Predictions) -> np.ndarray | None:
    if predictions.cluster is None or predictions.cluster_names is None:  # an attribute has them
        return None
    return np.asarray(predictions.cluster_names.take(predictions.cluster), object)


def _check_values(first: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], rows: pd.Index, names: tuple[str, str]) -> None:
    for name in dict.fromkeys([*first, *other]):
        if name not in first or name not in other:
            has, lacks = names if name in first else names[::-1]
            raise DataError(f"{has} says {name} of its images, and {lacks} does not", why=_SAME_IMAGES, fix="give all the same columns")
        if (differ := first[name] != other[name]).any():
            row = int(np.argmax(differ))
            raise DataError(
                f"{names[0]} and {names[1]} do not show the same images", where=f"the row of {quoted(str(rows[row]))}",
                why=f"{name} is {quoted(str(first[name][row]))}, then {quoted(str(other[name][row]))}; {_SAME_IMAGES}",
                fix="give every replicate the same images, with the same labels",
            )  # fmt: skip
