"""Wrong group labels of counterfactual pairs: the two images of a pair change places, so that what one showed counts for the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.records.base import Verdict
from audit.records.finding import Finding
from audit.records.label_noise import LabelNoise, NoisePoint, TippingPoint
from audit.statistics.null import mcnemar_p
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.sampling_unit import SamplingUnits, SetUnits
from audit.statistics.verdict import verdicts, within
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Bool

_BOTH = np.array([0]), np.array([1])


@dataclass(frozen=True)
class SwappedLabels:
    """Two groups that a finding compares inside sets of one image of each; `level` is the raw p that its test rejects up to."""

    finding: Finding
    units: SetUnits
    level: float
    alpha: float
    _verdicts: dict[tuple[int, int], Verdict] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, finding: Finding, units: SamplingUnits, level: float, alpha: float) -> SwappedLabels | None:
        """Return None where sets hold more images, or there are more groups: nothing says whose label a wrong one would be."""
        if not isinstance(units, SetUnits) or units.table.n.shape[1] != 2 or units.table.n.max() > 1:
            return None
        return cls(finding, units, level, alpha)

    def noise(self, worst: Group, other: Group, shares: Sequence[float], repeats: int, rng: np.random.Generator) -> LabelNoise:
        """Return the tipping point of a disparity, and how often its verdict stays when a share of the pairs changes places at random."""
        own = self.only_one
        kept = []
        for share in shares:
            turned = rng.binomial(own, share, (repeats, 2))
            tables = (np.array(own) - turned + turned[:, ::-1]).tolist()
            kept.append(NoisePoint(share, float(np.mean([self.verdict(*table) == self.verdict(*own) for table in tables]))))
        return LabelNoise(self.tipping_point(worst, other) if self.finding.verdict == "disparity" else None, tuple(kept))

    @property
    def only_one(self) -> tuple[int, int]:
        """How many pairs have the event in the first image alone, and in the second alone."""
        first, second = (int(self.units.table.count[self._only(side)].sum()) for side in (0, 1))
        return first, second

    def _only(self, side: int) -> Bool[np.ndarray, "c"]:
        paired, events = (self.units.table.n == 1).all(axis=1), self.units.table.events
        return np.asarray(paired & (events[:, side] > events[:, 1 - side]))

    def with_only(self, first: int, second: int) -> SetUnits:
        """Return the same sets, with so many in which the first image alone has the event, and the second alone."""
        table, others = self.units.table, ~(self._only(0) | self._only(1))
        pairs = np.array([[1, 0], [0, 1]])[np.array([first, second]) > 0]
        count = np.array([number for number in (first, second) if number])
        events, n = np.concatenate([table.events[others], pairs]), np.concatenate([table.n[others], np.ones_like(pairs)])
        return replace(self.units, table=ClusterTable(events, n, np.concatenate([table.count[others], count]).astype(np.int64)))

    def verdict(self, first: int, second: int) -> Verdict:
        """Return the verdict on so many pairs of either kind, by the rules of the finding."""
        if (first, second) not in self._verdicts:
            self._verdicts[first, second] = self._verdict(self.with_only(first, second))
        return self._verdicts[first, second]

    def _verdict(self, units: SetUnits) -> Verdict:
        tolerance, ratio = self.finding.tolerance, self.finding.ratio_tolerance
        (low,), (high,) = units.differences(*_BOTH, 2 * self.alpha)
        close = False
        if max(high, -low) < tolerance:  # else the bound, which is no nearer, need not be computed
            close = bool(within(units.equivalence_bound(self.alpha), tolerance, ratio and units.equivalence_ratio(self.alpha), ratio))
        (low,), (high,) = units.differences(*_BOTH, self.alpha)
        verdict: Verdict = verdicts(close, float(units.p(*_BOTH)[0]), self.level, 2, apart=low > 0 or high < 0).item()
        return verdict

    def tipping_point(self, worst: Group, other: Group) -> TippingPoint | None:
        """Return the fewest pairs that, with their labels the wrong way round, make the difference up; None where nothing stands.

        An adversary turns pairs that speak for the difference. It stands while the exact sign test has p at most `level`.
        """
        more, fewer = sorted(self.only_one, reverse=True)
        if mcnemar_p(more, fewer) > self.level:
            return None
        pairs = next(x for x in range(1, more + 1) if more - x <= fewer + x or mcnemar_p(more - x, fewer + x) > self.level)
        images = next(rate.n for rate in self.finding.by_group if rate.group == worst)
        return TippingPoint(worst, other, pairs, pairs / images, "sign" if more - pairs <= fewer + pairs else "significance")
