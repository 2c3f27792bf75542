"""Audits of several checkpoints or seeds, combined as one model: one record per probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from audit.data.schema import quoted
from audit.engine import AuditedProbe
from audit.errors import DataError, UsageError
from audit.naming import finding_id
from audit.records.replicates import MeanGap, ReplicatedGap, Replicates, ReplicatesNeeded
from audit.results import Finding
from audit.statistics.metrics import METRICS, Outcome, Tally, extremes
from audit.statistics.units.cluster_units import UnitsOf
from audit.statistics.units.sampling_unit import SamplingUnits, widest_pair
from audit.types import Group, Predictions, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from audit.statistics.units.sampling_unit import SamplingUnits

# Checks that audits are replicates of one model: different weights, but the same questions about the same images.


_SAME_IMAGES = "replicates answer about the same images"


@dataclass(frozen=True)
class ModelQuestions:
    """A model, with the ids of its planned questions."""

    name: str
    planned: Group

    @classmethod
    def of(cls, name: str, probe: Probe) -> ModelQuestions:
        """A model with the questions of a probe in its form for the model."""
        claims = ((measurement.name, claim) for measurement in probe.measurements for claim in measurement.claims)
        return cls(name, tuple(finding_id(measurement, claim) for measurement, claim in claims if claim.primary))


def check_planned(models: Sequence[ModelQuestions], probe: str) -> None:
    """Raise UsageError for fewer than two replicates, DataError if their questions differ."""
    if len(models) < 2:
        raise UsageError(
            "replicates need two models", where=f"probe {probe!r}", why=f"only {models[0].name!r} was asked",
            fix="give --model (or --predictions) once for each replicate",
        )  # fmt: skip
    for one, other in chain.from_iterable(((models[0], other), (other, models[0])) for other in models[1:]):
        if missing := [question for question in one.planned if question not in other.planned]:
            raise DataError(
                f"{other.name} was not asked {missing[0]!r}, which {one.name} was",
                why="replicates are taken together question by question", fix="ask all of them the same, or audit this one by itself",
            )  # fmt: skip


def check_distinct(replicates: Sequence[AuditedProbe]) -> None:
    """Raise UsageError if one model is given twice."""
    for one, other in combinations(replicates, 2):
        if one.result.model.fingerprint == other.result.model.fingerprint and _same_answers(one, other):
            raise UsageError(
                f"{one.result.model.name!r} and {other.result.model.name!r} are one model",
                why="their fingerprints and all their answers are equal", fix="give each replicate once: another seed, another step",
            )  # fmt: skip


def _same_answers(one: AuditedProbe, other: AuditedProbe) -> bool:
    return one.predictions.keys() == other.predictions.keys() and all(
        np.array_equal(answered.y_pred, other.predictions[name].y_pred) for name, answered in one.predictions.items()
    )


def places_of(first: Predictions, other: Predictions, names: tuple[str, str]) -> Int[np.ndarray, "n"]:
    """The index of each row of the first replicate among those of the other.

    Raises DataError for the first row that only one has, or whose values differ.
    """
    rows, others = first.attributes.index, other.attributes.index
    for index, held, (has, lacks) in ((rows, others, names), (others, rows, names[::-1])):
        if len(absent := index.difference(held, sort=False)):
            raise DataError(f"{has} has the row {quoted(str(absent[0]))}, and {lacks} does not", why=_SAME_IMAGES,
                            fix="give every replicate the same images, or leave the row out with --exclude")  # fmt: skip
    if rows.has_duplicates and not rows.equals(others):
        raise DataError(f"the rows of {names[0]} and {names[1]} cannot be matched", why="an identifier occurs in several rows",
                        fix="give both the same order of rows")  # fmt: skip
    places = np.arange(len(rows)) if rows.equals(others) else others.get_indexer(rows)
    _check_values(_shown(first), {name: column[places] for name, column in _shown(other).items()}, rows, names)
    return np.asarray(places)


def _shown(predictions: Predictions) -> dict[str, np.ndarray]:
    """The values of an image besides the answer."""
    columns = {str(name): column.to_numpy(object) for name, column in predictions.attributes.items()}
    others = {"y_true": predictions.y_true, "the weight": predictions.weight, "the cluster": _cluster_names(predictions)}
    return columns | {name: column for name, column in others.items() if column is not None}


def _cluster_names(predictions: Predictions) -> np.ndarray | None:
    if predictions.cluster is None or predictions.cluster_names is None:  # an attribute has them
        return None
    return np.asarray(predictions.cluster_names.take(predictions.cluster), object)


def _check_values(first: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], rows: pd.Index, names: tuple[str, str]) -> None:
    for name in dict.fromkeys([*first, *other]):
        if name not in first or name not in other:
            has, lacks = names if name in first else names[::-1]
            raise DataError(f"{has} says {name} of its images, and {lacks} does not", why=_SAME_IMAGES, fix="give all the same columns")
        if (differ := first[name] != other[name]).any():
            row = int(np.argmax(differ))
            raise DataError(
                f"{names[0]} and {names[1]} do not show the same images", where=f"the row of {quoted(str(rows[row]))}",
                why=f"{name} is {quoted(str(first[name][row]))}, then {quoted(str(other[name][row]))}; {_SAME_IMAGES}",
                fix="give every replicate the same images, with the same labels",
            )  # fmt: skip


# The gap of a model with several audited replicates, with an interval over images and replicates.


MOST_REPLICATES = 10_000
"""More are not worth a plan: if this many do not suffice, this is the number that is returned."""


@dataclass(frozen=True)
class GapOverReplicates:
    """The gap of the mean rates; `highest` and `lowest` are indices of groups."""

    highest: int
    lowest: int
    value: float
    low: float
    high: float


def gap_over_replicates(rates: Float[np.ndarray, "r g"], units: SamplingUnits, alpha: float) -> GapOverReplicates:
    """The gap of the mean rates, with an interval that covers both sources of error.

    Parameters
    ----------
    rates : float[r, g]
        Rate of each group in each of at least two replicates.
    units : SamplingUnits
        The same groups with the answers of all replicates; an image (or cluster) is one unit with all of its answers.
    alpha : float
        One minus the level, two-sided.

    Notes
    -----
    The mean difference of two groups deviates from the true one because of the images and because of the replicates. Each gives a
    half-width, and the squares of the two are added:

    * *within*: replicates answer about the same images, so their errors are correlated. The outcome of an image is its mean over the
      replicates; the spread of these means over images (clusters) gives the interval of `units`.
    * *between*: ``t s / sqrt(R)``, s the standard deviation of the difference over the R replicates and t Student's quantile with R - 1
      degrees of freedom.

    Random errors of single replicates on single images are in both, which makes the interval up to some 4 % too wide. One t with
    Satterthwaite's degrees of freedom for the sum of the variances would be narrower, but misses 1.6 times as often as stated with three
    replicates and one pair, and 9 times with 21 pairs, if most of the error is between replicates; this interval never misses more often
    than stated (simulated, 2 to 10 replicates). For replicates with separate images, equally many, ``s^2 / R`` is the variance in the
    random-effects model of DerSimonian and Laird. As in `gap_interval` the ends are the largest lower and the largest upper limit of any
    pair, each at ``alpha / pairs``.

    References
    ----------
    DerSimonian and Laird 1986, https://doi.org/10.1016/0197-2456(86)90046-2; adding squared half-widths: Zou and Donner 2008,
    https://doi.org/10.1002/sim.3095; random raters and cases: Obuchowski and Rockette 1995,
    https://doi.org/10.1080/03610919508813243
    """
    first, second = np.triu_indices(rates.shape[1], 1)
    level, replicates = alpha / len(first), len(rates)
    # Sorted, so that the last digit does not depend on the order of the replicates.
    mean, differences = np.sort(rates, axis=0).mean(axis=0), np.sort(rates[:, first] - rates[:, second], axis=0)
    between = float(stdtrit(replicates - 1, 1 - level / 2)) * differences.std(axis=0, ddof=1) / np.sqrt(replicates)
    low, high = units.differences(first, second, level)
    centre = units.contrasts(first, second)
    middle = centre if units.within_clusters else mean[first] - mean[second]
    lower, upper = middle - np.hypot(centre - low, between), middle + np.hypot(high - centre, between)
    ends = np.maximum(lower, -upper).max(), np.maximum(upper, -lower).max()
    highest, lowest = widest_pair(units) if units.within_clusters else extremes(mean)
    return GapOverReplicates(highest, lowest, float(np.abs(middle).max()), max(0.0, float(ends[0])), min(1.0, float(ends[1])))


def replicates_needed(
    rates: Float[np.ndarray, "r g"], units: SamplingUnits, alpha: float, gap: GapOverReplicates, half_width: float
) -> tuple[int | None, float]:
    """Number of replicates with which the interval of a gap would have a half-width, and the half-width that the images alone leave.

    Parameters
    ----------
    rates, units, alpha
        As for `gap_over_replicates`, which returned `gap`.
    half_width : float
        The half-width to reach.

    Returns
    -------
    replicates : int or None
        The smallest R from 3 to `MOST_REPLICATES` with ``within^2 + (t s)^2 / R <= half_width^2``, s being the standard deviation of the
        difference of the two groups over these replicates and t Student's quantile with R - 1 degrees of freedom; `MOST_REPLICATES` if
        none does, and None if `within`, the half-width that the images leave, is too large already. Two replicates estimate s from one
        difference, so the number is a rough guide.
    within : float
        The larger of the two distances to the limits.
    """
    first, second = np.array([gap.highest]), np.array([gap.lowest])
    level = alpha / (rates.shape[1] * (rates.shape[1] - 1) // 2)
    low, high = units.differences(first, second, level)
    centre = units.contrasts(first, second)
    within = float(max(centre[0] - low[0], high[0] - centre[0]))
    if within >= half_width:
        return None, within
    r = np.arange(3, MOST_REPLICATES + 1)
    deviation = float((rates[:, gap.highest] - rates[:, gap.lowest]).std(ddof=1))
    reached = np.hypot(within, stdtrit(r - 1, 1 - level / 2) * deviation / np.sqrt(r)) <= half_width
    return int(r[reached.argmax()] if reached.any() else MOST_REPLICATES), within


def replicates(audited: Sequence[AuditedProbe], settings: Settings) -> tuple[Replicates, ...]:
    """The combined results for each probe, from its audits of one model each; raises as the checks in `audit.replicates`."""
    by_probe: dict[str, list[int]] = {}
    for position, audited_probe in enumerate(audited):
        by_probe.setdefault(audited_probe.result.probe.name, []).append(position)
    return tuple(Replicates(name, tuple(places), _findings([audited[i] for i in places], settings)) for name, places in by_probe.items())


def _findings(group: Sequence[AuditedProbe], settings: Settings) -> tuple[ReplicatedGap, ...]:
    first = group[0]
    models = [
        ModelQuestions(one.result.model.name, tuple(finding.id for finding in one.result.findings if finding.primary)) for one in group
    ]
    check_planned(models, first.result.probe.name)
    check_distinct(group)
    # A mean rate is computed from raw answers, not at equal true shares.
    planned = [finding for finding in first.result.findings if finding.primary and not finding.shares]
    questions = first.result.suite.planned if first.result.suite else len(planned)
    stacked = {name: _Stacked.of(group, name) for name in first.predictions}
    own = [{finding.id: finding for finding in replicate.result.findings} for replicate in group]
    return tuple(_gap([by_id[finding.id] for by_id in own], stacked[finding.measurement], settings.alpha, questions) for finding in planned)


@dataclass(frozen=True)
class _Stacked:
    """The answers of all replicates to a measurement, concatenated; the rows about one image (or cluster) are one unit."""

    units: UnitsOf
    outcomes: Mapping[str, Outcome]

    @classmethod
    def of(cls, group: Sequence[AuditedProbe], measurement: str) -> _Stacked:
        result, predictions = group[0].result, [replicate.predictions[measurement] for replicate in group]
        names = [replicate.result.model.name for replicate in group]
        first = predictions[0]
        places = [places_of(first, other, (names[0], name)) for name, other in zip(names[1:], predictions[1:], strict=True)]
        answers = [first.y_pred, *(other.y_pred[rows] for other, rows in zip(predictions[1:], places, strict=True))]
        levels = {name: tuple(counts) for name, counts in result.data.groups.items()}
        record = next(candidate for candidate in result.measurements if candidate.name == measurement)
        return cls(UnitsOf(_stack(first, answers), levels), {name: frozenset(labels) for name, labels in record.outcomes.items()})

    def of_question(self, findings: Sequence[Finding]) -> SamplingUnits:
        """The groups of a question with the answers of all replicates."""
        first = findings[0]
        counts = np.array([[(rate.events, rate.n) for rate in finding.by_group] for finding in findings]).sum(axis=0)
        tallied = Tally(tuple(rate.group for rate in first.by_group), counts[:, 0], counts[:, 1], counts[:, 1])
        outcome = None if first.outcome is None else self.outcomes[first.outcome]
        return self.units(first.attributes, METRICS[first.metric], outcome, tallied)


def _stack(first: Predictions, answers: Sequence[np.ndarray]) -> Predictions:
    times, n = len(answers), len(first.y_pred)
    cluster = np.arange(n) if first.cluster is None else first.cluster
    return replace(
        first,
        y_pred=np.concatenate(answers),
        y_true=None if first.y_true is None else np.tile(first.y_true, times),
        attributes=pd.concat([first.attributes] * times),
        cluster=np.tile(cluster, times),
        weight=None if first.weight is None else np.tile(first.weight, times),
    )


def _gap(findings: Sequence[Finding], stacked: _Stacked, alpha: float, questions: int) -> ReplicatedGap:
    gaps = tuple(finding.gap.value if finding.gap else None for finding in findings)
    known = sorted(gap for gap in gaps if gap is not None)
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return ReplicatedGap(
        findings[0].id, tuple(finding.verdict for finding in findings), gaps, spread, _mean_gap(findings, stacked, alpha, questions)
    )


def _mean_gap(findings: Sequence[Finding], stacked: _Stacked, alpha: float, questions: int) -> MeanGap | None:
    groups = tuple(rate.group for rate in findings[0].by_group)
    ok = np.array([[rate.status == "ok" for rate in finding.by_group] for finding in findings]).all(axis=0)
    places = np.flatnonzero(ok)
    if len(places) < 2:
        return None
    rates = np.array([[finding.by_group[position].value for position in places] for finding in findings], float)
    units = stacked.of_question(findings).of(places)
    gap, corrected = (gap_over_replicates(rates, units, level) for level in (alpha, alpha / questions))
    high, low = (groups[places[end]] for end in (gap.highest, gap.lowest))
    differences = tuple((rates[:, gap.highest] - rates[:, gap.lowest]).tolist())
    needed = None
    if len(rates) == 2:
        tolerance = findings[0].tolerance
        needed = ReplicatesNeeded(tolerance, *replicates_needed(rates, units, alpha, gap, tolerance))
    return MeanGap(high, low, gap.value, gap.low, gap.high, differences, corrected.low, needed)
