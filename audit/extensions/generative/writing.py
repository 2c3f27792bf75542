"""Texts of a generative model after an image and a prompt: greedy decoding by transformers, without sampling."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from audit.extensions.generative.prompts import Inputs


class TextWriter:
    """Continues an image and a prompt with the most likely token, repeatedly."""

    def __init__(self, model: Any, tokenizer: Any, start: Sequence[int] = ()):
        """`start` are a decoder's first tokens; a causal model continues its input."""
        from transformers import GenerationConfig

        self._model, self._tokenizer, self._start = model, tokenizer, tuple(start)
        self._ends = ends = _ends(model, tokenizer)
        padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else next(iter(ends), None)
        # A separate configuration: the folder's may sample, or use beam search.
        self._how = GenerationConfig(
            do_sample=False, num_beams=1, eos_token_id=list(ends) or None, pad_token_id=padding,
            decoder_start_token_id=next(iter(start), None),
        )  # fmt: skip

    def texts_after(self, inputs: Inputs, max_new_tokens: int) -> list[str]:
        """The texts after each of these inputs, without special tokens and surrounding spaces."""
        begun: Inputs = {}
        if self._start:
            begun["decoder_input_ids"] = torch.tensor([self._start] * len(inputs["input_ids"]), device=self._model.device)
        prompt_ids = {**inputs, **begun}["decoder_input_ids" if begun else "input_ids"]
        how = copy.copy(self._how)
        how.max_new_tokens = max_new_tokens
        written = self._model.generate(**inputs, **begun, generation_config=how)
        # Some classes return the prompt as well, some do not.
        length = prompt_ids.shape[1]
        own = written[:, length:] if written[:, :length].equal(prompt_ids) else written
        return [self._tokenizer.decode(self._up_to_end(row), skip_special_tokens=True).strip() for row in own.tolist()]

    def _up_to_end(self, ids: list[int]) -> list[int]:
        """Remove the padding of a text that ended before others of its batch."""
        return ids[: next((position for position, token in enumerate(ids) if token in self._ends), len(ids))]


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The tokens that end a text: those of the tokenizer, of the configuration and of the generation settings."""
    stated = (tokenizer.eos_token_id, model.config.get_text_config().eos_token_id, model.generation_config.eos_token_id)
    ends = [token for name in stated for token in (name if isinstance(name, list | tuple) else [name]) if isinstance(token, int)]
    return tuple(dict.fromkeys(ends))
