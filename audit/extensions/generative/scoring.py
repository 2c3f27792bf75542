"""The likelihood of an option after an image and a question: with the cache of keys and values, or by full forward passes.

Inputs are those of n images with the same text, of equal length: nothing is padded on the left, so positions are those of a single image.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from audit.extensions.generative.prompts import Inputs, with_more_text
from audit.models.runtime import out_of_memory

if TYPE_CHECKING:
    from jaxtyping import Float64

log = logging.getLogger("audit")
Options = Sequence[tuple[int, ...]]


class TextState(NamedTuple):
    """State of a model after some text."""

    chances: torch.Tensor
    """float32[n, v]: log-probability of every next token."""
    cache: Any
    along: Inputs = {}  # noqa: RUF012  (never changed)
    """Other inputs that the model needs with every continuation."""


class Scorer:
    """Scores options with a causal model by their mean log-likelihood, in nats per token."""

    one_text = True
    """Whether question and answer form one text, whose beginning can be read once for several questions."""

    def __init__(self, model: Any, network: Any = None):
        self._model = model
        self._network = model if network is None else network
        """The network that continues from a cache."""
        parameters = inspect.signature(self._network.forward).parameters
        self._cache_name = "cache" if "cache" in parameters else "past_key_values"
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self.rows = 64
        """Number of options at once; halved when memory runs out."""
        self.answer_type: int | None = None
        """Token type of an answer in a full pass; None: that of the question's last token."""

    def read(self, inputs: Inputs) -> TextState:
        """Read images and a text."""
        return self._reached(inputs, None)

    def go_on(self, reached: TextState, ids: Sequence[int]) -> TextState:
        """Read more text. `reached` stays unchanged; nothing is padded, so positions follow from the cache."""
        return self._reached({"input_ids": self._tensor([ids] * len(reached.chances))}, copy.deepcopy(reached.cache))

    def score(self, reached: TextState, options: Options) -> Float64[np.ndarray, "n k"]:
        """Score options: each costs the forward pass of its own tokens but the last. `reached` stays unchanged."""
        sums = reached.chances[:, [option[0] for option in options]].double()
        longer = [i for i, option in enumerate(options) if len(option) > 1]
        while longer:
            part = longer[: max(1, self.rows // len(reached.chances))]
            try:
                sums[:, part] += self._rest(reached, [options[i] for i in part])
            except (RuntimeError, MemoryError) as error:
                self._shrink(error, len(part))
            else:
                longer = longer[len(part) :]
        return _means(sums, options)

    def in_full(self, inputs: Inputs, options: Options) -> Float64[np.ndarray, "n k"]:
        """Score each option by a full forward pass, for models whose cache cannot be reused."""
        sums = [self.chances_along(inputs, option)[:, range(len(option)), list(option)].double().sum(dim=1) for option in options]
        return _means(torch.stack(sums, dim=1), options)

    def chances_along(self, inputs: Inputs, option: Sequence[int]) -> torch.Tensor:
        """float32[n, tokens of the option, v]: log-probability of every token at each position of the option, by one full pass."""
        logits = self._model(**with_more_text(inputs, option[:-1], self.answer_type), use_cache=False).logits
        return log_softmax(logits[:, -len(option) :])

    def _rest(self, reached: TextState, options: Options) -> torch.Tensor:
        """float64[n, k]: the summed log-likelihood of all tokens of each option but its first, over copies of the cache.

        Options are padded on the right with their own tokens, to which no earlier token attends.
        """
        longest, images = max(map(len, options)) - 1, len(reached.chances)
        read = images * [(option[:-1] + option[-2:-1] * longest)[:longest] for option in options]
        wanted = self._tensor(images * [(option[1:] + option[-1:] * longest)[:longest] for option in options])
        copies = copy.deepcopy(reached.cache)
        copies.reorder_cache(torch.arange(images, device=wanted.device).repeat_interleave(len(options)))
        chances = log_softmax(self._logits(read, reached, copies)).gather(2, wanted[:, :, None])[:, :, 0].double()
        lengths = torch.tensor([len(option) - 1 for option in options], device=chances.device)
        own = torch.arange(longest, device=chances.device)[None] < lengths[:, None]
        return torch.where(own, chances.view(images, len(options), longest), 0.0).sum(dim=2)

    def _logits(self, rows: Sequence[Sequence[int]], reached: TextState, cache: Any) -> torch.Tensor:
        """float[rows, tokens, v] for texts that continue a state, equally many for each image; `cache` has one copy per row."""
        logits: torch.Tensor = self._network(
            input_ids=self._tensor(rows), **reached.along, **{self._cache_name: cache}, use_cache=True
        ).logits
        return logits

    def _reached(self, inputs: Inputs, cache: Any) -> TextState:
        cached = {} if cache is None else {self._cache_name: cache}
        output = self._model(**inputs, **cached, **self._last_only, use_cache=True)
        return TextState(log_softmax(output.logits[:, -1]), getattr(output, self._cache_name))

    def _tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=self._model.device)

    def _shrink(self, error: RuntimeError | MemoryError, tried: int) -> None:
        if not out_of_memory(error) or tried == 1:
            raise error
        self.rows = tried // 2
        log.warning("out of memory at %d options: going on with %d at once", tried, self.rows)


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities in single precision, regardless of the model's number format."""
    return logits.float().log_softmax(-1)


def _means(sums: torch.Tensor, options: Options) -> Float64[np.ndarray, "n k"]:
    means: np.ndarray = sums.cpu().numpy() / [len(option) for option in options]
    return means
