"""The answers of an image classifier, from the logits of its labels. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.measure.classified.questions import LabelMap
from audit.measure.zero_shot import check_truth, predict_from_scores, probabilities_of_logits, scored_images
from audit.types import Group, Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float


def predict(
    measurement: Measurement, possible: Group, record: ModelRecord, logits: Float[np.ndarray, "n k"], attributes: pd.DataFrame
) -> Predictions:
    """The answer of the most probable label of each image, among the labels of the measurement.

    Parameters
    ----------
    measurement : Measurement
        With a label set of the classifier's labels (`classified_probe`).
    possible : sequence of str
        All answers, including those that no label means.
    record : ModelRecord
        Of the classifier: its labels, and whether they share one probability distribution.
    logits : float[n, k]
        One column per label of the record.
    attributes : DataFrame
        One row per image; those that are not scored are left out (`scored_images`).
    """
    rows = np.flatnonzero(scored_images(measurement, attributes))
    position = {label: column for column, label in enumerate(record.labels)}
    own = logits[rows][:, [position[label] for label in measurement.label_set.labels]].astype(np.float64)
    kept = attributes.iloc[rows]
    answered = predict_from_scores(replace(measurement, truth=None), own, probabilities_of_logits(own, record), kept)
    if measurement.truth is None:
        return answered
    y_true = kept[measurement.truth].to_numpy(object)
    check_truth(map(str, set(y_true)), possible, measurement)
    return replace(answered, answers=possible, y_true=y_true)


@dataclass(frozen=True)
class LabelScores:
    """The probabilities of all labels of a classifier, as it gives them."""

    labels: Group
    shares: Float[np.ndarray, "n k"]
    """One column per label; they sum to 1 over all labels, or each label has its own probability."""
    names: Mapping[str, Group]
    """name -> the labels that mean it: labels by their own names, and by those of the label map."""

    @classmethod
    def of(cls, record: ModelRecord, logits: Float[np.ndarray, "n k"], label_map: LabelMap) -> LabelScores:
        """The probabilities of logits."""
        mapped: dict[str, list[str]] = {}
        for row in label_map:
            if row.label and row.answer:
                mapped.setdefault(row.answer, []).append(row.label)
        own = {label: (label,) for label in record.labels if label not in mapped}
        names = own | {name: tuple(dict.fromkeys(labels)) for name, labels in mapped.items()}
        return cls(record.labels, probabilities_of_logits(logits.astype(np.float64), record), names)

    def of_name(self, name: str) -> Float[np.ndarray, "n"]:
        """The probability of the most probable label that a name stands for."""
        columns = [self.labels.index(label) for label in self.names[name]]
        return np.asarray(self.shares[:, columns].max(axis=1))
