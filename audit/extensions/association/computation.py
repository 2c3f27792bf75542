"""Computes associations: which group's images are nearer to which words of the probe, or to which of its reference images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from audit.analyses.gallery import Gallery, check_attributes, gallery_of, seeded_order, with_signals
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import AssociationPlan
from audit.analyses.records import ChanceBand
from audit.errors import UsageError, nearest
from audit.extensions.association.record import AssociatedGroup, AssociationTest
from audit.measure.association import Association, associations, groups_against_rest, sc_eat, weat
from audit.measure.zero_shot import cosine_scores, directions
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Group, Note, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Int


MODELS = ("dual encoder",)


def check(plans: Sequence[AssociationPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the association plans before the model sees an image; raises UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if plan.images:
            _check_images(plan, dataset)
            continue
        if plan.single and not (plan.words and all(plan.words.values())):
            raise UsageError(f"{plan.question!r} has no concepts, or one without prompts", fix="name them in the probe")
        if not plan.single and (len(plan.words) != 2 or not all(plan.words.values())):
            raise UsageError(f"{plan.question!r} does not compare two lists of words", fix="name two, each with a prompt at least")


def prompts(plan: AssociationPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the prompts of both lists of words."""
    if plan.words:
        yield TextSet("association", (plan.question,), plan.preset, "words", ()), tuple(chain.from_iterable(plan.words.values()))


def analyse(plans: Sequence[AssociationPlan], inputs: AnalysisInputs) -> tuple[AssociationTest, ...]:
    """Compute each association for each attribute; p is adjusted over all groups of all associations together."""
    probe, dataset, attributes, settings = inputs.probe, inputs.dataset, inputs.attributes, inputs.settings
    records: list[AssociationTest] = []
    order = seeded_order(attributes.index, settings.seed)
    for plan in plans:
        if plan.single or plan.images:
            records += (_with_images if plan.images else _concepts)(plan, inputs, order)
            continue
        (first, near), (second, far) = ((name, np.stack([inputs.texts[text] for text in words])) for name, words in plan.words.items())
        nearer = associations(inputs.images.vectors, near, far)[order]
        for attribute in plan.by:
            gallery = gallery_of(attributes[attribute].iloc[order], dataset.levels[attribute], settings)
            reason = gallery.not_estimable(probe, settings)
            test = AssociationTest(plan.question, attribute, first, second, gallery.left_out, reason, draws=settings.draws)
            records.append(test if reason else replace(test, groups=_groups(gallery, nearer[gallery.rows], test, settings)))
    decided = with_signals([record.groups for record in records], settings.alpha, limited=dataset.limited)
    return tuple(replace(record, groups=groups) for record, groups in zip(records, decided, strict=True))


def _groups(gallery: Gallery, nearer: Float[np.ndarray, "n"], test: AssociationTest, settings: Settings) -> tuple[AssociatedGroup, ...]:
    rng = generator(settings.seed, f"association/{test.question}/{test.attribute}")
    tested = groups_against_rest(nearer, gallery.codes, rng, draws=settings.draws)
    return tuple(
        _group(gallery, code, nearer, association)
        # With two groups, each is the rest of the other.
        for code, association in enumerate(tested if len(tested) > 2 else tested[:1])
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
    """Yield each concept for each attribute: C-ASC is SC-EAT with the concept as target, a group's images and all others as attributes."""
    settings, vectors = inputs.settings, inputs.images.vectors[order]
    concepts = directions(plan.words.values(), inputs.texts)
    for attribute in plan.by:
        gallery = gallery_of(inputs.attributes[attribute].iloc[order], inputs.dataset.levels[attribute], settings)
        reason = gallery.not_estimable(inputs.probe, settings)
        shown = vectors[gallery.rows]
        scores, tested = cosine_scores(concepts, shown), []
        for code in () if reason else range(len(gallery.groups) if len(gallery.groups) > 2 else 1):
            rng = generator(settings.seed, f"concepts/{plan.question}/{attribute}/{gallery.groups[code]}")
            mine = gallery.codes == code
            tested.append(sc_eat(concepts, (shown[mine], shown[~mine]), rng, draws=settings.draws))
        for index, concept in enumerate(plan.words):
            groups = tuple(_group(gallery, code, scores[index], by_word[index]) for code, by_word in enumerate(tested))
            yield AssociationTest(plan.question, attribute, concept, "", gallery.left_out, reason, groups, settings.draws)


# ---- images with images (iEAT) -------------------------------------------------------------------------------------------------------


def _check_images(plan: AssociationPlan, dataset: Dataset) -> None:
    if plan.words or plan.single or len(plan.images) != 2 or not all(plan.images.values()):
        raise UsageError(f"{plan.question!r} does not compare two sets of images", fix="name two, and no words")
    for name, of in plan.images.items():
        for attribute, values in of.items():
            if attribute not in dataset.attributes:
                what = f"{plan.question!r}: the images of {name!r} are named by {attribute!r}, which the data do not have"
                raise UsageError(what, fix=nearest(attribute, dataset.levels))
            known = set(dataset.attributes[attribute])
            if unknown := [value for value in values if value not in known]:
                what = f"{plan.question!r}: no image of {name!r} has the {attribute} {unknown[0]!r}"
                raise UsageError(what, fix=nearest(unknown[0], sorted(known)))
    if (_chosen(plan.images, dataset.attributes).sum(axis=0) > 1).any():
        raise UsageError(f"{plan.question!r}: an image belongs to both {' and '.join(map(repr, plan.images))}", fix="name distinct images")


def _chosen(images: Mapping[str, Mapping[str, Group]], attributes: pd.DataFrame) -> Bool[np.ndarray, "2 n"]:
    return np.stack([np.all([attributes[name].isin(values) for name, values in of.items()], axis=0) for of in images.values()])


def _with_images(plan: AssociationPlan, inputs: AnalysisInputs, order: Int[np.ndarray, "n"]) -> Iterator[AssociationTest]:
    """Yield iEAT for each attribute: targets are a group's images and all others, attributes the images of the two named sets."""
    attributes, settings, vectors = inputs.attributes.iloc[order], inputs.settings, inputs.images.vectors[order]
    first, second = _chosen(plan.images, attributes)
    rest = ~(first | second)
    (one, other), sizes = plan.images, (int(first.sum()), int(second.sum()))
    for attribute in plan.by:
        gallery = gallery_of(attributes[attribute][rest], inputs.dataset.levels[attribute], settings)
        reason = gallery.not_estimable(inputs.probe, settings)
        # A set may be empty in a sample, or if images cannot be read.
        reason = reason or (None if all(sizes) else Note("association_no_images", {"name": one if not sizes[0] else other}))
        test = AssociationTest(plan.question, attribute, one, other, gallery.left_out, reason, draws=settings.draws, images=sizes)
        yield test if reason else _tested_images(test, gallery, vectors[rest][gallery.rows], (vectors[first], vectors[second]), settings)


def _tested_images(
    test: AssociationTest,
    gallery: Gallery,
    targets: Float[np.ndarray, "n d"],
    sets: tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "q d"]],
    settings: Settings,
) -> AssociationTest:
    nearer, tested = associations(targets, *sets), []
    for code in range(len(gallery.groups) if len(gallery.groups) > 2 else 1):
        rng = generator(settings.seed, f"image association/{test.question}/{test.attribute}/{gallery.groups[code]}")
        mine = gallery.codes == code
        tested.append(weat(targets[mine], targets[~mine], sets, rng, draws=settings.draws))
    groups = tuple(_group(gallery, code, nearer, association) for code, association in enumerate(tested))
    exact = all(association.exact for association in tested)
    return replace(test, groups=groups, exact=exact, draws=min(association.arrangements for association in tested))
