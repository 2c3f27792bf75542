"""Checks whether a probe, its data and a model fit together, before the model sees an image; the engine relies on it.

`plan_probe` checks a probe, its data and the settings, `check_model` a loaded model. Only errors that depend on reading the images (too
many are unreadable, no group can be compared) are raised later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from audit.analyses import kinds
from audit.embedding.cache import CacheRoot
from audit.embedding.context import require_context
from audit.engine.shares import check_shares
from audit.engine.texts import given_texts, texts_to_embed
from audit.errors import DataError, UsageError
from audit.measure.asked.interview import questions_of
from audit.measure.asked.questionnaire import asks
from audit.measure.classified.questions import LabelMap, classified_probe
from audit.measure.label_sets import COMMON_KIND
from audit.measure.row_options import check_rows
from audit.measure.zero_shot import check_answers, check_truth, scored_images
from audit.plans import WhatIfPlan
from audit.records.plan_lock import AuditLock
from audit.statistics.effects import check_effects
from audit.statistics.paired.findings import check_pairs
from audit.types import (
    UNCLEAR,
    UNKNOWN,
    Answerer,
    AnyModel,
    Classifier,
    Dataset,
    Encoder,
    Probe,
    Question,
    Settings,
    TextEncoder,
    Writer,
    model_type,
)


@dataclass(frozen=True)
class ProbePlan:
    """A probe with its data and settings, checked."""

    probe: Probe
    """With label sets, prompts, claims, analyses, and the columns for clusters and weights."""
    dataset: Dataset
    """With all columns that the probe needs."""
    settings: Settings
    methods: tuple[str, ...] = ()
    """Methods of the what-ifs."""
    lock: AuditLock | None = None
    """How it differs from the plan lock of the run; None without a lock."""
    label_map: LabelMap = ()
    """What the labels of an image classifier mean."""

    @property
    def what_ifs(self) -> tuple[WhatIfPlan, ...]:
        """The what-ifs to try."""
        return self.probe.what_ifs if self.methods else ()


def plan_probe(probe: Probe, dataset: Dataset, settings: Settings, what_ifs: Sequence[str] = (), label_map: LabelMap = ()) -> ProbePlan:
    """Check a probe with its data; `what_ifs` names methods. The labels of an image classifier are checked in `check_model`.

    Raises DataError if rows of the data have invalid questions or true answers; UsageError if the probe does not fit the data, or a what-if
    is unknown.
    """
    methods = kinds.chosen_methods(what_ifs)
    kinds.check(probe, dataset, settings)
    check_rows(probe.measurements, dataset)
    check_shares(probe, dataset, what_ifs=bool(methods))
    _check_answers(probe, dataset)
    check_effects(probe.measurements, dataset.levels, dataset.name)
    return ProbePlan(probe, dataset, settings, methods, label_map=label_map)


def check_model(model: AnyModel, plan: ProbePlan, cache_root: CacheRoot = None) -> None:
    """Check a model with a plan, before it sees an image.

    Raises UsageError if the probe does not fit this kind of model, DataError if a text exceeds its context.
    """
    _, unchecked = kinds.split(kinds.preconditions(plan.probe.analyses), model_type(model))
    if unchecked:
        what = (
            f"a {model_type(model)} model is not asked in another language"
            if isinstance(model, Answerer)
            else "a classifier reads no texts"
        )
        why = f"{unchecked[0].question!r} is checked by embeddings of texts"
        raise UsageError(what, why=why, fix="leave --language out, or choose an encoder")
    if isinstance(model, Answerer):
        _check_generative(model, plan)
    elif not isinstance(model, TextEncoder):
        _check_classifier(model, plan)
    else:
        if plan.label_map:
            what = f"--label-map cannot be used with a {model_type(model)}"
            raise UsageError(what, why="it has no labels of its own", fix="leave it out")
        if isinstance(model, Encoder):
            _check_dual(plan.probe)
        else:
            check_asks_texts(plan.probe, model.record.name)
        texts = texts_to_embed(given_texts(plan.probe, plan.what_ifs).texts, plan.probe.measurements, plan.dataset.texts)
        require_context(model, texts.ordered, cache_root, texts.private)


def _check_answers(probe: Probe, dataset: Dataset) -> None:
    """Raise DataError for true answers that the label set does not offer, and for invalid pairs."""
    named = {measurement.name: measurement for measurement in probe.measurements}
    for measurement in probe.measurements:
        if measurement.only is not None:
            _check_level(measurement.name, *measurement.only, dataset)
        if measurement.kind == COMMON_KIND and measurement.truth is not None:
            truths = set(map(str, dataset.attributes[measurement.truth].unique())) - {UNKNOWN, UNCLEAR}
            check_truth(truths, check_answers(measurement.label_set), measurement)
    for claim in () if probe.weights else probe.paired:
        check_pairs(claim, dataset.attributes[scored_images(named[claim.measurement], dataset.attributes)])


def _check_level(name: str, attribute: str, level: str, dataset: Dataset) -> None:
    """Raise DataError if a measurement asks only the images with a level that no image has."""
    levels = list(map(str, dataset.attributes[attribute].unique()))
    if level not in levels:
        what, why = (
            f"{name} asks only images with {attribute} {level!r}, which no image has",
            f"it holds {', '.join(map(repr, levels[:10]))}",
        )
        raise DataError(what, where=f"column {attribute!r}", why=why, fix="leave the measurement out of the probe")


@runtime_checkable
class CheckingAnswerer(Protocol):
    """An `Answerer` that can check questions before the first image."""

    def check_questions(self, questions: Sequence[Question], prompts: Sequence[str]) -> None:
        """Raise `DataError` if a question, with an image and its options, or a text after a prompt, exceeds the model's context."""
        ...


def _check_generative(model: Answerer, plan: ProbePlan) -> None:
    probe = plan.probe
    if plan.methods:
        raise UsageError("a generative model has no what-ifs", why="they change embeddings", fix="leave --what-if out")
    if plan.label_map:
        raise UsageError("--label-map cannot be used with a generative model", why="it has no labels of its own", fix="leave it out")
    written, _ = kinds.split(probe.analyses, "generative")
    if written and not isinstance(model, Writer):
        what = f"{model.record.name} writes no text, and the probe {probe.name!r} reads texts"
        raise UsageError(what, fix="give the model a method write(images, prompts), or choose another model or probe")
    if not written and not asks(probe):
        what, why = f"the probe {probe.name!r} asks nothing of a generative model", "it has no embeddings, which the analyses need"
        raise UsageError(what, why=why, fix="choose a dual encoder, such as CLIP or SigLIP")
    if isinstance(model, CheckingAnswerer):
        prompts = given_texts(replace(probe, measurements=(), specifications=(), analyses=written)).texts
        model.check_questions(questions_of(probe, plan.dataset, plan.settings.seed) if probe.measurements else (), prompts)


def _check_classifier(model: Classifier, plan: ProbePlan) -> None:
    """Raise UsageError for what-ifs, for labels that do not fit the probe, and for a model without images."""
    if plan.methods:
        raise UsageError("an image classifier has no what-ifs", why="they change embeddings", fix="leave --what-if out")
    if plan.probe.load is None:
        why = "it compares texts with each other, and a classifier reads none"
        raise UsageError(f"the probe {plan.probe.name!r} asks nothing of an image classifier", why=why, fix="choose another probe")
    classified_probe(plan.probe, model.labels, plan.label_map)


def check_asks_texts(probe: Probe, name: str) -> None:
    """Raise UsageError for a probe that shows images: an encoder of text alone, called `name`, reads none."""
    if probe.load is not None or not kinds.split(probe.analyses, "text encoder")[0]:
        what = f"the probe {probe.name!r} asks nothing of an encoder of text alone"
        why = f"{name} reads no image, and the probe's questions are about images"
        raise UsageError(what, why=why, fix="--probe text_only, which compares texts; or a model that reads images as well")


def _check_dual(probe: Probe) -> None:
    able, others = kinds.split(probe.analyses, "dual encoder")
    if others and not able and not probe.measurements:
        what = f"the probe {probe.name!r} asks nothing of a dual encoder"
        raise UsageError(what, why="it reads what a generative model writes", fix="choose a generative model: a folder, or hf:ORG/NAME")
