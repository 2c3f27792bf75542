"""Computes which words are used about which group in texts about images."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from audit.analyses.gallery import Gallery, check_attributes, gallery_of, seeded_order
from audit.analyses.kinds import AnalysisInputs, ExternalInputs
from audit.analyses.plans import WordRatePlan
from audit.analyses.records import ChanceBand
from audit.answers import is_refusal
from audit.errors import UsageError
from audit.extensions.word_rates.record import WordRate, WordRates
from audit.predictions.texts import TEXT, TEXTS
from audit.records.inputs import TextSet
from audit.statistics.intervals import difference_limits
from audit.statistics.null import generator
from audit.ties import least_equal
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Float64, Int


MODELS = ("generative",)
_ROUNDING = 1 / 12
"""Variance of rounding to whole words: texts of equal length do not show that all texts have it."""


def check(plans: Sequence[WordRatePlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the plans before the model sees an image; raises UsageError."""
    for plan in plans:
        check_attributes(plan.question, plan.by, dataset)
        if not plan.prompts or not all(plan.prompts.values()):
            raise UsageError(f"{plan.question!r} has no prompts, or an empty one", fix="name them in the probe")
        if not 0 <= plan.least < 1:
            raise UsageError(f"invalid share {plan.least!r} in {plan.question!r}: expected 0 ≤ least < 1", fix="least=0.02")


def prompts(plan: WordRatePlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the prompts for which a model writes."""
    yield TextSet("written", (plan.question,), plan.preset, "prompts", ()), tuple(plan.prompts.values())


@dataclass(frozen=True)
class _TextsOfImages:
    """Texts about the images of a data set, from any author."""

    probe: Probe
    dataset: Dataset
    attributes: pd.DataFrame
    written: Mapping[str, Sequence[str]]
    """prompt -> a text for each row of `attributes`."""
    settings: Settings


def analyse(plans: Sequence[WordRatePlan], inputs: AnalysisInputs) -> tuple[WordRates, ...]:
    """Compute the word rates for each prompt and attribute; p is adjusted over everything tested."""
    return _rates_of(plans, _TextsOfImages(inputs.probe, inputs.dataset, inputs.attributes, inputs.written, inputs.settings))


def analyse_external(inputs: ExternalInputs) -> tuple[WordRates, ...]:
    """Compute the word rates of recorded texts; the probe's prompts name the columns to read."""
    if inputs.texts is None:
        return ()
    plans = [plan for plan in inputs.probe.analyses if isinstance(plan, WordRatePlan)]
    written = {prompt: inputs.texts[name] for plan in plans for name, prompt in plan.prompts.items()}
    return _rates_of(plans, _TextsOfImages(inputs.probe, inputs.dataset, inputs.attributes, written, inputs.settings))


def _rates_of(plans: Sequence[WordRatePlan], inputs: _TextsOfImages) -> tuple[WordRates, ...]:
    rates: list[WordRates] = []
    comparisons = sum(len(plan.by) for plan in plans)
    order = seeded_order(inputs.attributes.index, inputs.settings.seed)
    for plan in plans:
        written = [_columns([inputs.written[prompt][i] for i in order], plan.least) for prompt in plan.prompts.values()]
        for attribute in plan.by:
            rates += _by_attribute(plan, attribute, written, inputs, comparisons)
    return tuple(rates)


class _Columns(NamedTuple):
    """The columns counted from the texts for one prompt."""

    names: tuple[tuple[Literal["word", "length", "empty", "refusal"], str], ...]
    counted: Float64[np.ndarray, "n w"]


def _columns(texts: Sequence[str], least: float) -> _Columns:
    words, used = common_words(texts, least)
    lengths = np.array([word_count(text) for text in texts], np.float64)
    refused = np.array([is_refusal(text) for text in texts], np.float64)
    traits = np.stack([lengths, lengths == 0, refused], axis=1)
    return _Columns((("length", ""), ("empty", ""), ("refusal", ""), *(("word", word) for word in words)), np.hstack([traits, used]))


def _by_attribute(
    plan: WordRatePlan, attribute: str, written: Sequence[_Columns], inputs: _TextsOfImages, comparisons: int
) -> Iterator[WordRates]:
    """Yield the rates for each prompt: all prompts are shuffled together, since one image has a text for each."""
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
    values = np.hstack([part.counted for part in written])[gallery.rows]
    tested = group_differences(values, gallery.codes, rng, draws=settings.draws)
    rated = _Rated(gallery, values, tested, settings, comparisons, dataset.limited)
    start = 0
    for record, columns in zip(empty, written, strict=True):
        yield replace(record, rates=tuple(rated.rate(start + i, kind, word) for i, (kind, word) in enumerate(columns.names)))
        start += len(columns.names)


@dataclass(frozen=True)
class _Rated:
    """Columns with their tests."""

    gallery: Gallery
    values: Float64[np.ndarray, "n w"]
    tested: GroupDifferences
    settings: Settings
    comparisons: int
    limited: bool

    def rate(self, index: int, kind: Literal["word", "length", "empty", "refusal"], word: str) -> WordRate:
        """One column by group, the group that differs most, and the range expected by chance."""
        column, codes, group = self.values[:, index], self.gallery.codes, int(self.tested.group[index])
        mine = codes == group
        low, high = self._interval(column, mine, kind)
        p_adjusted = min(1.0, float(self.tested.p_adjusted[index]) * self.comparisons)
        return WordRate(
            kind,
            word,
            tuple(float(column[codes == code].mean()) for code in range(len(self.gallery.groups))),
            self.gallery.groups[group],
            float(column[mine].mean() - column[~mine].mean()),
            low,
            high,
            ChanceBand(float(column.mean()), *map(float, self.tested.chance[index])),
            float(self.tested.p[index]),
            p_adjusted,
            "signal" if p_adjusted <= self.settings.alpha and not self.limited else "no signal",
        )

    def _interval(self, column: Float64[np.ndarray, "n"], mine: Bool[np.ndarray, "n"], kind: str) -> tuple[float, float]:
        first, second = column[mine], column[~mine]
        if kind == "length":  # Welch's; with this many texts the normal approximation is enough
            variances = (max(part.var(ddof=1), _ROUNDING) / len(part) for part in (first, second))
            half = -ndtri(self.settings.alpha / 2) * np.sqrt(sum(variances))
            difference = first.mean() - second.mean()
            return float(difference - half), float(difference + half)
        events, n = ([np.array(round(reduce(part))) for part in (first, second)] for reduce in (np.sum, len))
        low, high = difference_limits(events[0], n[0], events[1], n[1], self.settings.alpha)
        return float(low), float(high)


# ---- recorded texts -----------------------------------------------------------------------------------------------------------------


QUESTION = "Which words are used about whom?"


def probe_of_texts(probe: Probe | None, texts: Mapping[str, Sequence[str]], attributes: pd.DataFrame, source: str) -> Probe:
    """The question for recorded texts: which words are used about whom, by each attribute; or the questions of a given probe.

    Raises UsageError if the probe reads no texts, or none of these texts, or none of these attributes.
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
        readers = [plan for plan in probe.analyses if isinstance(plan, WordRatePlan)]
        named = ", ".join(f"{TEXT}{name}" for plan in readers for name in plan.prompts)
        groups = ", ".join(dict.fromkeys(name for plan in readers for name in plan.by))
        fix = f"name the columns {named}, and of {groups} those that are known" if readers else "leave --probe out"
        raise UsageError(f"{source} has no texts that the probe {probe.name!r} reads", fix=fix)
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
            "The file does not say who wrote the texts, about which images, or for which prompts.",
            "Words are counted, not understood: a word in a denial counts as one in a claim, and a stereotype in rare words is missed.",
            "Words that describe what is seen (a beard, a dress) differ by group without any stereotype; read the words, not their number.",
            "The groups are what the columns say; they are not how the people shown identify themselves.",
        ),
        not_tested=("prompts, and everything else that is not a column of the file",),
        analyses=(plan,),
    )


def _nothing_to_load(_: object) -> Dataset:
    raise UsageError("recorded texts have no images to load", fix="--predictions FILE")


_BLOCK = 1 << 22


def distinct_words(text: str) -> frozenset[str]:
    """The words of a text, each once.

    Examples
    --------
    >>> sorted(distinct_words("A NURSE, a nurse's café in the 1990s"))
    ['café', 'in', 'nurse', 'the']
    """
    return frozenset(word for word in _spelled(text) if len(word) > 1)


def word_count(text: str) -> int:
    """The number of words in a text, with repeated words and words of one character.

    Examples
    --------
    >>> word_count("A nurse, and a nurse."), word_count("…")
    (5, 0)
    """
    return len(_spelled(text))


def common_words(texts: Sequence[str], least: float) -> tuple[tuple[str, ...], Bool[np.ndarray, "n w"]]:
    """The words that at least this share of the texts use, in alphabetical order, and which text uses which.

    A word that every text uses is left out: it distinguishes no groups.

    Examples
    --------
    >>> words, used = common_words(["a tall man", "a tall woman", "a man"], 0.5)
    >>> words, used.tolist()
    (('man', 'tall'), [[True, True], [False, True], [True, False]])
    """
    spoken = [distinct_words(text) for text in texts]
    counts: dict[str, int] = {}
    for words in spoken:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    kept = tuple(sorted(word for word, n in counts.items() if least * len(texts) <= n < len(texts)))
    used = np.array([[word in words for word in kept] for words in spoken], dtype=bool)
    return kept, used.reshape(len(texts), len(kept))


@dataclass(frozen=True)
class GroupDifferences:
    """For each column: the group that differs most from the others, and its significance."""

    group: Int[np.ndarray, "w"]
    standard_errors: Float64[np.ndarray, "w"]
    """Difference between the group's mean and that of the others, signed."""
    p: Float64[np.ndarray, "w"]
    """Probability of a difference at least this large in shuffles of the groups."""
    p_adjusted: Float64[np.ndarray, "w"]
    """The same for the largest difference in any column."""
    chance: Float64[np.ndarray, "w 2"]
    """2.5 % and 97.5 % percentiles of that group's mean when groups are shuffled."""


def group_differences(
    columns: Float[np.ndarray, "n w"], codes: Int[np.ndarray, "n"], rng: np.random.Generator, *, draws: int = 9999
) -> GroupDifferences:
    """Find in each column the group whose mean differs most from that of all others, and test it by shuffling groups over images.

    All columns are shuffled together, so that p is adjusted by the largest difference in any of them (Westfall and Young): words of one
    text are correlated, and a correction that treats them as independent would lose power.

    Parameters
    ----------
    columns : float[n, w]
        One row per image; for words, 1 if its text has the word, else 0.
    codes : int[n]
        The group of each image; every number from 0 on occurs at least once; at least two groups.
    rng : Generator
        Source of the shuffles.
    draws : int
        Shuffles; the smallest possible p is ``1 / (draws + 1)``.

    Returns
    -------
    GroupDifferences
        The difference of means is in standard errors of the pooled column: ``sd * sqrt(1/n_group + 1/n_others)``; 0 if nothing varies.

    Raises
    ------
    ValueError
        If there are fewer than two groups.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing, ISBN 978-0-471-55761-6

    Examples
    --------
    The first word is in every text about the first group and in none about the second: 1 divided by √(.25 · (¼ + ¼)) is 2.83.

    >>> columns = np.array([[1, 1], [1, 0], [1, 1], [1, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    >>> found = group_differences(columns, np.repeat([0, 1], 4), np.random.default_rng(0), draws=999)
    >>> found.standard_errors.round(2).tolist(), bool(found.p[0] < 0.05), float(found.p[1])
    ([2.83, 0.0], True, 1.0)
    """
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise ValueError(f"{len(sizes)} groups: two at least can be compared")
    n, means = len(codes), columns.mean(axis=0)
    centred = np.ascontiguousarray(columns - means, dtype=np.float64)
    deviation = centred.std(axis=0)
    unit = centred / np.where(deviation > 0, deviation, 1.0)
    # In centred values the others' sum is minus the group's sum: the difference of means is the group's sum times 1/n + 1/rest.
    scale = np.sqrt(1 / sizes + 1 / (n - sizes))
    observed = (np.eye(len(sizes))[:, codes] @ unit) * scale[:, None]
    # With two groups both differ equally: the one that is ahead is named.
    farthest_of = np.abs(observed) >= least_equal(np.abs(observed).max(axis=0))
    group = (farthest_of * (1 + (observed > 0))).argmax(axis=0)
    farthest = np.take_along_axis(observed, group[None], axis=0)[0]
    reached, mine, largest = np.zeros(columns.shape[1]), [], []
    for drawn in _shuffled(unit, codes, sizes, rng, draws):
        standardized = drawn * scale[:, None]
        extremes = np.abs(standardized).max(axis=1)
        reached += (extremes >= least_equal(np.abs(farthest))).sum(axis=0)
        largest.append(extremes.max(axis=1, initial=0.0))
        mine.append(standardized[:, group, np.arange(len(group))])
    above = np.concatenate(largest)[:, None] >= least_equal(np.abs(farthest))
    # The group's mean is the overall mean plus the others' share of its difference from them.
    spread = deviation * scale[group] * ((n - sizes) / n)[group]
    chance = means[:, None] + np.percentile(np.concatenate(mine), (2.5, 97.5), axis=0).T * spread[:, None]
    return GroupDifferences(group, farthest, (1 + reached) / (draws + 1), (1 + above.sum(axis=0)) / (draws + 1), chance)


def _shuffled(
    unit: Float64[np.ndarray, "n w"], codes: Int[np.ndarray, "n"], sizes: Int[np.ndarray, "g"], rng: np.random.Generator, draws: int
) -> Iterator[Float64[np.ndarray, "b g w"]]:
    """Yield the sums of each group in blocks of shuffles: float[b, g, w]."""
    members = np.eye(len(sizes))
    step = max(1, _BLOCK // (len(codes) * len(sizes)))
    for start in range(0, draws, step):
        shuffled = rng.permuted(np.tile(codes, (min(step, draws - start), 1)), axis=1)
        inside = members[:, shuffled].transpose(1, 0, 2).reshape(-1, len(codes))
        yield (inside @ unit).reshape(len(shuffled), len(sizes), -1)


def _spelled(text: str) -> list[str]:
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(letter if _is_letter(letter) else " " for letter in folded).split()


@cache
def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM"
