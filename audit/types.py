"""The nouns that everybody may know: frozen values (and, from `audit.encoder`, the `Encoder` protocol).

Axes: n images, k labels, d dimensions, g groups. Importing this module imports neither torch, pandas nor fairlearn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.encoder import (
    Answerer,
    Encoder,
    EndpointAnswers,
    EndpointUsage,
    ImageEncoder,
    Manner,
    ModelRecord,
    Note,
    Question,
    Served,
    Version,
    Writer,
)
from audit.plans import (
    AnalysisPlan,
    CellReference,
    Group,
    PairedClaim,
    ProbeData,
    PublishedRow,
    PublishedTable,
    RowOptions,
    WhatIfPlan,
)

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float, Int

__all__ = [
    "NO_ANSWER", "REFUSAL", "SAME_ANSWER", "UNCLEAR", "UNKNOWN", "UNPARSED", "AnalysisPlan", "Answerer", "Better",
    "CellReference", "Claim", "CodedAnswers", "Dataset", "Embeddings", "Encoder", "EndpointAnswers",
    "EndpointUsage", "Exclusion", "Group", "ImageEncoder", "LabelSet",
    "LoadOptions", "Manner", "Measurement", "ModelRecord", "Note", "PairedClaim", "Predictions", "Probe", "ProbeData", "PublishedRow",
    "PublishedTable", "Question", "RowOptions", "ScoreBins", "Served", "Settings", "Specification", "SpecificationPlan", "Version",
    "Writer",
]  # fmt: skip

Better = Literal["high", "low", "neither"]

UNKNOWN = "unknown"
"""The level of a missing attribute value: shown and counted, outside every test."""
UNCLEAR = "unclear"
"""The answer of a model that does not commit itself: an option of every question to a generative model."""
REFUSAL = "refusal"
"""What a model behind an endpoint did in the place of an answer: it said that it will not give one."""
UNPARSED = "unparsed"
"""Or it wrote what is none of the answers that it was offered."""
NO_ANSWER = (UNCLEAR, REFUSAL, UNPARSED)
"""Answers by which a model does not commit itself."""
SAME_ANSWER = "same answer"
"""What a measurement of two orders of the options says of an image whose answer stays."""


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
    """Images with attributes, one row an image.

    `images` is lazy: item i is the *encoded* file content of image i, read when asked for. Decoding, with its limits and its
    normalisation, is `strictio.images.decode.decode`. Content is hashed as it is read, so that an embedding is keyed by what it shows.
    """

    name: str
    images: Sequence[bytes]
    attributes: pd.DataFrame
    """One column an attribute, strings only, nothing missing (`UNKNOWN` where the source had nothing). The index holds row identifiers."""
    levels: Mapping[str, Group]
    """attribute -> its levels in the order in which they are shown."""
    fingerprint: str
    """sha256 (hex) of the label table and of what identifies the images: the same for every form of the same data."""
    source: str
    """Where it came from, in words, without a path of the machine."""
    licence: str
    notes: tuple[Note | str, ...] = ()
    """Repairs, aliases, margins, near-duplicate level names."""
    exclusions: tuple[Exclusion, ...] = ()
    """Rows left out while reading the table (an image file that does not exist, for example)."""
    numbered: bool = False
    """Whether the rows have no identifiers but their place in the file."""
    limited: bool = False
    """Whether `--limit` took a sample: such an audit can claim nothing but "inconclusive"."""
    texts: pd.DataFrame | None = None
    """What is asked of each row (`RowOptions`): columns of questions and options, "" where a row has none; rows as in `attributes`. They
    are no attributes: nothing is sliced by them, and they are part of no level."""
    several: Group = ()
    """Attributes of which an image may have several values, joined by ``|``: it counts in each group with its share."""


@dataclass(frozen=True)
class Embeddings:
    """Image embeddings with the rows they belong to."""

    vectors: Float[np.ndarray, "n d"]
    """float32, as the encoder gave them."""
    rows: Int[np.ndarray, "n"]
    """Position of each vector in the data set; increasing; unreadable images are absent."""
    exclusions: tuple[Exclusion, ...]
    conversions: Mapping[str, Mapping[str, Mapping[str, int]]]
    """normalisation ("exif rotated", "alpha on white", ...) -> attribute -> level -> images."""
    computed: int
    """Images that the model really saw in this run; the rest came from the cache."""
    contents: tuple[str, ...] = ()
    """Hash of the content of each: equal images have equal ones."""


@dataclass(frozen=True)
class LabelSet:
    """What the model may answer."""

    name: str
    labels: Group
    """In declared order: a tie goes to the first."""
    prompts: Mapping[str, tuple[str, ...]]
    """label -> the exact texts whose normalised embeddings are averaged."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """label -> answer, where several labels mean one answer (race x gender prompts answering race). Empty: the label is the answer."""
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
    """Whether it takes part in the verdict of the audit (Holm over all primary claims). Others are exploratory: a signal, or none."""
    tolerance: float | None = None
    """Equivalence margin (absolute, 0-1), fixed before the run; None: the command's `--tolerance`."""
    better: Better | None = None
    """Which way this outcome is good; None: what the metric says (for a selection rate: neither)."""
    ratio_tolerance: float | None = None
    """Margin as a factor above 1, too; None: `--ratio-tolerance` where the rate is under 10 % and an event is an answer or an error."""


@dataclass(frozen=True)
class Measurement:
    """A label set put to the images, and what is asked of the answers."""

    name: str
    question: str
    label_set: LabelSet
    preset: str
    """Name and version of the prompt preset: ``"rijgersberg v1"``."""
    claims: tuple[Claim, ...]
    truth: str | None = None
    """The attribute that holds the true answer, or None where nothing is true."""
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """outcome -> the answers that count as it."""
    asked: Question | None = None
    """The question put to a generative model, its options in the order of the labels; None: the label set is put to a dual encoder."""
    kind: str = "zero_shot"
    """Kind of question put to a dual encoder: the module of `audit.measure` whose `predict` turns embeddings into answers."""
    options: RowOptions | None = None
    """Of ``kind="row_options"``: the columns that hold each row's options; the labels are their roles and have no prompts."""
    infers: str | None = None
    """What about a person the labels name, such as ``"race"``: ``--no-inference`` leaves the measurement out."""


@dataclass(frozen=True)
class ScoreBins:
    """How sure the answers were, counted in fixed bins as they were read: one row a bin, level, true answer and answer."""

    level: np.ndarray
    """str[r]: of one attribute."""
    y_true: np.ndarray | None
    y_pred: np.ndarray
    confidence: Float[np.ndarray, "r"]
    """Mean probability of the answers in the bin."""
    n: Int[np.ndarray, "r"]
    """Images."""


@dataclass(frozen=True)
class Predictions:
    """What the model answered."""

    labels: Group
    answers: Group
    """Possible answers, in declared order (equal to `labels` unless the label set maps them)."""
    scores: Float[np.ndarray, "n k"]
    """Probability of each label (softmax) or its independent probability (sigmoid); float32."""
    y_pred: np.ndarray
    """str[n]: the answer."""
    y_true: np.ndarray | None
    """str[n]: the true answer, where there is one."""
    attributes: pd.DataFrame
    """Rows of the data set's attributes that the predictions belong to."""
    margin: Float[np.ndarray, "n"]
    """Probability of the best answer less that of the second: a near-tie is decided by rounding or the prompt. Empty without scores."""
    cluster: Int[np.ndarray, "n"] | None = None
    """Which independent unit (person, scene, counterfactual set) each image belongs to; None: every image is its own."""
    cluster_names: pd.api.extensions.ExtensionArray | None = None
    """What each number of `cluster` stands for; None where an attribute says it."""
    weight: Float[np.ndarray, "n"] | None = None
    """How much each image counts for, above 0; only ratios within a group matter. None: every image counts once."""
    count: Int[np.ndarray, "n"] | None = None
    """How many images each row stands for, where predictions were counted as they were read; None: every row is one image."""
    binned: Mapping[str, ScoreBins] = field(default_factory=dict)
    """attribute -> how sure the answers were, where scores were counted as they were read."""
    margin_count: Int[np.ndarray, "n"] | None = None
    """How many images each `margin` is of, where those of parts were counted in bins; None: one each."""
    sets: Mapping[str, Int[np.ndarray, "n"]] = field(default_factory=dict)
    """attribute -> the counterfactual set of each image, whose images differ in it: its groups are compared inside sets."""

    @property
    def images(self) -> int:
        """How many images were answered about."""
        return len(self.y_pred) if self.count is None else int(self.count.sum())

    @property
    def images_of_rows(self) -> Int[np.ndarray, "n"]:
        """How many images each row stands for."""
        return np.ones(len(self.y_pred), np.int64) if self.count is None else self.count


@dataclass(frozen=True)
class CodedAnswers:
    """What the model answered, as numbers, where nothing else of its predictions is asked for."""

    answers: Group
    """Possible answers, in declared order."""
    chosen: Int[np.ndarray, "n"]
    """Place of each image's answer in `answers`."""
    truths: Group | None
    """The distinct true answers; None where nothing is true."""
    truth: Int[np.ndarray, "n"] | None
    """Place of each image's true answer in `truths`."""
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
    """What a probe's loader is given from outside."""

    location: Any
    """`--data`: a folder, a table, ``hf:ID``, a data frame; None: what the probe names. Path-like where options say how a table is read."""
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
    """The same claim under every preset and label-set variant; `default` was chosen before the run."""

    question: str
    claim: Claim
    specifications: tuple[Specification, ...]
    default: int
    """Index of the default in `specifications`."""
    embedded_only: Group = ()
    """Presets that a generative model is not asked: each would cost it a pass over every image, and an encoder some lines of text."""


@dataclass(frozen=True)
class Probe:
    """What to ask: data, measurements, published numbers to compare with ours."""

    name: str
    question: str
    load: Callable[[LoadOptions], Dataset] | None
    """None: no image is needed."""
    measurements: tuple[Measurement, ...]
    source: str
    licence: str
    limits: tuple[str, ...]
    """What this probe cannot tell, a sentence each."""
    not_tested: tuple[str, ...]
    published: tuple[PublishedTable, ...] = ()
    specifications: tuple[SpecificationPlan, ...] = ()
    paired: tuple[PairedClaim, ...] = ()
    what_ifs: tuple[WhatIfPlan, ...] = ()
    without_inference: tuple[Measurement, ...] = ()
    """What is asked under ``--no-inference`` besides the measurements that infer nothing about a person."""
    analyses: tuple[AnalysisPlan, ...] = ()
    """Questions of other kinds, such as rankings; exploratory."""
    data: ProbeData | None = None
    """What ``--data`` must hold and how to get it; None where the probe brings its own data, or takes any."""
    cluster: str | None = None
    """The attribute whose levels are the independent units of every rate; None: every image is its own."""
    weights: str | None = None
    """The attribute that holds how much each image counts for in every rate; None: every image counts once."""
    fitted: Callable[[Dataset], Probe] | None = None
    """Given the data, returns what is asked of them: for probes of any labelled data, whose classes are the labels."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a number besides model and data."""

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
    """Of rare rates of a claim that has none of its own: the reciprocal of four fifths. None in audits from before there was one."""
