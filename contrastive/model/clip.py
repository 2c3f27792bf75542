"""CLIP: two towers with a shared embedding space and a learned temperature. See `contrastive.model.towers` for the towers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, TextConfig, ViTConfig
from contrastive.model.towers import TextTransformer, vision_tower
from strictio.weights.fill import SCALARS, check_fit, skip_init

__all__ = ["CLIP", "ConvConfig", "ModelConfig", "ResNetConfig", "TextConfig", "ViTConfig", "load_portable", "portable_state"]

INITIAL = {"softmax": (math.log(1 / 0.07), None), "sigmoid": (math.log(10), -10.0)}
"""score rule -> initial (logit_scale, logit_bias): CLIP's and SigLIP's."""


class CLIP(TextTransformer):
    """A dual encoder. The same seed of `generator` (None: torch's global one) gives identical weights.

    Weights are initialised as in the paper (in both towers alike). ``logit_scale`` is a logarithm; it and ``logit_bias`` (present under
    the sigmoid rule only) have shape [1], because FSDP2 cannot shard a 0-D parameter. In files they are 0-D: `portable_state`.
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        super().__init__(config)
        self.visual = vision_tower(config)
        scale, bias = INITIAL[config.score_rule]
        self.logit_scale = nn.Parameter(torch.tensor([scale]))
        self.logit_bias = None if bias is None else nn.Parameter(torch.tensor([bias]))
        self.visual.reset(generator)
        self.reset_text(generator)

    def encode_image(self, x_nchw: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return float[n, D], not normalised, for the output of `Preprocess`. `kept_nk`: the visible patches of a ViT (`kept_patches`)."""
        return self.visual(x_nchw) if kept_nk is None else self.visual(x_nchw, kept_nk)  # type: ignore[no-any-return]

    def forward(self, x_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return image[n, D] and text[n, D] of length 1 in at least float32, and the scale (not its logarithm; shape [1])."""
        return unit_length(self.encode_image(x_nchw, kept_nk)), unit_length(self.encode_text(ids_nl)), self.logit_scale.exp()


def kept_patches(n: int, patches: int, dropout: float, generator: torch.Generator) -> Tensor:
    """Draw which patches each of `n` images keeps, on the generator's device: int64[n, k], ascending, at least one per image.

    Source: Li et al. 2023 (FLIP), https://arxiv.org/abs/2212.00794
    """
    k = max(1, round(patches * (1 - dropout)))
    drawn_np = torch.rand(n, patches, generator=generator, device=generator.device)
    return drawn_np.topk(k, dim=1).indices.sort(dim=1).values


def unit_length(x_nd: Tensor) -> Tensor:
    """Normalise rows in at least float32; a zero row stays zero."""
    return F.normalize(at_least_float32(x_nd), dim=-1)


def at_least_float32(x: Tensor) -> Tensor:
    """Return `x` in float32, or in its own precision if that is higher."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def portable_state(model: CLIP) -> dict[str, Tensor]:
    """Return the state dict for files: OpenAI's names, detached, scalars 0-D."""
    return as_portable(model.state_dict())


def as_portable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `portable_state` for a model with the tensors of `state`, such as an average of its weights."""
    return {name: tensor.detach().reshape(()) if name in SCALARS else tensor.detach() for name, tensor in state.items()}


def load_portable(config: ModelConfig, state: Mapping[str, Tensor]) -> CLIP:
    """Build a model around the tensors of `state`, without initialising or copying any. Raises like `check_fit`; never loads partially."""
    with torch.device("meta"), skip_init():
        model = CLIP(config)
    state = {name: tensor.reshape(1) if name in SCALARS and tensor.numel() == 1 else tensor for name, tensor in state.items()}
    check_fit(model.state_dict(), state)
    model.load_state_dict(state, strict=True, assign=True)
    return model
