"""Word rates of an audit: the texts that were written about images in, which words are used about which group out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from audit.analyses.base.gallery import Gallery, check_attributes, gallery_of, seeded_order
from audit.analyses.base.kinds import AnalysisInputs, ExternalInputs
from audit.analyses.base.records import ChanceBand
from audit.analyses.word_rates.plan import WordRatePlan
from audit.analyses.word_rates.record import WordRate, WordRates
from audit.answers import is_refusal
from audit.errors import UsageError
from audit.measure.word_rates import GroupDifferences, common_words, group_differences, word_count
from audit.predictions.texts import TEXT, TEXTS
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
class _TextsOfImages:
    """Texts about the images of a data set, whoever wrote them."""

    probe: Probe
    dataset: Dataset
    attributes: pd.DataFrame
    written: Mapping[str, Sequence[str]]
    """prompt -> a text for each row of `attributes`."""
    settings: Settings


def analyse(plans: Sequence[WordRatePlan], inputs: AnalysisInputs) -> tuple[WordRates, ...]:
    """Return the word rates of every prompt by every attribute, with p adjusted over all that was looked at."""
    return _rates_of(plans, _TextsOfImages(inputs.probe, inputs.dataset, inputs.attributes, inputs.written, inputs.settings))


def analyse_external(inputs: ExternalInputs) -> tuple[WordRates, ...]:
    """Return the word rates of recorded texts, of which the probe names what it reads as prompts."""
    if inputs.texts is None:
        return ()
    plans = [plan for plan in inputs.probe.analyses if isinstance(plan, WordRatePlan)]
    written = {prompt: inputs.texts[name] for plan in plans for name, prompt in plan.prompts.items()}
    return _rates_of(plans, _TextsOfImages(inputs.probe, inputs.dataset, inputs.attributes, written, inputs.settings))


def _rates_of(plans: Sequence[WordRatePlan], inputs: _TextsOfImages) -> tuple[WordRates, ...]:
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
    plan: WordRatePlan, attribute: str, written: Sequence[_Columns], inputs: _TextsOfImages, asked: int
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


# ---- recorded texts -----------------------------------------------------------------------------------------------------------------


QUESTION = "Which words are used about whom?"


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
