"""Computes which of two sets of texts is nearer to which words, from text embeddings. Uses no image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.analyses.gallery import with_signals
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import TextAssociationPlan
from audit.analyses.records import ChanceBand
from audit.errors import UsageError
from audit.extensions.text_association.record import TextAssociation
from audit.measure.association import associations, weat
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Float64


POWER, LARGEST_EFFECT = 0.8, 2.0
MODELS = ("dual encoder", "text encoder")


def check(plans: Sequence[TextAssociationPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the plans before the model is used; raises UsageError."""
    for plan in plans:
        if len(plan.targets) != 2 or len(plan.words) != 2 or not all(plan.words.values()):
            raise UsageError(f"{plan.question!r} does not compare two sets by two lists of words", fix="name two of each")
        needed = sum(map(len, plan.targets.values()))
        if min(map(len, plan.targets.values())) < 2:
            raise UsageError(f"{plan.question!r} has a set of fewer than two texts", fix="give each set two at least")
        if len(set(plan.concepts)) < needed:
            what = f"{plan.question!r} has {len(set(plan.concepts))} neutral concepts for sets of {needed} texts together"
            raise UsageError(what, fix=f"name {needed} at least")


def prompts(plan: TextAssociationPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the texts of all sets."""
    for name, texts in (*plan.targets.items(), *plan.words.items(), ("neutral concepts", plan.concepts)):
        yield TextSet("text association", (plan.question,), plan.preset, name, ()), texts


def analyse(plans: Sequence[TextAssociationPlan], inputs: AnalysisInputs) -> tuple[TextAssociation, ...]:
    """Compute each association; p is adjusted over all of them together."""
    associations = [_tested(plan, inputs) for plan in plans]
    return tuple(
        chain.from_iterable(
            with_signals([(association,) for association in associations], inputs.settings.alpha, limited=inputs.dataset.limited)
        )
    )


def _tested(plan: TextAssociationPlan, inputs: AnalysisInputs) -> TextAssociation:
    settings = inputs.settings
    x, y, near, far, concepts = (
        np.stack([inputs.texts[text] for text in texts]) for texts in (*plan.targets.values(), *plan.words.values(), plan.concepts)
    )
    name = f"text association/{plan.question}"
    test = weat(x, y, (near, far), generator(settings.seed, f"{name}/deals"), draws=settings.draws)
    rng = generator(settings.seed, f"{name}/concepts")
    drawn = random_concept_effects(concepts, (len(x), len(y)), (near, far), rng, draws=settings.draws)
    known = np.isfinite(test.effect_size)
    d = test.effect_size if known else 0.0
    p_concepts = float((1 + (np.abs(drawn) >= abs(d) - 1e-9).sum()) / (len(drawn) + 1))
    p = max(test.p, p_concepts)
    low, high = np.percentile(drawn, (2.5, 97.5)).tolist()
    first, second = plan.targets
    near_name, far_name = plan.words
    return TextAssociation(
        plan.question,
        (first, second),
        (near_name, far_name),
        (len(x), len(y)),
        d if known else None,
        ChanceBand(0.0, test.null_low, test.null_high) if known else None,
        ChanceBand(float(drawn.mean()), low, high),
        test.p,
        test.exact,
        p_concepts,
        p,
        p,
        "no signal",
        len(drawn),
        detectable_effect((test.null_low, test.null_high, low, high), (len(x), len(y))),
    )


def detectable_effect(ends: Sequence[float], sizes: tuple[int, int]) -> float | None:
    """Smallest d (in absolute value) that is beyond both nulls with a power of 80 %; None if no d up to 2, the largest possible, is.

    `ends` are the 2.5 % and 97.5 % points of both nulls: a d at the larger of them, by its absolute value, is found half of the time, and
    one that is larger by .84 standard errors, ``sqrt(1 / m + 1 / n)``, in 80 %.

    Examples
    --------
    >>> round(detectable_effect((-0.35, 0.35), (64, 64)), 2), round(detectable_effect((-0.98, 0.98), (8, 8)), 2)
    (0.5, 1.4)
    >>> detectable_effect((-1.9, 1.9), (2, 2)) is None
    True
    """
    known = [abs(end) for end in ends if np.isfinite(end)]
    least = max(known, default=np.inf) + float(ndtri(POWER)) * np.sqrt(1 / sizes[0] + 1 / sizes[1])
    return float(least) if least <= LARGEST_EFFECT else None


def random_concept_effects(
    concepts: Float[np.ndarray, "c d"],
    sizes: tuple[int, int],
    attributes: tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "q d"]],
    rng: np.random.Generator,
    *,
    draws: int = 999,
) -> Float64[np.ndarray, "b"]:
    """Effect sizes (WEAT's d) of random pairs of disjoint sets of concepts.

    A permutation test asks whether another partition of the two sets' texts would differ as much; it separates any two topics. This asks
    whether two sets of texts that have nothing to do with the words would differ as much.

    Parameters
    ----------
    concepts : float[c, d]
        Embeddings of neutral texts, at least as many as in both sets.
    sizes : (int, int)
        Members of each set, at least two.
    attributes : (float[p, d], float[q, d])
        Embeddings of the two lists of words.
    rng : Generator
        Source of the sets.
    draws : int
        Number of pairs of sets.

    Returns
    -------
    float[b]
        0 without an association and if nothing varies; at most 2 in absolute value.

    Raises
    ------
    ValueError
        If there are too few concepts, or a set has fewer than two members.

    Examples
    --------
    Concepts on a circle, and words at opposite ends of it:

    >>> angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    >>> circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> found = random_concept_effects(circle, (4, 4), (circle[:1], circle[12:13]), np.random.default_rng(0), draws=999)
    >>> abs(round(float(found.mean()), 1)), bool(np.abs(found).max() < 2)
    (0.0, True)
    """
    first, second = sizes
    if min(sizes) < 2 or first + second > len(concepts):
        raise ValueError(f"sets of {first} and {second} of {len(concepts)} concepts: two at least, and no more than there are")
    nearer = associations(concepts, *attributes)
    chosen = rng.permuted(np.tile(nearer, (draws, 1)), axis=1)[:, : first + second]
    difference = chosen[:, :first].mean(axis=1) - chosen[:, first:].mean(axis=1)
    deviation = chosen.std(axis=1, ddof=1)
    return np.asarray(difference / np.where(deviation > 1e-13, deviation, np.inf))
