"""The nouns that everybody may know: frozen values, and the `Encoder` protocol.

Axes: n images, k labels, d dimensions, g groups. Importing this module imports neither torch, pandas nor fairlearn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from audit.plans import CellReference, Group, PairedClaim, PublishedRow, PublishedTable, Specification, SpecificationPlan, WhatIfPlan

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float, Int
    from PIL import Image

    from audit.plans import AssociationPlan, RankingPlan

__all__ = [
    "SAME_ANSWER", "UNCLEAR", "UNKNOWN", "Answerer", "Better", "CellReference", "Claim", "Dataset", "Embeddings", "Encoder", "Exclusion",
    "Group", "ImageEncoder", "LabelSet", "LoadOptions", "Measurement", "ModelRecord", "Note", "PairedClaim", "Predictions", "Probe",
    "PublishedRow", "PublishedTable", "Question", "Settings", "Specification", "SpecificationPlan",
]  # fmt: skip

Better = Literal["high", "low", "neither"]

UNKNOWN = "unknown"
"""The level of a missing attribute value: shown and counted, outside every test."""
UNCLEAR = "unclear"
"""The answer of a model that does not commit itself: an option of every question to a generative model."""
SAME_ANSWER = "same answer"
"""What a measurement of two orders of the options says of an image whose answer stays."""

Value = str | int | float | bool | tuple[str | int | float, ...]


@dataclass(frozen=True)
class Note:
    """Something that a reader should know, as a code and its values; the sentence of each code stands in `reports.text.notes`."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, note: Note | str) -> Note:
        """Return the note itself; of a text that somebody else wrote, a note that holds it."""
        return note if isinstance(note, Note) else cls("text", {"text": note})

    def __str__(self) -> str:
        """Return the text of a note that holds one, else code and values: for logs."""
        named = ", ".join(f"{name} {value}" for name, value in self.values.items())
        return str(self.values.get("text", "")) if self.code == "text" else ": ".join(filter(None, (self.code.replace("_", " "), named)))


@dataclass(frozen=True)
class ModelRecord:
    """What the report says about a model. Strings and numbers only."""

    name: str
    kind: str
    """Reader and family, e.g. ``"vlm-audit ckpt.pt"`` or ``"Hugging Face CLIPModel"``."""
    fingerprint: str
    """sha256 (hex) of weights, architecture, preprocessing, tokenizer and dtype: the key of the embedding cache."""
    sha256: str
    """sha256 (hex) of the weights file (of all of them, in name order, for a folder)."""
    parameters: int
    dimensions: int
    dtype: str
    score_rule: Literal["softmax", "sigmoid"]
    logit_scale: float
    logit_bias: float | None
    architecture: str
    preprocessing: str
    tokenizer: str
    revision: str | None = None
    data_card: str | None = None
    """What the model was trained on, where the checkpoint says so (the demo states its planted skew here)."""
    notes: tuple[Note | str, ...] = ()
    """Everything guessed, converted or noteworthy."""
    step: int | None = None
    """Training steps taken, where the checkpoint says so."""
    run: str | None = None
    """sha256 (hex) of what decides the training run, where the checkpoint says so: equal for checkpoints of one run."""
    asked: tuple[Note | str, ...] = ()
    """How a generative model was asked, word for word; empty for a dual encoder, which has `dimensions` and cosines instead."""


class ImageEncoder(Protocol):
    """Images into rows of numbers."""

    @property
    def record(self) -> ModelRecord: ...

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """Return one float32 row for each RGB image; preprocessing is the encoder's own."""
        ...


@runtime_checkable
class Encoder(ImageEncoder, Protocol):
    """A dual encoder: images and texts into one space. Embeddings need not be normalised."""

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Return one float32 row for each text; tokenizing is the encoder's own."""
        ...


@dataclass(frozen=True)
class Question:
    """What a generative model is asked about an image."""

    text: str
    """Word for word, the options in the order in which it reads them."""
    options: Group
    """The answers whose likelihoods are wanted, in the order of the labels that they stand for."""


@runtime_checkable
class Answerer(Protocol):
    """A generative model: it reads an image and a question, and gives every option of an answer a likelihood. It writes nothing."""

    @property
    def record(self) -> ModelRecord: ...

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """Return the mean log-likelihood (nats a token) of each option's tokens: the questions' options side by side, float32."""
        ...


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
    normalisation, is `audit.data.images.decode`. Content is hashed as it is read, so that an embedding is keyed by what it shows.
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


@dataclass(frozen=True)
class LoadOptions:
    """What a probe's loader is given from outside."""

    location: Any
    """`--data`: a folder, a table, ``hf:ID``, a data frame; None: what the probe names. Path-like where options say how a table is read."""
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Probe:
    """What to ask: data, measurements, published numbers to compare with ours."""

    name: str
    question: str
    load: Callable[[LoadOptions], Dataset]
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
    rankings: tuple[RankingPlan, ...] = ()
    associations: tuple[AssociationPlan, ...] = ()
    cluster: str | None = None
    """The attribute whose levels are the independent units of every rate; None: every image is its own."""
    weights: str | None = None
    """The attribute that holds how much each image counts for in every rate; None: every image counts once."""


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
