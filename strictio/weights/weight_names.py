"""Names of weights: OpenAI's (which open_clip and this project use) to Hugging Face's `CLIPModel` and back, without loss.

Linear maps that one side multiplies from the other side are transposed; the fused query, key and value of one side are three matrices on
the other. A name that is in no table stays as it is, so that a strict load names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from strictio.errors import DataError

TEXT_PARTS = ("positional_embedding", "text_projection", "token_embedding", "transformer", "ln_final")
"""Parts of the text tower; open_clip's custom-text models put ``text.`` before them."""

TO_HUGGING_FACE = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight", "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",  # spelled so
    "visual.ln_post.weight": "vision_model.post_layernorm.weight", "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight", "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
}  # fmt: skip
TO_SIGLIP = {
    **{name: theirs for name, theirs in TO_HUGGING_FACE.items() if not name.endswith((".proj", "_projection", "class_embedding"))},
    "visual.conv1.bias": "vision_model.embeddings.patch_embedding.bias",
    "visual.attention_pool.probe": "vision_model.head.probe",
    "visual.attention_pool.attn.in_proj_weight": "vision_model.head.attention.in_proj_weight",
    "visual.attention_pool.attn.in_proj_bias": "vision_model.head.attention.in_proj_bias",
    **{
        f"visual.attention_pool.{ours}.{kind}": f"vision_model.head.{theirs}.{kind}"
        for ours, theirs in (
            ("attn.out_proj", "attention.out_proj"), ("ln", "layernorm"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
        )
        for kind in ("weight", "bias")
    },
    "text_projection": "text_model.head.weight", "text_projection_bias": "text_model.head.bias",
}  # fmt: skip
"""As `TO_HUGGING_FACE`, for transformers' `SiglipModel`."""
SIGLIP_PROBE = "vision_model.head.probe"
"""A name by which `SiglipModel`'s weights are recognised."""
TO_OPENAI = {theirs: ours for ours, theirs in TO_HUGGING_FACE.items()}
TRANSPOSED = ("visual.proj", "text_projection")
BLOCK = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}  # fmt: skip
BLOCK_TO_OPENAI = {theirs: ours for ours, theirs in BLOCK.items()}
QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_OPENAI_BLOCK = re.compile(r"(?P<visual>visual\.)?transformer\.resblocks\.(?P<layer>\d+)\.(?P<part>.+)[._](?P<kind>weight|bias)")
_HF_BLOCK = re.compile(r"(?P<tower>vision|text)_model\.encoder\.layers\.(?P<layer>\d+)\.(?P<part>.+)\.(?P<kind>weight|bias)")


def to_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a `CLIP`'s weights by the names of transformers' `CLIPModel`, or `SiglipModel` if its image tower pools by attention.

    `DataError` if its image tower is not a vision transformer.
    """
    siglip = "visual.attention_pool.probe" in state
    if not siglip and ("visual.proj" not in state or "visual.conv1.weight" not in state):
        raise DataError("Hugging Face's CLIPModel has no image tower of this kind", why="it has a vision transformer only")
    renamed: dict[str, Tensor] = {}
    names = TO_SIGLIP if siglip else TO_HUGGING_FACE
    for name, tensor in state.items():
        block = _OPENAI_BLOCK.fullmatch(name)
        if block is None:
            renamed[names.get(name, name)] = _turned(tensor) if name in TRANSPOSED else tensor
            continue
        prefix = f"{'vision' if block['visual'] else 'text'}_model.encoder.layers.{block['layer']}"
        if block["part"] == "attn.in_proj":
            for part, piece in zip(QKV, tensor.chunk(3), strict=True):
                renamed[f"{prefix}.{part}.{block['kind']}"] = piece
        else:
            renamed[f"{prefix}.{BLOCK.get(block['part'], block['part'])}.{block['kind']}"] = tensor
    return renamed


def from_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a `CLIPModel` or `SiglipModel` under OpenAI's names.

    Raises `DataError` if a block lacks one of query, key and value.
    """
    renamed: dict[str, Tensor] = {}
    names = {theirs: ours for ours, theirs in TO_SIGLIP.items()} if SIGLIP_PROBE in state else TO_OPENAI
    for name, tensor in state.items():
        block = _HF_BLOCK.fullmatch(name)
        if block is None:
            ours = names.get(name, name)
            renamed[ours] = _turned(tensor) if ours in TRANSPOSED else tensor
            continue
        prefix = f"{'visual.' if block['tower'] == 'vision' else ''}transformer.resblocks.{block['layer']}"
        if block["part"] in QKV:
            fused = f"{prefix}.attn.in_proj_{block['kind']}"
            if fused not in renamed:  # whichever comes first: none of the three is lost where another is missing
                renamed[fused] = _fused(state, name, block["part"])
        else:
            renamed[f"{prefix}.{BLOCK_TO_OPENAI.get(block['part'], block['part'])}.{block['kind']}"] = tensor
    return renamed


def without_text_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of an open_clip custom-text model under OpenAI's names."""
    parts = tuple(f"text.{part}" for part in TEXT_PARTS)
    return {name.removeprefix("text.") if name.startswith(parts) else name: tensor for name, tensor in state.items()}


def _turned(tensor: Tensor) -> Tensor:
    return tensor.t().contiguous() if tensor.ndim == 2 else tensor


def _fused(state: Mapping[str, Tensor], name: str, part: str) -> Tensor:
    """Return query, key and value in one, given the name of any of the three."""
    pieces = [state[other] for other in (name.replace(part, other) for other in QKV) if other in state]
    if len(pieces) < 3 or len({piece.shape for piece in pieces}) > 1:
        raise DataError(f"the weight {name[:120]!r} has no query, key and value of its shape beside it")
    return torch.cat(pieces)
