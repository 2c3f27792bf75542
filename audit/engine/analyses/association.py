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
from audit.measure.association import associations, groups_against_rest
from audit.plans import AssociationPlan
from audit.records.analyses.similarity import AssociatedGroup, AssociationTest, ChanceBand
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float


PLAN, FIELD, GENERATIVE = AssociationPlan, "associations", False


def check(plans: Sequence[AssociationPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with associations before a model sees an image; UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if len(plan.words) != 2 or not all(plan.words.values()):
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
    # Of two groups, each is the rest of the other.
    shown = tested if len(tested) > 2 else tested[:1]
    groups = []
    for code, each in enumerate(shown):
        mine = gallery.codes == code
        known = np.isfinite(each.effect_size)
        groups.append(
            AssociatedGroup(
                gallery.groups[code],
                int(mine.sum()),
                float(nearer[mine].mean() - nearer[~mine].mean()),
                each.effect_size if known else None,
                ChanceBand(0.0, each.null_low, each.null_high) if known else None,
                each.p,
                each.p,
                "no signal",
            )
        )
    return tuple(groups)
