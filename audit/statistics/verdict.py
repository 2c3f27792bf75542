"""The rules of a verdict, each once: a claim's bound, p and groups in, a code out. "Not significant" never becomes "fair"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.records.results import Finding, Verdict

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from audit.types import Settings


def verdicts(
    bound: float | Float[np.ndarray, "b"],
    tolerance: float | Float[np.ndarray, "b"],
    p: float | Float[np.ndarray, "b"],
    alpha: float,
    groups: int | Int[np.ndarray, "b"],
    *,
    limited: bool | Bool[np.ndarray, "b"] = False,
) -> np.ndarray:
    """Apply the ordered rules: a limited run is inconclusive; then not estimable, equivalent, disparity, inconclusive.

    `bound` is how far from 0 the ``1 - 2 alpha`` interval of any pair goes (`equivalence_bound`), `p` the adjusted p of the test that no
    two groups differ (NaN without a test), `groups` how many can be compared. Returns a `Verdict` each: str[b].

    Examples
    --------
    >>> verdicts(np.array([0.2, 0.04, 0.2, np.inf]), 0.05, np.array([0.01, 0.01, 0.3, np.nan]), 0.05, np.array([2, 2, 2, 1])).tolist()
    ['disparity', 'equivalent', 'inconclusive', 'not estimable']
    """
    conditions = np.broadcast_arrays(limited, np.less(groups, 2), np.less(bound, tolerance), np.less_equal(p, alpha))
    return np.select(conditions, ["inconclusive", "not estimable", "equivalent", "disparity"], "inconclusive")


def decide_finding(finding: Finding, settings: Settings, *, limited: bool) -> tuple[Verdict, bool]:
    """Return a finding's verdict, and whether it is a disparity beyond the tolerance; the finding carries its adjusted p."""
    gap, groups = finding.gap, sum(rate.status == "ok" for rate in finding.by_group)
    bound = np.inf if gap is None or gap.equivalence_bound is None else gap.equivalence_bound
    verdict: Verdict = verdicts(bound, finding.tolerance, gap.p_adjusted if gap else np.nan, settings.alpha, groups, limited=limited).item()
    return verdict, verdict == "disparity" and any(pair.beyond_tolerance for pair in finding.pairs)


def is_diffuse(finding: Finding, settings: Settings) -> bool:
    """Whether only all groups together are shown to differ: the most significant pair, corrected like the finding, is not."""
    gap = finding.gap
    return gap is not None and gap.pair_p is not None and gap.pair_p * gap.p_adjusted > settings.alpha * gap.p


def worst(found: Sequence[Verdict]) -> Verdict:
    """Return the verdict over several primary ones: any disparity is one, verdicts that agree are that, all else is inconclusive."""
    present = set(found)
    if "disparity" in present:
        return "disparity"
    return found[0] if len(present) == 1 else "inconclusive"
