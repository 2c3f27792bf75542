"""A generative model as something that can be asked (`log_likelihoods` of the options of questions about images), and that writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from audit.models.generative.chat_template import Frame
from audit.models.generative.encoder_decoder import EncoderDecoderScorer, is_encoder_decoder
from audit.models.generative.prompts import InputBuilder, Inputs, Prompt, build_prompt, shared_length, without_tail
from audit.models.generative.scoring import Scorer
from audit.models.generative.writing import MAX_NEW_TOKENS, TextWriter
from audit.types import ModelRecord, Question

if TYPE_CHECKING:
    from jaxtyping import Float, Float64
    from PIL import Image

Reuse = Literal["all", "question", "nothing"]
"""What is read once: an image for all questions, image and question for all options, or nothing."""


class _Prepared(NamedTuple):
    """Questions made ready for a model."""

    questions: tuple[Question, ...]
    prompts: tuple[Prompt, ...]
    shared: int | None
    """Leading ids that all prompts have in common, the image among them; None where the image comes after the first difference."""


class GenerativeModel:
    """An image-text-to-text model of transformers. One image at a time: what else is in a batch never changes a number."""

    def __init__(self, model: Any, processor: Any, frame: Frame, record: ModelRecord, where: str):
        self.record = record
        self.reuse: Reuse = "all"
        """Whether and how far the cache serves is decided by `audit.models.generative.self_check`."""
        apart = is_encoder_decoder(model.config)
        self.scorer = EncoderDecoderScorer(model, processor.tokenizer) if apart else Scorer(model)
        self._reader = InputBuilder(model, processor, where, one_text=self.scorer.one_text)
        self._tokenizer, self._frame = processor.tokenizer, frame
        self._asked: _Prepared | None = None
        self._writer = TextWriter(model, processor.tokenizer, self.scorer.start if isinstance(self.scorer, EncoderDecoderScorer) else ())

    def write(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[list[str]]:
        """Return what the model writes about each image after each prompt, decoded greedily (`audit.models.generative.writing`)."""
        asked = [self.prompt(Question(prompt, ())) for prompt in prompts]
        with torch.inference_mode():
            return [[self._writer.text_after(self._longer(image, each)) for each in asked] for image in images]

    def _longer(self, image: Image.Image, each: Prompt) -> Inputs:
        inputs = self._reader.read(image, each.text)
        self._reader.check_length(inputs["input_ids"].shape[1], MAX_NEW_TOKENS)
        return inputs

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """Return the mean log-likelihood of each option's tokens; the questions' options stand side by side."""
        if not images:
            return np.empty((0, sum(len(question.options) for question in questions)), dtype=np.float32)
        with torch.inference_mode():
            asked = self._made_ready(tuple(questions), images[0])
            rows = [np.concatenate(self._about(image, asked)) for image in images]
        return np.array(rows, dtype=np.float32)

    @property
    def shares_image(self) -> bool:
        """Whether the questions asked last shared one reading of the image."""
        return self.reuse == "all" and self._asked is not None and self._asked.shared is not None

    def prompt(self, question: Question) -> Prompt:
        """Return a question as this model reads it."""
        return build_prompt(self._tokenizer, self._frame, question, one_text=self.scorer.one_text)

    def read(self, image: Image.Image, each: Prompt) -> Inputs:
        """Return what the model takes for an image and a question."""
        inputs = self._reader.read(image, each.text)
        self._reader.check_length(inputs["input_ids"].shape[1], max(map(len, each.options), default=0))
        return inputs

    def _made_ready(self, questions: tuple[Question, ...], image: Image.Image) -> _Prepared:
        if self._asked is None or self._asked.questions != questions:
            prompts = tuple(map(self.prompt, questions))
            self._asked = _Prepared(questions, prompts, self._shared(prompts, image))
        return self._asked

    def _shared(self, prompts: Sequence[Prompt], image: Image.Image) -> int | None:
        """Tell what all questions share, if the processor puts each as that part and then the ids of the question's own words."""
        if not self.scorer.one_text:
            return None
        length = shared_length(prompts)
        starts = [without_tail(self._reader.read(image, each.text), each.ids[length:]) for each in prompts]
        ids = [start["input_ids"] for start in starts if start is not None]
        return length if len(ids) == len(prompts) and all(ids[0].equal(each) for each in ids) else None

    def _about(self, image: Image.Image, asked: _Prepared) -> list[Float64[np.ndarray, "k"]]:
        """Ask every question about one image, which is read once where that serves."""
        if self.reuse == "nothing":
            return [self.scorer.in_full(self.read(image, each), each.options) for each in asked.prompts]
        shared, first = asked.shared, asked.prompts[0]
        start = without_tail(self.read(image, first), first.ids[shared:]) if self.reuse == "all" and shared is not None else None
        if start is None or shared is None:
            return [self.scorer.score(self.scorer.read(self.read(image, each)), each.options) for each in asked.prompts]
        longest = max(len(each.ids) + max(map(len, each.options)) for each in asked.prompts)
        self._reader.check_length(start["input_ids"].shape[1] - shared, longest)
        reached = self.scorer.read(start)
        return [self.scorer.score(self.scorer.go_on(reached, each.ids[shared:]), each.options) for each in asked.prompts]
