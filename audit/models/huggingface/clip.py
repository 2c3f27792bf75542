"""`CLIPModel` of a Hugging Face folder, computed on its own tensors under their own names: nothing is copied, renamed or initialised.

transformers' own code takes two seconds and 140 MB to import, for the same dozen operations. Variants of CLIP (another
activation, padding on the left) are left to it: `is_plain_clip`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from audit.errors import DataError
from audit.models.folder_weights import Weights
from audit.models.huggingface.outline import DOWNLOAD, require_size
from audit.models.huggingface.pretrained import call_transformers, require_complete
from contrastive.model.blocks import split_heads
from strictio.limits import LIMIT, MAX_LAYERS

ACTIVATIONS = ("quick_gelu", "gelu")
LEGACY_EOS = 2
"""Value in old configurations regardless of the tokenizer; it means that the end of text is the largest id."""


def is_plain_clip(config: Any, tokenizer: Any) -> bool:
    """Whether a configuration describes a CLIP that this module can compute."""
    if type(config).__name__ != "CLIPConfig" or tokenizer.padding_side != "right":
        return False
    towers = (config.vision_config, config.text_config)
    sizes = [
        *(getattr(tower, name) for tower in towers for name in ("hidden_size", "intermediate_size", "num_attention_heads")),
        *(config.vision_config.image_size, config.vision_config.patch_size, config.projection_dim),
        *(config.text_config.vocab_size, config.text_config.max_position_embeddings),
    ]
    return (
        all(type(size) is int and 0 < size <= LIMIT for size in sizes)
        and all(type(tower.num_hidden_layers) is int and 0 < tower.num_hidden_layers <= MAX_LAYERS for tower in towers)
        and all(tower.hidden_act in ACTIVATIONS and tower.hidden_size % tower.num_attention_heads == 0 for tower in towers)
        and config.vision_config.num_channels == 3
        and type(config.text_config.eos_token_id) is int
    )


def expected_shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of `CLIPModel`, by its name."""
    vision, text = config.vision_config, config.text_config
    tokens = (vision.image_size // vision.patch_size) ** 2 + 1
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "visual_projection.weight": (config.projection_dim, vision.hidden_size),
        "text_projection.weight": (config.projection_dim, text.hidden_size),
        "vision_model.embeddings.class_embedding": (vision.hidden_size,),
        "vision_model.embeddings.patch_embedding.weight": (vision.hidden_size, 3, vision.patch_size, vision.patch_size),
        "vision_model.embeddings.position_embedding.weight": (tokens, vision.hidden_size),
        "text_model.embeddings.token_embedding.weight": (text.vocab_size, text.hidden_size),
        "text_model.embeddings.position_embedding.weight": (text.max_position_embeddings, text.hidden_size),
    }
    layers: dict[str, tuple[int, ...]] = {
        "vision_model.pre_layrnorm": (vision.hidden_size,),  # spelled like this
        "vision_model.post_layernorm": (vision.hidden_size,),
        "text_model.final_layer_norm": (text.hidden_size,),
    }
    for tower, part in (("vision_model", vision), ("text_model", text)):
        width, inner = part.hidden_size, part.intermediate_size
        block = {"layer_norm1": (width,), "layer_norm2": (width,), "mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
        block |= {f"self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        for number in range(part.num_hidden_layers):
            layers |= {f"{tower}.encoder.layers.{number}.{name}": shape for name, shape in block.items()}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def build_clip(folder: Path, config: Any, weights: Weights, setting: tuple[torch.device, torch.dtype]) -> CLIPModel:
    """Build a model that `is_plain_clip` accepts; raises DataError if a weight is missing, unexpected or of another shape."""
    shapes = expected_shapes(config)
    require_size(sum(map(prod, shapes.values())), weights.tensors, str(folder))
    # Older files contain the numbers 0 to 76, which follow from the sizes; in some, the scale has an axis.
    tensors = {name: tensor for name, tensor in weights.tensors.items() if not name.endswith(".position_ids")}
    tensors |= {name: tensor.reshape(()) for name, tensor in tensors.items() if name == "logit_scale" and tensor.numel() == 1}
    actual = {name: tuple(tensor.shape) if tensor.is_floating_point() else None for name, tensor in tensors.items()}
    unlike = [name for name, shape in actual.items() if shapes.get(name, shape) != shape]
    missing, unexpected = [name for name in shapes if name not in actual], [name for name in actual if name not in shapes]
    require_complete(folder, {"missing": missing, "unexpected": unexpected, "mismatched": unlike})
    return call_transformers(folder, lambda _: CLIPModel(config, tensors, *setting))  # type: ignore[no-any-return]


def check_parts(folder: Path, config: Any, tokenizer: Any, side: int) -> None:
    """Raise DataError for a tokenizer or an image processor of another model, without running this one."""
    text, size = config.text_config, config.vision_config.image_size
    if side != size:
        why = f"images come out {side} px wide, the model takes {size}"
        raise DataError("the image processor does not fit the model", where=str(folder), why=why, fix=DOWNLOAD)
    ids = tokenizer("a drawing")["input_ids"]
    most = max(len(tokenizer) - 1, *ids)
    if most >= text.vocab_size:
        why = f"it has ids up to {most:,}, the model {text.vocab_size:,} entries"
    elif text.eos_token_id != LEGACY_EOS and text.eos_token_id not in ids:
        why = f"the model reads a text at id {text.eos_token_id}, and the tokenizer puts none there: every text would be the same"
    else:
        return
    raise DataError("the tokenizer does not fit the model", where=str(folder), why=why, fix=DOWNLOAD)


class ClipOutput(NamedTuple):
    """The part of the output of transformers' classes that is used here."""

    logits_per_image: Tensor


class Linear(NamedTuple):
    """A linear layer."""

    weight: Tensor
    bias: Tensor


class MLP:
    """Two linear layers with an activation between them."""

    def __init__(self, first: Linear, second: Linear, activation: str):
        self.first, self.second, self.activation = first, second, activation

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(_activated(F.linear(x, *self.first), self.activation), *self.second)


class CLIPModel:
    """Two towers, with the methods of transformers' `CLIPModel` that an encoder needs."""

    def __init__(self, config: Any, tensors: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype):
        self.config, self.device, self.dtype = config, device, dtype
        self._tensors = {name: tensor.to(device, dtype) for name, tensor in tensors.items()}
        towers = (("vision_model", config.vision_config), ("text_model", config.text_config))
        layers = [(f"{tower}.encoder.layers.{layer}", part) for tower, part in towers for layer in range(part.num_hidden_layers)]
        self._mlps = {prefix: self._mlp(f"{prefix}.mlp", part.hidden_act) for prefix, part in layers}

    @property
    def mlps(self) -> list[MLP]:
        """Of both towers."""
        return [*self._mlps.values()]

    @property
    def logit_scale(self) -> Tensor:
        """The logarithm of the scale."""
        return self._tensors["logit_scale"]

    def __call__(self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor | None = None) -> ClipOutput:
        image_nd, text_kd = self.get_image_features(pixel_values), self.get_text_features(input_ids)
        return ClipOutput(self.logit_scale.exp() * F.normalize(image_nd, dim=-1) @ F.normalize(text_kd, dim=-1).T)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> CLIPModel:
        return CLIPModel(self.config, self._tensors, device, dtype or self.dtype)

    def parameters(self) -> Iterator[Tensor]:
        yield from self._tensors.values()

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        """Not normalised."""
        part, start = self.config.vision_config, "vision_model.embeddings"
        x_nld = F.conv2d(pixel_values, self._tensors[f"{start}.patch_embedding.weight"], stride=part.patch_size).flatten(2).transpose(1, 2)
        first = self._tensors[f"{start}.class_embedding"].expand(len(x_nld), 1, -1)
        x_nld = torch.cat([first, x_nld], dim=1) + self._tensors[f"{start}.position_embedding.weight"]
        x_nld = self._norm(x_nld, "vision_model.pre_layrnorm", part)
        x_nld = self._blocks(x_nld, "vision_model", part, causal=False)
        pooled_nd = self._norm(x_nld[:, 0], "vision_model.post_layernorm", part)
        return F.linear(pooled_nd, self._tensors["visual_projection.weight"])

    def get_text_features(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Not normalised. Padding follows the end of a text, so that its mask has no effect."""
        part, start = self.config.text_config, "text_model.embeddings"
        x_nld = F.embedding(input_ids, self._tensors[f"{start}.token_embedding.weight"])
        x_nld = x_nld + self._tensors[f"{start}.position_embedding.weight"][: input_ids.shape[1]]
        x_nld = self._norm(self._blocks(x_nld, "text_model", part, causal=True), "text_model.final_layer_norm", part)
        ends_n = input_ids.argmax(dim=1) if part.eos_token_id == LEGACY_EOS else (input_ids == part.eos_token_id).int().argmax(dim=1)
        pooled_nd = x_nld[torch.arange(len(input_ids), device=input_ids.device), ends_n]
        return F.linear(pooled_nd, self._tensors["text_projection.weight"])

    def _blocks(self, x_nld: Tensor, tower: str, part: Any, causal: bool) -> Tensor:
        for layer in range(part.num_hidden_layers):
            prefix = f"{tower}.encoder.layers.{layer}"
            x_nld = x_nld + self._attend(self._norm(x_nld, f"{prefix}.layer_norm1", part), f"{prefix}.self_attn", part, causal)
            x_nld = x_nld + self._mlps[prefix].forward(self._norm(x_nld, f"{prefix}.layer_norm2", part))
        return x_nld

    def _mlp(self, prefix: str, activation: str) -> MLP:
        first, second = (
            Linear(self._tensors[f"{prefix}.{name}.weight"], self._tensors[f"{prefix}.{name}.bias"]) for name in ("fc1", "fc2")
        )
        return MLP(first, second, activation)

    def _attend(self, x_nld: Tensor, prefix: str, part: Any, causal: bool) -> Tensor:
        q, k, v = (split_heads(self._linear(x_nld, f"{prefix}.{name}_proj"), part.num_attention_heads) for name in "qkv")
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self._linear(out.transpose(1, 2).flatten(2), f"{prefix}.out_proj")

    def _linear(self, x: Tensor, prefix: str) -> Tensor:
        return F.linear(x, self._tensors[f"{prefix}.weight"], self._tensors[f"{prefix}.bias"])

    def _norm(self, x: Tensor, prefix: str, part: Any) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self._tensors[f"{prefix}.weight"], self._tensors[f"{prefix}.bias"], part.layer_norm_eps)


def _activated(x: Tensor, name: str) -> Tensor:
    return x * torch.sigmoid(1.702 * x) if name == "quick_gelu" else F.gelu(x)
