"""What a generative model writes after an image and a prompt: greedy decoding by transformers, nothing drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from audit.models.generative.prompts import Inputs

MAX_NEW_TOKENS = 64
"""Of a text; one that is not at its end by then is cut off."""


class TextWriter:
    """Goes on from an image and a prompt with the most likely token, again and again."""

    def __init__(self, model: Any, tokenizer: Any, start: Sequence[int] = ()):
        """Take what a decoder begins with as `start`; a causal model goes on from its input."""
        from transformers import GenerationConfig

        self._begun: Inputs = {"decoder_input_ids": torch.tensor([start], device=model.device)} if start else {}
        self._model, self._tokenizer = model, tokenizer
        ends = _ends(model, tokenizer)
        padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else next(iter(ends), None)
        # A configuration of its own: that of the folder may draw at random, or search beams.
        self._how = GenerationConfig(
            do_sample=False, num_beams=1, max_new_tokens=MAX_NEW_TOKENS, eos_token_id=list(ends) or None, pad_token_id=padding,
            decoder_start_token_id=next(iter(start), None),
        )  # fmt: skip

    def text_after(self, inputs: Inputs) -> str:
        """Return what is written after these inputs, without special tokens and outer blanks."""
        given = (self._begun or inputs)["decoder_input_ids" if self._begun else "input_ids"][0]
        written = self._model.generate(**inputs, **self._begun, generation_config=self._how)[0]
        # Some classes give the prompt back, some do not.
        own = written[len(given) :] if written[: len(given)].equal(given) else written
        return str(self._tokenizer.decode(own, skip_special_tokens=True)).strip()


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Return the tokens that end a text: those of the tokenizer, of the configuration and of how the model was set to generate."""
    stated = (tokenizer.eos_token_id, model.config.get_text_config().eos_token_id, model.generation_config.eos_token_id)
    ends = [each for name in stated for each in (name if isinstance(name, list | tuple) else [name]) if isinstance(each, int)]
    return tuple(dict.fromkeys(ends))
