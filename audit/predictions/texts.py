"""Texts that were recorded: columns of a table in, what is asked about them out. Who wrote them, and after what, the file does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import quoted
from audit.errors import DataError, UsageError
from audit.output.predictions import SCORE
from audit.plans import WordRatePlan
from audit.predictions.answers import Y_PRED
from audit.types import Dataset, Probe

if TYPE_CHECKING:
    import pandas as pd

TEXT, MODEL, TEXTS = "text:", "model", "texts"
QUESTION = "Which words are used about whom?"


def columns_of_texts(names: Sequence[str], wanted: Sequence[str] | None, place: str) -> dict[str, str]:
    """Return name -> column of the texts: those that are wanted, or ``text:NAME`` where no column holds answers.

    Examples
    --------
    >>> columns_of_texts(["id", "race", "text:caption"], None, "a.csv"), columns_of_texts(["text:caption", "y_pred"], None, "a.csv")
    ({'caption': 'text:caption'}, {})
    """
    answers = [name for name in names if name == Y_PRED or name.startswith((f"{Y_PRED}:", SCORE))]
    if wanted and answers:
        why = f"the column {quoted(answers[0])} holds answers, and texts are audited by themselves"
        raise UsageError(f"{place}: --texts cannot be used with answers", why=why, fix="leave --texts out, or that column of the file")
    found = wanted or [name for name in names if name.startswith(TEXT) and not answers]
    named = {name.removeprefix(TEXT) or name: name for name in found}
    if len(named) < len(set(found)):
        raise DataError(f"{place}: two columns of texts have one name", why=", ".join(map(quoted, found)), fix="rename one of them")
    return named


def read_texts(column: pa.ChunkedArray, name: str, place: str) -> list[str]:
    """Return a text for each row, an empty one for an empty cell; DataError if a column holds something else, or nothing."""
    kind: Any = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataError(
            f"{place}: the column {quoted(name)} holds {kind}, which is not text", fix="name the columns of texts: --texts NAME"
        )
    texts: list[str] = pc.fill_null(column, "").to_pylist()
    if not any(text.strip() for text in texts):
        raise DataError(f"{place}: no row has a text in the column {quoted(name)}", fix="name the columns of texts: --texts NAME")
    return texts


def probe_of_texts(probe: Probe | None, texts: Mapping[str, Sequence[str]], attributes: pd.DataFrame, place: str) -> Probe:
    """Return what is asked of recorded texts: which words are used about whom, by each attribute; or as a probe asks it.

    UsageError if the probe reads no texts, or neither these nor by these attributes.
    """
    columns = tuple(map(str, attributes.columns))
    if probe is None:
        return _default(WordRatePlan(QUESTION, {name: name for name in texts}, columns, "recorded texts"))
    plans = tuple(
        replace(plan, prompts={name: prompt for name, prompt in plan.prompts.items() if name in texts}, by=by)
        for plan in probe.analyses
        if isinstance(plan, WordRatePlan) and (by := tuple(name for name in plan.by if name in columns)) and texts.keys() & plan.prompts
    )
    if not plans:
        asked = [plan for plan in probe.analyses if isinstance(plan, WordRatePlan)]
        named = ", ".join(f"{TEXT}{name}" for plan in asked for name in plan.prompts)
        groups = ", ".join(dict.fromkeys(name for plan in asked for name in plan.by))
        fix = f"name the columns {named}, and of {groups} those that are known" if asked else "leave --probe out"
        raise UsageError(f"{place} has no texts that the probe {probe.name!r} reads", fix=fix)
    return replace(probe, measurements=(), specifications=(), paired=(), published=(), analyses=plans)


def _default(plan: WordRatePlan) -> Probe:
    return Probe(
        name=TEXTS,
        question=QUESTION,
        load=_nothing_to_load,
        measurements=(),
        source="The columns of texts, by each attribute",
        licence="not stated",
        limits=(
            "Who wrote, what was shown and what was asked is known only to whoever made the file.",
            "Words are counted, not understood: a word in a denial counts as one in a claim, and a stereotype in rare words is missed.",
            "Words that describe what is seen (a beard, a dress) differ by group without any stereotype; read the words, not their number.",
            "The groups are what the columns say; they are not how the people shown identify themselves.",
        ),
        not_tested=("prompts, and everything else that is not a column of the file",),
        analyses=(plan,),
    )


def _nothing_to_load(_: object) -> Dataset:
    raise UsageError("recorded texts have no images to load", fix="--predictions FILE")
