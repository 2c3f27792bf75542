"""The methods, each with every setting that is tried: fitted on one half of the images, ready to change the answers on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from audit.answers import answer_probabilities
from audit.errors import UsageError
from audit.extensions.whatif import thresholds
from audit.extensions.whatif.labels import abstain, aggregate, margin_at, neutral_label
from audit.extensions.whatif.projection import STRENGTHS, drop_dimensions, most_telling, mutual_information, project
from audit.linear_maps import LinearMap, calibrated_projection, contrast, orthogonal_projection, random_projection, turned_at_random, unit
from audit.measure.embedded import AskedMeasurement
from audit.plans import Pairs, WhatIfPlan
from audit.types import Group, Measurement, Note, Predictions, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float, Int

Change = Callable[["Shown"], "Predictions"]
Control = Callable[["Shown", np.random.Generator], "Predictions"]
COVERAGES, DEFAULT_COVERAGE = (0.95, 0.9, 0.8, 0.7, 0.5), 0.9
DROPPED = 0.22
"""Fraction of the coordinates: the published code drops 112 of 512."""
DEFAULT_STRENGTH = 1000.0
CONSTRAINTS: tuple[thresholds.Constraint, ...] = ("equalized_odds", "demographic_parity")
NOTHING = (Note("nothing"),)
WORDS = (Note("attribute_words"),)


@dataclass(frozen=True)
class Shown:
    """The shown half, and the unmodified model's answers on it."""

    asked: AskedMeasurement
    before: Predictions


@dataclass(frozen=True)
class Candidate:
    """One method with one setting."""

    method: str
    setting: str
    default: bool
    """Whether this is the setting that the probe fixes."""
    needs: tuple[Note, ...]
    change: Change
    control: Control | None = None
    """A random change of the same kind, if any; one function may serve as both, and change at random if it is given a generator."""


@dataclass(frozen=True)
class FitContext:
    """The inputs on which methods are fitted."""

    plan: WhatIfPlan
    fit: AskedMeasurement
    """The half of the images that is not shown."""
    fitted: Predictions
    """The unmodified model's answers on it."""
    attribute: str
    texts: Mapping[str, Float[np.ndarray, "d"]]
    """Every prompt of the plan -> its embedding."""
    levels: Group
    """Levels of the attribute, as declared."""
    settings: Settings

    def codes(self, attributes: pd.DataFrame) -> Int[np.ndarray, "n"]:
        """The index of each image's group among the levels; an unknown one comes after the last."""
        places = {level: code for code, level in enumerate(self.levels)}
        return np.array([places.get(level, len(self.levels)) for level in attributes[self.attribute]], np.int64)


def neutral(context: FitContext) -> Iterator[Candidate]:
    """Add a label that blames no one."""
    for position, (label, prompts) in enumerate(context.plan.neutral.items()):
        vectors = {prompt: context.texts[prompt] for prompt in prompts}

        def change(shown: Shown, label: str = label, vectors: Mapping[str, np.ndarray] = vectors) -> Predictions:
            return neutral_label(shown.asked, label, vectors).answers()

        yield Candidate("neutral-label", f"with ‘{label}’ as one more answer", position == 0, NOTHING, change)


def combined(context: FitContext) -> Iterator[Candidate]:
    """Combine each answer with other attributes, and sum."""
    prompts = context.plan.combined
    if not prompts:
        return
    vectors = {text: context.texts[text] for texts in prompts.values() for text in texts}
    record = context.fit.record
    rule = "probabilities summed" if record.score_rule == "softmax" else "the probability of at least one,"
    setting = f"{len(prompts)} combined prompts, {rule} at scale {record.logit_scale:.3g}"
    yield Candidate("combined-prompts", setting, True, NOTHING, lambda shown: aggregate(shown.asked, prompts, vectors).answers())


def abstention(context: FitContext) -> Iterator[Candidate]:
    """Abstain if the two best answers are close; the control withholds equally many answers at random."""
    for coverage in COVERAGES:
        margin = margin_at(context.fitted, coverage)

        def answers(shown: Shown, rng: np.random.Generator | None = None, margin: float = margin) -> Predictions:
            before = shown.before
            return abstain(before if rng is None else replace(before, margin=rng.permutation(before.margin)), margin)

        setting = f"the surest {100 * coverage:g} % of the fitted half (margin above {margin:.3g})"
        yield Candidate("abstention", setting, coverage == DEFAULT_COVERAGE, NOTHING, answers, answers)


def projection(context: FitContext) -> Iterator[Candidate]:
    """Remove the direction of the attribute from the prompts, or from prompts and images."""
    if context.plan.direction is None:
        return
    directions = _contrasts(context, context.plan.direction.pairs)
    planned, rank = orthogonal_projection(directions), int(np.linalg.matrix_rank(directions))
    for images in (False, True):

        def change(shown: Shown, images: bool = images) -> Predictions:
            return project(shown.asked, planned, directions, images=images).answers()

        def control(shown: Shown, rng: np.random.Generator, images: bool = images) -> Predictions:
            chance = random_projection(rank, directions.shape[1], rng)
            return project(shown.asked, chance, None, images=images).answers()

        setting = f"{rank} direction{'s' if rank > 1 else ''} out of the {'prompts and the images' if images else 'prompts'}"
        yield Candidate("projection", setting, not images, WORDS, change, control)


def calibrated(context: FitContext) -> Iterator[Candidate]:
    """Remove the direction and align prompts that should mean the same; the control does the same to random directions."""
    direction = context.plan.direction
    if direction is None or not direction.same:
        return
    directions = _contrasts(context, direction.pairs)
    first, second = (np.stack([context.texts[pair[side]] for pair in direction.same]) for side in (0, 1))
    basis = np.linalg.svd(np.vstack([directions, contrast(first, second)]), full_matrices=False)[2]
    for strength in STRENGTHS:
        planned = calibrated_projection(directions, first, second, strength)

        def change(shown: Shown, planned: LinearMap = planned) -> Predictions:
            return project(shown.asked, planned, directions).answers()

        def control(shown: Shown, rng: np.random.Generator, planned: LinearMap = planned) -> Predictions:
            return project(shown.asked, turned_at_random(planned, basis, rng), None).answers()

        setting = f"{len(direction.same)} pairs, strength {strength:g}"
        yield Candidate("calibrated-projection", setting, strength == DEFAULT_STRENGTH, WORDS, change, control)


def _contrasts(context: FitContext, pairs: Pairs) -> Float[np.ndarray, "r d"]:
    return contrast(*(np.stack([context.texts[pair[side]] for pair in pairs]) for side in (0, 1)))


def dropped(context: FitContext) -> Iterator[Candidate]:
    """Drop the coordinates that are most informative about the attribute; the control drops equally many random ones.

    They are ranked on embeddings of length 1, from which they are then dropped: lengths carry no information, as similarities are cosines.
    """
    codes = context.codes(context.fit.attributes)
    known = codes < len(context.levels)
    information = mutual_information(unit(context.fit.image_embeddings[known]), codes[known])
    dimensions = len(information)
    count = max(round(DROPPED * dimensions), 1)
    needs = (Note("fitted_groups", {"attribute": context.attribute}),)

    def answers(shown: Shown, rng: np.random.Generator | None = None) -> Predictions:
        chosen = most_telling(information, count) if rng is None else rng.choice(dimensions, count, replace=False)
        return drop_dimensions(shown.asked, chosen).answers()

    yield Candidate("dropped-dimensions", f"{count} of {dimensions} coordinates", True, needs, answers, answers)


def group_thresholds(context: FitContext) -> Iterator[Candidate]:
    """Fit a threshold for each group if the answer is yes or no; the default is controlled by shuffled groups."""
    if context.fitted.y_true is None or len(context.fitted.answers) != 2:
        return
    for constraint in CONSTRAINTS:
        answers = partial(_by_group, context, constraint)
        default = constraint == CONSTRAINTS[0]
        setting = constraint.replace("_", " ")
        # A fit takes a third of a second on a FairFace half, and a control needs a hundred.
        yield Candidate("group-thresholds", setting, default, thresholds.NEEDS, answers, answers if default else None)


def _by_group(context: FitContext, constraint: thresholds.Constraint, shown: Shown, rng: np.random.Generator | None = None) -> Predictions:
    """Answer by group if a threshold could be fitted; small and unknown groups keep their answers."""
    both, measurement = (context.fitted, shown.before), shown.asked.measurement
    codes = [context.codes(predictions.attributes) for predictions in both]
    if rng is not None:
        codes = [rng.permutation(group_codes) for group_codes in codes]
    yes = np.asarray(context.fitted.y_true == context.fitted.answers[0])
    offered = [code for code in range(len(context.levels)) if _enough(yes[codes[0] == code], context.settings.min_group_size)]
    rows = [np.isin(group_codes, offered) for group_codes in codes]
    if not offered or not rows[1].any():
        raise UsageError("no group of the fitted half has enough images of both true answers", fix="give more images")
    scores = [_share_of_first(predictions, measurement) for predictions in both]
    fit = thresholds.fit_thresholds(scores[0][rows[0]], yes[rows[0]], codes[0][rows[0]], constraint)
    answers = shown.before.y_pred.copy()
    answers[rows[1]] = np.where(fit.answer(scores[1][rows[1]], codes[1][rows[1]], context.settings.seed), *shown.before.answers)
    return replace(shown.before, y_pred=answers)


def _enough(yes: np.ndarray, fewest: int) -> bool:
    return len(yes) >= fewest and 0 < yes.sum() < len(yes)


def _share_of_first(predictions: Predictions, measurement: Measurement) -> Float[np.ndarray, "n"]:
    """The first answer's share of the probability of the two answers."""
    together = replace(measurement.label_set, combine="sum")
    both = answer_probabilities(predictions.scores, predictions.labels, predictions.answers, together)
    return np.asarray(both[:, 0] / both.sum(axis=1))


@dataclass(frozen=True)
class Method:
    """A way to change the answers."""

    name: str
    candidates: Callable[[FitContext], Iterator[Candidate]]
    """Every setting that is tried; none if the plan lacks what the method needs."""
    lacks: str
    """Code of the note about what the plan lacks."""


METHODS = (
    Method("neutral-label", neutral, "no_neutral_label"),
    Method("combined-prompts", combined, "no_combined_prompts"),
    Method("abstention", abstention, ""),
    Method("projection", projection, "no_direction"),
    Method("calibrated-projection", calibrated, "no_same_meaning"),
    Method("dropped-dimensions", dropped, ""),
    Method("group-thresholds", group_thresholds, "not_yes_or_no"),
)
RERANKING = "re-ranking"
