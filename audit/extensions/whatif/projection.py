"""What-ifs on embeddings: through a linear map (`audit.linear_maps`), or without the coordinates most informative about a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.linear_maps import LinearMap, unit
from audit.measure.embedded import AskedMeasurement, check_prompts

if TYPE_CHECKING:
    from jaxtyping import Float, Int

STRENGTHS = (0.0, 10.0, 100.0, 1000.0)
"""Strengths of calibration that are tried; 1000 is the published one for classification."""


def project(
    task: AskedMeasurement, projection: LinearMap, directions: Float[np.ndarray, "r d"] | None, *, images: bool = False
) -> AskedMeasurement:
    """Project every prompt, and optionally the images: an embedding `z` becomes ``P z``, which removes `directions`.

    Lengths do not matter, since similarities are cosines. Raises UsageError if a prompt loses more than half of its squared length: it is
    about the attribute itself. A random control has no `directions`, and is not checked.
    """
    if directions is not None:
        check_prompts(task, directions)
    changed = {prompt: projection.mapped(unit(vector)) for prompt, vector in task.text_embeddings.items()}
    vectors = projection.mapped(unit(task.image_embeddings)) if images else task.image_embeddings
    return replace(task, text_embeddings=changed, image_embeddings=vectors)


def mutual_information(image_embeddings: Float[np.ndarray, "n d"], codes: Int[np.ndarray, "n"], bins: int = 10) -> Float[np.ndarray, "d"]:
    """Mutual information of each coordinate with an attribute, in nats, estimated on bins of equal counts; for the fit half.

    Examples
    --------
    The first coordinate determines the group, the second is uninformative: ln 2 and 0.

    >>> x = np.array([[0.0, 0.0], [0.1, 1.0], [0.9, 0.0], [1.0, 1.0]])
    >>> mutual_information(x, np.array([0, 0, 1, 1]), bins=2).round(3).tolist()
    [0.693, 0.0]
    """
    n, groups = len(codes), int(codes.max()) + 1
    information = np.empty(image_embeddings.shape[1])
    for coordinate, values in enumerate(np.asarray(image_embeddings, float).T):
        edges = np.quantile(values, np.arange(1, bins) / bins)
        joint = np.bincount(np.searchsorted(edges, values, side="left") * groups + codes, minlength=bins * groups).reshape(bins, groups) / n
        independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        present = joint > 0
        information[coordinate] = (joint[present] * np.log(joint[present] / independent[present])).sum()
    return information


def most_telling(information: Float[np.ndarray, "d"], count: int) -> Int[np.ndarray, "m"]:
    """Indices of the `count` most informative coordinates; ties in their order."""
    return np.argsort(-information, kind="stable")[:count]


def drop_dimensions(task: AskedMeasurement, coordinates: Sequence[int] | Int[np.ndarray, "m"]) -> AskedMeasurement:
    """Drop coordinates from both towers; an empty list changes nothing.

    Wang, Liu and Wang 2021 (CLIP-clip), https://arxiv.org/abs/2109.05433
    """
    keep = np.setdiff1d(np.arange(task.image_embeddings.shape[1]), np.asarray(coordinates, int))
    # Normalised first: dropping coordinates must not change how the prompts of one label are weighted against each other.
    texts = {prompt: unit(vector)[keep] for prompt, vector in task.text_embeddings.items()}
    return replace(task, text_embeddings=texts, image_embeddings=unit(task.image_embeddings)[:, keep])
