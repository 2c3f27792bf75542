"""The shared vocabulary: frozen values (and, from `audit.encoder`, the `Encoder` protocol).

Axes: n images, k labels, d dimensions, g groups. Importing this module imports neither torch, pandas nor fairlearn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.encoder import (
    Accounted,
    Answerer,
    AnyModel,
    Classifier,
    Encoder,
    ImageEncoder,
    Manner,
    ModelRecord,
    ModelType,
    Note,
    Question,
    Served,
    TextEncoder,
    Writer,
    model_type,
)
from audit.plans import (
    AnalysisPlan,
    CellReference,
    Group,
    PairedClaim,
    ProbeData,
    PublishedRow,
    PublishedTable,
    Retrieval,
    RowOptions,
    WhatIfPlan,
)

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float, Int

__all__ = [
    "FAILED", "NOT_ANSWERED", "NO_ANSWER", "REFUSAL", "SAME_ANSWER", "STOPPED", "UNCLEAR", "UNKNOWN", "UNPARSED",
    "Accounted", "AnalysisPlan", "Answerer", "AnyModel", "Better",
    "CellReference", "Claim", "Classifier", "CodedAnswers", "Dataset", "EffectClaim", "Embeddings", "Encoder",
    "Exclusion", "Group", "ImageEncoder", "LabelSet", "LoadOptions", "Manner", "Measurement", "ModelRecord", "ModelType", "Note",
    "PairedClaim", "Predictions", "Probe", "ProbeData",
    "PublishedRow", "PublishedTable", "Question", "Retrieval", "RowOptions", "ScoreBins", "Served", "Settings",
    "Specification", "SpecificationPlan", "TextEncoder", "Writer", "model_type",
]  # fmt: skip

Better = Literal["high", "low", "neither"]

UNKNOWN = "unknown"
"""The level of a missing attribute value: shown and counted, but not tested."""
UNCLEAR = "unclear"
"""The answer of a model that does not commit itself: an option of every question for a generative model."""
REFUSAL = "refusal"
"""Outcome of a question to a model that is asked over a network: it said that it will not answer."""
UNPARSED = "unparsed"
"""Outcome of a question to a model that is asked over a network: it wrote something other than the options."""
NOT_ANSWERED, FAILED, STOPPED = "(no answer)", "(error)", "(limit)"
"""Outcomes of a sample in the log of another tool: no answer was extracted, its run failed, or it reached a limit."""
NO_ANSWER = (UNCLEAR, REFUSAL, UNPARSED, NOT_ANSWERED, FAILED, STOPPED)
"""Outcomes in which a model does not commit itself."""
SAME_ANSWER = "same answer"
"""The value, in a measurement that compares two orders of the options, for an image whose answer stays the same."""


@dataclass(frozen=True)
class Exclusion:
    """Images left out for one reason, counted by group."""

    reason: Note | str
    count: int
    by_group: Mapping[str, Mapping[str, int]]
    """attribute -> level -> images left out."""
    examples: tuple[str, ...] = ()
    """At most ten row identifiers (relative to the data's root); for the terminal and the log, not for the report."""


@dataclass(frozen=True)
class Dataset:
    """Images with attributes, one row per image.

    `images` is lazy: item i is the *encoded* file content of image i, read on demand. Decoding, with its limits and its
    normalisation, is `strictio.images.decode.decode`. Content is hashed as it is read, so that an embedding is keyed by what it shows.
    """

    name: str
    images: Sequence[bytes]
    attributes: pd.DataFrame
    """One column per attribute, strings only, no missing values (`UNKNOWN` instead). The index has the row identifiers."""
    levels: Mapping[str, Group]
    """attribute -> its levels in display order."""
    fingerprint: str
    """sha256 (hex) of the label table and of the image identifiers: the same for every form of the same data."""
    source: str
    """Its origin, in words, without local paths."""
    licence: str
    notes: tuple[Note | str, ...] = ()
    """Repairs, aliases, margins, near-duplicate level names."""
    exclusions: tuple[Exclusion, ...] = ()
    """Rows left out while reading the table (an image file that does not exist, for example)."""
    numbered: bool = False
    """Whether rows are identified only by their position in the file."""
    limited: bool = False
    """Whether `--limit` took a sample: the verdict of such an audit is always "inconclusive"."""
    texts: pd.DataFrame | None = None
    """Questions and options of each row (`RowOptions`), "" if a row has none; rows as in `attributes`. They are not attributes: nothing is
    sliced by them, and they have no levels."""
    several: Group = ()
    """Attributes that may have several values per image, joined by ``|``: it counts in each group with its share."""
    showable: bool = False
    """Whether reports may show its images: `licence` allows it, and none of them shows a real person."""


@dataclass(frozen=True)
class Embeddings:
    """Image embeddings with the rows they belong to."""

    vectors: Float[np.ndarray, "n d"]
    """float32, as returned by the encoder."""
    rows: Int[np.ndarray, "n"]
    """Position of each vector in the data set; ascending; unreadable images are absent."""
    exclusions: tuple[Exclusion, ...]
    conversions: Mapping[str, Mapping[str, Mapping[str, int]]]
    """normalisation ("exif rotated", "alpha on white", ...) -> attribute -> level -> images."""
    computed: int
    """Images that the model processed in this run; the rest came from the cache."""
    contents: tuple[str, ...] = ()
    """Hash of each image's content: identical images have the same hash."""


@dataclass(frozen=True)
class LabelSet:
    """The possible answers of the model."""

    name: str
    labels: Group
    """In declared order: ties go to the first."""
    prompts: Mapping[str, tuple[str, ...]]
    """label -> the exact texts whose normalised embeddings are averaged."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """label -> answer, if several labels mean one answer (race x gender prompts answering race). Empty: the label is the answer."""
    combine: Literal["argmax", "sum"] = "argmax"
    """``"argmax"``: the best label's answer. ``"sum"``: the answer whose labels have the highest sum (sigmoid: the chance of any)."""


@dataclass(frozen=True)
class Claim:
    """One family of comparisons: a metric, of an outcome, by attributes."""

    metric: str
    """A name in `audit.statistics.metrics.METRICS`."""
    by: tuple[str, ...]
    outcome: str | None = None
    """A name in `Measurement.outcomes`; None for accuracy."""
    primary: bool = True
    """Whether it affects the verdict of the audit (Holm over all primary claims). Others are exploratory: a signal, or none."""
    tolerance: float | None = None
    """Equivalence margin (absolute, 0-1); None: the command's `--tolerance`."""
    better: Better | None = None
    """Whether high or low is good for this outcome; None: as the metric says (for a selection rate: neither)."""
    ratio_tolerance: float | None = None
    """The margin as a ratio above 1, too; None: `--ratio-tolerance` if an answer, or an error given the truth, is rarer than 10 %. A true
    positive rate counts as its misses, and an answer above 90 % as the answers other than it, with a margin of one's own as well."""
    lead: int | None = None
    """Rank for the headline: of the claims that show a disparity, the one with the lowest rank leads the report, before those without a
    rank, which follow the rule of docs/reading.md."""


@dataclass(frozen=True)
class EffectClaim:
    """A question that one number answers: which of two groups' images score higher for a label, or how a rate changes along ordered levels.

    ``EffectClaim("superiority", "gender", "unsafe")`` compares the scores of the label ``unsafe``, without a threshold;
    ``EffectClaim("trend", "age", metric="accuracy", order=("0-2", "3-9", "10-19"))`` tests the rate of the claim
    ``Claim("accuracy", ("age",))`` of the same measurement.
    """

    kind: Literal["superiority", "trend"]
    by: str
    outcome: str | None = None
    """Superiority: a label. Trend: the outcome of the claim."""
    metric: str | None = None
    """Trend: the metric of the claim."""
    order: Group = ()
    """Trend: all levels, in order; empty: as the data order them."""
    primary: bool = True
    tolerance: float | None = None
    """Superiority: largest negligible distance of the probability from 0.5; trend: largest negligible change from the first level to the
    last. None: the command's `--tolerance`."""


@dataclass(frozen=True)
class Measurement:
    """A label set applied to the images, and what is computed from the answers."""

    name: str
    question: str
    label_set: LabelSet
    preset: str
    """Name and version of the prompt preset: ``"rijgersberg v1"``."""
    claims: tuple[Claim, ...]
    truth: str | None = None
    """The attribute that has the true answer, or None without truth."""
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """outcome -> the answers that count as it."""
    asked: Question | None = None
    """The question for a generative model, its options in the order of the labels; None: the label set is for a dual encoder."""
    kind: str = "zero_shot"
    """Kind of question for a dual encoder: the module of `audit.measure` whose `predict` turns embeddings into answers."""
    options: RowOptions | None = None
    """For ``kind="row_options"``: the columns with each row's options; the labels are their roles and have no prompts."""
    infers: str | None = None
    """The personal characteristic that the labels name, such as ``"race"``: ``--no-inference`` skips the measurement."""
    retrieval: Retrieval | None = None
    """For ``kind="retrieved"``: the queries and their galleries; the labels are whether an image is among the first k, and the prompts of
    the first are those of all queries (`RankingPlan.planned`)."""
    only: tuple[str, str] | None = None
    """(attribute, level): only the images with this level are asked, such as the scenes of work; None: all images."""
    effects: tuple[EffectClaim, ...] = ()
    """Further questions: differences of scores, and trends of the rates of `claims`; a trend without its claim is not asked."""


@dataclass(frozen=True)
class ScoreBins:
    """Confidence of the answers, counted in fixed bins while reading: one row per bin, level, true answer and answer."""

    level: np.ndarray
    """str[r]: level of one attribute."""
    y_true: np.ndarray | None
    y_pred: np.ndarray
    confidence: Float[np.ndarray, "r"]
    """Mean probability of the answers in the bin."""
    n: Int[np.ndarray, "r"]
    """Number of images."""


@dataclass(frozen=True)
class Predictions:
    """The model's answers."""

    labels: Group
    answers: Group
    """Possible answers, in declared order (equal to `labels` unless the label set maps them)."""
    scores: Float[np.ndarray, "n k"]
    """Probability of each label (softmax) or its independent probability (sigmoid); float32."""
    y_pred: np.ndarray
    """str[n]: the answer."""
    y_true: np.ndarray | None
    """str[n]: the true answer, if there is one."""
    attributes: pd.DataFrame
    """Rows of the data set's attributes that the predictions belong to."""
    margin: Float[np.ndarray, "n"]
    """Probability of the best answer minus that of the second: a near-tie is decided by rounding or the prompt. Empty without scores."""
    cluster: Int[np.ndarray, "n"] | None = None
    """Independent unit (person, scene, counterfactual set) of each image; None: images are independent."""
    cluster_names: pd.api.extensions.ExtensionArray | None = None
    """Name of each number in `cluster`; None if an attribute has it."""
    weight: Float[np.ndarray, "n"] | None = None
    """Weight of each image, above 0; only ratios within a group matter. None: every image counts once."""
    count: Int[np.ndarray, "n"] | None = None
    """Number of images that each row represents, if predictions were counted while reading; None: every row is one image."""
    binned: Mapping[str, ScoreBins] = field(default_factory=dict)
    """attribute -> confidence of the answers, if scores were counted while reading."""
    margin_count: Int[np.ndarray, "n"] | None = None
    """Number of images for each `margin`, if those of parts were counted in bins; None: one each."""
    sets: Mapping[str, Int[np.ndarray, "n"]] = field(default_factory=dict)
    """attribute -> the counterfactual set of each image, in which only it differs: its groups are compared inside sets."""

    @property
    def images(self) -> int:
        """Number of images with an answer."""
        return len(self.y_pred) if self.count is None else int(self.count.sum())

    @property
    def images_of_rows(self) -> Int[np.ndarray, "n"]:
        """Number of images that each row represents."""
        return np.ones(len(self.y_pred), np.int64) if self.count is None else self.count


@dataclass(frozen=True)
class CodedAnswers:
    """The model's answers as numbers, if nothing else of its predictions is needed."""

    answers: Group
    """Possible answers, in declared order."""
    chosen: Int[np.ndarray, "n"]
    """Index of each image's answer in `answers`."""
    truths: Group | None
    """The distinct true answers; None without truth."""
    truth: Int[np.ndarray, "n"] | None
    """Index of each image's true answer in `truths`."""
    attributes: pd.DataFrame
    """Rows of the data set's attributes that the answers belong to."""

    @property
    def y_pred(self) -> np.ndarray:
        """str[n]: the answers."""
        return np.asarray(np.asarray(self.answers)[self.chosen])

    @property
    def y_true(self) -> np.ndarray | None:
        """str[n]: the true answers."""
        return None if self.truths is None or self.truth is None else np.asarray(np.asarray(self.truths)[self.truth])


@dataclass(frozen=True)
class LoadOptions:
    """Options for a probe's loader."""

    location: Any
    """`--data`: a folder, a table, ``hf:ID``, a data frame; None: the probe's default. Path-like if options say how to read a table."""
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Specification:
    """One way to ask the same question."""

    preset: str
    variant: str
    measurement: Measurement


@dataclass(frozen=True)
class SpecificationPlan:
    """The same claim under every preset and label-set variant; `default` is the probe's own."""

    question: str
    claim: Claim
    specifications: tuple[Specification, ...]
    default: int
    """Index of the default in `specifications`."""
    embedded_only: Group = ()
    """Presets to skip for a generative model: each would cost it a pass over all images, but an encoder only some lines of text."""


@dataclass(frozen=True)
class Probe:
    """The questions: data, measurements, published numbers to compare with ours."""

    name: str
    question: str
    load: Callable[[LoadOptions], Dataset] | None
    """None: the probe needs no images."""
    measurements: tuple[Measurement, ...]
    source: str
    licence: str
    limits: tuple[str, ...]
    """What this probe cannot tell, one sentence each."""
    not_tested: tuple[str, ...]
    published: tuple[PublishedTable, ...] = ()
    specifications: tuple[SpecificationPlan, ...] = ()
    paired: tuple[PairedClaim, ...] = ()
    what_ifs: tuple[WhatIfPlan, ...] = ()
    without_inference: tuple[Measurement, ...] = ()
    """Measurements for ``--no-inference``, in addition to those that infer nothing about a person."""
    analyses: tuple[AnalysisPlan, ...] = ()
    """Questions of other kinds, such as rankings; exploratory."""
    data: ProbeData | None = None
    """Contents of ``--data`` and how to get them; None if the probe provides its own data, or accepts any."""
    cluster: str | None = None
    """The attribute whose levels are the independent units of every rate; None: images are independent."""
    weights: str | None = None
    """The attribute with the weight of each image in every rate; None: every image counts once."""
    fitted: Callable[[Dataset], Probe] | None = None
    """Returns the probe for given data: its classes are the labels of any data, or a part of the data may be missing."""
    ordered: Mapping[str, Group] = field(default_factory=dict)
    """Attributes whose levels are ordered, such as ages, with all levels in order: the rates by them have an exploratory trend each."""
    in_language: Callable[[str], Probe] | None = None
    """Returns the probe with its words in another language, by its ISO 639-1 code; None: it has English words alone."""
    not_for_classifiers: str = ""
    """Why its questions make no sense for an image classifier, and which probe to use instead; empty if they do."""


@dataclass(frozen=True)
class Settings:
    """Everything that affects the numbers besides model and data."""

    seed: int = 0
    alpha: float = 0.05
    tolerance: float = 0.05
    min_group_size: int = 30
    draws: int = 9999
    """Permutation draws; the smallest possible p is 1 / (draws + 1)."""
    limit: int | None = None
    max_skip: float = 0.01
    """Largest share of unreadable images before the audit stops."""
    ratio_tolerance: float | None = 1.25
    """For rare rates of a claim without its own: the reciprocal of four fifths. None in audits from before there was one."""
