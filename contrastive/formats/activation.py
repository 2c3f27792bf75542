"""Determines the activation, which weights do not reveal; the wrong one changes every number while looking plausible.

It is known for OpenAI's archives and guessed for similar weights. Otherwise both are tried, and the user must choose if they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from contrastive.formats.infer import CLIP_CONTEXT, CLIP_VOCABULARY
from contrastive.model.architecture import ModelConfig
from contrastive.model.clip import CLIP, load_portable, unit_length
from strictio.weights.unwrap import Weights

SAME = 1e-4  # smaller differences between cosines are irrelevant


def looks_like_openai(weights: Weights) -> bool:
    """Whether weights look like OpenAI's: half-precision matrices, CLIP's vocabulary and context, no trainer state."""
    matrix, tokens = weights.tensors.get("transformer.resblocks.0.attn.in_proj_weight"), weights.tensors.get("token_embedding.weight")
    positions = weights.tensors.get("positional_embedding")
    if matrix is None or tokens is None or positions is None or weights.wrapped:
        return False
    return matrix.dtype == torch.float16 and tokens.shape[:1] == (CLIP_VOCABULARY,) and positions.shape[:1] == (CLIP_CONTEXT,)


@torch.inference_mode()
def largest_difference(config: ModelConfig, state: Mapping[str, Tensor]) -> float:
    """Return the largest change of image-text cosines on a fixed set between the activations, ignoring the one in `config`."""
    single = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    configs = replace(config, activation="gelu"), replace(config, activation="quick_gelu")
    first, second = (_cosines(load_portable(its, single).eval()) for its in configs)
    return float((first - second).abs().max())


def _cosines(model: CLIP) -> Tensor:
    text, size = model.config.text, model.config.vision.image_size
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 3, size, size, generator=generator)
    ramp = torch.linspace(-2, 2, size).expand(1, 3, size, size)
    length = min(text.context, 8)
    ids = torch.randint(text.eot - 1, (4, length), generator=generator)
    ids[:, 0], ids[:, -1] = text.eot - 1, text.eot
    return unit_length(model.encode_image(torch.cat([noise, ramp, ramp.mT]))) @ unit_length(model.encode_text(ids)).T
