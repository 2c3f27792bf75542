"""Retrieval: is an image among the first k of its gallery, ranked by similarity to the query of the gallery? NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import UsageError
from audit.measure.ranking import best_first
from audit.measure.zero_shot import cosine_scores, directions, scored_images
from audit.plans import Retrieval
from audit.types import UNKNOWN, Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Int

QUESTION = "Is the image among the first k of the gallery that its query ranks?"


def predict(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
) -> Predictions:
    """Whether each image is among the first k of its gallery: the first label of the measurement, else the second.

    Not scored: images in no gallery, or whose group is unknown, and those of galleries of at most k images, which every order would
    retrieve. If all images of a gallery have the same score, nothing is ranked and none is retrieved; other ties are in `best_first`'s
    order. It contains no scores: those of different queries cannot be compared.
    """
    retrieval, labels = _retrieval(measurement), measurement.label_set.labels
    in_gallery = scored_images(measurement, attributes)
    for claim in measurement.claims:
        in_gallery &= (attributes[list(claim.by)] != UNKNOWN).to_numpy(bool).all(axis=1)
    scored, retrieved = np.zeros(len(attributes), bool), np.zeros(len(attributes), bool)
    for query, rows in galleries(retrieval, attributes, in_gallery):
        if len(rows) > retrieval.k:
            scores = cosine_scores(image_embeddings[rows], directions([retrieval.queries[query]], text_embeddings))[:, 0]
            scored[rows] = True
            if np.ptp(scores) > 0:
                retrieved[rows[best_first(scores, attributes.index[rows])[: retrieval.k]]] = True
    answers = np.where(retrieved[scored], *np.array(labels, object)).astype(object)
    empty = np.zeros((len(answers), 0), np.float32)
    return Predictions(labels, labels, empty, answers, None, attributes[scored], np.zeros(0, np.float32))


def galleries(
    retrieval: Retrieval, attributes: pd.DataFrame, in_gallery: Bool[np.ndarray, "n"]
) -> Iterator[tuple[str, Int[np.ndarray, "m"]]]:
    """Yield each query with the rows that it ranks; queries without images are left out."""
    for query in retrieval.queries:
        own = in_gallery if retrieval.gallery is None else in_gallery & (attributes[retrieval.gallery] == query).to_numpy(bool)
        if own.any():
            yield query, np.flatnonzero(own)


def _retrieval(measurement: Measurement) -> Retrieval:
    if measurement.retrieval is None:
        raise UsageError(f"measurement {measurement.name!r} has no retrieval", fix="make it with RankingPlan.planned(k, name)")
    return measurement.retrieval
