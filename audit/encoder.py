"""What a model is to an audit: the protocols `Encoder`, `Answerer`, `Writer`, and what the report says of one; also in `audit.types`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from audit.plans import Group

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from PIL import Image

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
    letters: Group = ()
    """The letter under which each option is shown, where a letter is the answer."""
    outcomes: Group = ()
    """What may happen in the place of an answer, such as a refusal: a column each, after those of the options."""
    stem: str = ""
    """Words that all options begin with; they stand in the question, and an answer may repeat them."""
    repeat: int = 0
    """How often it was put before, with the same words."""

    @property
    def width(self) -> int:
        """Columns of what is answered."""
        return len(self.options) + len(self.outcomes)


@dataclass(frozen=True)
class Manner:
    """How a generative model has to be asked; as it stands, one whose likelihoods are read."""

    letters: bool = False
    """Whether options are shown under letters, and a letter is the answer."""
    outcomes: Group = ()
    """What may happen in the place of an answer."""
    repeats: int = 1
    """How often each question is put."""
    instructions: bool = False
    """Whether every question is also put with the other instruction, not only those of a prompt curve."""


@runtime_checkable
class Answerer(Protocol):
    """A generative model: it reads an image and a question, and gives every option of an answer a likelihood."""

    @property
    def record(self) -> ModelRecord: ...

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """Return the mean log-likelihood (nats a token) of each option's tokens: the questions' options side by side, float32."""
        ...


@dataclass(frozen=True)
class Version:
    """What a server calls the model that answered."""

    model: str
    fingerprint: str
    """Its ``system_fingerprint``; empty where it gives none."""


@dataclass(frozen=True)
class EndpointUsage:
    """What a model behind an endpoint was sent, and what came back, whether in this run or, by its log, in earlier ones."""

    host: str
    local: bool
    """Whether it is the machine that the audit ran on."""
    model: str
    """As it was asked for."""
    mode: Literal["likelihood", "letter", "schema", "text"]
    notes: tuple[Note, ...]
    """Why this mode, and what the server does not take."""
    settings: Mapping[str, Value]
    images: int
    """Distinct ones that were sent."""
    answers: int
    """Requests that were answered."""
    sent: int
    """Tokens, as the server counts them; 0 where it does not say."""
    answered: int
    cost: float | None
    """By the user's table of prices."""
    currency: str
    label_scores: int
    bounded: int
    """Scores of labels that are an upper bound: the server did not list the label."""
    first: str
    """Date of the first answer, UTC, ISO 8601; earlier than the run where it was in the log."""
    last: str


@dataclass(frozen=True)
class EndpointAnswers(EndpointUsage):
    """The usage of an endpoint, and who answered what."""

    versions: Mapping[Version, tuple[str, str]]
    """version -> dates of its first and its last answer."""
    answered_as: Mapping[tuple[Version, Question, str], int]
    """version, question and what came of it (an option, or what came instead of one) -> answers."""


@runtime_checkable
class Served(Answerer, Protocol):
    """A generative model behind an endpoint: what it is asked leaves this process, it may refuse, and it may be another one tomorrow."""

    @property
    def manner(self) -> Manner: ...

    @property
    def place(self) -> Mapping[str, str]:
        """Where it is: ``host``, and in words ``where`` that is."""
        ...

    def images_at_once(self, questions: int) -> int:
        """Return how many images, with so many questions each, keep as many requests in flight as may be."""
        ...

    def begin(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Callable[[], Float[np.ndarray, "n k"]]:
        """Send questions, and return what waits for their answers: it gives what `log_likelihoods` does."""
        ...

    def account(self) -> EndpointAnswers:
        """Return what was sent and answered since the last call."""
        ...


@runtime_checkable
class Writer(Protocol):
    """A generative model that writes: it reads an image and a prompt, and goes on in its own words."""

    @property
    def record(self) -> ModelRecord: ...

    def write(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[list[str]]:
        """Return what is written about each image, a text for each prompt; equal images and prompts give equal texts."""
        ...


USUAL_TOKENS = 64
"""Of a text that a model of a folder writes, unless another number is asked for."""


@runtime_checkable
class LimitedWriter(Writer, Protocol):
    """A writer whose texts end after so many tokens, whether or not they are at their end."""

    max_new_tokens: int
