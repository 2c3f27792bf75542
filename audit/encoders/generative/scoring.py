"""The likelihood of an option after an image and a question: by the cache of keys and values, or by full forward passes."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.encoders.generative.prompts import Inputs, extended
from audit.encoders.runtime import out_of_memory

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float64

log = logging.getLogger("audit")

Options = Sequence[tuple[int, ...]]


class Scorer:
    """Asks a causal model for the mean log-likelihood of options, in nats a token."""

    def __init__(self, model: Any):
        self._model = model
        parameters = inspect.signature(model.forward).parameters
        self._cache_name = "cache" if "cache" in parameters else "past_key_values"
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self.rows = 64
        """Options at once; halved when memory runs out."""

    def start(self, inputs: Inputs) -> Any:
        """Return the cache of an image and of the words that all questions begin with."""
        return self._step(inputs, None)[1]

    def after(self, start: Any, tail: Sequence[int], options: Options) -> Float64[np.ndarray, "k"]:
        """Score options after `start` and a question's remaining tokens: each costs the forward pass of its own tokens but the last.

        `start` is left as it is. Nothing is padded on the left, so positions follow from the cache; options are padded on the right with
        their own last token, which no token before it sees.
        """
        first, cache = self._step(self._ids([tail]), copy.deepcopy(start), **self._last_only)
        chances = _log_softmax(first[:, -1])
        sums = chances[0, [option[0] for option in options]].double()
        longer = [i for i, option in enumerate(options) if len(option) > 1]
        at = 0
        while at < len(longer):
            part = longer[at : at + self.rows]
            try:
                sums[part] += self._rest(cache, [options[i] for i in part])
            except (RuntimeError, MemoryError) as error:
                self._shrink(error, len(part))
                continue
            at += len(part)
        return _means(sums, options)

    def in_full(self, inputs: Inputs, options: Options) -> Float64[np.ndarray, "k"]:
        """Score options by a full forward pass for each: for models whose cache cannot be reused."""
        sums = []
        start = inputs["input_ids"].shape[1] - 1
        for option in options:
            logits = self._model(**extended(inputs, option[:-1]), use_cache=False).logits[0, start:]
            sums.append(_log_softmax(logits)[range(len(option)), list(option)].double().sum())
        return _means(sums, options)

    def _rest(self, cache: Any, options: Options) -> torch.Tensor:
        """Return the summed log-likelihood of all tokens of each option but its first."""
        import torch

        longest = max(map(len, options)) - 1
        read = [(option[:-1] + option[-2:-1] * longest)[:longest] for option in options]
        wanted = self._ids([(option[1:] + option[-1:] * longest)[:longest] for option in options])["input_ids"]
        copies = copy.deepcopy(cache)
        copies.batch_repeat_interleave(len(options))
        logits, _ = self._step(self._ids(read), copies)
        chances = _log_softmax(logits).gather(2, wanted[:, :, None])[:, :, 0].double()
        lengths = torch.tensor([len(option) - 1 for option in options], device=chances.device)
        own = torch.arange(longest, device=chances.device)[None] < lengths[:, None]
        return torch.where(own, chances, 0.0).sum(dim=1)

    def _step(self, inputs: Inputs, cache: Any, **options: Any) -> tuple[torch.Tensor, Any]:
        given = {} if cache is None else {self._cache_name: cache}
        output = self._model(**inputs, **given, **(options or (self._last_only if cache is None else {})), use_cache=True)
        return output.logits, getattr(output, self._cache_name)

    def _ids(self, rows: Sequence[Sequence[int]]) -> Inputs:
        import torch

        return {"input_ids": torch.tensor(rows, device=self._model.device)}

    def _shrink(self, error: RuntimeError | MemoryError, tried: int) -> None:
        if not out_of_memory(error) or tried == 1:
            raise error
        self.rows = tried // 2
        log.warning("out of memory at %d options: going on with %d at once", tried, self.rows)


def _log_softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().log_softmax(-1)


def _means(sums: Sequence[torch.Tensor] | torch.Tensor, options: Options) -> Float64[np.ndarray, "k"]:
    means: np.ndarray = np.array([float(value) for value in sums]) / [len(option) for option in options]
    return means
