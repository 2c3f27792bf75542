"""Models that read image and question with an encoder and answer with a decoder (Florence-2, BLIP-2 and InstructBLIP with T5, T5Gemma 2).

Sources: `labels` in transformers' own forward passes (the decoder's first tokens, and the position of an answer); Xiao et al. 2024,
https://arxiv.org/abs/2311.06242 (Florence-2 is trained with its task prompts as plain questions).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from audit.errors import DataError
from audit.extensions.generative.chat_template import MARK
from audit.extensions.generative.prompts import Inputs
from audit.extensions.generative.scoring import Scorer, TextState, log_softmax
from audit.types import Note

FAMILIES = ("florence2", "blip-2", "instructblip", "t5gemma2")
"""Types whose encoder reads a question together with the image. Others read an image alone, or words with their positions."""
PLAIN = {"florence2": (MARK,), "blip-2": (f"Question: {MARK} Answer:",), "instructblip": (f"Question: {MARK} Answer:",)}
"""type -> the text around a question if the folder has no chat template; their processors put the image first by themselves."""

TASK_MODELS = ("florence2",)
"""Types that were trained on tasks, not on questions."""


def is_encoder_decoder(config: Any) -> bool:
    """Whether a model, by its configuration, answers with another network than it reads with."""
    return bool(config.is_encoder_decoder or config.get_text_config().is_encoder_decoder)


def require_family(config: Any, name: str, folder: Path) -> None:
    """Raise DataError for an encoder-decoder whose encoder reads no question."""
    if config.model_type not in FAMILIES:
        raise DataError(
            f"{name} reads no question about an image",
            where=str(folder),
            why=f"of the classes with an encoder and a decoder these read a question with the image: {', '.join(FAMILIES)}",
            fix="give one of these, or a causal model: LLaVA, Qwen-VL, SmolVLM, Idefics, InternVL, Gemma 3, ...",
        )


def answer_start(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that the decoder reads before an answer: its start token, then the special tokens with which the tokenizer starts a text.

    Labels contain the latter, shifted behind the former: ``</s><s>a man`` for BART, ``<pad>a man`` for T5. Raises DataError without a
    start token, which is never guessed.
    """
    decoder = model.config.get_text_config(decoder=True)
    configs = (
        model.generation_config,
        decoder,
        getattr(model.config, "text_config", None),
        getattr(_answering(model), "generation_config", None),
    )
    stated = [getattr(config, name, None) for name in ("decoder_start_token_id", "bos_token_id") for config in configs]
    start = next((token for token in stated if isinstance(token, int)), None)
    if start is None:
        what, fix = "the configuration does not say with which token an answer begins", "set decoder_start_token_id in config.json"
        raise DataError(what, why="transformers would not generate with it either", fix=fix)
    text, whole = (tuple(tokenizer("a", add_special_tokens=special)["input_ids"]) for special in (False, True))
    leading = next((whole[:position] for position in range(len(whole)) if whole[position : position + len(text)] == text), ())
    return (start, *leading[leading[:1] == (start,) :])


def answered_apart(model: Any, tokenizer: Any) -> list[Note]:
    """A note that a decoder answers, and the first tokens of its answers; none for a causal model."""
    if not is_encoder_decoder(model.config):
        return []
    return [Note("asked_decoder", {"start": " ".join(tokenizer.convert_ids_to_tokens(list(answer_start(model, tokenizer))))})]


class EncoderDecoderScorer(Scorer):
    """Scores with an encoder-decoder: image and question are encoded once, and the decoder reads all options in parallel."""

    one_text = False

    def __init__(self, model: Any, tokenizer: Any):
        super().__init__(model, _answering(model))
        self.start = answer_start(model, tokenizer)

    def read(self, inputs: Inputs) -> TextState:
        """Encode images and a question, and start an answer for each."""
        output = self._model(**inputs, decoder_input_ids=self._tensor([self.start] * len(inputs["input_ids"])), use_cache=True)
        # BLIP-2 and InstructBLIP wrap the output of their language model.
        output = getattr(output, "language_model_outputs", output)
        encoded = output.encoder_last_hidden_state
        mask = inputs.get("attention_mask", torch.ones(encoded.shape[:2], dtype=torch.long, device=encoded.device))
        along = {"encoder_outputs": encoded, "attention_mask": mask}
        return TextState(log_softmax(output.logits[:, -1]), getattr(output, self._cache_name), along)

    def go_on(self, reached: TextState, ids: Sequence[int]) -> TextState:
        """Raise TypeError: the encoder reads a question as a whole."""
        raise TypeError("an encoder reads a question in one piece")

    def chances_along(self, inputs: Inputs, option: Sequence[int]) -> torch.Tensor:
        """float32[n, tokens of the option, v]: log-probability of every token at each position of the option, by one full pass."""
        read = self._tensor([(*self.start, *option[:-1])] * len(inputs["input_ids"]))
        return log_softmax(self._model(**inputs, decoder_input_ids=read, use_cache=False).logits[:, -len(option) :])

    def _logits(self, rows: Sequence[Sequence[int]], reached: TextState, cache: Any) -> torch.Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        # The cache has the encoder's keys and values: its states are only passed along, once per row.
        along = {name: value.repeat_interleave(len(rows) // len(value), dim=0) for name, value in reached.along.items()}
        along["encoder_outputs"] = BaseModelOutput(last_hidden_state=along["encoder_outputs"])
        logits: torch.Tensor = self._network(
            decoder_input_ids=self._tensor(rows), **along, **{self._cache_name: cache}, use_cache=True
        ).logits
        return logits.to(self._model.device)  # with a model spread over devices, the output is on that of its last layer


def _answering(model: Any) -> Any:
    """The part of a model that has encoder and decoder: itself, or its language model."""
    return model.language_model if model.config.model_type in ("blip-2", "instructblip") else model
