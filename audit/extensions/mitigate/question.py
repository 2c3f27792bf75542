"""The question whose gap is to become smaller, with its data in two halves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from audit.errors import UsageError
from audit.extensions.mitigate import halves
from audit.extensions.mitigate.methods import FitInputs
from audit.extensions.mitigate.models.output_layers import Tower
from audit.extensions.mitigate.record import Half
from audit.extensions.mitigate.shown import TestHalf
from audit.linear_maps import unit
from audit.measure.embedded import AskedMeasurement, require_disjoint, unit_names
from audit.measure.label_sets import COMMON_KIND
from audit.naming import finding_id
from audit.plans import Direction
from audit.records.changed_model import CONTENT
from audit.statistics.metrics import METRICS, resolve
from audit.statistics.paired.counted import Judge, count_groups
from audit.types import UNKNOWN, Claim, Dataset, Group, Measurement, ModelRecord, Predictions, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

Chosen = Literal["planned", "named", "worst"]


@dataclass(frozen=True)
class TargetQuestion:
    """A claim by one attribute."""

    measurement: Measurement
    claim: Claim
    direction: Direction | None
    """Prompts about the attribute, if the probe plans any."""
    chosen: Chosen

    @property
    def finding(self) -> str:
        return finding_id(self.measurement.name, self.claim)

    @property
    def attribute(self) -> str:
        return self.claim.by[0]

    @property
    def truth(self) -> str | None:
        """The attribute with the true answers."""
        return self.measurement.truth


@dataclass(frozen=True)
class EmbeddedData:
    """The images of a data set that could be read, and what a model makes of them."""

    dataset: Dataset
    record: ModelRecord
    image_embeddings: Float[np.ndarray, "n d"]
    contents: Sequence[str]
    texts: Mapping[str, Float[np.ndarray, "d"]]
    settings: Settings
    fingerprint: str
    """Of the whole data set, unreadable images included."""

    def task(self, measurement: Measurement) -> AskedMeasurement:
        """A measurement with its embeddings."""
        prompts = {text for texts in measurement.label_set.prompts.values() for text in texts}
        texts = {prompt: self.texts[prompt] for prompt in prompts}
        return AskedMeasurement(measurement, self.record, self.image_embeddings, texts, self.dataset.attributes)


@dataclass(frozen=True)
class SplitQuestion:
    """A question, the half of the images on which maps are fitted, and the other one."""

    question: TargetQuestion
    fit: Bool[np.ndarray, "n"]
    unit: str
    """What is not split: a column, or `CONTENT`."""
    seed: int
    inputs: FitInputs
    shown: TestHalf
    fitted_half: Half
    shown_half: Half


def candidates(probe: Probe, dataset: Dataset, finding: str | None) -> list[TargetQuestion]:
    """The questions that may be meant: the one named `finding`; else all planned ones, those with a what-if first.

    Raises UsageError if a map cannot change any of them.
    """
    known = {
        finding_id(measurement.name, claim): (measurement, claim) for measurement in probe.measurements for claim in measurement.claims
    }
    planned = {plan.finding: plan for plan in probe.what_ifs if plan.finding in known}
    by_attribute = {known[name][1].by: plan.direction for name, plan in reversed(planned.items()) if plan.direction}

    def question(name: str) -> TargetQuestion:
        measurement, claim = known[name]
        direction = (planned[name].direction if name in planned else None) or by_attribute.get(claim.by)
        return TargetQuestion(measurement, claim, direction, "named" if finding else "planned")

    if finding is not None:
        _check(question(finding), dataset)
        return [question(finding)]
    primary = [name for name, (_, claim) in known.items() if claim.primary and _why_not(question(name), dataset) is None]
    ordered = [*(name for name in planned if name in primary), *(name for name in primary if name not in planned)]
    if not ordered:
        what = f"the probe {probe.name!r} plans no question that a map could change"
        raise UsageError(what, why="it takes one by a single attribute, answered from embeddings", fix="name one: --question NAME")
    return [question(name) for name in ordered]


def _check(question: TargetQuestion, dataset: Dataset) -> None:
    if (why := _why_not(question, dataset)) is not None:
        raise UsageError(f"the gap of {question.finding!r} cannot be mitigated", where="--question", why=why, fix="name another question")


def _why_not(question: TargetQuestion, dataset: Dataset) -> str | None:
    """Why a map cannot change the gap of a question, or None."""
    measurement, claim = question.measurement, question.claim
    if measurement.kind != COMMON_KIND:
        return "its answers are not the nearest of several texts"
    if len(claim.by) != 1:
        return "it is about several attributes at once"
    if claim.by[0] in dataset.several:
        return f"an image may have several values of {claim.by[0]!r}"
    if measurement.truth == claim.by[0]:
        return f"its answer is the {claim.by[0]}: without what is known about it there is nothing to answer"
    if METRICS[claim.metric].denominator in ("selected", "answered"):
        return f"{claim.metric} counts other images after a change"
    return None


def worst_of(questions: Sequence[TargetQuestion], data: EmbeddedData, cluster: str | None) -> TargetQuestion:
    """The question with the largest gap on the fitted half of its images."""
    gaps = []
    for question in questions:
        _, _, fit = _halved(question, data, cluster)
        answers = data.task(question.measurement).of(fit).answers()
        joint = count_groups(answers, answers, _judge(question, question.claim, data, cluster)).joint
        gaps.append(float(np.ptp(joint.before / joint.n)) if len(joint.groups) > 1 else -1.0)
    return replace(questions[int(np.argmax(gaps))], chosen="worst")


def split_question(question: TargetQuestion, data: EmbeddedData, cluster: str | None, towers: tuple[Tower, ...]) -> SplitQuestion:
    """Split the images; raises DataError if a group has too few images or clusters in either half."""
    codes, groups, fit = _halved(question, data, cluster)
    units = unit_names(data.dataset.attributes, data.contents, cluster)
    unit_name = cluster or CONTENT
    halves.require_units(units, codes, fit, groups, unit_name)
    require_disjoint(*([named for named, inside in zip(units, rows, strict=True) if inside] for rows in (fit, ~fit)))
    task = data.task(question.measurement)
    same = [claim for claim in question.measurement.claims if _same_metric(claim, question.claim) and claim.primary]
    others = tuple(_judge(question, claim, data, cluster) for claim in same if claim.by != question.claim.by)
    target = _judge(question, question.claim, data, cluster)
    described = [_half(data.dataset, rows, units, codes, groups) for rows in (fit, ~fit)]
    return SplitQuestion(
        question, fit, unit_name, halves.split_seed(data.fingerprint), _fit_inputs(question, data, fit, codes, units),
        TestHalf(task.of(~fit), target, others, towers), *described,
    )  # fmt: skip


def _halved(question: TargetQuestion, data: EmbeddedData, cluster: str | None) -> tuple[np.ndarray, Group, np.ndarray]:
    """The group of each image, the groups, and the fitted half."""
    attributes, name = data.dataset.attributes, question.attribute
    codes, groups = halves.fitted_groups(attributes[name], data.dataset.levels[name], data.settings.min_group_size)
    units = unit_names(attributes, data.contents, cluster)
    return codes, groups, halves.fitted_half(units, codes, halves.split_seed(data.fingerprint))


def _fit_inputs(question: TargetQuestion, data: EmbeddedData, fit: np.ndarray, codes: np.ndarray, units: Sequence[str]) -> FitInputs:
    """The images of the fitted half with a known group."""
    used = fit & (codes != halves.LEFT_OUT)
    truths = None if question.truth is None else data.dataset.attributes[question.truth][used]
    return FitInputs(
        unit(data.image_embeddings[used]), codes[used], None if truths is None else pd.factorize(truths.where(truths != UNKNOWN))[0],
        pd.factorize(pd.Series(list(units))[used])[0], question.direction, data.texts,
    )  # fmt: skip


def _half(dataset: Dataset, rows: np.ndarray, units: Sequence[str], codes: np.ndarray, groups: Group) -> Half:
    counted = {group: int((codes[rows] == code).sum()) for code, group in enumerate(groups)}
    identifiers = halves.identifiers_sha256(list(map(str, dataset.attributes.index[rows])))
    return Half(int(rows.sum()), int(pd.Series(list(units))[rows].nunique()), counted, identifiers)


def _same_metric(claim: Claim, other: Claim) -> bool:
    return (claim.metric, claim.outcome) == (other.metric, other.outcome)


def _judge(question: TargetQuestion, claim: Claim, data: EmbeddedData, cluster: str | None) -> Judge:
    nothing: Predictions = data.task(question.measurement).of(np.zeros(len(data.contents), bool)).answers()
    metric, outcome = resolve(question.measurement, claim, nothing)
    finding = finding_id(question.measurement.name, claim)
    return Judge(finding, metric, outcome, claim.by, data.dataset.levels, data.settings, cluster)
