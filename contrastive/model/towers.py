"""The towers of CLIP: vision transformer, modified ResNet, a small convolutional tower, and the text transformer.

Names of parameters are those of OpenAI's files (``transformer.resblocks.0.attn.in_proj_weight``), so that other
programs can read a state dict without translation. Shape suffixes: n samples, c channels, h and w pixels, l tokens, d width or embedding.

Source: Radford et al. 2021, section 2.4, https://arxiv.org/abs/2103.00020
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, ViTConfig
from contrastive.model.blocks import ACTIVATIONS, AttentionPooling, Transformer, reset_convolutions, run_again, split_heads


class VisionTransformer(nn.Module):
    """Patches, a class token, positions, blocks; the class token's feature, projected."""

    def __init__(self, vision: ViTConfig, model: ModelConfig) -> None:
        super().__init__()
        tokens = (vision.image_size // vision.patch_size) ** 2 + 1
        self.conv1 = nn.Conv2d(3, vision.width, vision.patch_size, stride=vision.patch_size, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(vision.width))
        self.positional_embedding = nn.Parameter(torch.empty(tokens, vision.width))
        self.ln_pre = nn.LayerNorm(vision.width, eps=model.layer_norm_eps)
        self.transformer = Transformer(vision.width, vision.layers, vision.head_width, model, vision.mlp_width)
        self.ln_post = nn.LayerNorm(vision.width, eps=model.layer_norm_eps)
        self.proj = nn.Parameter(torch.empty(vision.width, model.embed_dim))

    def forward(self, x_nchw: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """`kept_nk`: indices of the visible patches (patch dropout); None: all. The class token is always visible."""
        x_nld = self.conv1(x_nchw).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x_nld), 1, -1)
        x_nld = torch.cat([first, x_nld], dim=1) + self.positional_embedding
        if kept_nk is not None:
            x_nld = _visible(x_nld, torch.cat([kept_nk.new_zeros(len(kept_nk), 1), kept_nk + 1], dim=1))
        x_nld = self.transformer(self.ln_pre(x_nld))
        return self.ln_post(x_nld[:, 0]) @ self.proj  # type: ignore[no-any-return]

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        std = self.transformer.width**-0.5
        for parameter in (self.class_embedding, self.positional_embedding, self.proj):
            parameter.normal_(0, std, generator=generator)
        reset_convolutions(self, generator)
        self.transformer.reset(generator)


class PooledTransformer(nn.Module):
    """The image tower of SigLIP: patches, positions, blocks, pooling by attention."""

    def __init__(self, vision: ViTConfig, model: ModelConfig) -> None:
        super().__init__()
        inner = vision.mlp_width or 4 * vision.width
        self.conv1 = nn.Conv2d(3, vision.width, vision.patch_size, stride=vision.patch_size)
        self.positional_embedding = nn.Parameter(torch.empty((vision.image_size // vision.patch_size) ** 2, vision.width))
        self.transformer = Transformer(vision.width, vision.layers, vision.head_width, model, vision.mlp_width)
        self.ln_post = nn.LayerNorm(vision.width, eps=model.layer_norm_eps)
        self.attention_pool = AttentionPooling(vision.width, vision.width // vision.head_width, inner, model)

    def forward(self, x_nchw: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """`kept_nk`: as for `VisionTransformer`."""
        x_nld = self.conv1(x_nchw).flatten(2).transpose(1, 2) + self.positional_embedding
        if kept_nk is not None:
            x_nld = _visible(x_nld, kept_nk)
        return self.attention_pool(self.ln_post(self.transformer(x_nld)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        self.positional_embedding.normal_(0, self.transformer.width**-0.5, generator=generator)
        reset_convolutions(self, generator)
        self.conv1.get_parameter("bias").zero_()
        self.transformer.reset(generator)
        self.attention_pool.reset(generator)


def _visible(x_nld: Tensor, kept_nk: Tensor) -> Tensor:
    return x_nld.gather(1, kept_nk[:, :, None].expand(-1, -1, x_nld.shape[2]))


class Bottleneck(nn.Module):
    """Every convolution has stride 1; an average pool before the third convolution and before the shortcut halves the image size."""

    def __init__(self, inputs: int, planes: int, stride: int, activation: type[nn.Module]) -> None:
        super().__init__()
        outputs = 4 * planes
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3, self.bn3 = nn.Conv2d(planes, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.act = activation()
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
            parts = [("-1", pool), ("0", nn.Conv2d(inputs, outputs, 1, bias=False)), ("1", nn.BatchNorm2d(outputs))]
            self.downsample = nn.Sequential(OrderedDict(parts))

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.act(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(self.avgpool(y)))
        return self.act(y + self.downsample(x))  # type: ignore[no-any-return]


class AttentionPool(nn.Module):
    """One query, the mean over all positions, attends to all positions and itself."""

    def __init__(self, side: int, width: int, heads: int, embed_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.empty(side**2 + 1, width))
        self.k_proj, self.q_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed_dim)

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nld = x_nchw.flatten(2).transpose(1, 2)
        x_nld = torch.cat([x_nld.mean(dim=1, keepdim=True), x_nld], dim=1) + self.positional_embedding
        q, k, v = self.q_proj(x_nld[:, :1]), self.k_proj(x_nld), self.v_proj(x_nld)
        out = F.scaled_dot_product_attention(split_heads(q, self.heads), split_heads(k, self.heads), split_heads(v, self.heads))
        return self.c_proj(out.transpose(1, 2).flatten(1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        self.positional_embedding.normal_(0, self.positional_embedding.shape[1] ** -0.5, generator=generator)
        for linear in (self.k_proj, self.q_proj, self.v_proj, self.c_proj):
            linear.weight.normal_(0, linear.in_features**-0.5, generator=generator)
            linear.bias.zero_()


class ModifiedResNet(nn.Module):
    """A ResNet-D with a three-convolution stem, anti-aliased strides and attention pooling. Its activation is always ReLU."""

    def __init__(self, vision: ResNetConfig, model: ModelConfig) -> None:
        super().__init__()
        width = vision.width
        self.conv1, self.bn1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width // 2)
        self.conv2, self.bn2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False), nn.BatchNorm2d(width // 2)
        self.conv3, self.bn3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.act, self.avgpool = nn.ReLU(), nn.AvgPool2d(2)
        inputs = [width, 4 * width, 8 * width, 16 * width]
        stages = [_stage(inputs[i], width * 2**i, vision.layers[i], 1 if i == 0 else 2) for i in range(4)]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.recompute = False  # whether, in training, a bottleneck stores only its input and is recomputed in the backward pass
        self.attnpool = AttentionPool(vision.image_size // 32, 32 * width, max(1, width * 32 // 64), model.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = self.act(norm(conv(x)))
        x = self.avgpool(x)
        again = self.recompute and self.training and torch.is_grad_enabled()
        for block in chain(self.layer1, self.layer2, self.layer3, self.layer4):
            x = run_again(block, x) if again else block(x)
        return self.attnpool(x)  # type: ignore[no-any-return]

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        reset_convolutions(self, generator)
        self.attnpool.reset(generator)
        for module in self.modules():
            if isinstance(module, Bottleneck):
                module.bn3.weight.zero_()


def _stage(inputs: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(inputs, planes, stride, nn.ReLU)
    return nn.Sequential(first, *(Bottleneck(4 * planes, planes, 1, nn.ReLU) for _ in range(blocks - 1)))


class ConvTower(nn.Module):
    """Stride-2 3x3 convolutions with batch norm; the result is flattened (position matters) and projected."""

    def __init__(self, vision: ConvConfig, model: ModelConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *vision.channels), vision.channels, strict=False):
            conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), ACTIVATIONS[model.activation]()]
        self.layers = nn.Sequential(*layers)
        side = vision.image_size >> len(vision.channels)
        self.proj = nn.Parameter(torch.empty(vision.channels[-1] * side**2, model.embed_dim))

    def forward(self, x_nchw: Tensor) -> Tensor:
        return self.layers(x_nchw).flatten(1) @ self.proj  # type: ignore[no-any-return]

    @torch.no_grad()
    def reset(self, generator: torch.Generator | None) -> None:
        reset_convolutions(self, generator)
        self.proj.normal_(0, self.proj.shape[0] ** -0.5, generator=generator)


class TextTransformer(nn.Module):
    """Token and position embeddings, blocks, and the feature at the end of the text, projected.

    In OpenAI's files its parts are at the top level: `CLIP` is a text transformer that also has an image tower, hence `encode_text`.
    """

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        text = model.text
        self.config = model
        self.token_embedding = nn.Embedding(text.vocab_size, text.width)
        self.positional_embedding = nn.Parameter(torch.empty(text.context, text.width))
        self.transformer = Transformer(text.width, text.layers, text.head_width, model, text.mlp_width)
        self.ln_final = nn.LayerNorm(text.width, eps=model.layer_norm_eps)
        self.text_projection = nn.Parameter(torch.empty(text.width, model.embed_dim))
        self.text_projection_bias = nn.Parameter(torch.zeros(model.embed_dim)) if text.pooling == "last" else None

    def encode_text(self, ids_nl: Tensor) -> Tensor:
        """Return float[n, D], not normalised.

        `ValueError` if a row lacks EOT or exceeds the context, or is not padded to the context for pooling at its last position: another
        token would be pooled.
        """
        text = self.config.text
        if ids_nl.shape[1] > text.context or (text.pooling == "last" and ids_nl.shape[1] < text.context):
            raise ValueError(f"texts have {ids_nl.shape[1]} tokens, the model's context is {text.context}")
        if self.text_projection_bias is not None:
            last_nd: Tensor = self.ln_final(self.transformer(self.token_embedding(ids_nl) + self.positional_embedding)[:, -1])
            return last_nd @ self.text_projection + self.text_projection_bias
        end_n = end_positions(ids_nl, text.eot)
        x_nld: Tensor = self.token_embedding(ids_nl) + self.positional_embedding[: ids_nl.shape[1]]
        inside_nl = torch.arange(ids_nl.shape[1], device=ids_nl.device) <= end_n[:, None]
        x_nld = self.transformer(x_nld, causal=text.causal, keep=None if text.causal else inside_nl[:, None, None, :])
        x_nld = self.ln_final(x_nld)
        if text.pooling == "eot":
            pooled_nd = x_nld[torch.arange(len(ids_nl), device=ids_nl.device), end_n]
        else:
            weights_nl = inside_nl.to(x_nld.dtype) / (end_n[:, None] + 1)
            pooled_nd = (x_nld * weights_nl[:, :, None]).sum(dim=1)
        return pooled_nd @ self.text_projection

    @torch.no_grad()
    def reset_text(self, generator: torch.Generator | None) -> None:
        self.token_embedding.weight.normal_(0, 0.02, generator=generator)
        self.positional_embedding.normal_(0, 0.01, generator=generator)
        self.text_projection.normal_(0, self.text_projection.shape[0] ** -0.5, generator=generator)
        self.transformer.reset(generator)


def end_positions(ids_nl: Tensor, eot: int) -> Tensor:
    """Return int64[n]: the position of each row's first end-of-text id. Raises `ValueError` if a row has none."""
    is_end_nl = ids_nl == eot
    missing_n = ~is_end_nl.any(dim=1)
    if missing_n.any():
        raise ValueError(f"row {int(missing_n.int().argmax())} has no end-of-text id ({eot})")
    return is_end_nl.int().argmax(dim=1)  # argmax takes the first of equal values


VisionTower = VisionTransformer | PooledTransformer | ModifiedResNet | ConvTower
TOWERS: dict[str, type[Any]] = {"vit": VisionTransformer, "resnet": ModifiedResNet, "conv": ConvTower}


def vision_tower(model: ModelConfig) -> VisionTower:
    """Build the image tower that `model` describes."""
    if isinstance(model.vision, ViTConfig) and model.vision.pooling == "attention":
        return PooledTransformer(model.vision, model)
    return TOWERS[model.vision.kind](model.vision, model)  # type: ignore[no-any-return]
