"""Questions as token ids, and the part that can be read once for all questions: the words up to the image, and the image."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from audit.errors import DataError
from audit.extensions.generative.chat_template import Frame
from audit.types import Question

if TYPE_CHECKING:
    from PIL import Image

Inputs = dict[str, Any]
"""Arguments of a model's forward pass: name -> tensor."""


@dataclass(frozen=True)
class Prompt:
    """One question as a model reads it."""

    text: str
    """The complete text, with a placeholder for the image."""
    ids: tuple[int, ...]
    """Ids of the text alone: the placeholder is at most one token, and the tokenizer adds nothing before it."""
    options: tuple[tuple[int, ...], ...]
    """The tokens of each option as a continuation of the text."""


def build_prompt(tokenizer: Any, frame: Frame, question: Question, *, one_text: bool = True) -> Prompt:
    """Tokenize a question, with its options as continuations (`one_text`) or as separate texts.

    Raises DataError if it contains one of the model's special tokens, or an option has no token.
    """
    if marks := [mark for mark in _special_tokens(tokenizer) if mark in question.text]:
        what = f"a question holds {max(marks, key=len)!r}, which this model reads as a special token"
        why, fix = "it would be read as an image or as the end of a turn", "word the label otherwise, or leave this model out"
        raise DataError(what, where=repr(question.text[:200]), why=why, fix=fix)
    text = frame.around(question.text)
    ids = _ids(tokenizer, text)
    return Prompt(
        text, ids, tuple(_option_ids(tokenizer, text if one_text else "", ids if one_text else (), option) for option in question.options)
    )


def shared_length(prompts: Sequence[Prompt]) -> int:
    """Number of leading ids that all prompts share, leaving at least one of each."""
    longest = min(len(prompt.ids) for prompt in prompts) - 1
    first = prompts[0].ids
    return next((i for i in range(longest) if any(prompt.ids[i] != first[i] for prompt in prompts)), longest)


class InputBuilder:
    """Combines an image and a text into the model's input."""

    def __init__(self, model: Any, processor: Any, where: str, *, one_text: bool = True):
        self._processor, self._where, self._one_text = processor, where, one_text
        self._known = set(inspect.signature(model.forward).parameters)
        self._device, self._dtype = model.device, model.dtype
        text_config = model.config.get_text_config()
        self._context = getattr(text_config, "max_position_embeddings", None) or 10**9

    def read(self, image: Image.Image, text: str) -> Inputs:
        inputs = self._processor(images=[image], text=[text], return_tensors="pt", **self._special(text))
        return {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if name in self._known and name != "labels" and hasattr(value, "is_floating_point")
        }

    def check_length(self, read: int, answered: int) -> None:
        """Raise DataError if tokens of image and question, and of an answer, exceed the model's context."""
        length = read + answered if self._one_text else max(read, answered)
        if length > self._context:
            why = f"together they have {length} tokens and the model reads {self._context}; cutting them would ask another question"
            what, fix = "an image and a question are too long for this model", "shorten the label set, or leave this model out"
            raise DataError(what, where=self._where, why=why, fix=fix)

    def _special(self, text: str) -> Mapping[str, bool]:
        """Arguments that prevent the tokenizer from adding a second start of text, or an end of text before the answer."""
        if not self._one_text:
            return {}
        tokenizer = self._processor.tokenizer
        ids = tuple(tokenizer(text)["input_ids"])
        raw = _ids(tokenizer, text)
        twice = tokenizer.bos_token and text.startswith(tokenizer.bos_token)
        return {"add_special_tokens": False} if twice or ids[-len(raw) :] != raw else {}


def without_tail(inputs: Inputs, tail: Sequence[int]) -> Inputs | None:
    """The inputs without their last ids, if these equal `tail`; else None."""
    ids = inputs["input_ids"]
    kept = ids.shape[1] - len(tail)
    if kept <= 0 or not torch.equal(ids[0, kept:], torch.tensor(tail, device=ids.device)):
        return None
    return {name: value[:, :kept] if is_per_token(name) else value for name, value in inputs.items()}


def with_more_text(inputs: Inputs, ids: Sequence[int], answer_type: int | None = None) -> Inputs:
    """Append text to the inputs.

    Inputs with one entry per token (visible, text, sees the image) repeat the value of the last token, except for
    the token type if `answer_type` is set: some classes use it to mark an answer, whose tokens attend only to earlier ones.
    """

    def longer(name: str, value: torch.Tensor) -> torch.Tensor:
        if name == "input_ids":
            return torch.cat([value, torch.tensor([ids] * len(value), dtype=value.dtype, device=value.device)], dim=1)
        more = torch.cat([value[:, -1:]] * len(ids), dim=1) if ids else value[:, :0]
        if name.endswith("token_type_ids") and answer_type is not None:
            more = torch.full_like(more, answer_type)
        return torch.cat([value, more], dim=1)

    return {name: longer(name, value) if is_per_token(name) else value for name, value in inputs.items()}


def in_batches(all_inputs: Sequence[Inputs], tokens: int) -> Iterator[tuple[list[int], Inputs]]:
    """Batch inputs of equal shapes, up to `tokens` tokens (and at least one input), with their original indices."""
    alike: dict[tuple[tuple[str | int, ...], ...], list[int]] = defaultdict(list)
    for position, inputs in enumerate(all_inputs):
        alike[tuple((name, *value.shape) for name, value in inputs.items())].append(position)
    for places in alike.values():
        size = max(1, tokens // all_inputs[places[0]]["input_ids"].shape[1])
        for start in range(0, len(places), size):
            part = places[start : start + size]
            yield part, {name: torch.cat([all_inputs[position][name] for position in part]) for name in all_inputs[part[0]]}


def is_per_token(name: str) -> bool:
    """Whether an input, by its name, has one entry per token."""
    return name in ("input_ids", "attention_mask", "cross_attention_mask") or name.endswith("token_type_ids")


def _special_tokens(tokenizer: Any) -> set[str]:
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return {mark for mark in (*added, *tokenizer.all_special_tokens) if mark.strip()}


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _option_ids(tokenizer: Any, text: str, ids: tuple[int, ...], option: str) -> tuple[int, ...]:
    """Tokens of an option as a continuation of a text, after a space unless the text is empty or ends in one or in a mark."""
    ends_apart = not text or text[-1:].isspace() or any(text.endswith(mark) for mark in _special_tokens(tokenizer))
    words = option if ends_apart else f" {option}"
    joint = _ids(tokenizer, text + words)
    # If text and option merge into one token, the option is tokenized alone.
    tokens = joint[len(ids) :] if joint[: len(ids)] == ids else _ids(tokenizer, words)
    if not tokens:
        raise DataError(f"the option {option!r} has no token", why="this model's tokenizer drops all of it", fix="word the label otherwise")
    return tokens
