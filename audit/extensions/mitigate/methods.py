"""The maps that can be folded into weights, each fitted on one half of the images, and the random maps they are compared with.

The method that is exported is named for the run; the others are shown beside it. None is chosen by its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import UsageError
from audit.linear_maps import (
    LinearMap,
    Whitening,
    calibrated_projection,
    contrast,
    linear_erasure,
    mean_differences,
    mean_differences_within,
    orthogonal_projection,
    random_projection,
    turned_at_random,
)
from audit.plans import Direction, Pairs

if TYPE_CHECKING:
    from jaxtyping import Float, Int

CALIBRATION = 1000.0
"""The published strength for classification."""
MOST_OF_DIMENSIONS = 1 / 8
"""Largest share of the dimensions that a map may remove."""


@dataclass(frozen=True)
class FitInputs:
    """The fitted half."""

    units: Float[np.ndarray, "n d"]
    """Image embeddings of length 1."""
    codes: Int[np.ndarray, "n"]
    """Group of each image."""
    classes: Int[np.ndarray, "n"] | None
    """Number of each image's true answer, -1 where it is unknown; None if the question has none, or it is the group."""
    clusters: Int[np.ndarray, "n"]
    """Number of the cluster of each image; every image has its own if images are independent."""
    direction: Direction | None
    """The attribute as pairs of prompts, if the probe plans them."""
    texts: Mapping[str, Float[np.ndarray, "d"]]
    """Prompt -> its embedding."""

    @cached_property
    def whitening(self) -> Whitening:
        """It does not depend on the groups, and is the same for all shuffles of them."""
        return Whitening.of(self.units)

    def embedded(self, pairs: Pairs) -> tuple[Float[np.ndarray, "r d"], Float[np.ndarray, "r d"]]:
        """The embeddings of the first and of the second prompt of each pair."""
        first, second = (np.stack([self.texts[pair[side]] for pair in pairs]) for side in (0, 1))
        return first, second


@dataclass(frozen=True)
class LinearFit:
    """A fitted map."""

    map: LinearMap
    directions: Float[np.ndarray, "r d"]
    """The directions that it removes."""
    aligned: Float[np.ndarray, "s d"] | None = None
    """Further directions that it shrinks."""

    @property
    def rank(self) -> int:
        """Number of directions removed."""
        return int(np.linalg.matrix_rank(self.directions))


@dataclass(frozen=True)
class MapMethod:
    """A way to fit a map."""

    fit: Callable[[FitInputs, Int[np.ndarray, "n"]], LinearFit]
    """From the inputs and the group of each image, which is shuffled for a control."""
    by_groups: bool
    """Whether it is fitted on images with known groups, and not on prompts."""


def _within_class(inputs: FitInputs, codes: Int[np.ndarray, "n"]) -> LinearFit:
    if inputs.classes is None:
        fix = "--method leace"
        raise UsageError("the question has no true answers within which groups could be compared", where="--method", fix=fix)
    known = inputs.classes >= 0
    directions = mean_differences_within(inputs.units[known], codes[known], inputs.classes[known])
    return LinearFit(orthogonal_projection(directions), directions)


def _mean_difference(inputs: FitInputs, codes: Int[np.ndarray, "n"]) -> LinearFit:
    directions = mean_differences(inputs.units, codes)
    return LinearFit(orthogonal_projection(directions), directions)


def _leace(inputs: FitInputs, codes: Int[np.ndarray, "n"]) -> LinearFit:
    directions = mean_differences(inputs.units, codes)
    return LinearFit(linear_erasure(directions, inputs.whitening), directions)


def _projection(inputs: FitInputs, _: object) -> LinearFit:
    directions = contrast(*inputs.embedded(_planned(inputs).pairs))
    return LinearFit(orthogonal_projection(directions), directions)


def _calibrated(inputs: FitInputs, _: object) -> LinearFit:
    direction = _planned(inputs)
    if not direction.same:
        raise UsageError("the probe plans no prompts that should mean the same", where="--method", fix="--method projection")
    directions, same = contrast(*inputs.embedded(direction.pairs)), inputs.embedded(direction.same)
    return LinearFit(calibrated_projection(directions, *same, CALIBRATION), directions, contrast(*same))


def _planned(inputs: FitInputs) -> Direction:
    if inputs.direction is None:
        fix = "give the probe a WhatIfPlan with a direction for the question, or --method leace"
        raise UsageError("the probe plans no prompts about the attribute", where="--method", fix=fix)
    return inputs.direction


METHODS: Mapping[str, MapMethod] = {
    "mean-difference-within-class": MapMethod(_within_class, by_groups=True),
    "leace": MapMethod(_leace, by_groups=True),
    "projection": MapMethod(_projection, by_groups=False),
    "calibrated-projection": MapMethod(_calibrated, by_groups=False),
    "mean-difference": MapMethod(_mean_difference, by_groups=True),
}
"""In the order in which they are shown."""


def default_method(inputs: FitInputs) -> str:
    """The method if none is named: it depends on the question, never on a result."""
    return "leace" if inputs.classes is None else "mean-difference-within-class"


def fit_map(method: str, inputs: FitInputs) -> LinearFit:
    """Fit a map; raises UsageError if the question lacks what the method needs, or the map would remove too many dimensions."""
    fit = METHODS[method].fit(inputs, inputs.codes)
    dimensions = fit.map.dimensions
    if fit.rank > MOST_OF_DIMENSIONS * dimensions:
        raise UsageError(
            f"{method} would remove {fit.rank} of {dimensions} dimensions", where="--method",
            why=f"at most {MOST_OF_DIMENSIONS:.0%} may be removed", fix="choose another method, or a question with fewer groups",
        )  # fmt: skip
    return fit


# ---- random maps of the same kind ----------------------------------------------------------------------------------------------------


def random_map(fit: LinearFit, rng: np.random.Generator) -> LinearMap:
    """A map that does the same to random directions; for an oblique one, it removes as many at right angles."""
    if fit.aligned is None:
        return random_projection(fit.rank, fit.map.dimensions, rng)
    basis = np.linalg.svd(np.vstack([fit.directions, fit.aligned]), full_matrices=False)[2]
    return turned_at_random(fit.map, basis, rng)


@dataclass(frozen=True)
class GroupShuffle:
    """Shuffles the groups of the fitted half, so that they say nothing about an image beyond its true answer.

    The groups of clusters with one group are exchanged with each other (among those of one true answer), the groups of images of a cluster
    with several within it (among those of one true answer): clusters stay what they are.
    """

    item: Int[np.ndarray, "n"]
    """What is shuffled: a cluster with one group, or an image of another cluster."""
    codes: Int[np.ndarray, "m"]
    strata: Int[np.ndarray, "m"]

    @classmethod
    def of(cls, inputs: FitInputs) -> GroupShuffle:
        clusters, codes = inputs.clusters, inputs.codes
        classes = np.zeros_like(codes) if inputs.classes is None else inputs.classes + 1  # 0: unknown
        one_group, one_class = (_constant(clusters, values) for values in (codes, classes))
        alone = np.arange(len(codes)) + int(clusters.max()) + 1
        item = np.unique(np.where(one_group, clusters, alone), return_inverse=True)[1]
        # Clusters of several true answers are exchanged with each other.
        between = np.where(one_class, classes, int(classes.max()) + 1)
        within = (int(classes.max()) + 2) * (1 + clusters) + classes
        first = np.unique(item, return_index=True)[1]
        return cls(item, codes[first], np.where(one_group, between, within)[first])

    def draw(self, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
        """The group of each image after one shuffle."""
        shuffled = np.empty_like(self.codes)
        shuffled[np.argsort(self.strata, kind="stable")] = self.codes[np.lexsort((rng.random(len(self.codes)), self.strata))]
        return np.asarray(shuffled[self.item])

    def refitted(self, method: str, inputs: FitInputs, rng: np.random.Generator) -> LinearMap:
        """The method's map, fitted on shuffled groups."""
        return METHODS[method].fit(inputs, self.draw(rng)).map


def _constant(clusters: Int[np.ndarray, "n"], values: Int[np.ndarray, "n"]) -> np.ndarray:
    """Whether all images of an image's cluster have the same value."""
    pairs = np.unique(np.stack([clusters, values]), axis=1)[0]
    return np.asarray(np.bincount(pairs, minlength=int(clusters.max()) + 1)[clusters] == 1)
