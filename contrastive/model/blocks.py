"""The transformer that both towers use.

Names of parameters are those of OpenAI's files. Shape suffixes: n samples, l tokens, d width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from contrastive.model.architecture import ModelConfig


class QuickGELU(nn.Module):
    """OpenAI's approximation of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class TanhGELU(nn.GELU):
    """The approximation of GELU by a hyperbolic tangent, as in SigLIP."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


ACTIVATIONS: dict[str, type[nn.Module]] = {"quick_gelu": QuickGELU, "gelu": nn.GELU, "gelu_tanh": TanhGELU, "relu": nn.ReLU}


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection, through one SDPA call."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x_nld: Tensor, causal: bool, keep: Tensor | None) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.project(x_nld).chunk(3, dim=-1))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=keep, is_causal=causal)
        return self.out_proj(out.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def project(self, x_nld: Tensor) -> Tensor:
        """Return query, key and value of each token, one after another: float[n, l, 3 d]."""
        return F.linear(x_nld, self.in_proj_weight, self.in_proj_bias)

    def read(self, query_nqd: Tensor, x_nld: Tensor) -> Tensor:
        """Return what each query reads from all tokens: float[n, q, d]."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            split_heads(F.linear(x, weight, bias), self.heads)
            for x, weight, bias in zip((query_nqd, x_nld, x_nld), weights, biases, strict=True)
        )
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def split_heads(x_nld: Tensor, heads: int) -> Tensor:
    """Return [n, heads, l, d / heads]."""
    n, tokens, width = x_nld.shape
    return x_nld.reshape(n, tokens, heads, width // heads).transpose(1, 2)


class MLP(nn.Module):
    """Two layers, `inner` wide between them."""

    def __init__(self, width: int, inner: int, activation: nn.Module) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, inner)
        self.act = activation
        self.c_proj = nn.Linear(inner, width)

    def forward(self, x_nld: Tensor) -> Tensor:
        return self.c_proj(self.act(self.c_fc(x_nld)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm attention and MLP, both residual."""

    def __init__(self, width: int, heads: int, inner: int, config: ModelConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = MLP(width, inner, ACTIVATIONS[config.activation]())

    def forward(self, x_nld: Tensor, causal: bool, keep: Tensor | None) -> Tensor:
        x_nld = x_nld + self.attn(self.ln_1(x_nld), causal, keep)
        return x_nld + self.mlp(self.ln_2(x_nld))  # type: ignore[no-any-return]

    def reset(self, layers: int, generator: torch.Generator | None) -> None:
        """Initialise weights as in the paper's text tower; here, for both towers."""
        reset_attention_and_mlp(self.attn, self.mlp, layers, generator)


class AttentionPooling(nn.Module):
    """A learned query attends to all tokens; an MLP is added to the result (Zhai et al. 2022, https://arxiv.org/abs/2106.04560)."""

    def __init__(self, width: int, heads: int, inner: int, config: ModelConfig) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, width))
        self.attn = Attention(width, heads)
        self.ln = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = MLP(width, inner, ACTIVATIONS[config.activation]())

    def forward(self, x_nld: Tensor) -> Tensor:
        """Return float[n, d]."""
        pooled_n1d = self.attn.read(self.probe.expand(len(x_nld), -1, -1), x_nld)
        return (pooled_n1d + self.mlp(self.ln(pooled_n1d)))[:, 0]  # type: ignore[no-any-return]

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        self.probe.normal_(0, self.probe.shape[-1] ** -0.5, generator=generator)
        reset_attention_and_mlp(self.attn, self.mlp, 1, generator)


@torch.no_grad()
def reset_attention_and_mlp(attn: Attention, mlp: MLP, layers: int, generator: torch.Generator | None) -> None:
    """Draw the weights of a block among so many `layers`."""
    width = attn.out_proj.in_features
    std, deep = width**-0.5, (2 * layers) ** -0.5
    for weight, its_std in (
        (attn.in_proj_weight, std),
        (attn.out_proj.weight, std * deep),
        (mlp.c_fc.weight, (2 * width) ** -0.5),
        (mlp.c_proj.weight, std * deep),
    ):
        weight.normal_(0, its_std, generator=generator)
    for bias in (attn.in_proj_bias, attn.out_proj.bias, mlp.c_fc.bias, mlp.c_proj.bias):
        bias.zero_()


class Transformer(nn.Module):
    """A stack of blocks whose MLPs have inner width `mlp_width` (None: four times `width`)."""

    def __init__(self, width: int, layers: int, head_width: int, config: ModelConfig, mlp_width: int | None = None) -> None:
        super().__init__()
        self.width = width
        self.recompute = False  # whether, in training, a block stores only its input and is recomputed in the backward pass
        self.resblocks = nn.ModuleList(Block(width, width // head_width, mlp_width or 4 * width, config) for _ in range(layers))

    def forward(self, x_nld: Tensor, causal: bool = False, keep: Tensor | None = None) -> Tensor:
        """`keep` (bool, broadcast to [n, heads, l, l]) is True where attention is allowed; not together with `causal`."""
        again = self.recompute and self.training and torch.is_grad_enabled()
        for block in self.resblocks:
            x_nld = run_again(block, x_nld, causal, keep) if again else block(x_nld, causal, keep)
        return x_nld

    def reset(self, generator: torch.Generator | None) -> None:
        """Initialise the weights of every block, scaled down for deeper stacks."""
        for block in self.resblocks:
            block.reset(len(self.resblocks), generator)  # type: ignore[operator]


def run_again(block: nn.Module, *inputs: object) -> Tensor:
    """Run a block with activation checkpointing. Batch-norm statistics are updated only in the first run."""
    result: Tensor = checkpoint(block, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _resting_statistics(block)))
    return result


@contextmanager
def _resting_statistics(block: nn.Module) -> Iterator[None]:
    """Redirect updates of batch-norm statistics to temporary copies."""
    before = [(norm, name, buffer) for norm in block.modules() if isinstance(norm, _BatchNorm) for name, buffer in norm.named_buffers()]
    for norm, name, buffer in before:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in before:
            setattr(norm, name, buffer)


def reset_convolutions(tower: nn.Module, generator: torch.Generator | None) -> None:
    """Initialise every convolution with torch's default, but from the given generator."""
    for module in tower.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
