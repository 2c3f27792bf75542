"""Images that a gap does not cover: of groups that are not compared, without a group, or without a true answer; pooled, and compared.

It is exploratory, and not corrected for the number of comparisons. But what is shown to differ leaves gates undecided, so that leaving a
group out passes none. And where true answers are missing depending on the answer, rates of those that have one are biased: then a verdict
holds only if it does however the missing ones are filled (`audit.statistics.verdict.is_withheld`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.records.finding import ClaimResult, FilledTruth, LackingTruth, Rate, Uncovered, UncoveredCode
from audit.statistics.counts.count_table import GroupedCounts
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import Metric, Outcome, tally
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.ties import first_largest
from audit.types import UNKNOWN, Better

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


class _Estimate(NamedTuple):
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Groups:
    """The groups of a finding, with their sampling units."""

    by_group: Sequence[Rate]
    units: SamplingUnits
    alpha: float

    def uncovered(self, better: Better) -> tuple[Uncovered, ...]:
        """Pool the groups that are not compared, and those without a value of the attribute; empty if all images are compared.

        Their rate is compared with that of all compared groups together, from the limits of both (MOVER), in which clusters and weights
        count as in the finding. It is shown if it is worse by `better`; without a value, if it differs at all: then whether a value is
        missing depends on the answer.
        """
        statuses = [rate.status if rate.n else "absent" for rate in self.by_group]
        compared, unknown = ([at for at, status in enumerate(statuses) if status == wanted] for wanted in ("ok", "unknown"))
        rest = [at for at, status in enumerate(statuses) if status not in ("ok", "absent")]
        if len(compared) < 2:
            return ()
        base = self._together(compared)
        found = [self._pooled("not compared", rest, base, better)] if len(rest) > len(unknown) else []
        return (*found, *([self._pooled("unknown group", unknown, base, "neither")] if unknown else []))

    def _together(self, positions: Sequence[int]) -> _Estimate:
        units = self.units.of(np.array(positions, np.int64)).together()
        low, high = units.intervals(self.alpha)
        return _Estimate(float(units.events[0] / units.n[0]), float(low[0]), float(high[0]))

    def _pooled(self, code: UncoveredCode, positions: Sequence[int], base: _Estimate, better: Better) -> Uncovered:
        rate = self._together(positions)
        difference = rate.value - base.value
        low = difference - float(np.hypot(rate.value - rate.low, base.high - base.value))
        high = difference + float(np.hypot(rate.high - rate.value, base.value - base.low))
        n, events = (sum(getattr(self.by_group[at], name) for at in positions) for name in ("n", "events"))
        shown = (high < 0 and better != "low") or (low > 0 and better != "high")
        return Uncovered(code, n, events, *rate, difference, low, high, shown)


def without_truth(
    by_group: Sequence[Rate], missing: Int[np.ndarray, "g"], images: Int[np.ndarray, "g"], alpha: float
) -> tuple[Uncovered, ...]:
    """Count the images of compared groups without a true answer, and compare the group that has most of them with the one that has least.

    By Newcombe's interval, simultaneous over all pairs; images count as independent. Whether these answers are right is unknown, so it is
    only seen whether a true answer is missing more often in some group.
    """
    compared = [at for at, rate in enumerate(by_group) if rate.status == "ok"]
    if len(compared) < 2 or not missing[compared].any():
        return ()
    k, n = missing[compared], images[compared]
    most, least = first_largest(k / n), first_largest(-k / n)
    pairs = len(compared) * (len(compared) - 1) // 2
    low, high = (float(end) for end in newcombe(k[most], n[most], k[least], n[least], alpha / pairs))
    share = _Estimate(float(k[most] / n[most]), *(float(end) for end in wilson(k[most], n[most], alpha)))
    group, other = (by_group[compared[at]].group for at in (most, least))
    return (
        Uncovered(
            "no true answer", int(k.sum()), int(k[most]), *share, share.value - float(k[least] / n[least]), low, high, low > 0,
            group=group, other=other,
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class TruthByAnswer:
    """The images of compared groups without a true answer, by their answer."""

    finding: ClaimResult
    counts: GroupedCounts
    metric: Metric
    outcome: Outcome | None
    alpha: float

    @property
    def compared(self) -> Int[np.ndarray, "g"]:
        return np.array([at for at, rate in enumerate(self.finding.by_group) if rate.status == "ok"], np.int64)

    @property
    def lacking(self) -> Bool[np.ndarray, "r"]:
        """Whether the rows of the count table have no true answer."""
        return (self.counts.table["y_true"] == UNKNOWN).to_numpy()

    def uncovered(self) -> tuple[Uncovered, ...]:
        """The group and answer where a true answer is missing most clearly more, or less, often than with other answers of the group.

        Newcombe's interval of the difference of both shares, simultaneous over the groups (and the answers, if there are more than two);
        images count as independent. Empty if no interval excludes 0. Precision is a rate among images with one answer: a truth that is
        missing more often with another does not bias it.
        """
        if len(self.compared) < 2 or self.metric.denominator == "selected" or not self.lacking.any():
            return ()
        answers = self._answers()
        images, without = (self._by_group(mask) for mask in (np.ones(len(self.lacking), bool), self.lacking))
        n, k = (np.array([self._by_group(mask & part) for mask in answers.values()]) for part in (True, self.lacking))
        others, others_k = images - n, without - k
        both = (n > 0) & (others > 0)
        if not both.any():
            return ()
        low, high = newcombe(k, np.maximum(n, 1), others_k, np.maximum(others, 1), self.alpha / int(both.sum()))
        distance = np.where(both, np.maximum(low, -high), -1.0)
        answer, group = divmod(first_largest(distance.ravel()), len(self.compared))
        if distance[answer, group] <= 0:
            return ()
        at = answer, group
        share = _Estimate(float(k[at] / n[at]), *(float(end) for end in wilson(k[at], n[at], self.alpha)))
        ends = share.value - float(others_k[at] / others[at]), float(low[at]), float(high[at])
        groups = [self.finding.by_group[at].group for at in self.compared]
        columns = (column.tolist() for column in (n[answer], k[answer], others[answer], others_k[answer]))
        return (
            Uncovered(
                "truth by answer", int(without.sum()), int(k[at]), *share, *ends, shown=True, group=groups[group],
                answer=[*answers][answer],
                lacking=tuple(LackingTruth(*row) for row in zip(groups, *columns, strict=True)), filled=self._filled(),
            ),
        )  # fmt: skip

    def _by_group(self, mask: Bool[np.ndarray, "r"]) -> Int[np.ndarray, "g"]:
        return np.asarray(self.counts.by_group(mask)[self.compared])

    def _answers(self) -> dict[str, Bool[np.ndarray, "r"]]:
        """The rows with the outcome, or with each answer; one of two answers is the rest of the other."""
        given = self.counts.table["y_pred"]
        if self.outcome is not None:
            return {self.finding.outcome or "": given.isin(self.outcome).to_numpy()}
        names = sorted(set(given))
        return {name: (given == name).to_numpy() for name in (names[:1] if len(names) == 2 else names)}

    def _filled(self) -> FilledTruth:
        gap, rates = self.finding.gap, [self.finding.by_group[at] for at in self.compared]
        pair = None if gap is None else gap.leading or gap.open_pair
        assert pair is not None  # noqa: S101 - at least two groups are compared
        least, most = self._extremes()
        n = np.array([min(rate.n / max(rate.design_effect or 1.0, 1.0), rate.effective_n or np.inf) for rate in rates])
        alpha = self.alpha / (len(rates) * (len(rates) - 1) // 2)
        first, second = np.nonzero(~np.eye(len(rates), dtype=bool))
        _, high = newcombe(most[first] * n[first], n[first], least[second] * n[second], n[second], alpha)
        groups = [rate.group for rate in rates]
        one, other = groups.index(pair.higher), groups.index(pair.lower)
        low, _ = newcombe(least[one] * n[one], n[one], most[other] * n[other], n[other], alpha)
        ends = float(least[one] - most[other]), float(most[one] - least[other])
        return FilledTruth(pair.higher, pair.lower, *ends, float(low), float(high.max()))

    def _extremes(self) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
        """The least and the largest rate of each compared group, over all ways to fill the missing true answers.

        An image that would be an event if it counted raises the rate if it does, and any other lowers it; an answer is right or wrong.
        """
        selected = self.counts.table["y_pred"].isin(self.outcome or ()).to_numpy()
        would = selected if self.metric.event == "selected" else ~selected
        raising, lowering = (self.lacking & part for part in ((True, True) if self.metric.event == "correct" else (would, ~would)))
        a, b = (self._measured(mask) for mask in (raising, lowering))
        if not self.finding.shares:
            events, n = (part[self.compared] for part in tally(self.counts, self.metric, self.outcome).parts)
            return events / (n + b), (events + a) / (n + a)
        events, n, weights = self._by_truth(selected)
        return weights @ (events / (n + b)), weights @ ((events + a) / (n + a))

    def _measured(self, mask: Bool[np.ndarray, "r"]) -> Float[np.ndarray, "g"]:
        return np.asarray(self.counts.by_group(mask, self.counts.measure)[self.compared], float)

    def _by_truth(
        self, selected: Bool[np.ndarray, "r"]
    ) -> tuple[Float[np.ndarray, "y g"], Float[np.ndarray, "y g"], Float[np.ndarray, "y"]]:
        """For rates at equal true shares: events and images of each true answer that all compared groups have, and its share.

        A missing true answer may be any of them, and each is filled by itself, so that the ends are outer ones.
        """
        truth = self.counts.table["y_true"]
        masks = [(truth == name).to_numpy() for name in sorted(set(truth) - {UNKNOWN})]
        n, events = (np.array([self._measured(mask & part) for mask in masks]) for part in (True, selected))
        shared = (n > 0).all(axis=1)
        n, events = n[shared], events[shared]
        return events, n, n.sum(axis=1) / n.sum()
