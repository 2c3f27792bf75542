"""A generative model as something that can be asked: `log_likelihoods` of the options of questions about images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.encoders.generative.frame import Frame
from audit.encoders.generative.prompts import Inputs, Prompt, Reader, prompt, shared_length, split
from audit.encoders.generative.scoring import Scorer
from audit.encoders.runtime import out_of_memory
from audit.errors import AuditError, DataError
from audit.types import ModelRecord, Question

if TYPE_CHECKING:
    from jaxtyping import Float, Float64
    from PIL import Image

log = logging.getLogger("audit")

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}
"""Nats a token between reuse and full passes. What a wrong cache or a wrong position makes is larger."""
TRIALS = (
    Question(
        "Which of these options best describes this image?\n" + "\n".join(f"- a person {i}" for i in range(20)), ("a person", "unclear")
    ),
    Question("Look at the image. Is it a person or a drawing of a house?", ("a drawing of a house", "a person")),
)


class _Asked(NamedTuple):
    """Questions made ready for a model."""

    questions: tuple[Question, ...]
    prompts: tuple[Prompt, ...]
    shared: int | None
    """Leading ids that all prompts have in common, the image among them; None where the image comes after the first difference."""


class GenerativeModel:
    """A causal image-text-to-text model of transformers. One image at a time: what else is in a batch never changes a number."""

    def __init__(self, model: Any, processor: Any, frame: Frame, record: ModelRecord, where: str):
        self.record = record
        self.reuse = True
        """Whether the cache of image and question serves all options; `check` decides."""
        self.tokenizer = processor.tokenizer
        self._frame = frame
        self._reader = Reader(model, processor, where)
        self._scorer = Scorer(model)
        self._asked: _Asked | None = None

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """Return the mean log-likelihood of each option's tokens; the questions' options stand side by side.

        Raises
        ------
        DataError
            If a question does not fit the model (`audit.encoders.generative.prompts.prompt`), or is too long for it.
        """
        import torch

        if not images:
            return np.empty((0, sum(len(question.options) for question in questions)), dtype=np.float32)
        with torch.inference_mode():
            asked = self._made_ready(tuple(questions), images[0])
            rows = [np.concatenate(self._about(image, asked)) for image in images]
        return np.array(rows, dtype=np.float32)

    def check(self, image: Image.Image) -> float:
        """Return the largest difference between reuse of the cache and full passes, on two questions about an image."""
        reused = self.log_likelihoods([image], TRIALS)
        return float(np.abs(reused - self.log_likelihoods_in_full(image)).max())

    def log_likelihoods_in_full(self, image: Image.Image) -> Float[np.ndarray, "k"]:
        """Return the answers to the trial questions by full passes."""
        import torch

        with torch.inference_mode():
            asked = self._made_ready(TRIALS, image)
            return np.concatenate([self._scorer.in_full(self._read(image, each), each.options) for each in asked.prompts])

    def _made_ready(self, questions: tuple[Question, ...], image: Image.Image) -> _Asked:
        if self._asked is None or self._asked.questions != questions:
            prompts = tuple(prompt(self.tokenizer, self._frame, question) for question in questions)
            self._asked = _Asked(questions, prompts, self._shared(prompts, image))
        return self._asked

    def _shared(self, prompts: Sequence[Prompt], image: Image.Image) -> int | None:
        """Tell what all questions share, if the processor puts each as that part and then the ids of the question's own words."""
        length = shared_length(prompts)
        starts = [split(self._reader.read(image, each.text), each.ids[length:]) for each in prompts]
        first = starts[0]
        same = first is not None and all(start is not None and first["input_ids"].equal(start["input_ids"]) for start in starts)
        return length if same else None

    def _about(self, image: Image.Image, asked: _Asked) -> list[Float64[np.ndarray, "k"]]:
        """Ask every question about one image, which is read once where the image comes before the questions."""
        if not self.reuse or asked.shared is None:
            return [self._by_itself(self._read(image, each), each) for each in asked.prompts]
        start = split(self._read(image, asked.prompts[0]), asked.prompts[0].ids[asked.shared :])
        if start is None:
            return [self._by_itself(self._read(image, each), each) for each in asked.prompts]
        longest = max(len(each.ids) + max(map(len, each.options)) for each in asked.prompts)
        self._reader.check_length(start["input_ids"].shape[1] - asked.shared + longest)
        cache = self._scorer.start(start)
        return [self._scorer.after(cache, each.ids[asked.shared :], each.options) for each in asked.prompts]

    def _by_itself(self, inputs: Inputs, each: Prompt) -> Float64[np.ndarray, "k"]:
        start = split(inputs, each.ids[-1:]) if self.reuse else None
        if start is None:
            return self._scorer.in_full(inputs, each.options)
        return self._scorer.after(self._scorer.start(start), each.ids[-1:], each.options)

    def _read(self, image: Image.Image, each: Prompt) -> Inputs:
        inputs = self._reader.read(image, each.text)
        self._reader.check_length(inputs["input_ids"].shape[1] + max(map(len, each.options)))
        return inputs


def settle_reuse(model: GenerativeModel) -> str:
    """Decide by trial whether the cache serves all options; return the note that says so.

    Raises
    ------
    DataError
        If the model's answers do not depend on the image.
    """
    light, dark = (_picture((112, 84), shift) for shift in (0, 120))
    if np.array_equal(model.log_likelihoods_in_full(light), model.log_likelihoods_in_full(dark)):
        raise DataError(
            f"the answers of {model.record.name} do not depend on the image",
            why="two different images gave the same likelihoods, to the last bit: its template or processor drops the image",
            fix="check chat_template.jinja and processor_config.json, or leave this model out",
        )
    tolerance = TOLERANCE[model.record.dtype]
    try:
        worst = max(model.check(image) for image in (light, _picture((300, 100), 40)))
    except AuditError:
        raise
    except Exception as error:  # a class whose cache works otherwise: what it raises is its own affair, and full passes are right
        if out_of_memory(error):
            raise
        worst, why = np.inf, f"{type(error).__name__} on reuse"
    else:
        why = f"the likelihoods differ by {worst:.2g} nats a token"
    if worst <= tolerance:
        return (
            f"Image and question are read once and reused for all options; checked against full passes, within {tolerance:g} nats a token."
        )
    model.reuse = False
    log.warning("%s: its cache cannot be reused (%s): every option takes a full forward pass", model.record.name, why)
    return f"The cache of this class cannot be reused ({why}): every option was scored by a full forward pass, which is slower."


def _picture(size: tuple[int, int], shift: int) -> Image.Image:
    """Return a plain picture with a gradient, a small drawing of nothing."""
    from PIL import Image

    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    return Image.fromarray(((pixels + shift) % 256).astype(np.uint8))
