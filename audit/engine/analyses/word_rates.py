"""Word rates of an audit: the texts that were written about images in, which words are used about which group out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from audit.answers import is_refusal
from audit.engine.analyses.gallery import Gallery, check_attributes, gallery_of, seeded_order
from audit.engine.analyses.inputs import AnalysisInputs
from audit.errors import UsageError
from audit.measure.word_rates import GroupDifferences, common_words, group_differences, word_count
from audit.plans import WordRatePlan
from audit.records.analyses.similarity import ChanceBand
from audit.records.analyses.word_rates import WordRate, WordRates
from audit.records.inputs import TextSet
from audit.statistics.intervals import difference_limits
from audit.statistics.null import generator
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float64

PLAN, FIELD, GENERATIVE = WordRatePlan, "word_rates", True


def check(plans: Sequence[WordRatePlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with the plans before a model sees an image; UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if not plan.prompts or not all(plan.prompts.values()):
            raise UsageError(f"{plan.question!r} has no prompts, or an empty one", fix="name them in the probe")
        if not 0 <= plan.least < 1:
            raise UsageError(f"invalid share {plan.least!r} in {plan.question!r}: expected 0 ≤ least < 1", fix="least=0.02")


def prompts(plan: WordRatePlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Give the prompts after which a model writes."""
    yield TextSet("written", (plan.question,), plan.preset, "prompts", ()), tuple(plan.prompts.values())


@dataclass(frozen=True)
class TextsOfImages:
    """Texts about the images of a data set, whoever wrote them."""

    probe: Probe
    dataset: Dataset
    attributes: pd.DataFrame
    written: Mapping[str, Sequence[str]]
    """prompt -> a text for each row of `attributes`."""
    settings: Settings


def analyse(plans: Sequence[WordRatePlan], inputs: AnalysisInputs) -> tuple[WordRates, ...]:
    """Return the word rates of every prompt by every attribute, with p adjusted over all that was looked at."""
    return analyse_given(plans, TextsOfImages(inputs.probe, inputs.dataset, inputs.attributes, inputs.written, inputs.settings))


def analyse_given(plans: Sequence[WordRatePlan], inputs: TextsOfImages) -> tuple[WordRates, ...]:
    """Return the same of texts that are there already."""
    found: list[WordRates] = []
    asked = sum(len(plan.by) for plan in plans)
    order = seeded_order(inputs.attributes.index, inputs.settings.seed)
    for plan in plans:
        written = [_columns([inputs.written[prompt][i] for i in order], plan.least) for prompt in plan.prompts.values()]
        for attribute in plan.by:
            found += _by_attribute(plan, attribute, written, inputs, asked)
    return tuple(found)


class _Columns(NamedTuple):
    """What is counted of the texts after one prompt."""

    names: tuple[tuple[Literal["word", "length", "empty", "refusal"], str], ...]
    counted: Float64[np.ndarray, "n w"]


def _columns(texts: Sequence[str], least: float) -> _Columns:
    words, used = common_words(texts, least)
    lengths = np.array([word_count(text) for text in texts], np.float64)
    refused = np.array([is_refusal(text) for text in texts], np.float64)
    traits = np.stack([lengths, lengths == 0, refused], axis=1)
    return _Columns((("length", ""), ("empty", ""), ("refusal", ""), *(("word", word) for word in words)), np.hstack([traits, used]))


def _by_attribute(
    plan: WordRatePlan, attribute: str, written: Sequence[_Columns], inputs: TextsOfImages, asked: int
) -> Iterator[WordRates]:
    """Give the rates after each prompt: all prompts are shuffled together, since one image has a text after each."""
    settings, dataset = inputs.settings, inputs.dataset
    order = seeded_order(inputs.attributes.index, settings.seed)
    gallery = gallery_of(inputs.attributes[attribute].iloc[order], dataset.levels[attribute], settings)
    reason = gallery.not_estimable(inputs.probe, settings)
    sizes = tuple(gallery.sizes.tolist())
    empty = [
        WordRates(plan.question, name, attribute, gallery.groups, sizes, gallery.left_out, plan.least, reason, draws=settings.draws)
        for name in plan.prompts
    ]
    if reason:
        yield from empty
        return
    rng = generator(settings.seed, f"word rates/{plan.question}/{attribute}")
    values = np.hstack([each.counted for each in written])[gallery.rows]
    tested = group_differences(values, gallery.codes, rng, draws=settings.draws)
    rated = _Rated(gallery, values, tested, settings, asked, dataset.limited)
    start = 0
    for each, columns in zip(empty, written, strict=True):
        yield replace(each, rates=tuple(rated.rate(start + i, kind, word) for i, (kind, word) in enumerate(columns.names)))
        start += len(columns.names)


@dataclass(frozen=True)
class _Rated:
    """Columns with their tests."""

    gallery: Gallery
    values: Float64[np.ndarray, "n w"]
    tested: GroupDifferences
    settings: Settings
    asked: int
    limited: bool

    def rate(self, place: int, kind: Literal["word", "length", "empty", "refusal"], word: str) -> WordRate:
        """Return one column with its groups, the one that differs most, and what chance gives."""
        column, codes, group = self.values[:, place], self.gallery.codes, int(self.tested.group[place])
        mine = codes == group
        low, high = self._interval(column, mine, kind)
        p_adjusted = min(1.0, float(self.tested.p_adjusted[place]) * self.asked)
        return WordRate(
            kind,
            word,
            tuple(float(column[codes == code].mean()) for code in range(len(self.gallery.groups))),
            self.gallery.groups[group],
            float(column[mine].mean() - column[~mine].mean()),
            low,
            high,
            ChanceBand(float(column.mean()), *map(float, self.tested.chance[place])),
            float(self.tested.p[place]),
            p_adjusted,
            "signal" if p_adjusted <= self.settings.alpha and not self.limited else "no signal",
        )

    def _interval(self, column: Float64[np.ndarray, "n"], mine: Bool[np.ndarray, "n"], kind: str) -> tuple[float, float]:
        first, second = column[mine], column[~mine]
        if kind == "length":  # Welch's, with as many texts as this the normal one
            half = -ndtri(self.settings.alpha / 2) * np.sqrt(sum(part.var(ddof=1) / len(part) for part in (first, second)))
            difference = first.mean() - second.mean()
            return float(difference - half), float(difference + half)
        events, n = ([np.array(round(each(part))) for part in (first, second)] for each in (np.sum, len))
        low, high = difference_limits(events[0], n[0], events[1], n[1], self.settings.alpha)
        return float(low), float(high)
