"""Effect questions of a measurement: differences of scores between groups, and trends of rates along ordered levels.

Like claims they are tested before any verdict (`effects`), then decided with all questions of the audit (`decide_effects`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.errors import UsageError
from audit.naming import finding_id
from audit.records.base import Estimate, FindingVerdict
from audit.records.effect import Effect, EffectLevel, EffectReason, EffectResult, ThresholdRates, effect_id
from audit.records.finding import CellStatus, ClaimResult, FilledTruth, Rate, Uncovered
from audit.statistics.counts import grouped_counts, row_codes
from audit.statistics.metrics import METRICS, resolve, row_events, tally
from audit.statistics.missing_truth import MissingTruth, TruthByAnswer, rows_by_answer
from audit.statistics.multiplicity import benjamini_hochberg, holm
from audit.statistics.superiority import ScoredRows, Superiority, filled, superiority
from audit.statistics.trend import LevelRates, spanning_error
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS, UnitsOf
from audit.statistics.verdict import can_change
from audit.types import UNKNOWN, Claim, EffectClaim, Group, Measurement, Predictions, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    _ComparedPair = tuple[int, int, Superiority]
    """Positions of two groups, and how often the first scores higher."""

POWER = 0.8
FEWEST_LEVELS = 3
"""A trend of two levels is a difference, which is tested already."""
SWEPT = (0.5, 0.25, 0.1, 0.05, 0.02, 0.01)
"""Shares of all images above a threshold at which rates are shown."""
_ABOVE, _BELOW = "above", "not above"


def asked_effects(measurement: Measurement) -> tuple[tuple[str, EffectClaim], ...]:
    """The effect questions that a measurement asks, with their ids: a trend needs the claim whose rate it is about, a score its label."""
    rates = {(claim.metric, claim.outcome, claim.by) for claim in measurement.claims}
    asked = []
    for claim in measurement.effects:
        known = (
            (claim.metric, claim.outcome, (claim.by,)) in rates if claim.kind == "trend" else claim.outcome in measurement.label_set.labels
        )
        if known:
            asked.append((effect_id(claim.kind, measurement.name, claim.metric, claim.outcome, claim.by), claim))
    return tuple(asked)


def check_effects(measurements: Sequence[Measurement], levels: Mapping[str, Group], source: str) -> None:
    """Raise UsageError for an order that does not name exactly the levels of its attribute."""
    for measurement in measurements:
        for _, claim in asked_effects(measurement):
            known = [level for level in levels.get(claim.by, ()) if level != UNKNOWN]
            if claim.kind == "trend" and claim.order and (left := [level for level in known if level not in claim.order]):
                what = f"the order of {claim.by!r} leaves out {left[0]!r}, which {source} has"
                raise UsageError(what, where="--ordered", fix=f"name every level, from the lowest to the highest: {', '.join(known)}")


def with_orders(probe: Probe, ordered: Mapping[str, Group]) -> Probe:
    """Add a trend for every rate by one ordered attribute: planned for the attributes of `ordered` where the rate is, else exploratory.

    `ordered` maps attributes to their levels; without levels, the order is that of the probe, or else of the data. Raises UsageError for an
    attribute by which the probe has no rate.
    """
    orders = {**probe.ordered, **{name: levels or probe.ordered.get(name, ()) for name, levels in ordered.items()}}
    sliced = {claim.by[0] for measurement in probe.measurements for claim in measurement.claims if len(claim.by) == 1}
    if unknown := [name for name in ordered if name not in sliced]:
        what = f"no question of the probe {probe.name!r} is by {unknown[0]!r}"
        raise UsageError(
            what, where="--ordered", fix=f"name one of {', '.join(sorted(sliced)) or 'its attributes'}, or add --by {unknown[0]}"
        )
    if not orders:
        return probe
    return replace(probe, measurements=tuple(with_trends(measurement, orders, ordered) for measurement in probe.measurements))


def with_trends(measurement: Measurement, ordered: Mapping[str, Group], planned: Mapping[str, Group]) -> Measurement:
    """Add a trend for each claim by one ordered attribute; it is planned if the claim is, and its attribute is in `planned`."""
    trends = tuple(
        EffectClaim("trend", by, claim.outcome, claim.metric, ordered[by], claim.primary and by in planned, claim.tolerance)
        for claim in measurement.claims
        for by in claim.by
        if len(claim.by) == 1 and by in ordered
    )
    kept = tuple(claim for claim in measurement.effects if claim.kind != "trend" or claim.by not in ordered)
    return replace(measurement, effects=(*kept, *trends))


# ---- tests ---------------------------------------------------------------------------------------------------------------------------


def effects(
    measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group], results: Sequence[ClaimResult], settings: Settings
) -> tuple[EffectResult, ...]:
    """Test every effect question of a measurement; `results` are those of its claims. Verdicts and adjusted p: `decide_effects`."""
    by_id = {result.id: result for result in results}
    tested = []
    for name, claim in asked_effects(measurement):
        if claim.kind == "trend":
            rate = Claim(claim.metric or "", (claim.by,), claim.outcome)
            if (result := by_id.get(finding_id(measurement.name, rate))) is not None:
                tested.append(_Trend(name, measurement, claim, predictions, levels, settings).tested(result))
        elif claim.by in predictions.attributes and has_score(predictions, claim.outcome):
            tested.append(_Scores(name, measurement, claim, predictions, levels, settings).tested())
    return tuple(tested)


def has_score(predictions: Predictions, label: str | None) -> bool:
    """Whether every image has a score of a label."""
    return predictions.count is None and label in predictions.labels and predictions.scores.shape == (
        len(predictions.y_pred), len(predictions.labels),
    )  # fmt: skip


@dataclass(frozen=True)
class _Question:
    """An effect question with the answers that it is about."""

    id: str
    measurement: Measurement
    claim: EffectClaim
    predictions: Predictions
    levels: Mapping[str, Group]
    settings: Settings

    @property
    def tolerance(self) -> float:
        return self.settings.tolerance if self.claim.tolerance is None else self.claim.tolerance

    @property
    def cluster(self) -> Int[np.ndarray, "n"] | None:
        """The cluster of each image, or the counterfactual set in which only the attribute differs."""
        sets = self.predictions.sets.get(self.claim.by)
        return self.predictions.cluster if self.predictions.cluster is not None else sets

    def truth_by_answer(self, groups: Sequence[Group]) -> TruthByAnswer | None:
        """The images of some groups, by true answer and answer; None if every image has a true answer."""
        truth = self.predictions.y_true
        if truth is None or not (truth == UNKNOWN).any():
            return None
        counts = grouped_counts(self.predictions, (self.claim.by,), self.levels)
        compared = np.array([counts.groups.index(group) for group in groups], np.int64)
        return TruthByAnswer(counts, compared, self.settings.alpha)

    def result(
        self, levels: tuple[EffectLevel, ...], effects: tuple[Effect, ...], reason: EffectReason | None, *, within_truth: bool
    ) -> EffectResult:
        """The result without a verdict."""
        claim = self.claim
        return EffectResult(
            id=self.id, kind=claim.kind, measurement=self.measurement.name, outcome=claim.outcome, metric=claim.metric,
            attribute=claim.by, primary=claim.primary, tolerance=self.tolerance, levels=levels, steps=1, effects=effects,
            p=min(1.0, len(effects) * min(effect.p for effect in effects)) if effects else None, p_adjusted=None,
            minimum_detectable=None, verdict="inconclusive" if effects else "not estimable", reason=reason,
            clusters=self.cluster is not None, within_truth=within_truth,
        )  # fmt: skip


class _Trend(_Question):
    """The trend of a rate along ordered levels."""

    def tested(self, result: ClaimResult) -> EffectResult:
        """The trend of the rates of a claim. Small levels count, with their few images; unknown ones do not."""
        settings = self.settings
        order = self.claim.order or tuple(level for level in self.levels[self.claim.by] if level != UNKNOWN)
        by_level = {rate.group[0]: rate for rate in result.by_group}
        rates = [rate if (rate := by_level.get(level)) is not None and rate.n else None for level in order]
        known = [rate for rate in rates if rate is not None]
        shown = tuple(EffectLevel(rate.group[0], rate.n, rate.value, "ok") for rate in known)
        enough = sum(rate.n for rate in known) >= settings.min_group_size
        clusters = [rate.effective_clusters for rate in known if rate.effective_clusters is not None]
        if len(known) < FEWEST_LEVELS or not enough or (clusters and sum(clusters) < FEWEST_CLUSTERS):
            return self.result(shown, (), "levels", within_truth=bool(result.shares))
        level_rates = LevelRates.of(rates, settings.alpha, at_equal_truth=bool(result.shares))
        if not level_rates.varies:
            return self.result(shown, (), "constant", within_truth=bool(result.shares))
        extra = self._spanning_error(order, level_rates, at_equal_truth=bool(result.shares))
        trend = LevelRates.of(rates, settings.alpha, at_equal_truth=bool(result.shares), extra_error=extra)
        steps = int(trend.step[-1] - trend.step[0])
        low, high = trend.interval(settings.alpha)
        inner = trend.interval(2 * settings.alpha)
        error = (high - low) / (2 * float(ndtri(1 - settings.alpha / 2)))
        effect = Effect(known[0].group[0], known[-1].group[0], trend.slope, low, high, trend.p, error, steps * max(inner[1], -inner[0]))
        found = replace(self.result(shown, (effect,), None, within_truth=bool(result.shares)), steps=steps)
        return replace(found, missing_truth=self._missing_truth(known, trend, found))

    def _missing_truth(self, rates: Sequence[Rate], trend: LevelRates, found: EffectResult) -> Uncovered | None:
        """Where true answers of the levels are missing depending on the answer, and the slopes that the missing ones allow."""
        claim = Claim(self.claim.metric or "", (self.claim.by,), self.claim.outcome)
        metric, outcome = resolve(self.measurement, claim, self.predictions)
        if not (metric.needs_truth or found.within_truth):
            return None
        truth = self.truth_by_answer([rate.group for rate in rates])
        missing = MissingTruth(truth, metric, outcome, self.claim.outcome, found.within_truth) if truth else None
        one = missing.depends() if missing else None
        if missing is None or one is None:
            return None
        (effect,), alpha, n = found.effects, self.settings.alpha, np.array([rate.independent_n for rate in rates])
        (least, low, _), (most, _, high) = (trend.at(values, n, alpha) for values in trend.steepest(*missing.extremes()))
        first, last = (effect.first,), (effect.second,)
        reach = found.steps * max(high, -low)
        if effect.value < 0:
            return replace(one, filled=FilledTruth(first, last, -most, -least, -high, reach))
        return replace(one, filled=FilledTruth(last, first, least, most, low, reach))

    def _spanning_error(self, order: Group, rates: LevelRates, *, at_equal_truth: bool) -> float:
        """Standard error of the slope if clusters lie in several levels; 0 if none does."""
        predictions = self.predictions
        if self.cluster is None:
            return 0.0
        claim = Claim(self.claim.metric or "", (self.claim.by,), self.claim.outcome)
        rows = row_events(predictions, *resolve(self.measurement, claim, predictions))
        place = {order[step]: position for position, step in enumerate(rates.step.tolist())}
        step = np.array([place.get(level, -1) for level in predictions.attributes[self.claim.by].to_numpy(object)])
        kept = rows.counted & (step >= 0)
        truth = None if not at_equal_truth or predictions.y_true is None else predictions.y_true[kept]
        weight = None if predictions.weight is None else predictions.weight[kept]
        return spanning_error(step[kept], rows.event[kept], self.cluster[kept], weight, truth, rates.coefficients)


class _Scores(_Question):
    """The difference of a label's scores between groups."""

    def tested(self) -> EffectResult:
        """The probability of superiority of every pair of groups that are large enough."""
        predictions = self.predictions
        groups, codes = row_codes(predictions.attributes, (self.claim.by,), self.levels)
        # As the file of predictions stores them: a difference that it does not hold would break ties.
        score = predictions.scores[:, predictions.labels.index(str(self.claim.outcome))].astype(np.float32).astype(float)
        truth = predictions.y_true
        known = np.isfinite(score) if truth is None else np.isfinite(score) & (truth != UNKNOWN)
        levels = tuple(self._level(groups[i][0], score[known & (codes == i)], known & (codes == i)) for i in range(len(groups)))
        ok = [i for i, level in enumerate(levels) if level.status == "ok"]
        if len(ok) < 2:
            return self.result(levels, (), "groups", within_truth=truth is not None)
        pairs = [(i, j, superiority(self._rows(score, codes, known, (i, j)))) for i, j in combinations(ok, 2)]
        estimated = [(i, j, pair) for i, j, pair in pairs if pair is not None]
        made = tuple(_effect((groups[i][0], groups[j][0]), pair, len(estimated), self.settings.alpha) for i, j, pair in estimated)
        thresholds = tuple(self._sweep(score, known, len(groups))) if made else ()
        found = self.result(levels, made, None if made else "constant", within_truth=truth is not None)
        missing = self._missing_truth(groups, codes, score, estimated) if made else None
        return replace(found, thresholds=thresholds, missing_truth=missing)

    def _missing_truth(
        self, groups: Sequence[Group], codes: Int[np.ndarray, "n"], score: Float[np.ndarray, "n"], pairs: Sequence[_ComparedPair]
    ) -> Uncovered | None:
        """Where true answers are missing depending on the answer, and the probabilities of superiority that the missing ones allow."""
        compared = dict.fromkeys(place for i, j, _ in pairs for place in (i, j))
        truth = self.truth_by_answer([groups[place] for place in compared])
        one = truth.depends(rows_by_answer(truth.counts.table["y_pred"], None, None)) if truth else None
        if one is None:
            return None
        unknown, ends = np.isfinite(score) & (self.predictions.y_true == UNKNOWN), []
        known = np.isfinite(score) & ~unknown
        for i, j, pair in pairs:
            least, most = filled(*(self._rows(score, codes, rows, (i, j)) for rows in (known, unknown)))
            above, first, second = pair, groups[i], groups[j]
            if pair.value < 0.5:
                above, first, second, least, most = pair.turned(), second, first, 1 - most, 1 - least
            level = self.settings.alpha / len(pairs)
            (low, _), (_, high) = above.at(least).interval(level), above.at(most).interval(level)
            ends.append((above.interval(level)[0], FilledTruth(first, second, least, most, low, max(high - 0.5, 0.5 - low))))
        _, leading = max(ends, key=lambda one: one[0])
        return replace(one, filled=replace(leading, reach=max(end.reach for _, end in ends)))

    def _level(self, name: str, score: Float[np.ndarray, "m"], rows: Float[np.ndarray, "n"]) -> EffectLevel:
        n = len(score)
        units = n if self.cluster is None else _kish(np.unique(self.cluster[rows], return_counts=True)[1]) if n else 0.0
        fewest = self.settings.min_group_size if self.cluster is None else FEWEST_CLUSTERS
        weight = None if self.predictions.weight is None else self.predictions.weight[rows]
        effective = n if weight is None or not n else _kish(weight)
        small = n < max(self.settings.min_group_size, 2) or units < fewest - 1e-9 or effective < self.settings.min_group_size - 1e-9
        status: CellStatus = "unknown" if name == UNKNOWN else "absent" if not n else "small" if small else "ok"
        return EffectLevel(name, n, float(np.median(score)) if n else None, status)

    def _rows(
        self, score: Float[np.ndarray, "n"], codes: Int[np.ndarray, "n"], chosen: Bool[np.ndarray, "n"], pair: tuple[int, int]
    ) -> ScoredRows:
        """The chosen images of two groups."""
        rows = chosen & np.isin(codes, pair)
        predictions = self.predictions
        truth = None if predictions.y_true is None else np.unique(predictions.y_true[rows], return_inverse=True)[1]
        weight = None if predictions.weight is None else predictions.weight[rows]
        return ScoredRows(score[rows], codes[rows] == pair[0], weight, None if self.cluster is None else self.cluster[rows], truth)

    def _sweep(self, score: Float[np.ndarray, "n"], known: Float[np.ndarray, "n"], groups: int) -> Iterator[ThresholdRates]:
        """Share of each group above thresholds that the scores themselves set."""
        for threshold in swept_thresholds(score[known]):
            answers = np.where(score > threshold, _ABOVE, _BELOW).astype(object)
            above = replace(self.predictions, y_pred=answers, y_true=None, answers=(_BELOW, _ABOVE), labels=(_BELOW, _ABOVE))
            metric, outcome, by = METRICS["selection_rate"], frozenset({_ABOVE}), (self.claim.by,)
            tallied = tally(grouped_counts(above, by, self.levels), metric, outcome)
            units = UnitsOf(above, self.levels)(by, metric, outcome, tallied)
            low, high = units.intervals(self.settings.alpha)
            part, whole = tallied.parts
            rates = tuple(
                Estimate(float(part[i] / whole[i]), float(low[i]), float(high[i])) if tallied.n[i] else None for i in range(groups)
            )
            yield ThresholdRates(threshold, float(part.sum() / whole.sum()), rates)


def swept_thresholds(score: Float[np.ndarray, "n"]) -> tuple[float, ...]:
    """Thresholds above which about 50, 25, 10, 5, 2 and 1 % of the scores lie, ascending; fewer if scores are tied.

    Examples
    --------
    >>> swept_thresholds(np.array([0.0, 0.1, 0.2, 0.3]))
    (0.1, 0.2)
    """
    cuts = np.quantile(score, [1 - share for share in SWEPT], method="inverted_cdf")
    return tuple(float(cut) for cut in np.unique(cuts) if cut < score.max())


def _effect(names: tuple[str, str], pair: Superiority, pairs: int, alpha: float) -> Effect:
    """The effect of a pair, the group with the higher scores first."""
    if pair.value < 0.5:
        names, pair = names[::-1], pair.turned()
    low, high = pair.interval(alpha / pairs)
    inner = pair.interval(2 * alpha)
    return Effect(*names, pair.value, low, high, pair.p, pair.standard_error, max(inner[1] - 0.5, 0.5 - inner[0]))


def _kish(sizes: np.ndarray) -> float:
    return float(sizes.sum() ** 2 / (sizes.astype(float) ** 2).sum())


# ---- verdicts ------------------------------------------------------------------------------------------------------------------------


def planned_p(results: Sequence[EffectResult]) -> tuple[float, ...]:
    """The p of the planned effects that have a test."""
    return tuple(result.p for result in results if result.primary and result.p is not None)


def decide_effects(
    results: Sequence[EffectResult], claims: Sequence[ClaimResult], settings: Settings, others: Sequence[float], *, limited: bool,
    undeclared: bool = False,
) -> tuple[EffectResult, ...]:  # fmt: skip
    """Add adjusted p, the detectable effect and a verdict to each effect; none has a verdict if `undeclared` rows may belong together.

    `claims` are the decided claims of the audit; `others` are the p of all other planned questions of the family. The rules are those of
    claims, in the same order; exploratory effects are corrected among themselves.
    """
    planned, explored = ([i for i, one in enumerate(results) if one.primary is primary and one.p is not None] for primary in (True, False))
    adjusted = dict(zip(planned, holm(np.array([*(results[i].p or 0.0 for i in planned), *others])).tolist(), strict=False))
    adjusted |= dict(zip(explored, benjamini_hochberg(np.array([results[i].p or 0.0 for i in explored])).tolist(), strict=True))
    families = {True: len(planned) + len(others), False: len(explored)}
    blind = {finding.id for finding in claims if finding.unresponsive}
    decided = tuple(
        _decided(result, adjusted.get(i), settings, settings.alpha / max(families[result.primary], 1), blind, limited=limited)
        for i, result in enumerate(results)
    )
    decided = tuple(map(_where_truth_is_missing, decided))
    return tuple(map(_of_undeclared_units, decided)) if undeclared else decided


def _where_truth_is_missing(result: EffectResult) -> EffectResult:
    """Withhold a verdict that missing true answers may change; one that remains exceeds the tolerance only if it does in any case."""
    if result.filled is None:
        return result
    if can_change(result.verdict, result.filled, result.tolerance, none=result.none):
        verdict: FindingVerdict = "inconclusive" if result.primary else "no signal"
        return replace(result, verdict=verdict, exceeds_tolerance=False, withheld=result.verdict)
    beyond = (result.filled.low - result.none) * result.steps > result.tolerance
    return replace(result, exceeds_tolerance=result.exceeds_tolerance and beyond)


def _of_undeclared_units(result: EffectResult) -> EffectResult:
    return replace(result, verdict="not estimable", exceeds_tolerance=False, withheld=None, reason="units") if result.effects else result


def _decided(
    result: EffectResult, p: float | None, settings: Settings, level: float, blind: set[str], *, limited: bool
) -> EffectResult:  # fmt: skip
    if not result.effects or p is None:
        return replace(result, verdict="inconclusive" if limited and result.primary else "not estimable")
    least = (float(ndtri(1 - level / 2 / len(result.effects))) + float(ndtri(POWER))) * max(one.standard_error for one in result.effects)
    result = replace(result, p_adjusted=p, minimum_detectable=min(least * result.steps, 1.0))
    of_claim = finding_id(result.measurement, Claim(result.metric or "", (result.attribute,), result.outcome))
    if result.kind == "trend" and of_claim in blind and not limited:
        return replace(result, verdict="not estimable", reason="unresponsive")
    apart = any(effect.low > result.none or effect.high < result.none for effect in result.effects)
    differ = p <= settings.alpha and apart and not limited
    if not result.primary:
        return replace(result, verdict="signal" if differ else "no signal")
    if not limited and all(effect.reach < result.tolerance for effect in result.effects):
        return replace(result, verdict="equivalent")
    beyond = any(max(effect.low - result.none, result.none - effect.high) * result.steps > result.tolerance for effect in result.effects)
    return replace(result, verdict="disparity" if differ else "inconclusive", exceeds_tolerance=differ and beyond)
