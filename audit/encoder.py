"""The interface between models and audits, and model records; also in `audit.types`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from audit.plans import Group

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from PIL import Image

Value = str | int | float | bool | tuple[str | int | float, ...]


@dataclass(frozen=True)
class Note:
    """A message for readers, as a code and its values; `reports.text.notes` has the sentence for each code."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, note: Note | str) -> Note:
        """The note itself; for a plain text, such as one from a plug-in, a note that contains it."""
        return note if isinstance(note, Note) else cls("text", {"text": note})

    def __str__(self) -> str:
        """The text of a note that contains one, else code and values: for logs."""
        named = ", ".join(f"{name} {value}" for name, value in self.values.items())
        return str(self.values.get("text", "")) if self.code == "text" else ": ".join(filter(None, (self.code.replace("_", " "), named)))


@dataclass(frozen=True)
class ModelRecord:
    """The model in reports. Strings and numbers only."""

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
    """Training data, if the checkpoint states them (the demo states its planted skew here)."""
    notes: tuple[Note | str, ...] = ()
    """All guesses, conversions and other remarks."""
    step: int | None = None
    """Training steps taken, if the checkpoint states them."""
    run: str | None = None
    """sha256 (hex) of the settings that determine the training run, if the checkpoint states it: equal for checkpoints of one run."""
    asked: tuple[Note | str, ...] = ()
    """How a generative model was prompted, verbatim; empty for a dual encoder, which has `dimensions` and cosines instead."""
    labels: Group = ()
    """The labels of an image classifier; empty for other models. `score_rule` turns its logits into probabilities."""


class ImageEncoder(Protocol):
    """Turns images into rows of numbers."""

    @property
    def record(self) -> ModelRecord: ...

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """One float32 row per RGB image; the encoder does its own preprocessing."""
        ...


@runtime_checkable
class Encoder(ImageEncoder, Protocol):
    """A dual encoder: embeds images and texts in one space. Embeddings need not be normalised."""

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """One float32 row per text; the encoder does its own tokenization."""
        ...


@runtime_checkable
class Classifier(ImageEncoder, Protocol):
    """An image classifier, which reads no text: its rows are the logits of its labels (`ModelRecord.labels`), in their order."""

    @property
    def labels(self) -> Group:
        """The labels, without duplicates."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Embeds texts. A model that has only this method reads no image: probes of texts alone can ask it something."""

    @property
    def record(self) -> ModelRecord: ...

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """One float32 row per text; the encoder does its own tokenization."""
        ...


@dataclass(frozen=True)
class Question:
    """A question about an image for a generative model."""

    text: str
    """Verbatim, with the options in the order in which the model reads them."""
    options: Group
    """The answers whose likelihoods are needed, in the order of their labels."""
    letters: Group = ()
    """The letter of each option, if the answer is a letter."""
    outcomes: Group = ()
    """Outcomes other than an answer, such as a refusal: one column each, after those of the options."""
    stem: str = ""
    """Words that all options start with; they are part of the question, and an answer may repeat them."""
    repeat: int = 0
    """Number of earlier times that the same question was sent."""

    @property
    def width(self) -> int:
        """Number of columns of scores for this question."""
        return len(self.options) + len(self.outcomes)


@dataclass(frozen=True)
class Manner:
    """How a generative model must be prompted; the defaults are for a model whose likelihoods are read."""

    letters: bool = False
    """Whether options are shown with letters, and the answer is a letter."""
    outcomes: Group = ()
    """Possible outcomes other than an answer."""
    repeats: int = 1
    """How often each question is sent."""
    instructions: bool = False
    """Whether every question is also sent with the other instruction, not only those of a prompt curve."""


@runtime_checkable
class Answerer(Protocol):
    """A generative model that reads an image and a question, and scores every option of an answer by likelihood."""

    @property
    def record(self) -> ModelRecord: ...

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """The mean log-likelihood (nats per token) of each option's tokens: options of all questions in adjacent columns, float32."""
        ...


AnyModel = Encoder | Classifier | Answerer | TextEncoder
ModelType = Literal["dual encoder", "classifier", "generative", "text encoder"]


def model_type(model: AnyModel) -> ModelType:
    """The type of a model, by its methods."""
    if isinstance(model, Answerer):
        return "generative"
    if isinstance(model, Encoder):
        return "dual encoder"
    return "classifier" if isinstance(model, Classifier) else "text encoder"


@runtime_checkable
class Served(Answerer, Protocol):
    """A generative model that is asked over a network: questions leave this process, it may refuse, and may be another one tomorrow."""

    @property
    def manner(self) -> Manner: ...

    @property
    def place(self) -> Mapping[str, str]:
        """Its location: ``host``, and ``where`` that is in words."""
        ...

    def images_at_once(self, questions: int) -> int:
        """Number of images that, with `questions` questions each, keep the maximum number of requests in flight."""
        ...

    def begin(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Callable[[], Float[np.ndarray, "n k"]]:
        """Send questions, and return a function that waits for their answers: its result is that of `log_likelihoods`."""
        ...


@runtime_checkable
class Accounted(Protocol):
    """A model that says how it was used."""

    def with_account(self, result: Any) -> Any:
        """The `AuditResult` with the record of requests and answers since the last call (`audit.extension.Account`)."""
        ...


@runtime_checkable
class Writer(Protocol):
    """A generative model that reads an image and a prompt, and writes a continuation in its own words."""

    @property
    def record(self) -> ModelRecord: ...

    def write(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[list[str]]:
        """The texts about each image, one for each prompt; equal images and prompts give equal texts."""
        ...


USUAL_TOKENS = 64
"""Maximum tokens of a text from a local model, by default."""


@runtime_checkable
class LimitedWriter(Writer, Protocol):
    """A writer that stops after a maximum number of tokens, even if a text is not complete."""

    max_new_tokens: int
