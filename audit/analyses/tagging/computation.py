"""Tagging of an audit: a label set and the embeddings that are there in, which group is given which labels out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from audit.analyses.base.gallery import Gallery, check_attributes, gallery_of, with_signals
from audit.analyses.base.kinds import AnalysisInputs, ExternalInputs
from audit.analyses.tagging.label_tests import ExtremeGroups, TagTests, extreme_groups, tag_counts, tag_tests
from audit.analyses.tagging.plan import TaggingPlan
from audit.analyses.tagging.record import SweptThreshold, TaggedLabel, Tagging
from audit.errors import UsageError
from audit.measure.zero_shot import cosine_scores, ensemble, probabilities
from audit.records.inputs import TextSet
from audit.statistics.multiplicity import benjamini_hochberg
from audit.statistics.null import generator
from audit.types import Dataset, Group, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Int

QUESTION = "Which labels are given to whom?"
"""Of external predictions."""
PLAN, FIELD, GENERATIVE = TaggingPlan, "taggings", False
SWEPT = tuple(float(f"{each:.2g}") for each in np.geomspace(0.001, 0.1, 9))
"""Thresholds at equal ratios from .1 to 10 %."""


def check(plans: Sequence[TaggingPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with a label set before a model sees an image; UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by or tuple(dataset.levels), dataset)
        if len(plan.labels) < 2 or not all(plan.labels.values()):
            raise UsageError(
                f"the tagging {plan.question!r} has fewer than two labels, or one without prompts", fix="name them in the probe"
            )
        if not plan.thresholds or not all(0 < threshold < 1 for threshold in plan.thresholds):
            raise UsageError(f"thresholds {plan.thresholds} of {plan.question!r}: expected 0 < x < 1", fix="(0.005, 0.04), say")


def prompts(plan: TaggingPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Give the prompts of the labels."""
    yield TextSet("tagging", (plan.question,), plan.preset, "labels", ()), tuple(chain.from_iterable(plan.labels.values()))


def analyse(plans: Sequence[TaggingPlan], inputs: AnalysisInputs) -> tuple[Tagging, ...]:
    """Return every label set at every threshold by every attribute, with p adjusted over all of their labels together."""
    found: list[Tagging] = []
    for plan in plans:
        texts = np.stack([ensemble(np.stack([inputs.texts[text] for text in label])) for label in plan.labels.values()])
        shares = probabilities(cosine_scores(inputs.images.vectors, texts), inputs.model.record)
        record = inputs.model.record
        blank = Tagging(plan.question, "", None, record.score_rule, record.logit_scale, len(plan.labels), (), (), (), None)
        for attribute in plan.by or tuple(inputs.dataset.levels):
            put = _Put(tuple(plan.labels), replace(blank, attribute=attribute), inputs.probe, inputs.settings)
            column, levels = inputs.attributes[attribute], inputs.dataset.levels[attribute]
            found += put.at_thresholds(shares, plan.thresholds, column, levels)
    return _decided(found, inputs.settings, limited=inputs.dataset.limited)


def analyse_external(inputs: ExternalInputs) -> tuple[Tagging, ...]:
    """Return the labels of external predictions by every attribute; the file says whether a row has a label."""
    if inputs.tags is None:
        return ()
    kept = np.stack(list(inputs.tags.values()), axis=1)
    blank = Tagging(QUESTION, "", None, "given", None, len(inputs.tags), (), (), (), None)
    found = []
    for attribute in map(str, inputs.attributes.columns):
        put = _Put(tuple(inputs.tags), replace(blank, attribute=attribute), inputs.probe, inputs.settings)
        found.append(put.record(kept, gallery_of(inputs.attributes[attribute], inputs.dataset.levels[attribute], inputs.settings)))
    return _decided(found, inputs.settings, limited=inputs.dataset.limited)


def _decided(found: Sequence[Tagging], settings: Settings, *, limited: bool) -> tuple[Tagging, ...]:
    decided = with_signals([each.labels for each in found], settings.alpha, limited=limited)
    return tuple(replace(each, labels=_ordered(labels)) for each, labels in zip(found, decided, strict=True))


def _ordered(labels: Sequence[TaggedLabel]) -> tuple[TaggedLabel, ...]:
    """Return labels that are beyond chance first, then by chi-square; names decide between equals, not the order of the label set."""
    return tuple(sorted(labels, key=lambda each: (each.verdict != "signal", -(each.chi2 or 0.0), each.label)))


@dataclass(frozen=True)
class _Put:
    """A label set put to the groups of one attribute."""

    labels: Group
    blank: Tagging
    probe: Probe
    settings: Settings

    def at_thresholds(
        self, shares: Float[np.ndarray, "n k"], thresholds: Sequence[float], column: pd.Series, levels: Group
    ) -> Iterator[Tagging]:
        """Give the labels of each threshold; with the first also those of every step of the sweep."""
        gallery = gallery_of(column, levels, self.settings)
        for place, threshold in enumerate(thresholds):
            found = replace(self.record(shares > threshold, gallery), threshold=threshold)
            if place == 0 and found.reason is None:
                found = replace(found, sweep=tuple(self._swept(shares > each, gallery, each) for each in SWEPT))
            yield found

    def record(self, kept: Bool[np.ndarray, "n k"], gallery: Gallery) -> Tagging:
        """Return how often each group is given each label, not yet corrected for all of them."""
        found = replace(
            self.blank, groups=gallery.groups, sizes=tuple(gallery.sizes.tolist()), left_out=gallery.left_out,
            reason=gallery.not_estimable(self.probe, self.settings), draws=self.settings.draws,
        )  # fmt: skip
        if found.reason is not None:
            return replace(found, draws=0)
        counts = tag_counts(kept[gallery.rows], gallery.codes, len(gallery.groups))
        tests, ends = self._tested(counts, gallery), extreme_groups(counts, gallery.sizes, self.settings.alpha)
        labels = tuple(self._label(place, counts[place], tests, ends, gallery) for place in range(len(self.labels)))
        return replace(found, per_image=_per_image(counts, gallery), labels=labels)

    def _tested(self, counts: Int[np.ndarray, "k g"], gallery: Gallery) -> TagTests:
        rng = generator(self.settings.seed, f"tagging/{self.blank.question}/{self.blank.attribute}")
        return tag_tests(counts, gallery.sizes, rng, draws=self.settings.draws)

    def _swept(self, kept: Bool[np.ndarray, "n k"], gallery: Gallery, threshold: float) -> SweptThreshold:
        counts = tag_counts(kept[gallery.rows], gallery.codes, len(gallery.groups))
        signals = benjamini_hochberg(self._tested(counts, gallery).p) <= self.settings.alpha
        return SweptThreshold(threshold, int(counts.any(axis=1).sum()), _per_image(counts, gallery), int(signals.sum()))

    def _label(self, place: int, counts: Int[np.ndarray, "g"], tests: TagTests, ends: ExtremeGroups, gallery: Gallery) -> TaggedLabel:
        chi2, p = float(tests.chi2[place]), float(tests.p[place])
        return TaggedLabel(
            self.labels[place], tuple(counts.tolist()), chi2 if np.isfinite(chi2) else None, bool(tests.exact[place]),
            gallery.groups[ends.most[place]], gallery.groups[ends.least[place]], float(ends.difference[place]), float(ends.low[place]),
            float(ends.high[place]), p, p, "no signal",
        )  # fmt: skip


def _per_image(counts: Int[np.ndarray, "k g"], gallery: Gallery) -> tuple[float, ...]:
    return tuple((counts.sum(axis=0) / gallery.sizes).tolist())
