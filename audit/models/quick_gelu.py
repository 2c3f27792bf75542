"""QuickGELU folded into SiLU: the same embeddings in fewer passes over memory, while a batch is computed on a CPU in float32.

In a transformer with OpenAI's activation, an MLP computes ``W2 (h sigmoid(1.702 h)) + b2`` with ``h = W1 x + b1``. Because
``h sigmoid(1.702 h) = SiLU(1.702 h) / 1.702``, both factors can be part of the matrix products, which scale their result at no cost. The
activation is then one pass in place, instead of three with a new array each.

The weights stay as they are in the file, and outside of `QuickGELUFold.run` the model computes as written: exports, fingerprints, changed
copies and gradients never see the fold. Before a tower uses it, a few rows of its first batch are computed both ways; if they differ by
more than rounding, the tower goes on without it, and the model's record says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from audit.types import ModelRecord, Note

log = logging.getLogger("audit")
SCALE = 1.702
TOLERANCE = 1e-6
"""Largest difference between rows of length 1, with and without the fold. Rounding alone gives 1e-7."""
QUICK_GELUS = ("QuickGELU", "QuickGELUActivation")
"""Classes of the activation: ours and open_clip's, and transformers'. The check would notice another one of the same name."""
CHECKED_ROWS = 4
"""Rows that are computed both ways. A smaller batch is computed without the fold, and checks nothing."""


class Layer(Protocol):
    """A linear layer with a bias."""

    @property
    def weight(self) -> Tensor: ...

    @property
    def bias(self) -> Tensor: ...


class HasRecord(Protocol):
    """An encoder."""

    record: ModelRecord


class QuickMLP(NamedTuple):
    """Two linear layers with QuickGELU between them."""

    owner: Any
    """Its method ``forward`` computes them."""
    first: Layer
    second: Layer


def quick_mlps(model: Any) -> list[QuickMLP]:
    """The MLPs of a model with QuickGELU: modules that consist of two linear layers and the activation; or those in `mlps`."""
    if not isinstance(model, nn.Module):
        return [QuickMLP(mlp, mlp.first, mlp.second) for mlp in getattr(model, "mlps", ()) if mlp.activation == "quick_gelu"]
    return [mlp for module in model.modules() if (mlp := _quick_mlp(module)) is not None]


def _quick_mlp(module: nn.Module) -> QuickMLP | None:
    children = list(module.children())
    layers = [child for child in children if type(child) is nn.Linear and child.bias is not None]
    if len(children) != 3 or len(layers) != 2 or layers[0].out_features != layers[1].in_features:
        return None
    (activation,) = (child for child in children if child not in layers)
    return QuickMLP(module, *layers) if type(activation).__name__ in QUICK_GELUS else None


def folded_mlp(first: Layer, second: Layer, x: Tensor) -> Tensor:
    """The result of an MLP with QuickGELU.

    Examples
    --------
    >>> first, second, x = nn.Linear(2, 4), nn.Linear(4, 3), torch.ones(5, 2)
    >>> h = first(x)
    >>> torch.allclose(folded_mlp(first, second, x), second(h * torch.sigmoid(1.702 * h)), atol=1e-6)
    True
    """
    inner = torch.addmm(first.bias, x.flatten(0, -2), first.weight.T, beta=SCALE, alpha=SCALE)
    outer = torch.addmm(second.bias, F.silu(inner, inplace=True), second.weight.T, alpha=1 / SCALE)
    return outer.view(*x.shape[:-1], -1)


class QuickGELUFold:
    """Computes the features of a model with the fold where this is exact.

    Parameters
    ----------
    model : object
        A torch module, or an object that lists its MLPs in `mlps`; without QuickGELU, `run` only calls `encode`.
    setting : (device, dtype)
        Of the model. On an accelerator the activation hardly counts; in 16 bits, fewer passes round differently.
    encoder : object
        Its `record` gets a note if a tower computes without the fold.
    """

    def __init__(self, model: Any, setting: tuple[torch.device, torch.dtype], encoder: HasRecord):
        self._mlps = quick_mlps(model) if setting[0].type == "cpu" and setting[1] == torch.float32 else []
        self._encoder = encoder
        self._exact: dict[str, bool] = {}

    def run(self, tower: str, encode: Callable[[slice], Tensor], rows: int) -> Tensor:
        """The features of a batch of `rows` rows; `encode` computes those of a slice of them with one tower of the model."""
        if self._mlps and tower not in self._exact and rows >= CHECKED_ROWS:
            self._exact[tower] = self._check(tower, encode)
        if not self._exact.get(tower):
            return encode(slice(None))
        with self._active():
            return encode(slice(None))

    def _check(self, tower: str, encode: Callable[[slice], Tensor]) -> bool:
        plain = encode(slice(CHECKED_ROWS))
        with self._active():
            fast = encode(slice(CHECKED_ROWS))
        difference = float((F.normalize(plain, dim=-1) - F.normalize(fast, dim=-1)).abs().max())
        if difference <= TOLERANCE:
            log.debug("QuickGELU of the %s tower is computed as SiLU: rows of length 1 differ by %.1e", tower, difference)
            return True
        note = Note("quick_gelu_not_folded", {"tower": tower, "difference": difference})
        record = self._encoder.record
        log.warning("%s: %s", record.name, note)
        self._encoder.record = replace(record, notes=(*record.notes, note))
        return False

    @contextmanager
    def _active(self) -> Iterator[None]:
        for owner, first, second in self._mlps:
            owner.forward = partial(folded_mlp, first, second)
        try:
            yield
        finally:
            for owner, _, _ in self._mlps:
                owner.__dict__.pop("forward", None)  # another thread may have finished first
