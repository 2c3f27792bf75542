"""The transformer that both towers are made of.

Names of parameters are those of OpenAI's files. Shape suffixes: n samples, l tokens, d width.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from contrastive.architecture import ModelConfig


class QuickGELU(nn.Module):
    """OpenAI's approximation of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, type[nn.Module]] = {"quick_gelu": QuickGELU, "gelu": nn.GELU, "relu": nn.ReLU}


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection, through one SDPA call."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x_nld: Tensor, causal: bool, keep: Tensor | None) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in F.linear(x_nld, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=keep, is_causal=causal)
        return self.out_proj(out.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def split_heads(x_nld: Tensor, heads: int) -> Tensor:
    """Return [n, heads, l, d / heads]."""
    return x_nld.unflatten(2, (heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """Pre-norm attention and MLP (4x), both residual."""

    def __init__(self, width: int, heads: int, config: ModelConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        parts = [("c_fc", nn.Linear(width, 4 * width)), ("act", ACTIVATIONS[config.activation]()), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(parts))

    def forward(self, x_nld: Tensor, causal: bool, keep: Tensor | None) -> Tensor:
        x_nld = x_nld + self.attn(self.ln_1(x_nld), causal, keep)
        return x_nld + self.mlp(self.ln_2(x_nld))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A stack of blocks."""

    def __init__(self, width: int, layers: int, head_width: int, config: ModelConfig) -> None:
        super().__init__()
        self.width = width
        self.resblocks = nn.ModuleList(Block(width, width // head_width, config) for _ in range(layers))

    def forward(self, x_nld: Tensor, causal: bool = False, keep: Tensor | None = None) -> Tensor:
        """`keep` (bool, broadcast to [n, heads, l, l]) is True where attention may look; not together with `causal`."""
        for block in self.resblocks:
            x_nld = block(x_nld, causal, keep)
        return x_nld

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        """Draw the weights of the paper's text tower (used for both towers here): output layers shrink with depth."""
        std, deep = self.width**-0.5, (2 * len(self.resblocks)) ** -0.5
        for block in self.resblocks:
            block.attn.in_proj_weight.normal_(0, std, generator=generator)
            block.attn.out_proj.weight.normal_(0, std * deep, generator=generator)
            block.mlp.c_fc.weight.normal_(0, (2 * self.width) ** -0.5, generator=generator)
            block.mlp.c_proj.weight.normal_(0, std * deep, generator=generator)
            for bias in (block.attn.in_proj_bias, block.attn.out_proj.bias, block.mlp.c_fc.bias, block.mlp.c_proj.bias):
                bias.zero_()


def reset_convolutions(tower: nn.Module, generator: torch.Generator | None) -> None:
    """Draw every convolution as torch does by default, but from a generator that was handed in."""
    for module in tower.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
