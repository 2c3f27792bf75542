"""A measurement under adversarial attack: answers of an encoder that gives gradients, for each budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from audit.analyses.conditions import UnderConditions
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import AttackPlan
from audit.analyses.records import Condition
from audit.measure import predict
from audit.measure.zero_shot import directions
from audit.statistics.null import generator
from audit.types import Dataset, Measurement, Note, Predictions
from strictio.images.decode import decode

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image

MOST_ATTACKED = 300
"""Images, drawn in whole clusters by the seed: a backward pass through the model takes three times as long as a forward pass."""
_BATCH = 32


@runtime_checkable
class AttackableEncoder(Protocol):
    """An encoder that may compute gradients of a score with respect to the pixels."""

    def attacked(
        self, images: Sequence[Image.Image], texts: Float[np.ndarray, "k d"], right: Sequence[int], budget: float, steps: int
    ) -> Float[np.ndarray, "n d"] | None:
        """The embeddings after pixels moved against the right text by at most `budget` / 255; None if the model cannot do it."""
        ...


def attacked_answers(plan: AttackPlan, measurement: Measurement, inputs: AnalysisInputs) -> tuple[UnderConditions, tuple[Note, ...]]:
    """The answers without an attack and under FGSM and PGD for each budget; without gradients, only the former and a note why.

    Labels represent answers one to one: the right label is the first whose answer is true.
    """
    predictions = inputs.predictions[plan.measurement]
    nothing = [(Condition("unchanged"), predictions)], (Note("conditions_no_gradients"),)
    if not isinstance(inputs.model, AttackableEncoder):
        return nothing
    kept = sample(predictions, MOST_ATTACKED, inputs.settings.seed)
    start = part_of_predictions(predictions, kept)
    sampled = (
        (Note("conditions_sampled", {"images": len(kept), "total": len(predictions.y_pred)}),)
        if len(kept) < len(predictions.y_pred)
        else ()
    )
    labels, label_set = measurement.label_set.labels, measurement.label_set
    texts = directions((label_set.prompts[label] for label in labels), inputs.texts)
    answers = [label_set.answers.get(label, label) for label in labels]
    right = [answers.index(answer) for answer in start.y_true] if start.y_true is not None else []
    rows = inputs.images.rows[inputs.attributes.index.get_indexer(start.attributes.index)].tolist()
    answered = [(Condition("unchanged"), start)]
    for name, steps in (("FGSM", 1), ("PGD", plan.steps)):
        for budget in plan.budgets:
            moved = _moved(inputs.model, inputs.dataset, rows, _Against(texts.astype(np.float32), right, budget, steps))
            if moved is None:
                return nothing
            attacked = predict(measurement, inputs.model.record, moved, inputs.texts, start.attributes)
            label = Condition(f"{name}, {budget:g}/255", f"{name}, levels of 255", budget)
            answered.append((label, replace(attacked, cluster=start.cluster, weight=start.weight)))
    return answered, sampled


class _Against(NamedTuple):
    """The texts that an attack moves pixels away from, and how far."""

    texts: Float[np.ndarray, "k d"]
    right: list[int]
    budget: float
    steps: int


def _moved(model: AttackableEncoder, dataset: Dataset, rows: list[int], against: _Against) -> Float[np.ndarray, "n d"] | None:
    """The embeddings of attacked images; None if the model turns out to give no gradients with respect to its pixels."""
    seen = []
    for at in range(0, len(rows), _BATCH):
        part = slice(at, at + _BATCH)
        images = [decode(dataset.images[row]).image for row in rows[part]]
        moved = model.attacked(images, against.texts, against.right[part], against.budget, against.steps)
        if moved is None:
            return None
        seen.append(moved)
    return np.concatenate(seen)


def sample(predictions: Predictions, most: int, seed: int) -> np.ndarray:
    """Positions of at most `most` images, ascending: whole clusters in an order that the seed decides, or part of the first cluster."""
    if len(predictions.y_pred) <= most:
        return np.arange(len(predictions.y_pred))
    units = np.arange(len(predictions.y_pred)) if predictions.cluster is None else np.unique(predictions.cluster, return_inverse=True)[1]
    order = generator(seed, "conditions/sample").permutation(int(units.max()) + 1)[units]
    # The cluster that the limit would split is left out.
    whole = np.flatnonzero(order < np.sort(order)[most])
    return whole if len(whole) else np.sort(np.argsort(order, kind="stable")[:most])


def part_of_predictions(predictions: Predictions, kept: np.ndarray) -> Predictions:
    """The predictions for some of the images, by position."""

    def of(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[kept]

    return replace(
        predictions, y_pred=predictions.y_pred[kept], y_true=of(predictions.y_true), scores=predictions.scores[kept],
        margin=predictions.margin[kept], attributes=predictions.attributes.iloc[kept],
        cluster=of(predictions.cluster), weight=of(predictions.weight),
    )  # fmt: skip
