"""Computes how often each group gets each label of a label set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from audit.analyses.gallery import Gallery, check_attributes, gallery_of, with_signals
from audit.analyses.kinds import AnalysisInputs, ExternalInputs
from audit.analyses.plans import TaggingPlan
from audit.errors import UsageError
from audit.extensions.tagging.record import SweptThreshold, TaggedLabel, Tagging
from audit.measure.classified.answers import LabelScores
from audit.measure.zero_shot import cosine_scores, directions, probabilities
from audit.records.inputs import TextSet
from audit.statistics.intervals import FEWEST_EXPECTED, newcombe
from audit.statistics.multiplicity import benjamini_hochberg
from audit.statistics.null import generator, two_proportion_p
from audit.ties import least_equal
from audit.types import Dataset, Group, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Int


QUESTION = "Which labels are given to whom?"
"""The question for external predictions."""
MODELS = ("dual encoder", "classifier")
MOST_TAGS = 1000
"""Maximum number of a classifier's labels that are compared."""
SWEPT = tuple(float(f"{threshold:.2g}") for threshold in np.geomspace(0.001, 0.1, 9))
"""Nine thresholds from .1 to 10 %, equally spaced on a log scale."""


def check(plans: Sequence[TaggingPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the label sets before the model sees an image; raises UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by or tuple(dataset.levels), dataset)
        if len(plan.labels) < 2 or not all(plan.labels.values()):
            raise UsageError(
                f"the tagging {plan.question!r} has fewer than two labels, or one without prompts", fix="name them in the probe"
            )
        if not plan.thresholds or not all(0 < threshold < 1 for threshold in plan.thresholds):
            raise UsageError(f"thresholds {plan.thresholds} of {plan.question!r}: expected 0 < x < 1", fix="(0.005, 0.04), say")


def prompts(plan: TaggingPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the prompts of the labels."""
    yield TextSet("tagging", (plan.question,), plan.preset, "labels", ()), tuple(chain.from_iterable(plan.labels.values()))


def analyse(plans: Sequence[TaggingPlan], inputs: AnalysisInputs) -> tuple[Tagging, ...]:
    """Compute each label set for each threshold and attribute; p is adjusted over all of their labels together."""
    taggings: list[Tagging] = []
    record, own = inputs.model.record, inputs.label_scores
    for plan in plans[:1] if own else plans:  # a classifier has one set of labels, its own
        if own:
            labels, shares = _most_frequent(own, min(plan.thresholds))
        else:
            labels, texts = tuple(plan.labels), directions(plan.labels.values(), inputs.texts)
            shares = probabilities(cosine_scores(inputs.images.vectors, texts), record)
        offered = len(own.labels) if own else len(labels)
        blank = Tagging(plan.question, "", None, record.score_rule, None if own else record.logit_scale, offered, (), (), (), None)
        for attribute in plan.by or tuple(inputs.dataset.levels):
            put = TaggedGallery(labels, replace(blank, attribute=attribute), inputs.probe, inputs.settings)
            column, levels = inputs.attributes[attribute], inputs.dataset.levels[attribute]
            taggings += put.at_thresholds(shares, plan.thresholds, column, levels)
    return _decided(taggings, inputs.settings, limited=inputs.dataset.limited)


def _most_frequent(own: LabelScores, threshold: float) -> tuple[Group, Float[np.ndarray, "n k"]]:
    """The labels of a classifier with their probabilities: of very many, those of the most images, regardless of groups."""
    images = (own.shares > threshold).sum(axis=0)
    kept = np.sort(np.argsort(-images, kind="stable")[:MOST_TAGS])
    return tuple(own.labels[column] for column in kept), own.shares[:, kept]


def analyse_external(inputs: ExternalInputs) -> tuple[Tagging, ...]:
    """Compute the labels of external predictions for each attribute; the file says whether a row has a label."""
    if inputs.tags is None:
        return ()
    kept = np.stack(list(inputs.tags.values()), axis=1)
    blank = Tagging(QUESTION, "", None, "given", None, len(inputs.tags), (), (), (), None)
    taggings = []
    for attribute in map(str, inputs.attributes.columns):
        put = TaggedGallery(tuple(inputs.tags), replace(blank, attribute=attribute), inputs.probe, inputs.settings)
        taggings.append(put.record(kept, gallery_of(inputs.attributes[attribute], inputs.dataset.levels[attribute], inputs.settings)))
    return _decided(taggings, inputs.settings, limited=inputs.dataset.limited)


def _decided(taggings: Sequence[Tagging], settings: Settings, *, limited: bool) -> tuple[Tagging, ...]:
    decided = with_signals([tagging.labels for tagging in taggings], settings.alpha, limited=limited)
    return tuple(replace(tagging, labels=_ordered(labels)) for tagging, labels in zip(taggings, decided, strict=True))


def _ordered(labels: Sequence[TaggedLabel]) -> tuple[TaggedLabel, ...]:
    """Sort labels by p (signals first), then by chi-square; ties are broken by name, not by the order of the label set."""
    return tuple(sorted(labels, key=lambda label: (label.verdict != "signal", -(label.chi2 or 0.0), label.label)))


@dataclass(frozen=True)
class TaggedGallery:
    """A label set and the groups of one attribute."""

    labels: Group
    blank: Tagging
    probe: Probe
    settings: Settings

    def at_thresholds(
        self, shares: Float[np.ndarray, "n k"], thresholds: Sequence[float], column: pd.Series, levels: Group
    ) -> Iterator[Tagging]:
        """Yield the labels of each threshold; the first also has the sweep over other thresholds."""
        gallery = gallery_of(column, levels, self.settings)
        for index, threshold in enumerate(thresholds):
            tagging = replace(self.record(shares > threshold, gallery), threshold=threshold)
            if index == 0 and tagging.reason is None:
                tagging = replace(tagging, sweep=tuple(self._swept(shares > swept, gallery, swept) for swept in SWEPT))
            yield tagging

    def record(self, kept: Bool[np.ndarray, "n k"], gallery: Gallery) -> Tagging:
        """How often each group gets each label; p is not adjusted yet."""
        tagging = replace(
            self.blank, groups=gallery.groups, sizes=tuple(gallery.sizes.tolist()), left_out=gallery.left_out,
            reason=gallery.not_estimable(self.probe, self.settings), draws=self.settings.draws,
        )  # fmt: skip
        if tagging.reason is not None:
            return replace(tagging, draws=0)
        counts = tag_counts(kept[gallery.rows], gallery.codes, len(gallery.groups))
        tests, ends = self._tested(counts, gallery), extreme_groups(counts, gallery.sizes, self.settings.alpha)
        labels = tuple(self._label(index, counts[index], tests, ends, gallery) for index in range(len(self.labels)))
        return replace(tagging, per_image=_per_image(counts, gallery), labels=labels)

    def _tested(self, counts: Int[np.ndarray, "k g"], gallery: Gallery) -> TagTests:
        rng = generator(self.settings.seed, f"tagging/{self.blank.question}/{self.blank.attribute}")
        return tag_tests(counts, gallery.sizes, rng, draws=self.settings.draws)

    def _swept(self, kept: Bool[np.ndarray, "n k"], gallery: Gallery, threshold: float) -> SweptThreshold:
        counts = tag_counts(kept[gallery.rows], gallery.codes, len(gallery.groups))
        signals = benjamini_hochberg(self._tested(counts, gallery).p) <= self.settings.alpha
        return SweptThreshold(threshold, int(counts.any(axis=1).sum()), _per_image(counts, gallery), int(signals.sum()))

    def _label(self, index: int, counts: Int[np.ndarray, "g"], tests: TagTests, ends: ExtremeGroups, gallery: Gallery) -> TaggedLabel:
        chi2, p = float(tests.chi2[index]), float(tests.p[index])
        return TaggedLabel(
            self.labels[index], tuple(counts.tolist()), chi2 if np.isfinite(chi2) else None, bool(tests.exact[index]),
            gallery.groups[ends.most[index]], gallery.groups[ends.least[index]], float(ends.difference[index]), float(ends.low[index]),
            float(ends.high[index]), p, p, "no signal",
        )  # fmt: skip


def _per_image(counts: Int[np.ndarray, "k g"], gallery: Gallery) -> tuple[float, ...]:
    return tuple((counts.sum(axis=0) / gallery.sizes).tolist())


MORE_DRAWS = 10
"""Factor on the number of shuffles for a label whose statistic none of the first shuffles reaches: a smallest p of 1 in 10,000 is too
coarse after adjusting for hundreds of labels."""


@dataclass(frozen=True)
class TagTests:
    """For each label: do groups get it equally often?"""

    chi2: Float[np.ndarray, "k"]
    """Pearson's, without correction; NaN if no image or every image has the label."""
    p: Float[np.ndarray, "k"]
    """1 if no image or every image has the label."""
    exact: Bool[np.ndarray, "k"]
    """Whether an expected count is under 5: then p is Fisher's for two groups, and from shuffled groups for more."""


@dataclass(frozen=True)
class ExtremeGroups:
    """For each label: the groups that get it most and least often, and the difference."""

    most: Int[np.ndarray, "k"]
    least: Int[np.ndarray, "k"]
    difference: Float[np.ndarray, "k"]
    low: Float[np.ndarray, "k"]
    high: Float[np.ndarray, "k"]


def tag_counts(kept: Bool[np.ndarray, "n k"], groups: Int[np.ndarray, "n"], n_groups: int) -> Int[np.ndarray, "k g"]:
    """How many images of each group have each label.

    Examples
    --------
    >>> tag_counts(np.array([[True, False], [True, True], [False, True]]), np.array([0, 0, 1]), 2).tolist()
    [[2, 0], [1, 1]]
    """
    return np.stack([kept[groups == group].sum(axis=0, dtype=np.int64) for group in range(n_groups)], axis=1)


def chi_squares(events: Int[np.ndarray, "*k g"], n: Int[np.ndarray, "g"]) -> Float[np.ndarray, "*k"]:
    """Pearson's chi-square of "all groups get a label equally often", for many labels at once.

    Parameters
    ----------
    events : int[k, g]
        Images of each group that have the label.
    n : int[g]
        Images of each group, each at least 1.

    Returns
    -------
    float[k]
        With g - 1 degrees of freedom, no continuity correction; 0 if groups are alike. NaN if no image or every image has the label.

    References
    ----------
    Schwemmer et al. 2020, https://doi.org/10.1177/2378023120967171, rank the labels of image services by it; so do Radford et al. 2021,
    https://arxiv.org/abs/2103.00020, section 7.1

    Examples
    --------
    30 and 10 of 100 each, 20 expected: 10 ** 2 / 20 twice, and 10 ** 2 / 80 twice.

    >>> chi_squares(np.array([[30, 10], [0, 0]]), np.array([100, 100])).tolist()
    [12.5, nan]
    """
    events, n = np.asarray(events, float), np.asarray(n, float)
    rate = events.sum(axis=-1, keepdims=True) / n.sum()
    varies = (rate > 0) & (rate < 1)
    due, not_due = n * np.where(varies, rate, 0.5), n * (1 - np.where(varies, rate, 0.5))
    off = (events - due) ** 2
    return np.where(varies[..., 0], (off / due + off / not_due).sum(axis=-1), np.nan)


def tag_tests(events: Int[np.ndarray, "k g"], n: Int[np.ndarray, "g"], rng: np.random.Generator, *, draws: int = 9999) -> TagTests:
    """Test for each label whether groups get it equally often.

    The chi-square test; if an expected count is under 5, Fisher's exact test for two groups, and for more the chi-square under shuffled
    groups (`draws` of them, ten times as many if none reaches it).

    Parameters
    ----------
    events : int[k, g]
        Images of each group that have the label; images are treated as independent.
    n : int[g]
        Images of each group, at least two groups, each at least 1.
    rng : Generator
        Source of the shuffles. Labels on equally many images share them, so that the order of the labels changes nothing.

    Returns
    -------
    TagTests
        p is for one label: adjust it for the number of labels tested.

    References
    ----------
    Fisher 1922, https://doi.org/10.2307/2340521; permutation p: Phipson and Smyth 2010, https://arxiv.org/abs/1603.05766

    Examples
    --------
    >>> found = tag_tests(np.array([[30, 10], [3, 0]]), np.array([100, 100]), np.random.default_rng(0))
    >>> found.p.round(4).tolist(), found.exact.tolist()
    ([0.0004, 0.2462], [False, True])
    """
    events, n = np.asarray(events), np.asarray(n)
    total, trials = events.sum(axis=1), int(n.sum())
    chi2 = chi_squares(events, n)
    testable = np.isfinite(chi2)
    thin = testable & (n.min() * np.minimum(total, trials - total) / trials < FEWEST_EXPECTED)
    p = np.where(testable, chdtrc(len(n) - 1, np.nan_to_num(chi2)), 1.0)
    if len(n) == 2 and thin.any():
        p[thin] = two_proportion_p(events[thin, 0], n[:1].repeat(thin.sum()), events[thin, 1], n[1:].repeat(thin.sum()))
    elif thin.any():
        p[thin] = _shuffled_p(chi2[thin], total[thin], n, draws, rng)
    return TagTests(chi2, p, thin)


def _shuffled_p(
    chi2: Float[np.ndarray, "k"], total: Int[np.ndarray, "k"], n: Int[np.ndarray, "g"], draws: int, rng: np.random.Generator
) -> Float[np.ndarray, "k"]:
    """The p of chi-squares for labels on `total` images, from shuffled groups, drawn once per distinct total."""
    p = np.ones(len(chi2))
    for images in np.unique(total).tolist():
        alike = np.flatnonzero(total == images)
        for size in (draws, MORE_DRAWS * draws):
            drawn = np.sort(chi_squares(rng.multivariate_hypergeometric(n, images, size=size, method="marginals"), n))
            reached = size - np.searchsorted(drawn, least_equal(chi2[alike]))
            p[alike] = (1 + reached) / (size + 1)
            # Further draws replace the first: this is valid, since only a label with the smallest possible p of the first draws gets here.
            alike = alike[reached == 0]
            if not len(alike):
                break
    return p


def extreme_groups(events: Int[np.ndarray, "k g"], n: Int[np.ndarray, "g"], alpha: float) -> ExtremeGroups:
    """The groups that get each label most and least often, and the difference of their shares with Newcombe's interval.

    The pair is chosen from the data, and the interval does not account for that: it says how large a difference is, not whether it is real.

    Parameters
    ----------
    events, n
        As in `tag_tests`.
    alpha : float
        One minus the level.

    Returns
    -------
    ExtremeGroups
        Of equal shares the earlier group; if all are equal, the first and the last.

    References
    ----------
    Newcombe 1998, method 10, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I

    Examples
    --------
    >>> found = extreme_groups(np.array([[48, 56]]), np.array([80, 70]), 0.05)
    >>> found.most.tolist(), found.low.round(4).tolist(), found.high.round(4).tolist()
    ([1], [0.0524], [0.3339])
    """
    events, n = np.asarray(events), np.asarray(n)
    rates = events / n
    most = rates.argmax(axis=1)
    least = np.where(np.ptp(rates, axis=1) > 0, rates.argmin(axis=1), len(n) - 1)
    rows = np.arange(len(events))
    low, high = newcombe(events[rows, most], n[most], events[rows, least], n[least], alpha)
    return ExtremeGroups(most, least, rates[rows, most] - rates[rows, least], low, high)
