"""Turns predictions of the same images under several conditions into a record, for any kind of condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from audit.analyses.records import Condition, ConditionKind, ConditionResult, Conditions
from audit.errors import DataError, UsageError
from audit.statistics.counts import row_codes
from audit.statistics.metrics import METRICS, Outcome, RowEvents, row_events
from audit.statistics.multiplicity import benjamini_hochberg
from audit.statistics.null import generator
from audit.statistics.paired.changes import changes_by_group, gap_ends, pair_changes, unit_rates
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, cluster_kinds
from audit.statistics.paired.unequal_changes import unequal_changes
from audit.types import Group, Note, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Int

_Question = TypeVar("_Question", bound=Any)
"""A record with `results` and `tests`."""


@dataclass(frozen=True)
class ConditionsAsked:
    """The metric or outcome counted under every condition, and the groups."""

    question: str
    kind: ConditionKind
    measurement: str
    by: Group
    metric: str = "accuracy"
    outcome: str | None = None
    answers: Group = ()
    """The answers that count as the outcome."""

    @property
    def name(self) -> str:
        """Prefix for the names of its random streams."""
        return "/".join(filter(None, ("conditions", self.question, self.measurement, self.metric, self.outcome, *self.by)))


UnderConditions = Sequence[tuple[Condition, Predictions]]
"""The baseline comes first; all predictions are of the same images in the same order."""


def conditions_record(
    conditions: ConditionsAsked, answered: UnderConditions, levels: Mapping[str, Group], settings: Settings
) -> Conditions:
    """Compute each group's rate under every condition, and its change from the baseline on the same images; p is not adjusted yet.

    Clusters and weights are those of the baseline's predictions; with image weights nothing is judged. Raises DataError if the predictions
    are not of the same images, UsageError if the metric's denominator depends on the answers: the images would not be the same.
    """
    metric, outcome = METRICS[conditions.metric], frozenset(conditions.answers) if conditions.outcome else None
    if metric.denominator in ("selected", "answered"):
        why = "under each condition it divides by other images"
        raise UsageError(f"{conditions.metric} cannot be compared between conditions", why=why, fix="ask for accuracy, or a selection rate")
    (baseline, before), *others = answered
    groups, codes = row_codes(before.attributes, conditions.by, levels)
    events = row_events(before, metric, outcome)
    joints = [_joint(groups, codes, events, before, _of_same(before, after, conditions, outcome)) for _, after in others]
    start = joints[0] if joints else _joint(groups, codes, events, before, events)
    statuses = start.statuses(settings.min_group_size)
    compared = start.compared(settings.min_group_size)
    reason = _not_judged(before, len(compared.groups), settings)
    results = [_result(conditions, label, joint, settings, judged=reason is None) for (label, _), joint in zip(others, joints, strict=True)]
    return Conditions(
        conditions.question, conditions.kind, conditions.measurement, conditions.metric, conditions.outcome, conditions.by,
        int(events.counted.sum()), baseline,
        unit_rates([()], start.together().units(after=False), ("ok",), settings.alpha)[0],
        tuple(unit_rates(groups, start.units(after=False), statuses, settings.alpha)),
        gap_ends(compared.groups, compared.units(after=False), settings.alpha) if len(compared.groups) > 1 else None,
        tuple(results), reason, draws=settings.draws,
    )  # fmt: skip


def _of_same(before: Predictions, after: Predictions, conditions: ConditionsAsked, outcome: Outcome | None) -> RowEvents:
    """The events under a condition; raises DataError if its images are not those of the baseline."""
    if not before.attributes.index.equals(after.attributes.index):
        what = (
            f"{conditions.question!r}: a condition has {len(after.attributes)} images, the baseline {len(before.attributes)}, or other ones"
        )
        raise DataError(what, fix="give predictions of the same images in the same order")
    return row_events(after, METRICS[conditions.metric], outcome)


def _joint(
    groups: tuple[Group, ...], codes: Int[np.ndarray, "n"], before: RowEvents, predictions: Predictions, after: RowEvents
) -> JointCounts:
    """Count the images of each group by event before × event after."""
    cell = np.select([before.event & after.event, before.event, after.event], [BOTH, ONLY_BEFORE, ONLY_AFTER], NEITHER)
    places, counted = 4 * codes + cell, before.counted.astype(np.int64)
    cells = np.bincount(places, weights=counted, minlength=4 * len(groups)).reshape(-1, 4).astype(np.int64)
    kinds = None if predictions.cluster is None else cluster_kinds(pd.Series(predictions.cluster), places, counted, len(groups))
    return JointCounts(groups, cells, np.bincount(codes, minlength=len(groups)), kinds)


def _not_judged(before: Predictions, compared: int, settings: Settings) -> Note | None:
    if before.weight is not None:
        return Note("conditions_of_weights")
    return Note("conditions_few_groups", {"images": settings.min_group_size}) if compared < 2 else None


def _result(conditions: ConditionsAsked, condition: Condition, joint: JointCounts, settings: Settings, *, judged: bool) -> ConditionResult:
    by_group, overall = changes_by_group(joint, settings)
    compared = joint.compared(settings.min_group_size)
    if len(compared.groups) < 2:
        return ConditionResult(condition, overall, by_group, None, None, None, None, None)
    unequal = unequal_changes(compared, settings.draws, generator(settings.seed, f"{conditions.name}/{condition.name}"))
    pairs = len(compared.groups) * (len(compared.groups) - 1) // 2
    (pair,) = pair_changes(compared.of([unequal.first, unequal.second]), settings.alpha)
    (wide,) = pair_changes(compared.of([unequal.first, unequal.second]), settings.alpha / pairs)
    pair = replace(pair, low_adjusted=wide.low, high_adjusted=wide.high)
    gap, p = gap_ends(compared.groups, compared.units(after=True), settings.alpha), unequal.p if judged else None
    return ConditionResult(condition, overall, by_group, gap, pair, p, p, None)


def judged_together(questions: Sequence[_Question], alpha: float, *, limited: bool) -> tuple[_Question, ...]:
    """Adjust p over the `results` of all questions of an audit, and set `tests`; in a limited run nothing is a signal."""
    p = [result.p for question in questions for result in question.results if result.p is not None]
    adjusted = iter(benjamini_hochberg(np.array(p)).tolist() if p else ())
    return tuple(
        replace(question, results=tuple(_decided(question.results, adjusted, 0.0 if limited else alpha)), tests=len(p))
        for question in questions
    )


def _decided(results: Sequence[Any], adjusted: Iterator[float], alpha: float) -> Iterator[Any]:
    for result in results:
        if result.p is None:
            yield result
            continue
        p = next(adjusted)
        yield replace(result, p_adjusted=p, verdict="signal" if p <= alpha else "no signal")
