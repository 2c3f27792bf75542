"""What true answers that are missing depending on the answers may change of a comparison: outer ends over all ways to fill them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from audit.records.comparison import Change, PairChange
from audit.records.finding import FilledTruth
from audit.statistics.paired.changes import changes_of_pairs, differences_of
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True)
class LeastAndMost:
    """The least and the largest value of each group."""

    least: Float[np.ndarray, "g"]
    most: Float[np.ndarray, "g"]

    def minus(self) -> LeastAndMost:
        return LeastAndMost(-self.most, -self.least)


@dataclass(frozen=True)
class FilledRates:
    """The rates of compared groups, and their changes, over all ways to fill the missing true answers."""

    before: LeastAndMost
    after: LeastAndMost
    change: LeastAndMost

    @classmethod
    def of_errors(cls, joint: JointCounts, lacking: Int[np.ndarray, "g 4"]) -> FilledRates:
        """For a rate given the true answer: an image without one either does not count or is in its cell of `lacking`."""
        n, net = joint.n, joint.cells[:, ONLY_AFTER] - joint.cells[:, ONLY_BEFORE]
        unchanged = lacking[:, BOTH] + lacking[:, NEITHER]

        def ends(events: Int[np.ndarray, "g"], only: int, other: int) -> LeastAndMost:
            up, down = lacking[:, BOTH] + lacking[:, only], lacking[:, NEITHER] + lacking[:, other]
            return LeastAndMost(events / (n + down), (events + up) / (n + up))

        most, least = net + lacking[:, ONLY_AFTER], net - lacking[:, ONLY_BEFORE]
        # Images that do not change count where they bring the change nearer to 0.
        of_most, of_least = n + lacking[:, ONLY_AFTER], n + lacking[:, ONLY_BEFORE]
        change = LeastAndMost(least / (of_least + unchanged * (least > 0)), most / (of_most + unchanged * (most < 0)))
        return cls(ends(joint.before, ONLY_BEFORE, ONLY_AFTER), ends(joint.after, ONLY_AFTER, ONLY_BEFORE), change)

    @classmethod
    def of_accuracy(cls, joint: JointCounts, lacking: Int[np.ndarray, "g"], differing: Int[np.ndarray, "g"]) -> FilledRates:
        """Of accuracy: every image counts, and one may be gained or lost if the answers to it differ."""
        n, net = joint.n + lacking, joint.cells[:, ONLY_AFTER] - joint.cells[:, ONLY_BEFORE]
        before, after = (LeastAndMost(events / n, (events + lacking) / n) for events in (joint.before, joint.after))
        return cls(before, after, LeastAndMost((net - differing) / n, (net + differing) / n))

    def filled(self, joint: JointCounts, change: Change, alpha: float, claims: int) -> FilledTruth:
        """The ends of the change of the gap in its own direction, of a reversal those of the smaller of both differences."""
        pairs, (low, high) = changes_of_pairs(joint, alpha)
        i, j = pairs.first, pairs.second
        value = pairs.after - pairs.before
        least, most = self.change.least[i] - self.change.most[j], self.change.most[i] - self.change.least[j]
        reach = float(max((value - low - least).max(), (high - value + most).max()))
        turned = [pair for pair in change.pairs if pair.reversed]
        if turned:
            kept = [self._reversal(joint, pair, alpha / (len(i) * claims), reach) for pair in turned]
            return max(kept, key=lambda filled: filled.low)
        gap = change.gap
        assert gap is not None  # noqa: S101 - at least two groups are compared
        places = {group: position for position, group in enumerate(joint.groups)}
        ends = [tuple(places[group] for group in (side.highest, side.lowest)) for side in (gap.before, gap.after)]
        widest = -float(max(most.max(), -least.min()))  # a gap changes by no more than some two groups
        grows = max(_least_growth(self.before, self.after, self.change, *ends[1]), widest)
        shrinks = max(_least_growth(self.after, self.before, self.change.minus(), *ends[0]), widest)
        side = gap.after if gap.difference >= 0 else gap.before
        if gap.difference >= 0:
            return FilledTruth(side.highest, side.lowest, grows, -shrinks, grows - (gap.difference - gap.low), reach)
        return FilledTruth(side.highest, side.lowest, shrinks, -grows, shrinks - (gap.high - gap.difference), reach)

    def _reversal(self, joint: JointCounts, pair: PairChange, alpha: float, reach: float) -> FilledTruth:
        """The smaller of the difference before and that in the other direction after, both from the group that is higher before."""
        first, second = (pair.first, pair.second) if pair.before > 0 else (pair.second, pair.first)
        i, j = joint.groups.index(first), joint.groups.index(second)
        (low, _), (_, high) = (differences_of(joint, i, j, alpha, after=after) for after in (False, True))
        before = self.before.least[i] - self.before.most[j], self.before.most[i] - self.before.least[j]
        after = self.after.most[i] - self.after.least[j], self.after.least[i] - self.after.most[j]
        margins = abs(pair.before) - low, abs(pair.after) + high
        least, most = (float(min(one, -other)) for one, other in zip(before, after, strict=True))
        lower = float(min(before[0] - margins[0], -after[0] - margins[1]))
        return FilledTruth(first, second, least, most, lower, reach)


def _least_growth(before: LeastAndMost, after: LeastAndMost, change: LeastAndMost, high: int, low: int) -> float:
    """A lower limit of the gap after minus the gap before, from the groups with the highest and the lowest rate after.

    The gap before is the difference of some two groups; of a group on both sides of the sum, its change counts.
    """

    def ends(i: int, j: int) -> float:
        of_high = change.least[high] if i == high else after.least[high] + (before.least[high] if j == high else 0.0)
        of_low = -change.most[low] if j == low else -after.most[low] - (before.most[low] if i == low else 0.0)
        of_others = -(before.most[i] if i not in (high, low) else 0.0) + (before.least[j] if j not in (high, low) else 0.0)
        return float(of_high + of_low + of_others)

    places: Sequence[int] = range(len(before.least))
    return min(ends(i, j) for i, j in permutations(places, 2))
