"""Checks whether a model, a probe and data fit together, as far as possible before the model sees an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from audit.analyses.base import kinds
from audit.embedding.cache import CacheRoot
from audit.embedding.context import require_context
from audit.engine.shares import check_shares
from audit.engine.texts import given_texts, texts_to_embed
from audit.errors import UsageError
from audit.measure.asked.interview import questions_of
from audit.measure.row_options import check_rows
from audit.types import Answerer, Dataset, Encoder, Probe, Question, Settings, Writer
from audit.whatif.explore import chosen_methods


def check_askable(
    encoder: Encoder | Answerer, probe: Probe, dataset: Dataset, settings: Settings, what_ifs: Sequence[str] = ()
) -> tuple[str, ...]:
    """Check that an audit is possible; returns the methods that `what_ifs` names.

    Raises DataError if rows of the data have invalid questions; UsageError if the probe does not fit the data or this kind of model, or a
    what-if is unknown.
    """
    methods = tuple(chosen_methods(what_ifs))
    kinds.check(probe, dataset, settings)
    check_rows(probe.measurements, dataset)
    check_shares(probe, dataset, what_ifs=bool(methods))
    if isinstance(encoder, Answerer):
        _check_generative(encoder, probe, what_ifs=bool(methods))
    else:
        _check_dual(probe)
    return methods


@runtime_checkable
class CheckingAnswerer(Protocol):
    """An `Answerer` that can check questions before the first image."""

    def check_questions(self, questions: Sequence[Question], prompts: Sequence[str]) -> None:
        """Raise `DataError` if a question, with an image and its options, or a text after a prompt, exceeds the model's context."""
        ...


def check_answerer(model: Answerer, probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Raise `DataError` if a generative model cannot handle a question of the probe, or write for one of its prompts."""
    if isinstance(model, CheckingAnswerer):
        plans, _ = kinds.split(probe.analyses, generative=True)
        written = given_texts(replace(probe, measurements=(), specifications=(), analyses=plans)).texts
        model.check_questions(questions_of(probe, dataset, settings.seed) if probe.measurements else (), written)


def check_texts(encoder: Encoder, probe: Probe, dataset: Dataset, what_ifs: Sequence[str] = (), cache_root: CacheRoot = None) -> None:
    """Raise `DataError` if a text for the encoder exceeds its context."""
    probe_texts = given_texts(probe, probe.what_ifs if chosen_methods(what_ifs) else ()).texts
    texts = texts_to_embed(probe_texts, probe.measurements, dataset.texts)
    require_context(encoder, texts.ordered, cache_root, texts.private)


def _check_generative(model: Answerer, probe: Probe, *, what_ifs: bool) -> None:
    if what_ifs:
        raise UsageError("a generative model has no what-ifs", why="they change embeddings", fix="leave --what-if out")
    written, _ = kinds.split(probe.analyses, generative=True)
    if written and not isinstance(model, Writer):
        what = f"{model.record.name} writes no text, and the probe {probe.name!r} reads texts"
        raise UsageError(what, fix="give the model a method write(images, prompts), or choose another model or probe")
    if not written and not probe.measurements:
        what, why = f"the probe {probe.name!r} asks nothing of a generative model", "it has no embeddings, which the analyses need"
        raise UsageError(what, why=why, fix="choose a dual encoder, such as CLIP or SigLIP")


def _check_dual(probe: Probe) -> None:
    able, others = kinds.split(probe.analyses, generative=False)
    if others and not able and not probe.measurements:
        what = f"the probe {probe.name!r} asks nothing of a dual encoder"
        raise UsageError(what, why="it reads what a generative model writes", fix="choose a generative model: a folder, or hf:ORG/NAME")
