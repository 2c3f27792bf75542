"""A generative model as an `Answerer` (`log_likelihoods` of the options of questions about images) and a `Writer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image

from audit.encoder import USUAL_TOKENS
from audit.extensions.generative.chat_template import Frame
from audit.extensions.generative.encoder_decoder import EncoderDecoderScorer, is_encoder_decoder
from audit.extensions.generative.prompts import InputBuilder, Inputs, Prompt, build_prompt, in_batches, shared_length, without_tail
from audit.extensions.generative.scoring import Scorer
from audit.extensions.generative.writing import TextWriter
from audit.types import ModelRecord, Question

if TYPE_CHECKING:
    from jaxtyping import Float, Float64

Reuse = Literal["all", "question", "nothing"]
"""What is read only once: an image for all questions, image and question for all options, or nothing."""

TOKENS_AT_ONCE = 8192
"""Tokens processed at once, over all images of a batch: their keys and values take less than a gigabyte for most models with
a few billion weights in half precision. Batches get smaller if memory runs out (`audit.embedding.batch`)."""


class _Prepared(NamedTuple):
    """Questions prepared for a model."""

    questions: tuple[Question, ...]
    prompts: tuple[Prompt, ...]
    shared: int | None
    """Number of leading ids that all prompts share, including the image; None if the image comes after the first difference."""


class GenerativeModel:
    """An image-text-to-text model of transformers.

    Images whose inputs have the same length are read together: nothing is padded, and the rest of a batch changes at most the last digits.
    """

    def __init__(self, model: Any, processor: Any, frame: Frame, record: ModelRecord, where: str):
        self.record = record
        self.reuse: Reuse = "all"
        """How far the cache can be reused; set by `audit.extensions.generative.self_check`."""
        self.max_new_tokens = USUAL_TOKENS
        """Maximum number of tokens of a text that it writes; longer texts are cut."""
        self.spans: tuple[str, ...] = ()
        """Devices over which its layers are spread."""
        self.tokens_at_once = TOKENS_AT_ONCE
        """0 if images that are read together get other numbers than alone; also set there."""
        apart = is_encoder_decoder(model.config)
        self.scorer = EncoderDecoderScorer(model, processor.tokenizer) if apart else Scorer(model)
        self._reader = InputBuilder(model, processor, where, one_text=self.scorer.one_text)
        self._tokenizer, self._frame = processor.tokenizer, frame
        self._asked: _Prepared | None = None
        self._writer = TextWriter(model, processor.tokenizer, self.scorer.start if isinstance(self.scorer, EncoderDecoderScorer) else ())

    def write(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[list[str]]:
        """Greedy decoding (`audit.extensions.generative.writing`)."""
        if not images:
            return []
        with torch.inference_mode():
            by_prompt = [self._written(images, self.prompt(Question(prompt, ()))) for prompt in prompts]
        return list(map(list, zip(*by_prompt, strict=True)))

    def _written(self, images: Sequence[Image.Image], prompt: Prompt) -> list[str]:
        image_inputs = [self._reader.read(image, prompt.text) for image in images]
        for inputs in image_inputs:
            self._reader.check_length(inputs["input_ids"].shape[1], self.max_new_tokens)
        texts: dict[int, str] = {}
        for places, together in in_batches(image_inputs, self.tokens_at_once):
            texts |= zip(places, self._writer.texts_after(together, self.max_new_tokens), strict=True)
        return [texts[position] for position in range(len(images))]

    def check_questions(self, questions: Sequence[Question], prompts: Sequence[str]) -> None:
        """Raise the `DataError` that `questions`, or writing after `prompts`, would raise, as far as a small plain image shows it."""
        plain = Image.new("RGB", (64, 64), (127, 127, 127))
        if questions:
            self.read(
                plain, max(map(self.prompt, questions), key=lambda prompt: len(prompt.ids) + max(map(len, prompt.options), default=0))
            )
        if prompts:
            longest = max((self.prompt(Question(prompt, ())) for prompt in prompts), key=lambda prompt: len(prompt.ids))
            self._reader.check_length(self._reader.read(plain, longest.text)["input_ids"].shape[1], self.max_new_tokens)

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """The mean log-likelihood of each option's tokens; options of all questions are in adjacent columns."""
        if not images:
            return np.empty((0, sum(len(question.options) for question in questions)), dtype=np.float32)
        with torch.inference_mode():
            rows = self._about(images, self._made_ready(tuple(questions), images[0]))
        return rows.astype(np.float32)

    @property
    def shares_image(self) -> bool:
        """Whether the last questions shared one reading of the image."""
        return self.reuse == "all" and self._asked is not None and self._asked.shared is not None

    def prompt(self, question: Question) -> Prompt:
        return build_prompt(self._tokenizer, self._frame, question, one_text=self.scorer.one_text)

    def read(self, image: Image.Image, prompt: Prompt) -> Inputs:
        inputs = self._reader.read(image, prompt.text)
        self._reader.check_length(inputs["input_ids"].shape[1], max(map(len, prompt.options), default=0))
        return inputs

    def _made_ready(self, questions: tuple[Question, ...], image: Image.Image) -> _Prepared:
        if self._asked is None or self._asked.questions != questions:
            prompts = tuple(map(self.prompt, questions))
            self._asked = _Prepared(questions, prompts, self._shared(prompts, image))
        return self._asked

    def _shared(self, prompts: Sequence[Prompt], image: Image.Image) -> int | None:
        """Number of ids that all questions share, if the processor builds each as that part and the ids of the question's own words."""
        if not self.scorer.one_text:
            return None
        length = shared_length(prompts)
        starts = [without_tail(self._reader.read(image, prompt.text), prompt.ids[length:]) for prompt in prompts]
        ids = [start["input_ids"] for start in starts if start is not None]
        return length if len(ids) == len(prompts) and all(ids[0].equal(other) for other in ids) else None

    def _about(self, images: Sequence[Image.Image], prepared: _Prepared) -> Float64[np.ndarray, "n k"]:
        """Ask every question about images, reading each image only once if possible."""
        shared, first = prepared.shared, prepared.prompts[0]
        if self.reuse == "all" and shared is not None:
            starts = [without_tail(self.read(image, first), first.ids[shared:]) for image in images]
            if len(shared_starts := [start for start in starts if start is not None]) == len(images):
                return self._in_batches(shared_starts, partial(self._from_start, prepared.prompts, shared))
        columns = [
            self._in_batches([self.read(image, prompt) for image in images], partial(self._scored, prompt)) for prompt in prepared.prompts
        ]
        return np.concatenate(columns, axis=1)

    def _in_batches(self, inputs: Sequence[Inputs], score: Callable[[Inputs], Float64[np.ndarray, "b k"]]) -> Float64[np.ndarray, "n k"]:
        """Score images of equal shapes together, and return their rows in order."""
        scored = [(places, score(together)) for places, together in in_batches(inputs, self.tokens_at_once)]
        order = np.argsort(np.concatenate([places for places, _ in scored]))
        return np.concatenate([rows for _, rows in scored])[order]

    def _from_start(self, prompts: Sequence[Prompt], shared: int, start: Inputs) -> Float64[np.ndarray, "n k"]:
        """Score the options of all questions; `start` has the first `shared` ids and the images."""
        longest = max(len(prompt.ids) + max(map(len, prompt.options)) for prompt in prompts)
        self._reader.check_length(start["input_ids"].shape[1] - shared, longest)
        reached = self.scorer.read(start)
        return np.concatenate(
            [self.scorer.score(self.scorer.go_on(reached, prompt.ids[shared:]), prompt.options) for prompt in prompts], axis=1
        )

    def _scored(self, prompt: Prompt, inputs: Inputs) -> Float64[np.ndarray, "n k"]:
        if self.reuse == "nothing":
            return self.scorer.in_full(inputs, prompt.options)
        return self.scorer.score(self.scorer.read(inputs), prompt.options)
