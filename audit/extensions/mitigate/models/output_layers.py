"""The last layer of each tower, by the names in its weights: what turns a feature into an embedding.

A linear map of all embeddings of a tower can be folded into it, if nothing comes after it and nothing else reads its output. A tower that
ends otherwise has none: SigLIP's image tower adds its last block to what it computed before, ALIGN's pools features of convolutions.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

Tower = Literal["image", "text"]
TOWERS: tuple[Tower, ...] = ("image", "text")


@dataclass(frozen=True)
class OutputLayer:
    """``embedding = weight @ feature + bias``."""

    weight: str
    bias: str | None = None
    transposed: bool = False
    """Whether it is ``feature @ weight``, as in OpenAI's files."""
    absent: bool = False
    """Whether the tower ends without a layer, but its architecture can have this one: weight and bias are then new."""

    def mapped(self, matrix: Float[np.ndarray, "d d"], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The layer that gives ``matrix @ embedding``, by the names of its tensors; computed in double precision, rounded once."""
        double = torch.from_numpy(matrix)
        if self.absent:
            assert self.bias is not None  # noqa: S101  (`open_clip_layers`)
            dtype = next(tensor.dtype for tensor in tensors.values() if tensor.is_floating_point())
            return {self.weight: double.to(dtype), self.bias: torch.zeros(len(double), dtype=dtype)}
        weight = tensors[self.weight]
        product = weight.double() @ double.T if self.transposed else double @ weight.double()
        mapped = {self.weight: product.to(weight.dtype)}
        if self.bias is not None:
            bias = tensors[self.bias]
            mapped[self.bias] = (double @ bias.double()).to(bias.dtype)
        return mapped


Layers = Mapping[Tower, OutputLayer | None]

_PROJECTIONS: Layers = {"image": OutputLayer("visual_projection.weight"), "text": OutputLayer("text_projection.weight")}
HUGGING_FACE: Mapping[str, Layers] = {
    "clip": _PROJECTIONS,
    "metaclip_2": _PROJECTIONS,
    "altclip": _PROJECTIONS,
    "chinese_clip": _PROJECTIONS,
    "blip": {"image": OutputLayer("vision_proj.weight", "vision_proj.bias"), "text": OutputLayer("text_proj.weight", "text_proj.bias")},
    "siglip": {"image": None, "text": OutputLayer("text_model.head.weight", "text_model.head.bias")},
    "siglip2": {"image": None, "text": OutputLayer("text_model.head.weight", "text_model.head.bias")},
    "align": {"image": None, "text": OutputLayer("text_projection.weight", "text_projection.bias")},
}
"""``model_type`` of a configuration -> its layers; of ``blip`` the class for retrieval alone."""


def openai_layers(names: Container[str]) -> Layers:
    """The layers of a CLIP with OpenAI's names: ours, and most of open_clip's."""
    image = _first(names, "visual.proj", "visual.attnpool.c_proj.weight", "visual.head.proj.weight", "visual.head.mlp.fc2.weight")
    text = _first(
        names, "text_projection", "text.text_projection", "text.text_projection.weight", "text.proj.weight", "text.proj.2.weight"
    )  # fmt: skip
    return {"image": image, "text": text}


NEW_HEAD = OutputLayer("visual.head.proj.weight", "visual.head.proj.bias", absent=True)
"""The layer that open_clip puts after an image tower of timm that ends without one, if its configuration says so (``timm_proj``)."""


def _first(names: Container[str], *weights: str) -> OutputLayer | None:
    """The layer of the first name that exists."""
    weight = next((weight for weight in weights if weight in names), None)
    if weight is None:
        return None
    if not weight.endswith(".weight"):
        return OutputLayer(weight, f"{weight}_bias" if f"{weight}_bias" in names else None, transposed=True)
    bias = weight.removesuffix("weight") + "bias"
    return OutputLayer(weight, bias if bias in names else None)
