"""Initial weights with the distribution that open_clip's own models have, where it is not the paper's.

open_clip leaves the blocks of a vision transformer, the biases of all MLPs and those of attention pooling at torch's defaults.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive.model.blocks import Block
from contrastive.model.clip import CLIP
from contrastive.model.towers import AttentionPool


@torch.no_grad()
def reset_as_open_clip(model: CLIP, generator: torch.Generator | None = None) -> None:
    """Draw these weights again, with torch's default distributions; all others stay as they are."""
    for name, module in model.named_modules():
        if isinstance(module, Block):
            if name.startswith("visual."):
                nn.init.xavier_uniform_(module.attn.in_proj_weight, generator=generator)
                _default(module.attn.out_proj, generator, parts=("weight",))
            for linear in (module.mlp.c_fc, module.mlp.c_proj):
                _default(linear, generator, parts=("weight", "bias") if name.startswith("visual.") else ("bias",))
        elif isinstance(module, AttentionPool):
            for linear in (module.k_proj, module.q_proj, module.v_proj, module.c_proj):
                _default(linear, generator, parts=("bias",))


def _default(linear: nn.Linear, generator: torch.Generator | None, parts: tuple[str, ...]) -> None:
    """Draw as `nn.Linear` does, weights and bias: uniform, within the inverse square root of the number of inputs."""
    limit = linear.in_features**-0.5
    for part in parts:
        linear.get_parameter(part).uniform_(-limit, limit, generator=generator)
