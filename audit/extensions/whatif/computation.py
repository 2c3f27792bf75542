"""One plan from start to end: halves, methods, judges; every setting is shown, and its gap for every other attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.analyses.kinds import AnalysisInputs
from audit.engine.shares import without_shares
from audit.errors import AuditError
from audit.extensions.whatif.compare import Tried, furthest_pair, what_if
from audit.extensions.whatif.frontier import frontier, holm_corrected
from audit.extensions.whatif.methods import METHODS, RERANKING, Candidate, FitContext, Method, Shown
from audit.extensions.whatif.record import Refused, WhatIf, WhatIfs
from audit.extensions.whatif.reranking import search
from audit.measure.embedded import AskedMeasurement, fit_half, require_disjoint, unit_names
from audit.naming import finding_id
from audit.plans import WhatIfPlan
from audit.probe.check import planned_claim
from audit.records.changed_model import CONTENT
from audit.statistics.metrics import resolve
from audit.statistics.null import generator
from audit.statistics.paired.counted import Judge, control_gaps
from audit.types import UNKNOWN, Claim, Group, Measurement, ModelRecord, Note, Predictions, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float

CONTROLS = 100
"""Number of random controls for each setting."""


@dataclass(frozen=True)
class WhatIfInputs:
    """Data of one audit, from the cache."""

    measurements: tuple[Measurement, ...]
    record: ModelRecord
    image_embeddings: Float[np.ndarray, "n d"]
    contents: Sequence[str]
    """Hash of each image's content."""
    attributes: pd.DataFrame
    levels: Mapping[str, Group]
    texts: Mapping[str, Float[np.ndarray, "d"]]
    """Every prompt of the measurements and the plans -> its embedding."""
    settings: Settings
    cluster: str | None = None
    """The attribute whose images belong together, if the audit knows one; a plan may name its own."""


@dataclass(frozen=True)
class Halves:
    """The question on the fit half and on the shown half."""

    fit: AskedMeasurement
    fitted: Predictions
    shown: Shown
    target: Judge
    others: tuple[Judge, ...]
    units: int
    """Number of clusters, or of distinct images, in the shown half."""


def analyse(plan: WhatIfPlan, inputs: AnalysisInputs, methods: Sequence[str]) -> tuple[WhatIfs, ...]:
    """Try some methods for a plan: the records of `explore`."""
    probe, dataset, images = inputs.probe, inputs.dataset, inputs.images
    given = WhatIfInputs(
        without_shares(probe.measurements, dataset), inputs.model.record, images.vectors, images.contents, inputs.attributes,
        dataset.levels, inputs.texts, inputs.settings, probe.cluster,
    )  # fmt: skip
    return explore(plan, given, methods)


def explore(plan: WhatIfPlan, inputs: WhatIfInputs, methods: Sequence[str]) -> tuple[WhatIfs, ...]:
    """Try every setting of some methods of `Analysis.methods` for one question.

    Returns the what-ifs on answers and, if the plan has a search, those on its ranking. Raises UsageError if the plan
    names a finding that no measurement has, or one by several attributes.
    """
    plan = replace(plan, cluster=plan.cluster or inputs.cluster)
    measurement, claim = planned_claim(plan, inputs.measurements)
    halves = _halves(plan, measurement, claim, inputs)
    chosen = [method for method in METHODS if method.name in methods]
    what_ifs = [_tried(plan, halves, chosen, inputs)] if chosen else []
    if plan.query and RERANKING in methods:
        again = search(plan, halves.fit, halves.shown.asked, claim.by[0], inputs.levels, inputs.settings)
        what_ifs.append(replace(again, units=halves.units))
    return tuple(what_ifs)


def _halves(plan: WhatIfPlan, measurement: Measurement, claim: Claim, inputs: WhatIfInputs) -> Halves:
    prompts = {text for texts in measurement.label_set.prompts.values() for text in texts}
    texts = {prompt: inputs.texts[prompt] for prompt in prompts}
    task = AskedMeasurement(measurement, inputs.record, inputs.image_embeddings, texts, inputs.attributes)
    units = unit_names(inputs.attributes, inputs.contents, plan.cluster)
    fit = fit_half(units, inputs.settings.seed)
    fitted_on, shown_on = ([unit for unit, inside in zip(units, side, strict=True) if inside] for side in (fit, ~fit))
    require_disjoint(fitted_on, shown_on)
    same = [candidate for candidate in measurement.claims if (candidate.metric, candidate.outcome) == (claim.metric, claim.outcome)]
    judges = {candidate.by: _judge(measurement, candidate, task, plan, inputs) for candidate in same}
    one, other = task.of(fit), task.of(~fit)
    return Halves(one, one.answers(), Shown(other, other.answers()), judges.pop(claim.by), tuple(judges.values()), len(set(shown_on)))


def _judge(measurement: Measurement, claim: Claim, task: AskedMeasurement, plan: WhatIfPlan, inputs: WhatIfInputs) -> Judge:
    metric, outcome = resolve(measurement, claim, task.of(np.zeros(len(task.attributes), bool)).answers())
    return Judge(finding_id(measurement.name, claim), metric, outcome, claim.by, inputs.levels, inputs.settings, plan.cluster)


def _tried(plan: WhatIfPlan, halves: Halves, methods: Sequence[Method], inputs: WhatIfInputs) -> WhatIfs:
    judged: dict[str, list[WhatIf]] = {}
    refused: list[Refused] = []
    pairs = _pairs(halves, refused)
    if halves.target.finding in pairs:
        by = halves.target.by[0]
        context = FitContext(plan, halves.fit, halves.fitted, by, inputs.texts, inputs.levels[by], inputs.settings)
        for method in methods:
            for candidate in _candidates(method, context, refused):
                _judged(candidate, plan, halves, pairs, judged, refused)
    corrected = {name: holm_corrected(what_ifs, inputs.settings.alpha) for name, what_ifs in judged.items()}
    frontiers = {name: frontier(what_ifs, name, len(halves.fit.attributes)) for name, what_ifs in corrected.items()}
    return WhatIfs(
        question=Note.of(plan.question),
        unit=plan.cluster or CONTENT,
        units=halves.units,
        cost=Note.of(plan.right.sentence) if plan.right else Note("accuracy", {"truth": str(halves.fit.measurement.truth)}),
        target=frontiers.pop(halves.target.finding, None),
        other_attributes=tuple(frontiers.values()),
        refused=tuple(refused),
        draws=CONTROLS,
    )


def _pairs(halves: Halves, refused: list[Refused]) -> dict[str, tuple[Group, Group]]:
    """The groups with the largest difference on the fit half, for every judge with enough images in both halves.

    Without such groups nothing is computed for a judge, and nothing at all if they are missing for the plan's own attribute.
    """
    pairs = {}
    for judge in (halves.target, *halves.others):
        try:
            pair, why = furthest_pair(halves.fitted, halves.shown.before, judge), judge.too_few()
        except AuditError as error:
            pair, why = None, Note.of(error.what)
        if pair is None:
            refused.append(Refused("", " × ".join(judge.by), why))
        else:
            pairs[judge.finding] = pair
    return pairs


def _candidates(method: Method, context: FitContext, refused: list[Refused]) -> list[Candidate]:
    try:
        candidates = list(method.candidates(context))
    except AuditError as error:
        refused.append(Refused(method.name, "", Note.of(error.what)))
        return []
    if not candidates:
        refused.append(Refused(method.name, "", Note(method.lacks)))
    return candidates


def _judged(
    candidate: Candidate,
    plan: WhatIfPlan,
    halves: Halves,
    pairs: Mapping[str, tuple[Group, Group]],
    judged: dict[str, list[WhatIf]],
    refused: list[Refused],
) -> None:
    """Judge one setting for every attribute; what cannot be judged is recorded, not dropped."""
    try:
        before, after = halves.shown.before, candidate.change(halves.shown)
        tried = Tried(candidate.method, candidate.setting, candidate.needs, candidate.default, before, after, _truth(plan, before, after))
        random = replace(tried, random_gaps=_control(candidate, halves))
        new = {
            judge.finding: what_if(random if judge is halves.target else tried, pairs[judge.finding], judge)
            for judge in (halves.target, *halves.others)
            if judge.finding in pairs
        }
    except AuditError as error:
        refused.append(Refused(candidate.method, candidate.setting, Note.of(error.what)))
        return
    for name, outcome in new.items():
        judged.setdefault(name, []).append(outcome)


def _control(candidate: Candidate, halves: Halves) -> tuple[float, ...]:
    if candidate.control is None:
        return ()
    control, judge = candidate.control, halves.target
    rng = generator(judge.settings.seed, f"{judge.finding}/{candidate.method}/{candidate.setting}/random")
    return control_gaps(lambda source: control(halves.shown, source), judge, CONTROLS, rng)


def _truth(plan: WhatIfPlan, before: Predictions, after: Predictions) -> tuple[Predictions, Predictions] | None:
    """Both predictions with the plan's right answers, if the measurement has none."""
    if plan.right is None:
        return None
    rows = before.attributes[list(plan.right.attributes)].itertuples(index=False, name=None)
    truth = np.array([plan.right.answers.get(row, UNKNOWN) for row in rows], dtype=object).astype(str)
    return replace(before, y_true=truth), replace(after, y_true=truth)
