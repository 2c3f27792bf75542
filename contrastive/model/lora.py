"""LoRA: low-rank additions to the linear maps in both towers' blocks, trained instead of these maps, and merged into them for files.

A map ``W`` becomes ``W + alpha / rank * B A``; query, key and value have additions of their own. ``A`` is drawn as by the package peft,
``B`` begins at 0. So the result is peft's for the attention and the MLP of every block.

Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from contrastive.model.blocks import Attention, Block

PARAMETERS = ("lora_a", "lora_b")
PARTS = (*PARAMETERS, "lora_scale")
"""Last parts of the names of additions; the last is a constant, so that a state can be merged without the run's settings."""


class LowRankLinear(nn.Linear):
    """A linear map with an addition: `lora_a` [r, inputs], `lora_b` [outputs, r]."""

    lora_a: nn.Parameter
    lora_b: nn.Parameter
    lora_scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.lora_scale * F.linear(F.linear(x, self.lora_a), self.lora_b)


class LowRankAttention(Attention):
    """Attention with additions to query, key and value: `lora_a` [3, r, d], `lora_b` [3, d, r]."""

    lora_a: nn.Parameter
    lora_b: nn.Parameter
    lora_scale: Tensor

    def project(self, x_nld: Tensor) -> Tensor:
        low = F.linear(x_nld, self.lora_a.flatten(0, 1)).chunk(3, dim=-1)
        additions = [F.linear(part, b) for part, b in zip(low, self.lora_b, strict=True)]
        return super().project(x_nld) + self.lora_scale * torch.cat(additions, dim=-1)


def add_low_rank(model: nn.Module, rank: int, alpha: float, generator: torch.Generator | None = None) -> None:
    """Give the linear maps of all blocks additions, in place. The model computes the same as before until `lora_b` changes."""
    for block in [module for module in model.modules() if isinstance(module, Block)]:
        width = block.attn.out_proj.in_features
        block.attn.__class__ = LowRankAttention
        _attach(block.attn, (3, rank, width), (3, width, rank), alpha / rank, generator)
        for linear in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
            linear.__class__ = LowRankLinear
            _attach(linear, (rank, linear.in_features), (linear.out_features, rank), alpha / rank, generator)


@torch.no_grad()
def _attach(module: nn.Module, a: tuple[int, ...], b: tuple[int, ...], scale: float, generator: torch.Generator | None) -> None:
    limit = a[-1] ** -0.5
    module.lora_a = nn.Parameter(torch.empty(a).uniform_(-limit, limit, generator=generator))
    module.lora_b = nn.Parameter(torch.zeros(b))
    module.register_buffer("lora_scale", torch.tensor(scale))


def is_addition(name: str) -> bool:
    """Whether a parameter or buffer of this name belongs to an addition."""
    return name.rpartition(".")[2] in PARTS


def additions(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the trained tensors of the additions in a state dict."""
    return {name: tensor.detach() for name, tensor in state.items() if name.rpartition(".")[2] in PARAMETERS}


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of the plain model that computes the same."""
    plain = {name: tensor for name, tensor in state.items() if not is_addition(name)}
    for name, b in state.items():
        stem, _, last = name.rpartition(".")
        if last != "lora_b":
            continue
        product = state[f"{stem}.lora_scale"] * (b @ state[f"{stem}.lora_a"])
        weight = f"{stem}.weight" if b.ndim == 2 else f"{stem}.in_proj_weight"
        plain[weight] = plain[weight] + product.reshape(plain[weight].shape)
    return plain
