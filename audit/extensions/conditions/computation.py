"""Computes one measurement on the same images under several conditions: other prompts, changed images or attacked pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from audit.analyses.conditions import ConditionsAsked, UnderConditions, conditions_record, judged_together
from audit.analyses.gallery import check_attributes
from audit.analyses.kinds import AnalysisInputs, ExtraPictures
from audit.analyses.plans import HARMLESS, IMAGENET_C, AttackPlan, ConditionsPlan, ImageConditionsPlan, PromptConditionsPlan
from audit.analyses.records import Condition, ConditionKind, Conditions
from audit.answers import answers_of
from audit.data.changed.subset import part_of
from audit.errors import UsageError, nearest
from audit.extensions.conditions import corruptions, imagenet_c
from audit.extensions.conditions.attack import attacked_answers, part_of_predictions, sample
from audit.extensions.conditions.corruption_error import corruption_error
from audit.extensions.conditions.corruptions import STRENGTHS, Change, under, word_overlay
from audit.measure import predict
from audit.records.inputs import TextSet
from audit.statistics.null import generator
from audit.types import Dataset, Measurement, Note, Predictions, Probe, Settings

MODELS = ("dual encoder",)
MOST_IMAGES = 400
"""Images that are changed: whole clusters, drawn by the seed. Each is re-embedded under up to 77 conditions."""
UNCHANGED, RESIZED = Condition("unchanged"), Condition(f"uncorrupted, {imagenet_c.SIDE} pixels")


def check(plans: Sequence[ConditionsPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the plans before the model sees an image; raises UsageError."""
    named = {measurement.name: measurement for measurement in probe.measurements}
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        where = f"conditions {plan.question!r}"
        if plan.measurement not in named:
            raise UsageError(f"no measurement {plan.measurement!r}", where=where, fix=nearest(plan.measurement, named))
        measurement = named[plan.measurement]
        if plan.outcome is not None and plan.outcome not in measurement.outcomes:
            raise UsageError(f"no outcome {plan.outcome!r}", where=where, fix=nearest(plan.outcome, measurement.outcomes))
        if plan.outcome is None and measurement.truth is None:
            raise UsageError("accuracy needs a true answer", where=where, fix="give the measurement a truth, or the plan an outcome")
        _check_conditions(plan, measurement, where)


def _check_conditions(plan: ConditionsPlan, measurement: Measurement, where: str) -> None:
    if isinstance(plan, PromptConditionsPlan):
        if len(plan.conditions) < 2:
            raise UsageError("one condition alone is compared with nothing", where=where, fix="name two conditions or more")
        for name, prompts in plan.conditions.items():
            if missing := [label for label in measurement.label_set.labels if not prompts.get(label)]:
                raise UsageError(f"{name!r} has no prompt for {missing[0]!r}", where=where, fix="give every label its prompts")
    if isinstance(plan, AttackPlan) and (measurement.truth is None or measurement.kind != "zero_shot"):
        why = "pixels are moved against the right one of its labels"
        raise UsageError("an attack needs a zero-shot measurement with a true answer", where=where, why=why, fix="name another measurement")
    if isinstance(plan, ImageConditionsPlan):
        kinds = HARMLESS if plan.parameters == "harmless" else IMAGENET_C
        for name in plan.corruptions:
            if name not in kinds:
                raise UsageError(f"no corruption {name!r}", where=where, fix=nearest(name, kinds))
        if plan.words is not None and (unsaid := [answer for answer in answers_of(measurement.label_set) if answer not in plan.words]):
            raise UsageError(f"no word for the answer {unsaid[0]!r}", where=where, fix="give every answer a word")


def extra_pictures(plan: ConditionsPlan, images: int) -> ExtraPictures:
    """The number of changed images to embed, and of those that need gradients."""
    few = min(images, MOST_IMAGES)
    changed = 0
    if isinstance(plan, ImageConditionsPlan):
        changed = len(plan.corruptions) * STRENGTHS + bool(plan.words) + plan.resized
    return ExtraPictures(few * changed, few * isinstance(plan, AttackPlan))


def prompts(plan: ConditionsPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the prompts of each condition; those of a measurement exist already."""
    if isinstance(plan, PromptConditionsPlan):
        for name, labels in plan.conditions.items():
            yield TextSet("conditions", (plan.question,), plan.preset, name, ()), tuple(chain.from_iterable(labels.values()))


def analyse(plans: Sequence[ConditionsPlan], inputs: AnalysisInputs) -> tuple[Conditions, ...]:
    """Compute each plan for each of its attributes; p is adjusted over all conditions of all plans together."""
    records = tuple(chain.from_iterable(_found(plan, inputs) for plan in plans))
    return judged_together(records, inputs.settings.alpha, limited=inputs.dataset.limited)


def _found(plan: ConditionsPlan, inputs: AnalysisInputs) -> Iterator[Conditions]:
    if isinstance(plan, PromptConditionsPlan):
        yield from _by_attribute(plan, _asked_otherwise(plan, inputs), inputs, "prompts")
    elif isinstance(plan, ImageConditionsPlan):
        yield from _on_changed(plan, inputs)
    elif isinstance(plan, AttackPlan):
        answered, note = attacked_answers(plan, _measurement(plan, inputs), inputs)
        yield from _by_attribute(plan, answered, inputs, "attack", note)


def _by_attribute(
    plan: ConditionsPlan, answered: UnderConditions, inputs: AnalysisInputs, kind: ConditionKind, notes: tuple[Note, ...] = ()
) -> Iterator[Conditions]:
    outcomes = _measurement(plan, inputs).outcomes
    for attribute in plan.by:
        question = ConditionsAsked(
            plan.question, kind, plan.measurement, (attribute,), "selection_rate" if plan.outcome else "accuracy", plan.outcome,
            outcomes[plan.outcome] if plan.outcome else (),
        )  # fmt: skip
        yield replace(conditions_record(question, answered, inputs.dataset.levels, inputs.settings), notes=notes)


def _measurement(plan: ConditionsPlan, inputs: AnalysisInputs) -> Measurement:
    return next(measurement for measurement in inputs.probe.measurements if measurement.name == plan.measurement)


# ---- other prompts -------------------------------------------------------------------------------------------------------------------


def _asked_otherwise(plan: PromptConditionsPlan, inputs: AnalysisInputs) -> UnderConditions:
    measurement, unchanged = _measurement(plan, inputs), inputs.predictions[plan.measurement]
    answered = []
    for name, labels in plan.conditions.items():
        reworded = replace(measurement, label_set=replace(measurement.label_set, prompts=labels))
        predictions = predict(reworded, inputs.model.record, inputs.images.vectors, inputs.texts, inputs.attributes)
        answered.append((Condition(name), replace(predictions, cluster=unchanged.cluster, weight=unchanged.weight)))
    return answered


# ---- changed pictures ----------------------------------------------------------------------------------------------------------------


def _on_changed(plan: ImageConditionsPlan, inputs: AnalysisInputs) -> Iterator[Conditions]:
    """Yield the effect of corruptions and of printed words, and how often the printed word is the answer."""
    unchanged = inputs.predictions[plan.measurement]
    kept = sample(unchanged, MOST_IMAGES, inputs.settings.seed)
    rows = inputs.attributes.index.get_indexer(unchanged.attributes.index)[kept]
    words = _wrong_words(plan, _measurement(plan, inputs), unchanged, kept, inputs.settings.seed)
    named = _named_changes(plan, words)
    seen, readable = _embedded(plan, [change for _, change in named], rows, inputs)
    notes = (*_notes(unchanged, kept, readable), *([Note("conditions_imagenet_c")] if plan.resized else []))
    start = part_of_predictions(unchanged, kept[readable])
    predicted = [_predicted(plan, inputs, vectors, start) for vectors in seen]
    labels = [condition for condition, _ in named]
    # At the published size, the first condition is the baseline, without a change.
    baseline, first = (labels[0], 1) if plan.resized else (UNCHANGED, 0)
    before = predicted[0] if plan.resized else start
    answered = [(baseline, before), *zip(labels[first:], predicted[first:], strict=True)]
    for record in _by_attribute(plan, answered, inputs, "images", notes):
        yield replace(record, corruption_error=corruption_error(plan, answered, record, inputs))
    if plan.words and plan.outcome is None:
        # With the printed word as truth, accuracy is the share of images for which the model reads instead of looking.
        printed = np.array(words)[readable]
        read = [(label, replace(predictions, y_true=printed)) for label, predictions in (answered[0], answered[-1])]
        follows = replace(plan, question=f"{plan.question} Who answers the printed word?")
        yield from _by_attribute(follows, read, inputs, "images", notes)


def _named_changes(plan: ImageConditionsPlan, words: Sequence[str]) -> list[tuple[Condition, Change]]:
    """The conditions of a plan and their changes; `words` are the answers to print, by image."""
    source = corruptions if plan.parameters == "harmless" else imagenet_c
    named: list[tuple[Condition, Change]] = [(RESIZED, imagenet_c.at_published_size)] if plan.resized else []
    named += [
        (Condition(name, name, float(at)), source.corruption(name, at)) for name in plan.corruptions for at in range(1, STRENGTHS + 1)
    ]
    if plan.words:
        named.append((Condition("a wrong word printed on the picture"), word_overlay([plan.words[word] for word in words])))
    return named


def _wrong_words(plan: ImageConditionsPlan, measurement: Measurement, predictions: Predictions, kept: np.ndarray, seed: int) -> list[str]:
    """Choose for each image an answer that is not the true one, by the image's name; without a truth, one other than the model's answer."""
    if not plan.words:
        return []
    answers = answers_of(measurement.label_set)
    right = predictions.y_pred if predictions.y_true is None else predictions.y_true
    drawn = []
    for position in kept.tolist():
        wrong = [answer for answer in answers if answer != right[position]]
        drawn.append(wrong[int(generator(seed, f"conditions/word/{predictions.attributes.index[position]}").integers(len(wrong)))])
    return drawn


def _embedded(
    plan: ImageConditionsPlan, changes: Sequence[Change], rows: np.ndarray, inputs: AnalysisInputs
) -> tuple[list[np.ndarray], np.ndarray]:
    """The embeddings under each change, of the images that could be read under all changes, and the positions of these images."""
    shown = part_of(inputs.dataset, inputs.images.rows[rows].tolist())
    if plan.resized:
        shown = imagenet_c.resized(shown)
    seen = inputs.embed(under(shown, range(len(rows)), changes))
    change, position = np.divmod(seen.rows, len(rows))
    readable = np.flatnonzero(np.bincount(position, minlength=len(rows)) == len(changes))
    kept = np.isin(position, readable)
    return [seen.vectors[kept & (change == at)] for at in range(len(changes))], readable


def _predicted(plan: ConditionsPlan, inputs: AnalysisInputs, vectors: np.ndarray, start: Predictions) -> Predictions:
    predictions = predict(_measurement(plan, inputs), inputs.model.record, vectors, inputs.texts, start.attributes)
    return replace(predictions, cluster=start.cluster, weight=start.weight)


def _notes(predictions: Predictions, kept: np.ndarray, readable: np.ndarray) -> tuple[Note, ...]:
    sampled = Note("conditions_sampled", {"images": len(kept), "total": len(predictions.y_pred)})
    lost = Note("conditions_unreadable", {"images": len(kept) - len(readable)})
    return (*([sampled] if len(kept) < len(predictions.y_pred) else []), *([lost] if len(readable) < len(kept) else []))
