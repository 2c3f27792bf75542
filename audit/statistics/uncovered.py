"""Images that a gap does not cover: of groups that are not compared, without a group, or without a true answer; pooled, and compared.

It is exploratory, and not corrected for the number of comparisons. But what is shown to differ leaves gates undecided, so that leaving a
group out passes none. Only true answers that are missing depending on the answer may withhold a verdict: `audit.statistics.missing_truth`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.records.finding import Rate, Uncovered, UncoveredCode
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.ties import first_largest
from audit.types import Better

if TYPE_CHECKING:
    from jaxtyping import Int


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
