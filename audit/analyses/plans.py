"""What a probe may ask besides its measurements, for each analysis that an extension of ours answers. None affects a verdict.

A plan is a part of the question, so it is here, beside the probes; what answers it is in the extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import ClassVar, Literal

from audit.plans import AnalysisPlan, Group, Retrieval, WritingPlan
from audit.types import Claim, LabelSet, Measurement

# ---- ranking -----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RankingPlan(AnalysisPlan):
    """Queries, each of which ranks all images, or those of its own gallery: whose images come first?"""

    queries: Mapping[str, tuple[str, ...]]
    """query -> its prompts, whose normalised embeddings are averaged: ``{"doctor": ("a photo of a doctor",)}``."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    preset: str
    """Name and version of the prompts."""
    ks: tuple[int, ...] = ()
    """How many images are retrieved; empty: a tenth of the gallery, at most 1,000."""
    target: Literal["population", "equal"] = "population"
    """The share of the first k that a group should have: its share of the gallery, or the same share as every other group."""
    gallery: str | None = None
    """The attribute that names the query of each image: a query ranks only the images with its name (the caption of an occupation only
    the images of that occupation). Images with another name are in no gallery. None: every query ranks all images."""

    def planned(self, k: int, name: str, *, query: str | None = None, tolerance: float | None = None) -> Measurement:
        """The measurement that asks as a planned question whether groups are among the first `k` equally often; it goes in `measurements`.

        With a gallery for each query, groups are compared inside galleries, and queries are the independent units. Otherwise it is about
        one `query`, and images are.
        """
        queries = self.queries if query is None else {query: self.queries[query]}
        # The gallery is part of the name of the outcome, so that a plan lock holds it.
        first = f"among the first {k}" if self.gallery is None else f"among the first {k} of the {self.gallery.replace('_', ' ')}"
        labels = (first, f"not {first}")
        prompts = {first: tuple(dict.fromkeys(chain.from_iterable(queries.values()))), labels[1]: ()}
        claims = tuple(Claim("retrieval_rate", (attribute,), first, tolerance=tolerance) for attribute in self.by)
        return Measurement(
            name, self.question, LabelSet(name, labels, prompts), self.preset, claims, outcomes={first: (first,)}, kind="retrieved",
            retrieval=Retrieval(k, queries, self.gallery),
        )  # fmt: skip


# ---- tagging -----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaggingPlan(AnalysisPlan):
    """A large label set, from which an image gets every label above a threshold; there is no true label."""

    labels: Mapping[str, Group]
    """label -> its prompts, whose normalised embeddings are averaged: ``{"nurse": ("a photo of a nurse",)}``."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time; none: every attribute of the data."""
    preset: str
    """Name and version of the labels."""
    thresholds: tuple[float, ...] = (0.005, 0.04)
    """Probabilities that a label must exceed; Radford et al. 2021 (section 7.1) use .5 % and 4 %."""


# ---- association -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AssociationPlan(AnalysisPlan):
    """Two lists of words, or two sets of images: which group's images are nearer to the first than to the second?

    Or each list of words by itself, compared with all images.
    """

    words: Mapping[str, Group]
    """Two names with their prompts: ``{"career": ("a photo of an office", …), "family": ("a photo of a home", …)}``. May be empty."""
    by: Group
    """Attributes; each group is compared with the rest."""
    preset: str
    """Name and version of the prompts."""
    single: bool = False
    """Whether every name (then there may be any number) is a concept by itself (C-ASC); the embeddings of its prompts are averaged."""
    images: Mapping[str, Mapping[str, Group]] = field(default_factory=dict)
    """Used instead of words: two names, each with the attribute values that select its images (iEAT); all attributes must match.

    ``{"office": {"place": ("office", "shop")}, "home": {"place": ("home",)}}``. These images are not among those whose groups are compared.
    """


# ---- counterfactual sets -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """Two answers for the images of one case, such as one scene; an image gets the nearer one."""

    first: tuple[str, ...]
    """Prompts, whose normalised embeddings are averaged."""
    second: tuple[str, ...]


@dataclass(frozen=True)
class CounterfactualSetsPlan(AnalysisPlan):
    """Sets of images that differ in one attribute: how often do the answers differ, and in which direction do scores shift?

    The answers are those of a measurement, or for each case the nearer of two answers.
    """

    attribute: str
    members: Group
    """Levels of the attribute, in display order: a set has one image of each."""
    within: Group
    """Attributes that together identify a set."""
    cluster: str
    """The attribute whose levels are independent units."""
    outcome: str
    """The outcome whose probability is the score: a name in the measurement's outcomes, or what the first answers of all choices share."""
    measurement: str | None = None
    case: str | None = None
    """The attribute whose levels have their own choices; images of other levels are skipped."""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """level of `case` -> its choice."""
    preset: str = ""
    """Name and version of the prompts of the choices."""


# ---- word rates --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordRatePlan(WritingPlan):
    """Prompts for each of which a generative model writes about every image: which words does it use about whom?"""

    preset: str
    """Name and version of the prompts."""
    least: float = 0.02
    """Words that a smaller share of the texts use are left out: names, misspellings, and words too rare for a test."""


# ---- text association --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextAssociationPlan(AnalysisPlan):
    """Two sets of texts: are the first nearer to some words than the second, for the text tower? No image is needed."""

    targets: Mapping[str, Group]
    """Two names, each with its texts: ``{"women": ("Mary", …), "men": ("James", …)}``."""
    words: Mapping[str, Group]
    """Two names, each with its texts: ``{"career": ("an office", …), "family": ("a home", …)}``."""
    concepts: Group
    """Texts unrelated to either, at least as many as in both target sets together: random sets of them are the control."""
    preset: str
    """Name and version of the texts."""


# ---- language ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WordContrast:
    """Two texts that a model must distinguish, in a language and in English."""

    name: str
    """In English: ``"a doctor / a dog"``."""
    texts: tuple[str, str]
    english: tuple[str, str]
    """Their translations, in the same order."""
    people: bool = False
    """Whether it is about a woman and a man, or other words with a gender."""


@dataclass(frozen=True)
class PicturedContrast:
    """A contrast whose right answer for every image is known."""

    contrast: WordContrast
    attribute: str = ""
    """The attribute that says which of the two texts is right; empty: the first is right for every image."""
    levels: tuple[str, str] = ("", "")
    """Its values for the first and for the second text."""


@dataclass(frozen=True)
class LanguagePlan(AnalysisPlan):
    """Does the model understand a language? If not, no other question of the probe is answered."""

    required: ClassVar[bool] = True
    code: str
    """ISO 639-1."""
    language: str
    """In English."""
    contrasts: tuple[WordContrast, ...]
    """Compared with their translations, as texts."""
    preset: str
    """Name and version of the texts."""
    pictured: tuple[PicturedContrast, ...] = ()
    """Compared with images, by models that read them, if the data have the attribute."""

    def without_inference(self) -> LanguagePlan:
        """The same without contrasts that ask which group a person belongs to."""
        return replace(self, pictured=tuple(one for one in self.pictured if not one.attribute))


# ---- conditions --------------------------------------------------------------------------------------------------------------------------


IMAGENET_C = (
    "Gaussian noise", "shot noise", "impulse noise", "defocus blur", "glass blur", "motion blur", "zoom blur", "snow", "frost (procedural)",
    "fog", "brightness", "contrast", "elastic transform", "pixelate", "JPEG",
)  # fmt: skip
"""The kinds of ImageNet-C. Frost is not as published: the photographs of frost that it blends may not be distributed."""
HARMLESS = ("Gaussian noise", "shot noise", "defocus blur", "motion blur", "brightness", "contrast", "JPEG", "pixelate")
"""The kinds of our own, milder set."""
Parameters = Literal["ImageNet-C", "harmless"]


@dataclass(frozen=True, kw_only=True)
class ConditionsPlan(AnalysisPlan):
    """A measurement under several conditions: each group's change from the first condition, on the same images."""

    measurement: str
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    outcome: str | None = None
    """The name, in the measurement's outcomes, of the outcome whose rate is compared; None: accuracy."""


@dataclass(frozen=True, kw_only=True)
class PromptConditionsPlan(ConditionsPlan):
    """The same labels with other prompts: what an ensemble gains, or a word that disambiguates a label."""

    conditions: Mapping[str, Mapping[str, Group]]
    """Name -> label -> its prompts; the first is the baseline."""
    preset: str
    """Name and version of the prompts."""


@dataclass(frozen=True, kw_only=True)
class ImageConditionsPlan(ConditionsPlan):
    """The same images, corrupted or with a word printed on them, compared with the unchanged ones."""

    corruptions: Group
    """Names in `IMAGENET_C` (or `HARMLESS`), each at five strengths."""
    parameters: Parameters = "ImageNet-C"
    """Published parameters, on images whose shorter side is 224 pixels, or our own milder ones at the size of the image."""
    normalized_by: Literal["AlexNet"] | None = None
    """Whose published errors the mean corruption error is divided by; None: it is not normalised."""
    words: Mapping[str, str] | None = None
    """Answer -> its word; a wrong answer's word is printed on every image. None: nothing is printed."""

    @property
    def resized(self) -> bool:
        """Whether images get the published size first; those of the baseline and with printed words, too."""
        return self.parameters == "ImageNet-C" and bool(self.corruptions)


@dataclass(frozen=True, kw_only=True)
class AttackPlan(ConditionsPlan):
    """The same images with their pixels moved against the right answer along the model's gradients, under an L-infinity budget.

    Goodfellow et al. 2015 (FGSM: one step of the whole budget), Madry et al. 2018 (PGD, here without a random start).
    """

    budgets: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Largest change of a pixel's channel, in units of 1/255."""
    steps: int = 10
    """Steps of PGD, each a quarter of the budget."""


# ---- natural shift -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NaturalShiftPlan(AnalysisPlan):
    """Different images in each condition, as nature or a camera made them: accuracy under a shift compared with the standard condition.

    The report adds the effective robustness (Taori et al. 2020) if enough other models are known: those of the same run, or of
    ``--baseline-models``.
    """

    measurement: str
    """Its truth decides which answers are right."""
    column: str
    """The attribute that says which condition, or which source, an image is from."""
    standard: str
    """The level that the others are compared with."""
    by: Group = ()
    """Attributes whose groups are compared, one attribute at a time; none: all images together."""


# ---- few shot ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FewShotPlan(AnalysisPlan):
    """Labels learned from images instead of their names: accuracy by group, by the number of images per class."""

    measurement: str
    """The measurement whose true answers are learned, and whose zero-shot answers are the baseline."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of training images per class."""
    draws: int = 5
    """How often the training images are redrawn; the mean over draws and its spread are shown."""
    unit: str | None = None
    """An attribute whose images stay on one side of the split, such as a scene, besides the probe's cluster and identical images."""
