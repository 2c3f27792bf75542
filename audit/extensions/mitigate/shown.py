"""The shown half under a map: the answers, their gaps, and the gaps that random maps of the same kind leave.

Computed by mapping the embeddings of the original, which gives what the written model gives; the verdict is about the written model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from audit.errors import AuditError
from audit.extensions.mitigate.methods import METHODS, FitInputs, GroupShuffle, LinearFit, fit_map, random_map
from audit.extensions.mitigate.models.output_layers import Tower
from audit.extensions.mitigate.record import MapControl, MovedAnswers, RefusedMap, TriedMap
from audit.linear_maps import LinearMap, unit
from audit.measure import zero_shot
from audit.measure.embedded import AskedMeasurement, check_prompts
from audit.records.comparison import GapChange
from audit.statistics.multiplicity import holm
from audit.statistics.null import generator
from audit.statistics.paired.changes import gap_change
from audit.statistics.paired.counted import Judge, control_gaps, count_groups, utility
from audit.ties import least_equal
from audit.types import Note, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

DRAWS, MORE_DRAWS, UNCERTAIN = 99, 900, (0.01, 0.12)
"""Random maps of each kind; so many more if p falls strictly between these: with 99, its standard error at .05 is .02."""
CAPABILITY_ALPHA = 0.1
"""A 90 % interval within the margin is two one-sided tests at 5 %."""
MOST_MOVED = 12
"""Most changes of answers that are listed."""


@dataclass(frozen=True)
class TestHalf:
    """The question on the shown half."""

    task: AskedMeasurement
    target: Judge
    others: tuple[Judge, ...]
    """Judges of other planned claims with the same metric."""
    towers: tuple[Tower, ...]

    @cached_property
    def _units(self) -> Float[np.ndarray, "m d"]:
        """The images that are scored."""
        return zero_shot.unit_vectors(self.task.image_embeddings[self._scored])

    @cached_property
    def _attributes(self) -> pd.DataFrame:
        return self.task.attributes[self._scored]

    @cached_property
    def _scored(self) -> Bool[np.ndarray, "n"]:
        return zero_shot.scored_images(self.task.measurement, self.task.attributes)

    def answers(self, changed: LinearMap) -> Predictions:
        """The answers under a map; the images need not be mapped, since ``<Px, z> = <x, P'z>``."""
        task, label_set = self.task, self.task.measurement.label_set
        texts = {prompt: changed.mapped(unit(vector)) for prompt, vector in task.text_embeddings.items()}
        labels = zero_shot.directions((label_set.prompts[label] for label in label_set.labels), texts)
        if "image" in self.towers:
            cosines = self._units @ changed.transposed.mapped(labels).T / changed.lengths(self._units)[:, None]
        else:
            cosines = self._units @ labels.T
        logits = zero_shot.logits_of(cosines, task.record)
        scores = zero_shot.probabilities_of_logits(logits, task.record)
        return zero_shot.predict_from_scores(task.measurement, logits, scores, self._attributes)


def try_maps(
    methods: Sequence[str], inputs: FitInputs, shown: TestHalf, trained: Mapping[str, Predictions] | None = None
) -> tuple[tuple[TriedMap, ...], tuple[RefusedMap, ...]]:
    """Judge every method on the shown half; `trained` has the answers of models that were trained further, which come first."""
    before = shown.task.answers()
    tried = [_tried(method, None, before, after, shown) for method, after in (trained or {}).items()]
    refused: list[RefusedMap] = []
    for method in methods:
        try:
            fit = fit_map(method, inputs)
            check_prompts(shown.task, fit.directions)
            tried.append(_tried(method, fit.rank, before, shown.answers(fit.map), shown))
        except AuditError as error:
            refused.append(RefusedMap(method, Note.of(error.what)))
    return _adjusted(tried), tuple(refused)


def _tried(method: str, rank: int | None, before: Predictions, after: Predictions, shown: TestHalf) -> TriedMap:
    changes = {judge.finding: _change(judge, before, after) for judge in (shown.target, *shown.others)}
    settings = replace(shown.target.settings, alpha=CAPABILITY_ALPHA)
    accuracy = None if before.y_true is None else utility(before, after, settings, shown.target.cluster).change
    gap = changes.pop(shown.target.finding)
    assert gap is not None  # noqa: S101  (the groups have enough images: `halves.require_units`)
    return TriedMap(method, rank, gap, {name: change for name, change in changes.items() if change is not None}, accuracy)


def _change(judge: Judge, before: Predictions, after: Predictions) -> GapChange | None:
    """The change of a gap, by the same draws as in a comparison of two audits; None if fewer than two groups can be compared."""
    joint = count_groups(before, after, judge).joint
    return gap_change(joint, judge.settings, generator(judge.settings.seed, f"{judge.finding}/change")) if len(joint.groups) > 1 else None


def _adjusted(tried: Sequence[TriedMap]) -> tuple[TriedMap, ...]:
    """Adjust p (Holm) over all methods and all their questions."""
    gaps = [(position, name, gap) for position, row in enumerate(tried) for name, gap in {"": row.gap, **row.others}.items()]
    adjusted = list(tried)
    for (position, name, gap), p in zip(gaps, holm(np.array([gap.p for _, _, gap in gaps])).tolist(), strict=True):
        row, changed = adjusted[position], replace(gap, p_adjusted=p)
        adjusted[position] = replace(row, others={**row.others, name: changed}) if name else replace(row, gap=changed)
    return tuple(adjusted)


# ---- controls ------------------------------------------------------------------------------------------------------------------------


def random_controls(method: str, fit: LinearFit, inputs: FitInputs, shown: TestHalf) -> tuple[MapControl, ...]:
    """Random maps of the same rank, and the same fit on shuffled groups; a map of prompts has no groups to shuffle."""
    observed = gap_of_answers(shown.answers(fit.map), shown.target)
    made = [_control("random directions", lambda rng: shown.answers(random_map(fit, rng)), observed, method, shown.target)]
    if METHODS[method].by_groups:
        shuffle = GroupShuffle.of(inputs)
        change = lambda rng: shown.answers(shuffle.refitted(method, inputs, rng))  # noqa: E731
        made.append(_control("shuffled groups", change, observed, method, shown.target))
    return tuple(made)


def _control(
    kind: Literal["random directions", "shuffled groups"],
    change: Callable[[np.random.Generator], Predictions],
    observed: float,
    method: str,
    judge: Judge,
) -> MapControl:
    rng = generator(judge.settings.seed, f"{judge.finding}/{method}/{kind}")
    gaps = control_gaps(change, judge, DRAWS, rng)
    if UNCERTAIN[0] < as_small_p(gaps, observed) < UNCERTAIN[1]:
        gaps += control_gaps(change, judge, MORE_DRAWS, rng)
    return MapControl(kind, gaps, as_small_p(gaps, observed))


def as_small_p(gaps: Sequence[float], observed: float) -> float:
    """The share of gaps, the observed one included, that are at most as large.

    Examples
    --------
    >>> as_small_p([0.1, 0.2, 0.3], 0.1), as_small_p([0.1, 0.2, 0.3], 0.05)
    (0.5, 0.25)
    """
    return float((1 + np.count_nonzero(least_equal(np.array(gaps)) <= observed)) / (1 + len(gaps)))


def gap_of_answers(after: Predictions, judge: Judge) -> float:
    """The gap of some answers."""
    joint = count_groups(after, after, judge).joint
    return float(np.ptp(joint.after / joint.n))


# ---- which answers changed -----------------------------------------------------------------------------------------------------------


def moved_answers(before: Predictions, after: Predictions, attribute: str) -> tuple[MovedAnswers, ...]:
    """The most frequent changes of answers by group, paired by image; equally frequent ones in the order of their names."""
    rows = before.attributes.index
    truths = np.full(len(rows), "") if before.y_true is None else before.y_true
    table = pd.DataFrame({"group": before.attributes[attribute].astype(str), "before": before.y_pred, "truth": truths}, index=rows)
    table["after"] = pd.Series(after.y_pred, index=after.attributes.index).reindex(rows)
    changed = table[table["after"].notna() & (table["before"] != table["after"])]
    right = changed.assign(gained=changed["after"] == changed["truth"], lost=changed["before"] == changed["truth"], images=1)
    counted = right.groupby(["group", "before", "after"])[["images", "gained", "lost"]].sum().reset_index()
    ordered = counted.sort_values(["images", "group", "before", "after"], ascending=[False, True, True, True], kind="stable")
    columns = (ordered.head(MOST_MOVED)[name].tolist() for name in ("group", "before", "after", "images", "gained", "lost"))
    return tuple(MovedAnswers(*row) for row in zip(*columns, strict=True))
