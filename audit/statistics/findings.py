"""Computes one finding per claim: rates with intervals, the gap and what is expected by chance, signed contrasts; then all verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.errors import UsageError
from audit.naming import finding_id
from audit.records.base import FindingVerdict, Verdict
from audit.records.finding import (
    CellStatus,
    ClaimResult,
    Contrast,
    Rate,
    TruthShare,
    Uncovered,
    UncoveredCode,
    Unresponsive,
    planned_verdicts,
)
from audit.records.inputs import ImageDependence
from audit.statistics.contrasts import ComparedGroups, against_the_rest, every_pair, gap_of, with_detectable, with_more_images
from audit.statistics.counts import GroupedCounts, all_counts
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import (
    Estimates,
    Metric,
    Outcome,
    RateRequest,
    Tally,
    check_estimates,
    check_gap,
    estimates_of,
    gap_of_rates,
    majority_baseline,
    resolve,
    tally,
)
from audit.statistics.missing_truth import truth_by_answer
from audit.statistics.multiplicity import benjamini_hochberg, holm
from audit.statistics.null import generator
from audit.statistics.paired.intervals import agresti_min
from audit.statistics.units.cluster_units import UnitsOf
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.statistics.units.standardized import SlicedRows, at_equal_truth, known_truths
from audit.statistics.verdict import (
    decide_finding,
    is_about_rest,
    is_withheld,
    negligible_below,
    negligible_limit,
    ratio_tolerance,
    truth_filled,
    unresponsive,
    worst,
)
from audit.ties import first_largest
from audit.types import UNKNOWN, Better, Claim, Group, Measurement, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Int

# Images that a gap does not cover: of groups that are not compared, without a group, or without a true answer; pooled, and compared.
#
# It is exploratory, and not corrected for the number of comparisons. But what is shown to differ leaves gates undecided, so that leaving
# a group out passes none. Only true answers that are missing depending on the answer may withhold a verdict:
# `audit.statistics.missing_truth`.


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


# How often an answer is predicted and how often it is true, on the same images: shown side by side, never tested.


def truth_shares(counts: GroupedCounts, outcome: Outcome, alpha: float, *, independent: bool) -> tuple[TruthShare, ...]:
    """How often an outcome is predicted and how often it is true in each group, and the excess; for images with a true answer.

    A perfect model has an excess of 0. With equal error rates, groups still differ in it if the true shares do, so it is shown but
    never tested. Its interval is Agresti and Min's for the two kinds of errors, on the same images; none for clusters and weights.
    """
    known = counts.known_truth()
    true, selected = (np.isin(known.table[name].to_numpy(object), list(outcome)) for name in ("y_true", "y_pred"))
    parts = (np.ones(len(true), bool), selected, true, selected & ~true, true & ~selected)
    by_group = [known.by_group(part, known.measure) for part in parts]
    images = known.by_group(parts[0])
    shares = []
    for position, (group, n) in enumerate(zip(counts.groups, images.tolist(), strict=True)):
        total, *kinds = (float(column[position]) for column in by_group)
        if not n:
            shares.append(TruthShare(group, 0, None, None, None, None, None))
            continue
        selection_rate, base_rate, wrongly, missed = (kind / total for kind in kinds)
        low, high = agresti_min(kinds[2], kinds[3], n, alpha) if independent else (None, None)
        shares.append(TruthShare(group, n, selection_rate, base_rate, wrongly - missed, low, high))
    return tuple(shares)


MOST_EXPLORATORY_PAIRS = 435
"""Number of pairs kept for an exploratory claim: all pairs of 30 groups; for more groups the most significant."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Question:
    """A claim with the objects that its names refer to."""

    id: str
    measurement: str
    claim: Claim
    metric: Metric
    outcome: Outcome | None
    tolerance: float


def findings(
    measurement: Measurement,
    predictions: Predictions,
    levels: Mapping[str, Group],
    settings: Settings,
    tested: Callable[[], object] | None = None,
) -> tuple[ClaimResult, ...]:
    """Test every claim of a measurement, in their order, with raw p-values and without a verdict: `decide_verdicts` adds both.

    `levels` has the declared levels of each attribute, in display order; a declared group without images is shown as absent. The order of
    the images does not matter. `tested` is called after each claim.

    Raises
    ------
    UsageError
        If a claim names something that does not exist, or two claims are the same.
    DataError
        If the attributes have a missing or undeclared value.
    """
    questions = _questions(measurement, predictions, settings)
    counts = all_counts(predictions, tuple(dict.fromkeys(claim.by for claim in measurement.claims)), levels)
    # No model can always choose the right option by its role: if the same role is right in every row, there is no right constant answer.
    one_role = measurement.options is not None and len(set(() if predictions.y_true is None else predictions.y_true)) < 2
    answered = _Answered(predictions, levels, settings, one_role)
    collected = []
    for question, estimates in zip(questions, answered.estimates(questions, counts), strict=True):
        collected.append(answered.finding(question, counts[question.claim.by], estimates))
        if tested is not None:
            tested()
    return tuple(collected)


def _questions(measurement: Measurement, predictions: Predictions, settings: Settings) -> tuple[_Question, ...]:
    questions: dict[str, _Question] = {}
    for claim in measurement.claims:
        metric, outcome = resolve(measurement, claim, predictions)
        name = finding_id(measurement.name, claim)
        if name in questions:
            raise UsageError(f"{name} is asked twice", where=f"measurement {measurement.name!r}", fix="remove one of the two claims")
        if claim.ratio_tolerance is not None and not 1 < claim.ratio_tolerance < np.inf:
            where, why = f"{name} of measurement {measurement.name!r}", "it is the factor by which two rates may differ"
            raise UsageError(f"invalid ratio tolerance {claim.ratio_tolerance!r}: expected 1 < x", where=where, why=why, fix="give 1.25")
        tolerance = settings.tolerance if claim.tolerance is None else claim.tolerance
        questions[name] = _Question(name, measurement.name, claim, metric, outcome, tolerance)
    return tuple(questions.values())


@dataclass(frozen=True)
class _Answered:
    """Answers to a measurement, from which its claims are tested one by one."""

    predictions: Predictions
    levels: Mapping[str, Group]
    settings: Settings
    one_role: bool

    @cached_property
    def units_of(self) -> UnitsOf:
        return UnitsOf(self.predictions, self.levels)

    @cached_property
    def truths(self) -> frozenset[str]:
        return known_truths(self.predictions.y_true)

    def estimates(self, questions: Sequence[_Question], counts: Mapping[tuple[str, ...], GroupedCounts]) -> list[Estimates]:
        """Point estimates of every question; where it is compared at equal true shares, those of the images whose truth is known."""
        tables = ((question, counts[question.claim.by]) for question in questions)
        return estimates_of([
            RateRequest(table.known_truth() if self.is_at_equal_truth(question) else table, question.metric, question.outcome)
            for question, table in tables
        ])  # fmt: skip

    def is_at_equal_truth(self, question: _Question) -> bool:
        """Whether it is a selection rate whose outcome is true for some images and not for others."""
        outcome = question.outcome or frozenset()
        return question.metric.name == "selection_rate" and bool(outcome & self.truths and self.truths - outcome)

    def finding(self, question: _Question, counts: GroupedCounts, estimates: Estimates) -> ClaimResult:
        """Test a claim; a selection rate is compared at equal true shares if the truth of its outcome is known."""
        metric, outcome = question.metric, question.outcome
        if outcome and self.is_at_equal_truth(question):
            check_estimates(question.id, estimates, tally(counts.known_truth(), metric, outcome))
            return self._at_equal_truth(question, outcome, counts, estimates)
        tallied = tally(counts, metric, outcome)
        check_estimates(question.id, estimates, tallied)
        baseline = None
        if metric.name == "accuracy" and not self.one_role:
            baseline = majority_baseline(counts, outcome, self.predictions.answers)
        counted = _Counted(tallied, self.units_of(question.claim.by, metric, outcome, tallied))
        found = _finding(question, *_rates(counted, estimates, baseline, self.settings), counted.units, self.settings)
        if found.gap is not None and found.gap.within is None:  # one inside clusters is not a difference of two rates
            check_gap(question.id, found.gap.value, gap_of_rates(estimates, [rate.status for rate in found.by_group]))
        return self._with_uncovered(found, question, counted.units, counts, needs_truth=metric.needs_truth)

    def _at_equal_truth(self, question: _Question, outcome: Outcome, counts: GroupedCounts, plain: Estimates) -> ClaimResult:
        by, settings, predictions = question.claim.by, self.settings, self.predictions
        independent = predictions.cluster is None and predictions.weight is None and not (len(by) == 1 and by[0] in predictions.sets)
        rows = None if independent else SlicedRows(predictions, self.levels, by)
        tallied, units = at_equal_truth(counts, question.metric, outcome, settings.min_group_size, rows)
        everybody = units.together()
        estimates = Estimates(units.events / np.maximum(units.n, 1), float(everybody.events[0] / max(everybody.n[0], 1)))
        rates, all_images = _rates(_Counted(tallied, units), estimates, None, settings)
        by_group = tuple(_with_plain(rate, share) for rate, share in zip(rates, plain.by_group, strict=True))
        overall = _with_plain(all_images, plain.overall)
        shares = truth_shares(counts, outcome, settings.alpha, independent=independent)
        found = replace(_finding(question, by_group, overall, units, settings), shares=shares)
        return self._with_uncovered(found, question, units, counts, needs_truth=True)

    def _with_uncovered(
        self, found: ClaimResult, question: _Question, units: SamplingUnits, counts: GroupedCounts, *, needs_truth: bool
    ) -> ClaimResult:
        """With the images that its gap leaves out."""
        alpha = self.settings.alpha
        outside = Groups(found.by_group, units, alpha).uncovered(found.better)
        if needs_truth:
            missing = counts.by_group((counts.table["y_true"] == UNKNOWN).to_numpy())
            outside += without_truth(found.by_group, missing, counts.by_group(np.ones(len(counts.table), bool)), alpha)
            outside += truth_by_answer(found, counts, question.metric, question.outcome, alpha)
        return replace(found, uncovered=outside)


@dataclass(frozen=True)
class _Counted:
    tally: Tally
    units: SamplingUnits

    def statuses(self, fewest: int) -> tuple[CellStatus, ...]:
        """Status of each group; a group with few clusters, or an effectively small one, is shown but not judged."""
        effective = [
            np.inf if clustering is None or clustering.effective_n is None else clustering.effective_n
            for clustering in self.units.clustering()
        ]
        enough = self.units.enough() & (np.array(effective) >= fewest - _ROUNDING)
        return tuple(
            "small" if status == "ok" and not enough[position] else status for position, status in enumerate(self.tally.statuses(fewest))
        )


def _rates(
    counted: _Counted, estimates: Estimates, baseline: Int[np.ndarray, "g"] | None, settings: Settings
) -> tuple[tuple[Rate, ...], Rate]:
    """The rates of each group and of all images, undefined ones masked by their denominator."""
    tallied, everybody = counted.tally, counted.units.together()
    groups = (*tallied.groups, ())
    of_all: CellStatus = "ok" if tallied.n.sum() else "not estimable"
    statuses = (*counted.statuses(settings.min_group_size), of_all)
    events, n, whole = (np.append(counts, counts.sum()) for counts in (tallied.events, tallied.n, tallied.parts[1]))
    values = np.append(estimates.by_group, estimates.overall)
    defined = n > 0
    low, high = (
        np.append(*ends) for ends in zip(counted.units.intervals(settings.alpha), everybody.intervals(settings.alpha), strict=True)
    )
    clustered = [
        {} if clustering is None else clustering._asdict() for clustering in (*counted.units.clustering(), *everybody.clustering())
    ]
    right = None if baseline is None else np.append(baseline, baseline.sum())
    rates = [
        Rate(groups[i], int(n[i]), int(events[i]), float(values[i]), float(low[i]), float(high[i]), statuses[i],
             None if right is None else float(right[i] / whole[i]), **clustered[i])
        if defined[i]
        else Rate(groups[i], 0, 0, None, None, None, statuses[i])
        for i in range(len(groups))
    ]  # fmt: skip
    return tuple(rates[:-1]), rates[-1]


def _with_plain(rate: Rate, share: float) -> Rate:
    return rate if rate.value is None else replace(rate, plain=float(share))


def _finding(question: _Question, by_group: tuple[Rate, ...], overall: Rate, units: SamplingUnits, settings: Settings) -> ClaimResult:
    positions = np.array([position for position, rate in enumerate(by_group) if rate.status == "ok"], np.int64)
    compared = ComparedGroups(tuple(by_group[position].group for position in positions), units.of(positions))
    gap, ratio, negligible, of_rest = None, None, None, False
    if len(positions) > 1:
        claim, metric, units = question.claim, question.metric, compared.units
        rest = units.rest()
        of_rest = is_about_rest(metric, _pooled(rest))
        rare = rest if of_rest else units
        rates = [by_group[position] for position in positions]
        negligible = negligible_below(claim, metric, rates, question.tolerance, settings.alpha)
        ratio = None if negligible else ratio_tolerance(claim, metric, _pooled(rare), settings)
        gap = gap_of(compared, generator(settings.seed, question.id), settings, None if ratio is None else rare)
    return ClaimResult(
        id=question.id,
        measurement=question.measurement,
        metric=question.metric.name,
        outcome=question.claim.outcome,
        attributes=question.claim.by,
        better=question.claim.better or question.metric.better,
        primary=question.claim.primary,
        tolerance=question.tolerance,
        overall=overall,
        by_group=by_group,
        gap=gap,
        contrasts=against_the_rest(compared, question.tolerance, settings.alpha) if gap else (),
        pairs=every_pair(compared, question.tolerance, settings.alpha) if gap and gap.p <= settings.alpha else (),
        verdict="inconclusive" if gap else "not estimable",
        exceeds_tolerance=False,
        ratio_tolerance=ratio,
        lead=question.claim.lead,
        negligible=negligible,
        ratio_of_rest=of_rest and (ratio or negligible) is not None,
    )


def _pooled(units: SamplingUnits) -> float:
    return float(units.events.sum() / units.n.sum())


def decide_verdicts(
    findings: Sequence[ClaimResult],
    settings: Settings,
    *,
    limited: bool,
    looks: Mapping[str, ImageDependence | None] | None = None,
    invalid: bool = False,
    others: Sequence[ClaimResult] = (),
    effects: Sequence[float] = (),
    missing: int = 0,
    undeclared: bool = False,
) -> tuple[tuple[ClaimResult, ...], Verdict]:
    """Adjust p over the claims of an audit, and of the `others` of its suite, and decide the verdict of every finding and of the audit.

    Findings get adjusted p (Holm over the primary ones, Benjamini-Hochberg over the exploratory ones), pairs only if the test rejects,
    and a verdict, which for exploratory ones is a signal or none; the audit gets the worst of the primary ones. If a sample was audited,
    every verdict is "inconclusive", and nothing is a signal. `looks` says for each measurement whether its answers depend on the images
    (`audit.statistics.responsiveness`); `invalid` says that everything that can be checked fails: then only differences are shown.
    `effects` has the p of the planned effect questions (`audit.statistics.effects`), which are corrected together with the claims.
    `missing` claims of a plan lock deviate or were not asked: each counts as a primary one with p = 1. `undeclared` says that rows may
    belong together in a way that was not named: then nothing is estimable.
    """
    adjusted = _adjust((*findings, *others), (*effects, *[1.0] * missing))
    planned = len(adjusted) + len(effects) + missing
    explored = _adjust_exploratory((*findings, *others))
    # The first, strictest step of either adjustment.
    levels = [settings.alpha / max(planned if finding.primary else len(explored), 1) for finding in findings]
    sought = (with_detectable(finding, level, settings.alpha) for finding, level in zip(findings, levels, strict=True))
    corrected = adjusted | explored
    decided = tuple(_decided(finding, corrected.get(i), settings, limited=limited) for i, finding in enumerate(sought))
    if looks and not limited:
        decided = tuple(_responsive(finding, looks.get(finding.measurement), settings.alpha) for finding in decided)
    if invalid and not limited:
        decided = tuple(_unproven(finding) for finding in decided)
    decided = tuple(_where_truth_is_missing(finding) for finding in decided)
    if undeclared:
        decided = tuple(_without_verdict(finding, "units") if finding.gap else finding for finding in decided)
    if not limited:
        decided = tuple(
            with_more_images(finding, level, settings.alpha, negligible_limit(finding, settings))
            for finding, level in zip(decided, levels, strict=True)
        )
    return decided, worst(planned_verdicts(decided))


def _adjust(findings: Sequence[ClaimResult], others: Sequence[float]) -> dict[int, float]:
    """Index -> Holm-adjusted p of the primary findings that have a test; `others` are the p of other planned questions."""
    tested = {i: finding.gap.p for i, finding in enumerate(findings) if finding.primary and finding.gap}
    adjusted = holm(np.array([*tested.values(), *others]))[: len(tested)]
    return dict(zip(tested, adjusted.tolist(), strict=True))


def _adjust_exploratory(findings: Sequence[ClaimResult]) -> dict[int, float]:
    """Index -> p of the exploratory findings that have a test, adjusted among themselves (Benjamini-Hochberg)."""
    tested = {i: finding.gap.p for i, finding in enumerate(findings) if not finding.primary and finding.gap}
    return dict(zip(tested, benjamini_hochberg(np.array(list(tested.values()))).tolist(), strict=True))


def _decided(finding: ClaimResult, p_adjusted: float | None, settings: Settings, *, limited: bool) -> ClaimResult:
    if finding.gap:
        gap = finding.gap if p_adjusted is None else replace(finding.gap, p_adjusted=p_adjusted)
        finding = replace(finding, gap=gap, pairs=finding.pairs if gap.p_adjusted <= settings.alpha else ())
    verdict, exceeds = decide_finding(finding, settings, limited=limited)
    pairs = finding.pairs if finding.primary else _most_significant(finding.pairs)
    decided = replace(finding, pairs=pairs, verdict=verdict, exceeds_tolerance=exceeds)
    if verdict not in ("disparity", "signal"):
        return _open(decided)
    return replace(decided, diffuse=finding.gap is not None and finding.gap.leading is None)


def _open(finding: ClaimResult) -> ClaimResult:
    """Make the most uncertain pair the leading one: no difference is significant."""
    return replace(finding, gap=finding.gap and replace(finding.gap, leading=finding.gap.open_pair))


def _responsive(finding: ClaimResult, look: ImageDependence | None, alpha: float) -> ClaimResult:
    why = unresponsive(finding, look, alpha)
    return _without_verdict(finding, why) if why else finding


def _without_verdict(finding: ClaimResult, why: Unresponsive) -> ClaimResult:
    return _open(replace(finding, verdict="not estimable", exceeds_tolerance=False, diffuse=False, unresponsive=why))


def _where_truth_is_missing(finding: ClaimResult) -> ClaimResult:
    """Withhold a verdict that missing true answers may change; one that remains exceeds the tolerance only if it does in any case."""
    if is_withheld(finding):
        verdict: FindingVerdict = "inconclusive" if finding.primary else "no signal"
        return _open(replace(finding, verdict=verdict, exceeds_tolerance=False, diffuse=False, withheld=finding.verdict))
    filled = truth_filled(finding)
    return finding if filled is None else replace(finding, exceeds_tolerance=finding.exceeds_tolerance and filled.low > finding.tolerance)


def _unproven(finding: ClaimResult) -> ClaimResult:
    """Withhold conclusions about a model that recognises nothing: that groups do not differ, or that more images would help."""
    open_or_equal = finding.verdict in ("equivalent", "inconclusive")
    return replace(finding, verdict="not estimable", unresponsive="invalid") if open_or_equal else finding


def _most_significant(pairs: tuple[Contrast, ...]) -> tuple[Contrast, ...]:
    """At most `MOST_EXPLORATORY_PAIRS`, in their own order: 86 groups have 3,655 pairs, and a dozen such claims take 20 MB."""
    if len(pairs) <= MOST_EXPLORATORY_PAIRS:
        return pairs
    ordered = sorted(range(len(pairs)), key=lambda i: (pairs[i].p_adjusted, -abs(pairs[i].difference)))
    return tuple(pairs[i] for i in sorted(ordered[:MOST_EXPLORATORY_PAIRS]))
