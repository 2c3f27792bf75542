"""The sets of a plan: a row a set and a column a member, of places in the table of images, with what each was answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.answers import answer_probabilities, are_shares, of_any
from audit.engine.analyses.inputs import AnalysisInputs
from audit.errors import DataError
from audit.measure import predict
from audit.plans import CounterfactualSetsPlan
from audit.statistics.null import generator
from audit.types import UNKNOWN, LabelSet, Measurement, Predictions

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Int

_FIRST, _SECOND = "first", "second"


@dataclass(frozen=True)
class Asked:
    """What each image was answered; the empty answer where it was not asked."""

    answers: np.ndarray
    """str[n]."""
    events: Bool[np.ndarray, "n"]
    """Whether the answer counts as the outcome."""
    scores: Float[np.ndarray, "n"]
    """Probability of the outcome."""


@dataclass(frozen=True)
class SetTable:
    """Complete sets, in the order of the levels that identify them."""

    plan: CounterfactualSetsPlan
    rows: Int[np.ndarray, "s m"]
    clusters: Int[np.ndarray, "s"]
    incomplete: int
    asked: Asked

    @property
    def name(self) -> str:
        """Name of its random streams."""
        return f"sets/{self.plan.question}/{self.plan.attribute}/{self.plan.outcome}"

    @property
    def answers(self) -> np.ndarray:
        return np.asarray(self.asked.answers[self.rows])

    @property
    def events(self) -> Bool[np.ndarray, "s m"]:
        return np.asarray(self.asked.events[self.rows])

    @property
    def scores(self) -> Float[np.ndarray, "s m"]:
        return np.asarray(self.asked.scores[self.rows])

    def sample(self, images: int, seed: int) -> list[int]:
        """Return sets with so many images at most, cluster by cluster in an order that the seed decides; ascending."""
        most = images // len(self.plan.members)
        if len(self.rows) <= most:
            return list(range(len(self.rows)))
        place = generator(seed, "sets/sample").permutation(int(self.clusters.max()) + 1)[self.clusters]
        return sorted(np.argsort(place, kind="stable")[:most].tolist())


def set_table(plan: CounterfactualSetsPlan, inputs: AnalysisInputs) -> SetTable:
    """Return the sets of a plan; an image without a value that identifies its set is in none.

    DataError if two images are the same member of a set, or the members of a set lie in different clusters.
    """
    asked = asked_of(plan, inputs, inputs.images.vectors, inputs.attributes)
    rows = inputs.attributes.reset_index(drop=True)
    named = (rows[list(plan.within)] != UNKNOWN).all(axis=1) & rows[plan.attribute].isin(plan.members) & (asked.answers != "")
    part = rows[named]
    codes = part.groupby(list(plan.within), sort=True).ngroup().to_numpy()
    members = part[plan.attribute].map(plan.members.index).to_numpy(np.int64)
    found = np.full((int(codes.max()) + 1 if len(codes) else 0, len(plan.members)), -1)
    found[codes, members] = part.index.to_numpy()
    if (repeated := len(part) - int((found >= 0).sum())) > 0:
        raise DataError(
            f"{repeated} of {len(part)} images are not the only one of a set with their {plan.attribute}",
            where=f"counterfactual sets {plan.question!r}",
            fix="name in `within` what tells them apart",
        )
    complete = (found >= 0).all(axis=1)
    sets = found[complete]
    cluster = rows[plan.cluster].to_numpy(object)[sets]
    if (cluster != cluster[:, :1]).any():
        raise DataError(
            f"the members of a set differ in {plan.cluster!r}", where=f"counterfactual sets {plan.question!r}",
            why="a set cannot lie in two clusters", fix=f"name {plan.cluster!r} in `within`",
        )  # fmt: skip
    numbers = np.unique(cluster[:, 0].astype(str), return_inverse=True)[1]
    return SetTable(plan, sets, numbers, int((~complete).sum()), asked)


def asked_of(plan: CounterfactualSetsPlan, inputs: AnalysisInputs, vectors: Float[np.ndarray, "n d"], attributes: pd.DataFrame) -> Asked:
    """Return what images are answered, given their embeddings."""
    if plan.measurement is not None:
        measurement = next(each for each in inputs.probe.measurements if each.name == plan.measurement)
        # Without a truth every image is scored: who is right is another question.
        return _counted(measurement, plan.outcome, _predicted(replace(measurement, truth=None), inputs, vectors, attributes))
    answers, events, scores = np.full(len(attributes), "", object), np.zeros(len(attributes), bool), np.zeros(len(attributes))
    cases = attributes[plan.case].to_numpy(object)
    for case, choice in plan.choices.items():
        own = cases == case
        if own.any():
            labels = LabelSet("choice", (_FIRST, _SECOND), {_FIRST: choice.first, _SECOND: choice.second})
            measurement = Measurement(plan.question, plan.question, labels, plan.preset, ())
            found = _predicted(measurement, inputs, vectors[own], attributes[own])
            answers[own], events[own] = found.y_pred, found.y_pred == _FIRST
            # Of two shares this is the first; of independent probabilities it is their difference, on the same scale.
            scores[own] = (1 + found.scores[:, 0].astype(float) - found.scores[:, 1]) / 2
    return Asked(answers.astype(str), events, scores)


def _predicted(
    measurement: Measurement, inputs: AnalysisInputs, vectors: Float[np.ndarray, "n d"], attributes: pd.DataFrame
) -> Predictions:
    return predict(measurement, inputs.model.record, vectors, inputs.texts, attributes)


def _counted(measurement: Measurement, outcome: str, predictions: Predictions) -> Asked:
    counted, labels = measurement.outcomes[outcome], measurement.label_set
    by_answer = answer_probabilities(predictions.scores, predictions.labels, predictions.answers, labels)
    own = [place for place, answer in enumerate(predictions.answers) if answer in counted]
    scores = of_any(by_answer[:, own], shares=are_shares(predictions.scores))
    return Asked(predictions.y_pred, np.isin(predictions.y_pred, counted), scores)
