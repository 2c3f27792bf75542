"""True answers that are missing depending on the answer: then rates, scores and changes among the images that have one are biased.

A verdict holds only if it does however the missing ones are filled (`audit.statistics.verdict.can_change`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from audit.records.finding import AnsweredBy, ClaimResult, FilledTruth, LackingTruth, Uncovered
from audit.statistics.counts import GroupedCounts
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import Metric, Outcome, tally
from audit.ties import first_largest
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Extremes = tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]
    """The least and the largest value of each group."""


class AnswerOf(NamedTuple):
    """An answer or an outcome by its name; of two models, whose answer it is."""

    answer: str | None
    side: AnsweredBy | None = None


@dataclass(frozen=True)
class TruthByAnswer:
    """The images of compared groups without a true answer, by their answer."""

    counts: GroupedCounts
    compared: Int[np.ndarray, "g"]
    """Positions of the compared groups."""
    alpha: float

    @property
    def lacking(self) -> Bool[np.ndarray, "r"]:
        """Whether the rows of the count table have no true answer."""
        return (self.counts.table["y_true"] == UNKNOWN).to_numpy()

    def depends(self, answers: Mapping[AnswerOf, Bool[np.ndarray, "r"]]) -> Uncovered | None:
        """The group and answer where a true answer is missing most clearly more, or less, often than with other answers of the group.

        Newcombe's interval of the difference of both shares, simultaneous over the groups and the `answers` (and their rows); images
        count as independent. None if no interval excludes 0.
        """
        if len(self.compared) < 2 or not self.lacking.any():
            return None
        images, without = (self.images(mask) for mask in (np.ones(len(self.lacking), bool), self.lacking))
        n, k = (np.array([self.images(mask & part) for mask in answers.values()]) for part in (True, self.lacking))
        others, others_k = images - n, without - k
        both = (n > 0) & (others > 0)
        if not both.any():
            return None
        low, high = newcombe(k, np.maximum(n, 1), others_k, np.maximum(others, 1), self.alpha / int(both.sum()))
        distance = np.where(both, np.maximum(low, -high), -1.0)
        answer, group = divmod(first_largest(distance.ravel()), len(self.compared))
        if distance[answer, group] <= 0:
            return None
        at = answer, group
        share, (share_low, share_high) = float(k[at] / n[at]), (float(end) for end in wilson(k[at], n[at], self.alpha))
        apart = share - float(others_k[at] / others[at])
        groups = [self.counts.groups[at] for at in self.compared]
        columns = (column.tolist() for column in (n[answer], k[answer], others[answer], others_k[answer]))
        return Uncovered(
            "truth by answer", int(without.sum()), int(k[at]), share, share_low, share_high, apart, float(low[at]), float(high[at]),
            shown=True, group=groups[group], answer=[*answers][answer].answer, answered_by=[*answers][answer].side,
            lacking=tuple(LackingTruth(*row) for row in zip(groups, *columns, strict=True)),
        )  # fmt: skip

    def images(self, mask: Bool[np.ndarray, "r"]) -> Int[np.ndarray, "g"]:
        """Number of images of each compared group in some rows."""
        return np.asarray(self.counts.by_group(mask)[self.compared])

    def measured(self, mask: Bool[np.ndarray, "r"]) -> Float[np.ndarray, "g"]:
        """Images, or their weights, of each compared group in some rows."""
        return np.asarray(self.counts.by_group(mask, self.counts.measure)[self.compared], float)


def rows_by_answer(
    given: pd.Series, outcome: Outcome | None, name: str | None, side: AnsweredBy | None = None
) -> dict[AnswerOf, Bool[np.ndarray, "r"]]:
    """The rows with an outcome, by its name; without one those with each answer, where one of two answers is the rest of the other."""
    if outcome is not None:
        return {AnswerOf(name, side): given.isin(outcome).to_numpy()}
    names = sorted(set(given))
    return {AnswerOf(name, side): (given == name).to_numpy() for name in (names[:1] if len(names) == 2 else names)}


@dataclass(frozen=True)
class MissingTruth:
    """The true answers that a rate lacks in some groups."""

    truth: TruthByAnswer
    metric: Metric
    outcome: Outcome | None
    name: str | None
    """Of the outcome."""
    at_equal_truth: bool
    """Whether rates are weighted to equal true shares."""

    def depends(self) -> Uncovered | None:
        """Where a true answer is missing depending on the answer; None if it is not shown to.

        Precision is a rate among images with one answer: a truth that is missing more often with another does not bias it.
        """
        if self.metric.denominator == "selected":
            return None
        return self.truth.depends(rows_by_answer(self.truth.counts.table["y_pred"], self.outcome, self.name))

    def extremes(self) -> Extremes:
        """The least and the largest rate of each compared group, over all ways to fill the missing true answers.

        An image that would be an event if it counted raises the rate if it does, and any other lowers it; an answer is right or wrong.
        """
        truth, counts = self.truth, self.truth.counts
        selected = counts.table["y_pred"].isin(self.outcome or ()).to_numpy()
        would = selected if self.metric.event == "selected" else ~selected
        raising, lowering = (truth.lacking & part for part in ((True, True) if self.metric.event == "correct" else (would, ~would)))
        a, b = (truth.measured(mask) for mask in (raising, lowering))
        if not self.at_equal_truth:
            events, n = (part[truth.compared] for part in tally(counts, self.metric, self.outcome).parts)
            return events / (n + b), (events + a) / (n + a)
        events, n, weights = self._by_truth(selected)
        return weights @ (events / (n + b)), weights @ ((events + a) / (n + a))

    def _by_truth(
        self, selected: Bool[np.ndarray, "r"]
    ) -> tuple[Float[np.ndarray, "y g"], Float[np.ndarray, "y g"], Float[np.ndarray, "y"]]:
        """For rates at equal true shares: events and images of each true answer that all compared groups have, and its share.

        A missing true answer may be any of them, and each is filled by itself, so that the ends are outer ones.
        """
        true = self.truth.counts.table["y_true"]
        masks = [(true == name).to_numpy() for name in sorted(set(true) - {UNKNOWN})]
        n, events = (np.array([self.truth.measured(mask & part) for mask in masks]) for part in (True, selected))
        shared = (n > 0).all(axis=1)
        n, events = n[shared], events[shared]
        return events, n, n.sum(axis=1) / n.sum()


def truth_by_answer(
    finding: ClaimResult, counts: GroupedCounts, metric: Metric, outcome: Outcome | None, alpha: float
) -> tuple[Uncovered, ...]:
    """Where true answers of a finding's compared groups are missing depending on the answer, and what they may change; else empty."""
    compared = np.array([at for at, rate in enumerate(finding.by_group) if rate.status == "ok"], np.int64)
    missing = MissingTruth(TruthByAnswer(counts, compared, alpha), metric, outcome, finding.outcome, bool(finding.shares))
    one = missing.depends()
    return () if one is None else (replace(one, filled=_filled(finding, missing.extremes(), alpha)),)


def _filled(finding: ClaimResult, extremes: Extremes, alpha: float) -> FilledTruth:
    gap, rates = finding.gap, [rate for rate in finding.by_group if rate.status == "ok"]
    pair = None if gap is None else gap.leading or gap.open_pair
    assert pair is not None  # noqa: S101 - at least two groups are compared
    least, most = extremes
    n = np.array([rate.independent_n for rate in rates])
    alpha = alpha / (len(rates) * (len(rates) - 1) // 2)
    first, second = np.nonzero(~np.eye(len(rates), dtype=bool))
    _, high = newcombe(most[first] * n[first], n[first], least[second] * n[second], n[second], alpha)
    groups = [rate.group for rate in rates]
    one, other = groups.index(pair.higher), groups.index(pair.lower)
    low, _ = newcombe(least[one] * n[one], n[one], most[other] * n[other], n[other], alpha)
    ends = float(least[one] - most[other]), float(most[one] - least[other])
    return FilledTruth(pair.higher, pair.lower, *ends, float(low), float(high.max()))
