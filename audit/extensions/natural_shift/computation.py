"""Natural shift: images of several conditions, such as day and night; which group's accuracy drops outside the standard one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.analyses.conditions import judged_together
from audit.analyses.gallery import check_attributes
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import NaturalShiftPlan
from audit.errors import UsageError, nearest
from audit.extensions.natural_shift.record import NaturalShift, ShiftedRate, ShiftPair, ShiftResult
from audit.records.finding import CellStatus
from audit.records.inputs import TextSet
from audit.statistics.counts import row_codes
from audit.statistics.metrics import METRICS, row_events
from audit.statistics.null import generator
from audit.statistics.paired.changes import unit_rates
from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import cluster_table
from audit.statistics.units.sampling_unit import ImageUnits, SamplingUnits
from audit.ties import first_largest, least_equal
from audit.types import UNKNOWN, Dataset, Group, Note, Predictions, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int


MODELS = ("dual encoder", "classifier")


def check(plans: Sequence[NaturalShiftPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the plans before the model sees an image; raises UsageError."""
    named = {measurement.name: measurement for measurement in probe.measurements}
    for plan in plans:
        where = f"natural shift {plan.question!r}"
        check_attributes(plan.question, (plan.column, *plan.by), dataset)
        if plan.measurement not in named:
            raise UsageError(f"no measurement {plan.measurement!r}", where=where, fix=nearest(plan.measurement, named))
        if named[plan.measurement].truth is None:
            raise UsageError("accuracy needs a true answer", where=where, fix="give the measurement a truth")
        if plan.standard not in dataset.levels[plan.column]:
            fix = nearest(plan.standard, dataset.levels[plan.column])
            raise UsageError(f"{plan.column!r} has no level {plan.standard!r}", where=where, fix=fix)
        if plan.column in plan.by:
            raise UsageError(f"{plan.column!r} holds the conditions and the groups", where=where, fix="compare by another attribute")
        if shared := [name for name in (plan.column, *plan.by) if name in dataset.several]:
            why = "an image counts in each group with its share"
            raise UsageError(f"{shared[0]!r} has several values per image", where=where, why=why, fix="name an attribute with one value")


def prompts(plan: NaturalShiftPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield no prompts: those of the measurement are used anyway."""
    yield from ()


def analyse(plans: Sequence[NaturalShiftPlan], inputs: AnalysisInputs) -> tuple[NaturalShift, ...]:
    """Compute each plan for each of its attributes; p is adjusted over all conditions of all plans together."""
    records = [
        shift_record(
            ShiftAsked(plan.question, plan.measurement, plan.column, plan.standard, attribute), inputs.predictions[plan.measurement],
            inputs.dataset.levels, inputs.settings,
        )
        for plan in plans
        for attribute in plan.by or (None,)
    ]  # fmt: skip
    return judged_together(records, inputs.settings.alpha, limited=inputs.dataset.limited)


STANDARD, SHIFTED = 0, 1


@dataclass(frozen=True)
class ShiftAsked:
    """One plan for one attribute: the conditions and groups to compare."""

    question: str
    measurement: str
    column: str
    standard: str
    attribute: str | None


class UnequalDrops(NamedTuple):
    """The two groups whose changes differ most, and how often two differ as much by chance."""

    p: float
    first: int
    """Index of the group whose accuracy rises more (or falls less)."""
    second: int


def unequal_drops(events: Int[np.ndarray, "g 2"], n: Int[np.ndarray, "g 2"], draws: int, rng: np.random.Generator) -> UnequalDrops:
    """Test "the rate changes equally in every group" between two conditions with different images, by the most significant pair of groups.

    Groups are exchanged between the images of a condition: for fixed sizes and totals, events are hypergeometric, so no image is shuffled.
    Each shuffle is divided by its own standard errors, so that the test is asymptotically valid for groups with equal changes but unequal
    rates.

    Parameters
    ----------
    events, n : int[g, 2]
        Right answers, and images, of each group in the standard condition and in the other; at least two groups, every `n` at least 2.
    draws : int
        Shuffles; ``p = (1 + #{t* >= t}) / (draws + 1)`` is never 0.
    rng : Generator
        Source of the shuffles.

    References
    ----------
    Chung and Romano 2013, https://doi.org/10.1214/13-AOS1090

    Examples
    --------
    One group keeps its 80 %, the other falls from 80 % to 40 %.

    >>> unequal_drops(np.array([[80, 80], [80, 40]]), np.full((2, 2), 100), 999, np.random.default_rng(0))
    UnequalDrops(p=0.001, first=0, second=1)
    """
    drawn = [
        rng.multivariate_hypergeometric(n[:, condition], int(events[:, condition].sum()), size=draws, method="marginals")
        for condition in (STANDARD, SHIFTED)
    ]
    observed, (first, second) = _largest(events, n)
    p = exceedance_p(_largest(np.stack(drawn, axis=-1), n)[0], float(observed))
    change = events[:, SHIFTED] / n[:, SHIFTED] - events[:, STANDARD] / n[:, STANDARD]
    return UnequalDrops(p, *((first, second) if change[first] >= least_equal(change[second]) else (second, first)))


def _largest(events: Int[np.ndarray, "*b g 2"], n: Int[np.ndarray, "g 2"]) -> tuple[Float[np.ndarray, "*b"], tuple[int, int]]:
    """The largest standardised difference of two groups' changes, and which two (in the first table).

    Half an image of each kind is added for a rate's variance, so that a group with all answers right still has a standard error.
    """
    first, second = np.triu_indices(len(n), 1)
    change = events[..., SHIFTED] / n[:, SHIFTED] - events[..., STANDARD] / n[:, STANDARD]
    smooth = (events + 0.5) / (n + 1)
    variance = (smooth * (1 - smooth) / n).sum(axis=-1)
    t = np.abs(change[..., first] - change[..., second]) / np.sqrt(variance[..., first] + variance[..., second])
    at = first_largest(t.reshape(-1, len(first))[0])
    return t.max(axis=-1), (int(first[at]), int(second[at]))


def shift_record(shift: ShiftAsked, predictions: Predictions, levels: Mapping[str, Group], settings: Settings) -> NaturalShift:
    """Compute accuracy by group in the standard condition and in each other one that has images; p is not adjusted yet."""
    conditions = [level for level in levels[shift.column] if level != UNKNOWN and (predictions.attributes[shift.column] == level).any()]
    stated = (shift.question, shift.measurement, shift.column, shift.standard, shift.attribute)
    if predictions.weight is not None:
        return NaturalShift(*stated, (), Note("shift_of_weights"))
    others = [level for level in conditions if level != shift.standard]
    if shift.standard not in conditions or not others:
        return NaturalShift(*stated, (), Note("conditions_one_source", {"source": shift.standard}))
    results = tuple(_result(shift, level, predictions, levels, settings) for level in others)
    few = shift.attribute is not None and all(result.pair is None for result in results)
    reason = Note("conditions_few_groups", {"images": settings.min_group_size}) if few else None
    reason = Note("shift_of_units") if _clustered(predictions) and not few and shift.attribute is not None else reason
    return NaturalShift(*stated, results, reason, draws=settings.draws)


def _clustered(predictions: Predictions) -> bool:
    return predictions.cluster is not None and len(np.unique(predictions.cluster)) < len(predictions.cluster)


def _result(shift: ShiftAsked, condition: str, predictions: Predictions, levels: Mapping[str, Group], settings: Settings) -> ShiftResult:
    groups, units = _counted(shift, condition, predictions, levels)
    enough, images = units.enough().reshape(-1, 2), np.asarray(units.n).reshape(-1, 2)
    statuses = [_status(group, images[position], enough[position], settings) for position, group in enumerate(groups)]
    rates = _rates(groups, units, statuses, settings)
    together = ImageUnits(*(np.asarray(part).reshape(-1, 2).sum(axis=0) for part in (units.events, units.n)))
    overall = _counted(replace(shift, attribute=None), condition, predictions, levels)[1] if _clustered(predictions) else together
    everybody = _rates([()], overall, [_status((), np.asarray(overall.n), np.ones(2, bool), settings)], settings)[0]
    compared = np.flatnonzero([status == "ok" for status in statuses])
    if shift.attribute is None or len(compared) < 2:
        return ShiftResult(condition, everybody, () if shift.attribute is None else tuple(rates), None, None, None, None)
    events = np.asarray(units.events).reshape(-1, 2)
    name = "/".join(("natural shift", shift.question, shift.measurement, shift.column, condition, shift.attribute))
    unequal = unequal_drops(events[compared], images[compared], settings.draws, generator(settings.seed, name))
    pair = _pair(units, groups, (int(compared[unequal.first]), int(compared[unequal.second])), len(compared), settings.alpha)
    p = None if _clustered(predictions) else unequal.p
    return ShiftResult(condition, everybody, tuple(rates), pair, p, p, None)


def _counted(
    shift: ShiftAsked, condition: str, predictions: Predictions, levels: Mapping[str, Group]
) -> tuple[tuple[Group, ...], SamplingUnits]:
    """The groups, and the units of each: first in the standard condition, then in the other."""
    shifted = (predictions.attributes[shift.column] == condition).to_numpy()
    rows = row_events(predictions, METRICS["accuracy"], None)
    kept = rows.counted & (shifted | (predictions.attributes[shift.column] == shift.standard).to_numpy())
    groups: tuple[Group, ...] = ((),)
    codes = np.zeros(len(shifted), np.int64)
    if shift.attribute is not None:
        groups, codes = row_codes(predictions.attributes, (shift.attribute,), levels)
    codes, event = (2 * codes + shifted)[kept], rows.event[kept]
    if predictions.cluster is not None and _clustered(predictions):
        return groups, ClusterUnits(cluster_table(predictions.cluster[kept], codes, event, 2 * len(groups)))
    counts = (np.bincount(part, minlength=2 * len(groups)) for part in (codes[event], codes))
    return groups, ImageUnits(*counts)


def _status(group: Group, images: np.ndarray, enough: np.ndarray, settings: Settings) -> CellStatus:
    if UNKNOWN in group:
        return "unknown"
    if not images.all():
        return "absent" if not images.any() else "not estimable"
    return "ok" if images.min() >= max(settings.min_group_size, 2) and enough.all() else "small"


def _rates(groups: Sequence[Group], units: SamplingUnits, statuses: Sequence[CellStatus], settings: Settings) -> list[ShiftedRate]:
    twice = [group for group in groups for _ in (STANDARD, SHIFTED)], [statuse for statuse in statuses for _ in (STANDARD, SHIFTED)]
    rates = unit_rates(twice[0], units, twice[1], settings.alpha)
    n = np.asarray(units.n).reshape(-1, 2)
    both = np.flatnonzero(n.all(axis=1))
    low, high = units.differences(2 * both + SHIFTED, 2 * both, settings.alpha) if len(both) else (np.zeros(0), np.zeros(0))
    ends = dict(zip(both.tolist(), zip(low.tolist(), high.tolist(), strict=True), strict=True))
    shifted_rates = []
    for position, group in enumerate(groups):
        standard, shifted = rates[2 * position], rates[2 * position + 1]
        known = standard.value is not None and shifted.value is not None and position in ends
        difference = (shifted.value or 0.0) - (standard.value or 0.0) if known else None
        shifted_rates.append(ShiftedRate(group, standard, shifted, difference, *(ends[position] if known else (None, None))))
    return shifted_rates


def _pair(units: SamplingUnits, groups: Sequence[Group], places: tuple[int, int], compared: int, alpha: float) -> ShiftPair:
    both = np.array(places)
    rates = np.asarray(units.events) / np.maximum(np.asarray(units.n), 1)
    change = rates[2 * both + SHIFTED] - rates[2 * both]
    pairs = compared * (compared - 1) // 2
    low, high = units.differences(2 * both + SHIFTED, 2 * both, alpha / pairs)
    down, up = change - low, high - change
    difference = float(change[0] - change[1])
    return ShiftPair(
        groups[places[0]], groups[places[1]], difference, difference - float(np.hypot(down[0], up[1])),
        difference + float(np.hypot(up[0], down[1])),
    )  # fmt: skip
