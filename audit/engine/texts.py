"""All texts for a model, from a probe and what-ifs: one table of texts, and what each is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from audit.analyses import kinds
from audit.measure.row_options import embedded_texts
from audit.plans import WhatIfPlan
from audit.records.inputs import TextSet
from audit.results import AuditResult
from audit.types import Measurement, Probe

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GivenTexts:
    """The texts of an audit."""

    texts: tuple[str, ...] = ()
    """Without duplicates, those of the measurements first."""
    sets: tuple[TextSet, ...] = ()
    """Those of other prompt templates and of what-ifs, by their indices in `texts`."""

    def added_to(self, result: AuditResult) -> AuditResult:
        """Add the texts to a result."""
        return replace(result, texts=self.texts, text_sets=self.sets)


def given_texts(probe: Probe, what_ifs: Sequence[WhatIfPlan] = ()) -> GivenTexts:
    """The texts for a model with a probe and what-ifs: prompts, or questions with their options."""
    sets: list[TextSet] = []
    places: dict[str, int] = {}

    def placed(texts: Iterator[str]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(places.setdefault(text, len(places)) for text in texts))

    placed(chain.from_iterable(map(_of_measurement, probe.measurements)))
    for plan in probe.specifications:
        for point in plan.specifications:
            texts = placed(_of_measurement(point.measurement))
            sets.append(TextSet("prompt-sensitivity", (plan.question,), point.preset, point.variant, texts))
    sets += [replace(text_set, texts=placed(iter(prompts))) for text_set, prompts in kinds.prompts(probe.analyses)]
    for what_if in what_ifs:
        for method, prompts in what_if.texts().items():
            sets.append(TextSet(method, (what_if.question,), "", "", placed(iter(prompts))))
    return GivenTexts(tuple(places), _merged(sets))


class TextsToEmbed(NamedTuple):
    """The texts for a dual encoder."""

    ordered: list[str]
    """Without duplicates, sorted: the order of a batch does not depend on what a text is for."""
    private: set[str]
    """Those that no message may quote."""


def texts_to_embed(texts: Iterable[str], measurements: Iterable[Measurement], row_texts: pd.DataFrame | None) -> TextsToEmbed:
    """The texts of a probe, and those of the rows of its data."""
    of_rows = embedded_texts(measurements, row_texts)
    return TextsToEmbed(sorted({*texts, *of_rows}), {text for text, hidden in of_rows.items() if hidden})


def _of_measurement(measurement: Measurement) -> Iterator[str]:
    """Yield the question and its options, or every prompt."""
    if measurement.asked:
        yield from (measurement.asked.text, *measurement.asked.options)
    else:
        yield from chain.from_iterable(measurement.label_set.prompts.values())


def _merged(sets: Sequence[TextSet]) -> tuple[TextSet, ...]:
    """Merge sets with the same texts; each gets all their questions."""
    merged: dict[tuple[object, ...], TextSet] = {}
    for text_set in sets:
        key = (text_set.use, text_set.preset, text_set.variant, text_set.texts)
        before = merged.get(key, replace(text_set, questions=()))
        merged[key] = (
            before if text_set.questions[0] in before.questions else replace(before, questions=(*before.questions, *text_set.questions))
        )
    return tuple(text_set for text_set in merged.values() if text_set.texts)
