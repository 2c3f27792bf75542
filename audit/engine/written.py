"""What a generative model writes for the analyses of a probe; and probes that one kind of model cannot be asked at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from audit.encoder import USUAL_TOKENS, LimitedWriter
from audit.engine import analyses
from audit.engine.texts import given_texts
from audit.errors import UsageError
from audit.measure.asked.writing import Written, kept_bytes, write_texts
from audit.plans import AnalysisPlan, WordRatePlan
from audit.types import Answerer, Dataset, ModelRecord, Note, Probe, Settings, Writer

if TYPE_CHECKING:
    import pandas as pd


def texts_for(
    model: Answerer, probe: Probe, plans: Sequence[AnalysisPlan], dataset: Dataset, settings: Settings, **how: Any
) -> Written | None:
    """Return what the model writes after the prompts of these analyses; None without any. UsageError if it does not write."""
    if not plans:
        return None
    if not isinstance(model, Writer):
        what = f"{model.record.name} writes no text, and the probe {probe.name!r} reads texts"
        raise UsageError(what, fix="give the model a method write(images, prompts), or choose another model or probe")
    prompts = given_texts(replace(probe, measurements=(), specifications=(), analyses=tuple(plans))).texts
    return write_texts(model, prompts, dataset, settings, **how)


def writing_note(model: Answerer) -> Note:
    """Return the note of how texts were written."""
    if not isinstance(model, LimitedWriter) or model.max_new_tokens == USUAL_TOKENS:
        return Note("asked_to_write")
    return Note("asked_to_write_up_to", {"tokens": model.max_new_tokens, "bytes": kept_bytes(model)})


def table_of_texts(plans: Sequence[AnalysisPlan], written: Written, attributes: pd.DataFrame) -> pd.DataFrame:
    """Return the texts as columns ``text:NAME`` beside the attributes."""
    names = {prompt: name for plan in plans if isinstance(plan, WordRatePlan) for name, prompt in plan.prompts.items()}
    return attributes.assign(**{f"text:{names[prompt]}": texts for prompt, texts in written.texts.items()})


def refuse_a_generative_model(probe: Probe) -> NoReturn:
    """Say that a probe reads embeddings alone."""
    what, why = f"the probe {probe.name!r} asks nothing of a generative model", "its analyses read embeddings, and there are none"
    raise UsageError(what, why=why, fix="choose a dual encoder, such as CLIP or SigLIP")


def refuse_a_dual_encoder(probe: Probe) -> None:
    """Refuse a dual encoder where a probe asks nothing but what a generative model writes; UsageError."""
    able, others = analyses.split(probe.analyses, generative=False)
    if others and not able and not probe.measurements:
        what = f"the probe {probe.name!r} asks nothing of a dual encoder"
        raise UsageError(what, why="it reads what a generative model writes", fix="choose a generative model: a folder, or hf:ORG/NAME")


def with_left_out(record: ModelRecord, probe: Probe) -> ModelRecord:
    """Return the record of a dual encoder with a note of the questions that take a model that writes."""
    _, others = analyses.split(probe.analyses, generative=False)
    if not others:
        return record
    return replace(record, notes=(*record.notes, Note("no_texts_written", {"questions": tuple(each.question for each in others)})))
