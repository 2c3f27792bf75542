"""Asks a model the questions of a probe: by embeddings of images and texts, by the labels of a classifier, or in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any, cast

import numpy as np
import pandas as pd

from audit.analyses import kinds
from audit.analyses.kinds import AnalysisInputs
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_images, embed_texts
from audit.embedding.known import embed_known_images, loaded_encoder
from audit.engine.plan import ProbePlan, check_model, plan_probe
from audit.engine.probe_audit import AnsweredProbe, AuditedProbe, UndecidedProbe, one_thread, tested_probe
from audit.engine.texts import GivenTexts, given_texts, texts_to_embed
from audit.engine.written import classifier_left_out, table_of_texts, texts_for, with_left_out, writing_note
from audit.evidence.prompt_sensitivity import Answered
from audit.measure import predict
from audit.measure.asked.interview import Interview, interview
from audit.measure.asked.questionnaire import asks
from audit.measure.classified.answers import LabelScores
from audit.measure.classified.answers import predict as classified
from audit.measure.classified.questions import classified_probe
from audit.measure.label_sets import COMMON_KIND, answer_all
from audit.plans import WhatIfPlan
from audit.stages import Stage, Stages, silent
from audit.types import (
    Accounted,
    Answerer,
    AnyModel,
    Classifier,
    Dataset,
    Embeddings,
    Encoder,
    Measurement,
    Predictions,
    Probe,
    Settings,
    TextEncoder,
)


def audit(
    encoder: AnyModel, probe: Probe, dataset: Dataset, settings: Settings, *, what_ifs: Sequence[str] = (), **how: Any
) -> AuditedProbe:
    """All findings of `probe` about `encoder` on `dataset`; arguments and errors are those of `plan_probe` and `ask_probe`."""
    plan = plan_probe(probe, dataset, settings, what_ifs)
    check_model(encoder, plan, how.get("cache_root"))
    return ask_probe(encoder, plan, **how).decide(None)


def ask_probe(
    encoder: AnyModel,
    plan: ProbePlan,
    *,
    cache_root: CacheRoot = None,
    batch_size: int = 32,
    stages: Stages = silent,
    verify: bool = False,
) -> UndecidedProbe:
    """Test every question of a plan about a model that fits it (`check_model`); for a generative model the probe is turned into questions.

    Raises DataError if too many images are unreadable, or no group can be compared.
    """
    stages("images", 0, len(plan.dataset.images))
    how: dict[str, Any] = {"cache_root": cache_root, "batch_size": batch_size}
    if isinstance(encoder, Answerer):
        asked = _interviewed(encoder, plan, stages, **how)
    elif isinstance(encoder, TextEncoder):
        asked = _embedded(encoder, plan, stages, **how, verify=verify)
    else:
        asked = _classified(encoder, plan, stages, **how, verify=verify)
    undecided = tested_probe(asked.answered, asked.probe, plan.settings, stages)

    def finish(audited: AuditedProbe) -> AuditedProbe:
        records = asked.preconditions
        if (inputs := asked.inputs) is not None:
            tried = _what_ifs(asked.what_ifs, plan.methods, inputs, stages)
            records = {**records, **kinds.analyse(replace(inputs, predictions=audited.predictions)), **tried}
        result = asked.texts.added_to(audited.result.with_analyses(records))
        return replace(audited, result=encoder.with_account(result) if isinstance(encoder, Accounted) else result, texts=asked.written)

    return undecided.then(finish)


@dataclass(frozen=True)
class _Asked:
    """What a model answered, and what the analyses of its probe need."""

    answered: AnsweredProbe
    probe: Probe
    """With the questions that were asked: a generative model has more, a classifier may have fewer."""
    texts: GivenTexts
    """Those that it read."""
    inputs: AnalysisInputs | None
    """Without predictions, which get clusters and weights; None: nothing is analysed."""
    preconditions: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Field of the results -> its records."""
    what_ifs: tuple[WhatIfPlan, ...] = ()
    written: pd.DataFrame | None = None
    """`AuditedProbe.texts`."""


def _embedded(encoder: TextEncoder, plan: ProbePlan, stages: Stages, *, cache_root: CacheRoot, batch_size: int, verify: bool) -> _Asked:
    """Compare images, or texts alone, with texts by their embeddings."""
    probe, dataset, settings, what_ifs = plan.probe, plan.dataset, plan.settings, plan.what_ifs
    embed = partial(embed_known_images, cast("Encoder", encoder), cache_root=cache_root, batch_size=batch_size, max_skip=settings.max_skip)
    if probe.load is None or not isinstance(encoder, Encoder):  # the probe only has texts (`check_model`)
        embeddings = Embeddings(np.empty((0, encoder.record.dimensions), np.float32), np.empty(0, np.int64), (), {}, 0)
    else:
        embeddings = embed(dataset, progress=partial(stages, "images"), verify=verify)
    attributes = dataset.attributes.iloc[embeddings.rows]
    probe_texts = given_texts(probe, what_ifs)
    ordered, private = texts_to_embed(probe_texts.texts, probe.measurements, dataset.texts)
    stages("texts", 0, len(ordered))
    vectors = embed_texts(encoder, ordered, cache_root, progress=partial(stages, "texts"), private=private)
    texts = dict(zip(ordered, vectors, strict=True))
    row_texts = None if dataset.texts is None else dataset.texts.iloc[embeddings.rows]
    inputs = AnalysisInputs(probe, dataset, attributes, encoder, embeddings, texts, {}, settings, embed)
    checked, met = kinds.check_preconditions(inputs)
    if not met:
        probe, what_ifs = without_questions(probe), ()

    def answer(measurement: Measurement) -> Predictions:
        return predict(measurement, encoder.record, embeddings.vectors, texts, attributes, row_texts)

    with one_thread():
        predictions = {measurement.name: answer(measurement) for measurement in probe.measurements}
        specifications = specified(probe, answer, lambda alike: answer_all(alike, encoder.record, embeddings.vectors, texts, attributes))
    seen = (embeddings.exclusions, embeddings.conversions)
    record = with_left_out(encoder.record, probe)
    answered = AnsweredProbe(record, dataset, attributes, predictions, specifications, *seen, lock=plan.lock)
    # Attacks need all capabilities of the model, so a deferred one is loaded.
    model = loaded_encoder(encoder) if kinds.extra_pictures(probe.analyses, 1).attacked else encoder
    # Clusters of one image each are images: methods that shuffle images can be used.
    alone = probe.cluster in attributes and attributes[probe.cluster].is_unique
    analysed = replace(inputs, probe=replace(probe, cluster=None) if alone else probe, model=model)
    return _Asked(answered, probe, probe_texts, analysed, checked, what_ifs)


def without_questions(probe: Probe) -> Probe:
    """A probe of which nothing is asked, because a precondition is not met."""
    return replace(probe, measurements=(), specifications=(), paired=(), what_ifs=(), published=(), analyses=())


def specified(
    probe: Probe, answer: Callable[[Measurement], Predictions], alike: Callable[[Sequence[Measurement]], Sequence[Answered]]
) -> list[list[Answered]]:
    """The answers under every specification of each plan; those of the common kind are computed in one pass over the images."""
    points = [point.measurement for plan in probe.specifications for point in plan.specifications]
    together = iter(alike([point for point in points if point.kind == COMMON_KIND]))
    answered = iter([next(together) if point.kind == COMMON_KIND else answer(point) for point in points])
    return [[next(answered) for _ in plan.specifications] for plan in probe.specifications]


def _what_ifs(plans: Sequence[WhatIfPlan], methods: Sequence[str], inputs: AnalysisInputs, stages: Stages) -> dict[str, tuple[Any, ...]]:
    """Try what-ifs after the verdict and independently of it, since they are about another model: field of the results -> records."""
    if not plans:
        return {}
    stage, tried = Stage("what-ifs", len(plans), stages), kinds.what_if_analysis()
    computation = import_module(tried.computation)
    records: list[Any] = []
    for what_if in plans:
        records += computation.analyse(what_if, inputs, methods)
        stage.advance()
    return {tried.field: tuple(records)}


def _classified(model: Classifier, plan: ProbePlan, stages: Stages, *, cache_root: CacheRoot, batch_size: int, verify: bool) -> _Asked:
    """Classify every image, and answer the questions that the labels can answer."""
    dataset, settings = plan.dataset, plan.settings
    fitted = classified_probe(plan.probe, model.labels, plan.label_map)
    probe = fitted.probe
    embed = partial(embed_known_images, model, cache_root=cache_root, batch_size=batch_size, max_skip=settings.max_skip)
    embeddings = embed(dataset, progress=partial(stages, "images"), verify=verify)
    attributes = dataset.attributes.iloc[embeddings.rows]
    with one_thread():
        predictions = {
            measurement.name: classified(measurement, fitted.answers[measurement.name], model.record, embeddings.vectors, attributes)
            for measurement in probe.measurements
        }
    scores = LabelScores.of(model.record, embeddings.vectors, plan.label_map)
    record = replace(model.record, notes=(*model.record.notes, *fitted.notes, *classifier_left_out(probe, scores.names)))
    seen = (embeddings.exclusions, embeddings.conversions)
    answered = AnsweredProbe(record, dataset, attributes, predictions, (), *seen, lock=plan.lock)
    inputs = AnalysisInputs(probe, dataset, attributes, model, embeddings, {}, {}, settings, embed, label_scores=scores)
    return _Asked(answered, probe, GivenTexts(), inputs)


def _interviewed(model: Answerer, plan: ProbePlan, stages: Stages, *, cache_root: CacheRoot, batch_size: int) -> _Asked:
    """Ask a generative model the questions of a probe, and let it write the texts that the probe's analyses need."""
    probe, dataset, settings = plan.probe, plan.dataset, plan.settings
    how: dict[str, Any] = {"cache_root": cache_root, "batch_size": batch_size, "progress": partial(stages, "images")}
    plans, _ = kinds.split(probe.analyses, "generative")
    written = texts_for(model, probe, plans, dataset, settings, **how)
    if asks(probe):
        held = interview(model, probe, dataset, settings, **how)
    else:
        assert written is not None  # noqa: S101 (`check_model`)
        held = Interview(model.record, probe, written.images, dataset.attributes.iloc[written.images.rows], {}, ())
    seen = (held.scores.exclusions, held.scores.conversions)
    notes = (writing_note(model),) if written else ()
    record = replace(held.record, asked=(*held.record.asked, *notes))
    answered = AnsweredProbe(record, dataset, held.attributes, held.predictions, held.specifications, *seen, lock=plan.lock)
    texts = given_texts(replace(held.probe, analyses=plans))
    if written is None:
        return _Asked(answered, held.probe, texts, None)
    embed: Any = partial(embed_images, cast(Any, model), cache_root=cache_root, batch_size=batch_size, max_skip=settings.max_skip)
    inputs = AnalysisInputs(
        replace(probe, analyses=plans), dataset, held.attributes, model, held.scores, {}, {}, settings, embed, written.texts
    )  # fmt: skip
    return _Asked(answered, held.probe, texts, inputs, written=table_of_texts(plans, written, held.attributes))
