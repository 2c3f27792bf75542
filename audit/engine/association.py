"""Associations of an audit: the words of a probe and the embeddings that are there in, whose images are nearer to which words out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.engine.gallery import Gallery, check_attributes, gallery_of, seeded_order, with_signals
from audit.errors import UsageError
from audit.measure.association import associations, groups_against_rest
from audit.records.similarity import AssociatedGroup, AssociationTest, ChanceBand
from audit.statistics.null import generator
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float


def check_associations(probe: Probe, dataset: Dataset) -> None:
    """Refuse what is wrong with the associations of a probe before a model sees an image; UsageError."""
    for plan in probe.associations:
        check_attributes(plan.question, plan.by, dataset)
        if len(plan.words) != 2 or not all(plan.words.values()):
            raise UsageError(f"{plan.question!r} does not compare two lists of words", fix="name two, each with a prompt at least")


def association_tests(
    probe: Probe,
    dataset: Dataset,
    attributes: pd.DataFrame,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    settings: Settings,
) -> tuple[AssociationTest, ...]:
    """Return every association of a probe by every attribute, with p adjusted over all of their groups together.

    `attributes` has a row for each image that was read.
    """
    found: list[AssociationTest] = []
    order = seeded_order(attributes.index, settings.seed)
    for plan in probe.associations:
        (first, near), (second, far) = ((name, np.stack([text_embeddings[text] for text in texts])) for name, texts in plan.words.items())
        nearer = associations(image_embeddings, near, far)[order]
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
