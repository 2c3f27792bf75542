"""Texts that a generative model writes for the analyses of a probe, and what other models leave out without texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.analyses import kinds
from audit.encoder import USUAL_TOKENS, LimitedWriter
from audit.engine.texts import given_texts
from audit.measure.asked.writing import Written, kept_bytes, write_texts
from audit.plans import AnalysisPlan, WritingPlan
from audit.types import Answerer, Dataset, ModelRecord, Note, Probe, Settings, Writer

if TYPE_CHECKING:
    import pandas as pd


def texts_for(
    model: Answerer, probe: Probe, plans: Sequence[AnalysisPlan], dataset: Dataset, settings: Settings, **how: Any
) -> Written | None:
    """Texts by the model (a writer: `check_model`) for the prompts of these analyses; None if there are no prompts."""
    if not plans:
        return None
    assert isinstance(model, Writer)  # noqa: S101 (`check_model`)
    prompts = given_texts(replace(probe, measurements=(), specifications=(), analyses=tuple(plans))).texts
    return write_texts(model, prompts, dataset, settings, **how)


def writing_note(model: Answerer) -> Note:
    """The note about how texts were written."""
    if not isinstance(model, LimitedWriter) or model.max_new_tokens == USUAL_TOKENS:
        return Note("asked_to_write")
    return Note("asked_to_write_up_to", {"tokens": model.max_new_tokens, "bytes": kept_bytes(model)})


def table_of_texts(plans: Sequence[AnalysisPlan], written: Written, attributes: pd.DataFrame) -> pd.DataFrame:
    """The texts as columns ``text:NAME`` beside the attributes."""
    names = {prompt: name for plan in plans if isinstance(plan, WritingPlan) for name, prompt in plan.prompts.items()}
    return attributes.assign(**{f"text:{names[prompt]}": texts for prompt, texts in written.texts.items()})


def with_left_out(record: ModelRecord, probe: Probe) -> ModelRecord:
    """Add a note to a dual encoder's record about the questions that need a model that writes."""
    _, others = kinds.split(probe.analyses, "dual encoder")
    if not others:
        return record
    return replace(record, notes=(*record.notes, Note("no_texts_written", {"questions": tuple(other.question for other in others)})))


def classifier_left_out(probe: Probe, names: Collection[str]) -> tuple[Note, ...]:
    """Notes about analyses that an image classifier cannot answer; `names` are those that its labels stand for."""
    able, others = kinds.split(probe.analyses, "classifier")
    queries = [query for plan in able for query in getattr(plan, "queries", ()) if query not in names]
    notes = [Note("classifier_reads_no_texts", {"questions": tuple(other.question for other in others)})] if others else []
    return (*notes, *([Note("classifier_queries_left_out", {"count": len(queries), "some": tuple(queries[:5])})] if queries else ()))
