"""Associations of an audit: the words of a probe and the embeddings that are there in, whose images are nearer to which words out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from audit.engine.analyses.gallery import Gallery, check_attributes, gallery_of, seeded_order, with_signals
from audit.engine.analyses.inputs import AnalysisInputs
from audit.errors import UsageError
from audit.measure.association import Association, associations, groups_against_rest, sc_eat
from audit.measure.zero_shot import cosine_scores, ensemble
from audit.plans import AssociationPlan
from audit.records.analyses.similarity import AssociatedGroup, AssociationTest, ChanceBand
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int


PLAN, FIELD, GENERATIVE = AssociationPlan, "associations", False


def check(plans: Sequence[AssociationPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with associations before a model sees an image; UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if plan.single and not (plan.words and all(plan.words.values())):
            raise UsageError(f"{plan.question!r} has no concepts, or one without prompts", fix="name them in the probe")
        if not plan.single and (len(plan.words) != 2 or not all(plan.words.values())):
            raise UsageError(f"{plan.question!r} does not compare two lists of words", fix="name two, each with a prompt at least")


def prompts(plan: AssociationPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Give the prompts of both lists of words."""
    yield TextSet("association", (plan.question,), plan.preset, "words", ()), tuple(chain.from_iterable(plan.words.values()))


def analyse(plans: Sequence[AssociationPlan], inputs: AnalysisInputs) -> tuple[AssociationTest, ...]:
    """Return every association by every attribute, with p adjusted over all of their groups together."""
    probe, dataset, attributes, settings = inputs.probe, inputs.dataset, inputs.attributes, inputs.settings
    found: list[AssociationTest] = []
    order = seeded_order(attributes.index, settings.seed)
    for plan in plans:
        if plan.single:
            found += _concepts(plan, inputs, order)
            continue
        (first, near), (second, far) = ((name, np.stack([inputs.texts[text] for text in words])) for name, words in plan.words.items())
        nearer = associations(inputs.images.vectors, near, far)[order]
        for attribute in plan.by:
            gallery = gallery_of(attributes[attribute].iloc[order], dataset.levels[attribute], settings)
            reason = gallery.not_estimable(probe, settings)
            test = AssociationTest(plan.question, attribute, first, second, gallery.left_out, reason, draws=settings.draws)
            found.append(test if reason else replace(test, groups=_groups(gallery, nearer[gallery.rows], test, settings)))
    decided = with_signals([each.groups for each in found], settings.alpha, limited=dataset.limited)
    return tuple(replace(each, groups=groups) for each, groups in zip(found, decided, strict=True))


def _groups(gallery: Gallery, nearer: Float[np.ndarray, "n"], test: AssociationTest, settings: Settings) -> tuple[AssociatedGroup, ...]:
    rng = generator(settings.seed, f"association/{test.question}/{test.attribute}")
    tested = groups_against_rest(nearer, gallery.codes, rng, draws=settings.draws)
    return tuple(
        _group(gallery, code, nearer, each)
        # Of two groups, each is the rest of the other.
        for code, each in enumerate(tested if len(tested) > 2 else tested[:1])
    )


def _group(gallery: Gallery, code: int, nearer: Float[np.ndarray, "n"], tested: Association) -> AssociatedGroup:
    mine, known = gallery.codes == code, np.isfinite(tested.effect_size)
    return AssociatedGroup(
        gallery.groups[code],
        int(mine.sum()),
        float(nearer[mine].mean() - nearer[~mine].mean()),
        tested.effect_size if known else None,
        ChanceBand(0.0, tested.null_low, tested.null_high) if known else None,
        tested.p,
        tested.p,
        "no signal",
    )


def _concepts(plan: AssociationPlan, inputs: AnalysisInputs, order: Int[np.ndarray, "n"]) -> Iterator[AssociationTest]:
    """Give each concept by every attribute: C-ASC is SC-EAT with the concept as target, a group's images and all others as attributes."""
    settings, vectors = inputs.settings, inputs.images.vectors[order]
    concepts = np.stack([ensemble(np.stack([inputs.texts[text] for text in texts])) for texts in plan.words.values()])
    for attribute in plan.by:
        gallery = gallery_of(inputs.attributes[attribute].iloc[order], inputs.dataset.levels[attribute], settings)
        reason = gallery.not_estimable(inputs.probe, settings)
        shown = vectors[gallery.rows]
        scores, tested = cosine_scores(concepts, shown), []
        for code in () if reason else range(len(gallery.groups) if len(gallery.groups) > 2 else 1):
            rng = generator(settings.seed, f"concepts/{plan.question}/{attribute}/{gallery.groups[code]}")
            mine = gallery.codes == code
            tested.append(sc_eat(concepts, (shown[mine], shown[~mine]), rng, draws=settings.draws))
        for place, concept in enumerate(plan.words):
            groups = tuple(_group(gallery, code, scores[place], each[place]) for code, each in enumerate(tested))
            yield AssociationTest(plan.question, attribute, concept, "", gallery.left_out, reason, groups, settings.draws)
