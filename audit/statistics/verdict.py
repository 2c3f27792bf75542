"""The rules of a verdict: from a claim's bounds, p and groups to a code. "Not significant" never becomes "fair"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

from audit.records.base import FindingVerdict, Verdict
from audit.records.finding import ClaimResult, FilledTruth, Rate, Unresponsive
from audit.records.inputs import ImageDependence
from audit.statistics.metrics import ERROR_RATES, is_about_errors
from audit.types import NO_ANSWER, UNCLEAR

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from audit.statistics.metrics import Metric
    from audit.types import Claim, Settings

RARE = 0.1
"""Rates below this also need a tolerance in ratio: 5 points hide a factor of 20 between .1 and 2 %."""

NEGLIGIBLE_PARTS = 5
"""If all groups' error rates are below the tolerance divided by this, their ratio is not tested."""


def is_about_rest(metric: Metric, rest: float) -> bool:
    """Whether the ratio of a rate is that of the images that are not events, whose share in all compared groups together is `rest`.

    An error rate is judged as an error rate however its question is put: accuracy by all errors, a true positive rate by its misses, a
    true negative rate by its false alarms. No answer is by itself the harm, and the rate of one of two answers is the rest of the other:
    if an answer is given to nearly all images, what is rare is that it is not given. So no verdict depends on which of two labels is the
    positive one.
    """
    if is_about_errors(metric.name):
        return ERROR_RATES.get(metric.name) != metric.name
    return _has_ratio(metric) and rest < RARE


def negligible_below(claim: Claim, metric: Metric, compared: Sequence[Rate], tolerance: float, alpha: float) -> float | None:
    """A limit that the error rates of all groups are significantly below; None if one is not, or if it is no claim about an error.

    A fifth of the tolerance, compared with the exact (Clopper-Pearson) upper limit of each group at 1 - alpha, one-sided: all must hold,
    which needs no correction. With 5 points the limit is 1 %, which 298 images without an error show; a group whose rate is 1 % passes in
    at most 5 of 100 audits. Images in clusters or with weights count as their effective number, with weights as at most this number:
    errors of a few light ones say nothing about the heavy ones. A claim's own tolerance in ratio stays.
    """
    if claim.ratio_tolerance is not None or not is_about_errors(metric.name):
        return None
    n = np.array([rate.independent_n for rate in compared])
    values = np.array([rate.value or 0.0 for rate in compared])
    events = (values if ERROR_RATES.get(metric.name) == metric.name else 1 - values) * n
    upper = betaincinv(events + 1, np.maximum(n - events, np.finfo(float).tiny), 1 - alpha)
    limit = tolerance / NEGLIGIBLE_PARTS
    return limit if bool((upper < limit).all()) else None


def negligible_limit(finding: ClaimResult, settings: Settings) -> float | None:
    """The limit below which all groups' error rates would make the ratio of a finding count no longer; None if nothing would."""
    general = finding.ratio_tolerance is not None and finding.ratio_tolerance == settings.ratio_tolerance
    return finding.tolerance / NEGLIGIBLE_PARTS if general and is_about_errors(finding.metric) else None


def ratio_tolerance(claim: Claim, metric: Metric, rare: float, settings: Settings) -> float | None:
    """Tolerance for the ratio of a claim's rates; None if its tolerance is in points alone.

    The claim's own; else that of the settings if the rate of all compared groups together, or of the rest if the ratio `is_about_rest`, is
    rare and that of an answer or of errors. How rare retrieval is, is a choice of k.
    """
    if claim.ratio_tolerance is not None:
        return claim.ratio_tolerance
    return settings.ratio_tolerance if _has_ratio(metric) and rare < RARE else None


def _has_ratio(metric: Metric) -> bool:
    return is_about_errors(metric.name) or (metric.better == "neither" and metric.name != "retrieval_rate")


def within(
    bound: float | Float[np.ndarray, "b"],
    tolerance: float | Float[np.ndarray, "b"],
    ratio_bound: float | Float[np.ndarray, "b"] | None = None,
    ratio_tolerance: float | None = None,
) -> Bool[np.ndarray, "b"]:
    """Whether every pair significantly differs by less than the tolerance in points and, if there is one, by less than that in ratio.

    The bounds are the extreme ends of the ``1 - 2 alpha`` intervals of all pairs (`equivalence_bound`, `equivalence_ratio`); a ratio whose
    bound is None is unbounded.

    Examples
    --------
    .1 and 2 % of many images differ by less than 5 points, but by more than a factor of 1.25.

    >>> bool(within(0.021, 0.05)), bool(within(0.021, 0.05, 23.0, 1.25)), bool(within(0.001, 0.05, None, 1.25))
    (True, False, False)
    """
    in_points = np.less(bound, tolerance)
    return in_points if ratio_tolerance is None else in_points & np.less(np.inf if ratio_bound is None else ratio_bound, ratio_tolerance)


def verdicts(
    close: bool | Bool[np.ndarray, "b"],
    p: float | Float[np.ndarray, "b"],
    alpha: float,
    groups: int | Int[np.ndarray, "b"],
    *,
    limited: bool | Bool[np.ndarray, "b"] = False,
    apart: bool | Bool[np.ndarray, "b"] = True,
) -> np.ndarray:
    """Apply the ordered rules: a limited run is inconclusive; then not estimable, equivalent, disparity, inconclusive.

    `close` is whether every pair is `within` its tolerance, `p` the adjusted p of the test that no two groups differ
    (NaN without a test), `groups` how many can be compared, `apart` whether the interval of the difference excludes 0. A disparity of two
    groups needs both p and interval: if whole clusters fail in one group, shuffles do not account for failing clusters outside the sample.
    With more groups p alone decides, since both would cost up to 40 points of power. Returns one `Verdict` each: str[b].

    Examples
    --------
    >>> bound, p = np.array([0.2, 0.04, 0.2, np.inf]), np.array([0.01, 0.01, 0.3, np.nan])
    >>> verdicts(within(bound, 0.05), p, 0.05, np.array([2, 2, 2, 1])).tolist()
    ['disparity', 'equivalent', 'inconclusive', 'not estimable']
    """
    differ = np.less_equal(p, alpha) & (np.asarray(apart) | np.greater(groups, 2))
    conditions = np.broadcast_arrays(limited, np.less(groups, 2), close, differ)
    return np.select(conditions, ["inconclusive", "not estimable", "equivalent", "disparity"], "inconclusive")


def decide_finding(finding: ClaimResult, settings: Settings, *, limited: bool) -> tuple[FindingVerdict, bool]:
    """A finding's verdict, and whether it is a disparity beyond the tolerance; the finding has its adjusted p."""
    gap, groups = finding.gap, sum(rate.status == "ok" for rate in finding.by_group)
    apart = gap is not None and gap.low > 0
    if not finding.primary:
        significant = gap is not None and gap.p_adjusted <= settings.alpha and (apart or groups > 2) and not limited
        return ("not estimable" if gap is None else "signal" if significant else "no signal"), False
    bound = np.inf if gap is None or gap.equivalence_bound is None else gap.equivalence_bound
    close = within(bound, finding.tolerance, gap.equivalence_ratio if gap else None, finding.ratio_tolerance)
    p = gap.p_adjusted if gap else np.nan
    verdict: Verdict = verdicts(close, p, settings.alpha, groups, limited=limited, apart=apart).item()
    return verdict, verdict == "disparity" and (any(pair.beyond_tolerance for pair in finding.pairs) or _beyond_ratio(finding))


def _beyond_ratio(finding: ClaimResult) -> bool:
    gap, most = finding.gap, finding.ratio_tolerance
    return gap is not None and gap.ratio_low is not None and most is not None and gap.ratio_low > most


def unresponsive(finding: ClaimResult, look: ImageDependence | None, alpha: float) -> Unresponsive | None:
    """Why a finding has no verdict although groups can be compared; None if it has one.

    Accuracy says nothing about groups without evidence that the answers are better than one answer for every image; but a difference that
    is also significant within each true answer is not caused by their mix, however poor the model. Another metric says nothing if
    nearly all images get one answer regardless of their content: equality of groups then follows from it. A rate of missing answers is
    still meaningful.
    """
    if look is None or look == "looks" or finding.verdict == "not estimable":
        return None
    if finding.metric == "accuracy" and finding.outcome is None:
        if finding.verdict in ("disparity", "signal"):
            return None if finding.within_truth_p is not None and finding.within_truth_p <= alpha else look
        return None if look == "undecided" and finding.verdict != "equivalent" else look
    rate = finding.overall.value or 0.0
    # If "unclear" is the answer for all, the look is "unclear"; "constant" with a rate between 0 and 1 is constant per question of rows.
    by_question = look == "constant" and (0 < rate < 1 or (rate == 1 and finding.outcome == UNCLEAR))
    blind = look in ("constant", "unclear", "order") and (finding.outcome not in NO_ANSWER or by_question)
    return look if blind and finding.verdict != "disparity" else None


def truth_filled(finding: ClaimResult) -> FilledTruth | None:
    """What missing true answers may change, if they are missing depending on the answer."""
    return next((one.filled for one in finding.uncovered if one.filled), None)


def is_withheld(finding: ClaimResult) -> bool:
    """Whether true answers that are missing depending on the answer leave a verdict undecided.

    A tolerance in ratio, a difference inside clusters, and one that no single pair shows have no limit that holds for every filling.
    """
    filled, gap = truth_filled(finding), finding.gap
    if filled is None or gap is None:
        return False
    unbounded = finding.ratio_tolerance is not None if finding.verdict == "equivalent" else finding.diffuse or gap.within is not None
    return can_change(finding.verdict, filled, finding.tolerance, unbounded=unbounded)


def can_change(verdict: FindingVerdict, filled: FilledTruth, tolerance: float, *, none: float = 0.0, unbounded: bool = False) -> bool:
    """Whether a verdict may be another if the missing true answers were known; `none` is the value without a difference.

    Equivalence holds if nothing can differ by the tolerance however they are filled, a difference if its lower limit stays above `none`;
    if `unbounded`, neither is known.
    """
    if verdict == "equivalent":
        return unbounded or filled.reach >= tolerance
    return verdict in ("disparity", "signal") and (unbounded or filled.low <= none)


def worst(decided: Sequence[Verdict]) -> Verdict:
    """The verdict over several primary ones: disparity if any is one, their common verdict if all agree, otherwise inconclusive."""
    present = set(decided)
    if "disparity" in present:
        return "disparity"
    return decided[0] if len(present) == 1 else "inconclusive"
