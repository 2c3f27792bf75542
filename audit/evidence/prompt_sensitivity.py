"""Prompt sensitivity: the same claim under every prompt set and variant of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.naming import finding_id
from audit.records.base import record
from audit.statistics.counts import row_codes
from audit.statistics.intervals import difference_limits
from audit.statistics.max_t import LabelShuffles, Wordings, median_gap_p
from audit.statistics.metrics import RowEvents, Tally, extremes, resolve, row_events
from audit.statistics.multiplicity import benjamini_hochberg
from audit.statistics.null import gap_p, generator
from audit.types import UNKNOWN, CodedAnswers, Group, Predictions, Settings, SpecificationPlan

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float, Int


@record
class SpecificationPoint:
    """The default's extreme pair of groups under another prompt."""

    preset: str
    variant: str
    default: bool
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    """Permutation p of the whole gap under this specification."""
    gap: float | None


@record
class VarianceShares:
    """Shares of the variance of an effect over specifications; they sum to 1."""

    prompts: float
    label_set: float
    interaction: float
    presets: tuple[str, ...] = ()
    """Prompt sets of the layout: each occurs with every one of `variants`, and the shares are for these prompts only."""
    variants: tuple[str, ...] = ()


@record
class SpecificationCurve:
    """How much the result depends on the prompts."""

    question: str
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]
    first: Group
    second: Group
    """Highest and lowest group under the default; every point is first minus second."""
    points: tuple[SpecificationPoint, ...]
    median: float | None
    smallest: float | None
    largest: float | None
    share_same_sign: float | None
    share_detected: float | None
    """Share of specifications with p <= alpha after Benjamini-Hochberg."""
    shares: VarianceShares | None = None
    """Shares of the variance in the largest complete layout of presets x variants, which it names; None without one or without variance."""
    joint_p: float | None = None
    """p of the median difference over all specifications, with the same shuffles of the group labels for all of them."""


JOINT_DRAWS = 999
"""Maximum number of shuffles for the joint test, each of which is evaluated for every specification."""
POINT_DRAWS = 1999
"""Maximum number of shuffles for specifications other than the default: their smallest p passes Benjamini-Hochberg among a hundred."""

Answered = Predictions | CodedAnswers


@dataclass(frozen=True)
class _Answered:
    """Answers under one specification: each image's group, and its role in the rate of the claim."""

    attributes: pd.DataFrame
    groups: tuple[Group, ...]
    codes: Int[np.ndarray, "n"]
    rows: RowEvents

    def tally(self) -> Tally:
        """Counts by group."""
        events, n, images = (
            np.bincount(self.codes[which], minlength=len(self.groups)) for which in (self.rows.event, self.rows.counted, ...)
        )
        return Tally(self.groups, events, n, images)


def specification_curve(
    plan: SpecificationPlan,
    predictions: Mapping[int, Answered] | Sequence[Answered],
    levels: Mapping[str, Group],
    settings: Settings,
    shuffles: LabelShuffles,
) -> SpecificationCurve:
    """Compare the default's extreme pair of groups under every specification.

    `predictions` has the answers under each specification, by its index; curves of one audit share `shuffles`. Values that cannot be
    estimated under a specification are None and ignored in every summary; without two estimable groups under the default, the pair is
    empty and so is every difference.

    The rates are events divided by images: bit for bit the reference point estimates, without the cost of a frame for each prompt.
    """
    answered = _answered(plan, predictions, levels)
    tallies = tuple(one.tally() for one in answered)
    first, second = _extreme_pair(tallies[plan.default], settings)
    points = tuple(_point(plan, i, tallied, (first, second), settings) for i, tallied in enumerate(tallies))
    differences = [point.difference for point in points if point.difference is not None]
    default = points[plan.default].difference
    p = np.array([point.p for point in points if point.p is not None])
    return SpecificationCurve(
        question=plan.question,
        metric=plan.claim.metric,
        outcome=plan.claim.outcome,
        attributes=plan.claim.by,
        first=first,
        second=second,
        points=points,
        median=float(np.median(differences)) if differences else None,
        smallest=min(differences, default=None),
        largest=max(differences, default=None),
        share_same_sign=sum(difference * default > 0 for difference in differences) / len(differences) if default else None,
        share_detected=float(np.mean(benjamini_hochberg(p) <= settings.alpha)) if len(p) else None,
        shares=_shares(points),
        joint_p=_joint_p(plan, answered, settings, shuffles) if first else None,
    )


def _answered(
    plan: SpecificationPlan, predictions: Mapping[int, Answered] | Sequence[Answered], levels: Mapping[str, Group]
) -> tuple[_Answered, ...]:
    answered: list[_Answered] = []
    by = list(plan.claim.by)
    for i, specification in enumerate(plan.specifications):
        predicted = predictions[i]
        rows = row_events(predicted, *resolve(specification.measurement, plan.claim, predicted))
        # Nearly always the same images: their groups are computed once for all specifications.
        if answered and _same_images(predicted.attributes, answered[-1].attributes, by):
            answered.append(replace(answered[-1], rows=rows))
        else:
            answered.append(_Answered(predicted.attributes, *row_codes(predicted.attributes, by, levels), rows))
    return tuple(answered)


def _same_images(one: pd.DataFrame, other: pd.DataFrame, by: list[str]) -> bool:
    return one is other or one[by].equals(other[by])


def _estimable(tallied: Tally, settings: Settings) -> tuple[tuple[Group, ...], np.ndarray, np.ndarray]:
    """Groups, events and denominators of the estimable groups."""
    ok = [i for i, status in enumerate(tallied.statuses(settings.min_group_size)) if status == "ok"]
    return tuple(tallied.groups[i] for i in ok), tallied.events[ok], tallied.n[ok]


def _extreme_pair(tallied: Tally, settings: Settings) -> tuple[Group, Group]:
    groups, events, n = _estimable(tallied, settings)
    if len(groups) < 2:
        return (), ()
    high, low = extremes(events / n)
    return groups[high], groups[low]


def _point(plan: SpecificationPlan, index: int, tallied: Tally, pair: tuple[Group, Group], settings: Settings) -> SpecificationPoint:
    specification = plan.specifications[index]
    groups, events, n = _estimable(tallied, settings)
    point = SpecificationPoint(specification.preset, specification.variant, index == plan.default, None, None, None, None, None)
    if len(groups) > 1:
        # The default uses the shuffles of its finding, so that both show the same p.
        draws = settings.draws if point.default else min(settings.draws, POINT_DRAWS)
        p = gap_p(events, n, draws, generator(settings.seed, finding_id(specification.measurement.name, plan.claim)))
        point = replace(point, p=p, gap=float(np.ptp(events / n)))
    if pair[0] in groups and pair[1] in groups:
        i, j = groups.index(pair[0]), groups.index(pair[1])
        # The pair was chosen for its largest difference: simultaneous over all pairs, like the same pair's interval in its finding.
        pairs = len(groups) * (len(groups) - 1) // 2
        low, high = difference_limits(events[i], n[i], events[j], n[j], settings.alpha / pairs)
        point = replace(point, difference=float(events[i] / n[i] - events[j] / n[j]), low=float(low), high=float(high))
    return point


def _shares(points: Sequence[SpecificationPoint]) -> VarianceShares | None:
    """Split the variance in the largest complete layout of presets x variants; None without one, or without variance."""
    effects = {(point.preset, point.variant): point.difference for point in points if point.difference is not None}
    presets, variants = largest_layout(list(effects))
    if not presets:
        return None
    shares = variance_shares(np.array([[effects[preset, variant] for variant in variants] for preset in presets]))
    return replace(shares, presets=presets, variants=variants) if shares else None


def largest_layout(met: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The largest complete layout: presets and variants, at least two of each, in all combinations; empty if no such layout exists.

    Of layouts with equally many points, the one with more presets, since the curve is about the variation over prompts. Of those, the one
    whose presets come first.

    Examples
    --------
    The third variant occurs with only one preset. Without it three presets remain.

    >>> largest_layout([("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("b", "y"), ("c", "x"), ("c", "y")])
    (('a', 'b', 'c'), ('x', 'y'))
    """
    variants_of: dict[str, frozenset[str]] = {}
    for preset, variant in met:
        variants_of[preset] = variants_of.get(preset, frozenset()) | {variant}
    common: set[frozenset[str]] = set()  # intersections of presets' variants: no other choice can be the largest
    for theirs in variants_of.values():
        common |= {theirs, *(theirs & variants for variants in common)}
    layouts = [([preset for preset, theirs in variants_of.items() if theirs >= variants], variants) for variants in common]
    whole = [(presets, variants) for presets, variants in layouts if min(len(presets), len(variants)) > 1]
    if not whole:
        return (), ()
    order = {preset: index for index, preset in enumerate(variants_of)}
    presets, variants = min(whole, key=lambda it: (-len(it[0]) * len(it[1]), -len(it[0]), [order[preset] for preset in it[0]]))
    return tuple(presets), tuple(dict.fromkeys(variant for _, variant in met if variant in variants))


def _joint_p(plan: SpecificationPlan, answered: Sequence[_Answered], settings: Settings, shuffles: LabelShuffles) -> float | None:
    """Test all specifications together; None if they were not answered for the same images."""
    default = answered[plan.default]
    images = default.attributes
    if any(one.attributes is not images and not one.attributes.index.equals(images.index) for one in answered):
        return None
    known = np.array([UNKNOWN not in group for group in default.groups])[default.codes]
    events, counted = (np.stack([getattr(one.rows, name)[known] for one in answered], axis=1) for name in ("event", "counted"))
    answers = Wordings(events, counted, default.codes[known])
    tested = median_gap_p(answers, plan.default, settings.min_group_size, min(settings.draws, JOINT_DRAWS), shuffles)
    return tested[1] if tested else None


def variance_shares(effects: Float[np.ndarray, "t s"]) -> VarianceShares | None:
    """Split the variance of an effect over prompts and label sets: ``e_ts = m + a_t + b_s + r_ts``, sums of squares divided by their total.

    None if every specification gives the same effect; raises ValueError if one is missing: shares of an incomplete layout do not sum to 1.

    Examples
    --------
    The prompt changes the effect by +-2, the label set by +-1: sums of squares 16 and 4.

    >>> found = variance_shares(np.array([[1.0, 3.0], [-3.0, -1.0]]))
    >>> found.prompts, found.label_set, found.interaction
    (0.8, 0.2, 0.0)
    """
    if not np.isfinite(effects).all():
        raise ValueError("variance shares need the effect of every specification")
    centred = effects - effects.mean()
    total = float((centred**2).sum())
    if total <= 1e-24:
        return None
    by_prompt, by_label_set = (float((centred.mean(axis=other) ** 2).sum()) * effects.shape[other] / total for other in (1, 0))
    return VarianceShares(by_prompt, by_label_set, max(0.0, 1 - by_prompt - by_label_set))
