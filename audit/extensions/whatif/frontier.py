"""The frontier of gap against accuracy: all settings that were tried, not only the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.extensions.whatif.record import Ending, Frontier, FrontierPoint, WhatIf
from audit.statistics.multiplicity import holm

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

_CLAIMS = ("smaller", "indistinguishable", "larger", "levelled down")
"""Outcomes that depend on the test of the change."""


def holm_corrected(what_ifs: Sequence[WhatIf], alpha: float) -> tuple[WhatIf, ...]:
    """Correct for everything that was tried for a finding (Holm): a change that does not survive it does not count.

    Every setting has two tests: whether the gap changed, and whether the two groups swapped their order, which may leave the gap as
    large as before. Each is corrected over all settings, by its own p.
    """
    change, reversal = (holm(np.array([getattr(what_if, name) for what_if in what_ifs])).tolist() for name in ("change_p", "reversal_p"))
    return tuple(
        replace(what_if, change_p_adjusted=p, reversal_p_adjusted=turned, outcome=_outcome(what_if.outcome, p <= alpha, turned <= alpha))
        for what_if, p, turned in zip(what_ifs, change, reversal, strict=True)
    )


def _outcome(ending: Ending, changed: bool, turned: bool) -> Ending:
    if turned:
        return "reversed"
    return "unchanged" if ending in _CLAIMS and not changed else ending


def frontier(what_ifs: Sequence[WhatIf], finding: str, fitted_on: int) -> Frontier:
    """Place all what-ifs for one finding in the plane of gap against accuracy.

    A point is efficient if no other, the unmodified model included, has a gap no larger and an accuracy no lower, and is better in one
    of the two. By point estimates; their intervals are included.
    """
    first = what_ifs[0]
    gaps = np.array([first.gap_before.value, *(what_if.gap.value for what_if in what_ifs)])
    accuracy = np.array([first.utility.before, *(what_if.utility.after for what_if in what_ifs)])
    efficient = _undominated(gaps, accuracy)
    points = tuple(FrontierPoint(what_if, bool(good)) for what_if, good in zip(what_ifs, efficient[1:], strict=True))
    shown = sum(group.n for group in first.by_group)
    return Frontier(finding, first.gap_before.value, first.utility.before, bool(efficient[0]), points, fitted_on, shown)


def _undominated(gaps: Float[np.ndarray, "m"], accuracy: Float[np.ndarray, "m"]) -> Bool[np.ndarray, "m"]:
    as_good = (gaps <= gaps[:, None]) & (accuracy >= accuracy[:, None])
    better = (gaps < gaps[:, None]) | (accuracy > accuracy[:, None])
    return np.asarray(~(as_good & better).any(axis=1))
