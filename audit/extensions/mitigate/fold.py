"""A linear map folded into the output layers of a model, and the check that the written model gives the mapped embeddings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from PIL import Image

from audit.errors import AuditError, DataError, UsageError
from audit.extensions.mitigate.methods import LinearFit
from audit.extensions.mitigate.models.output_layers import Tower
from audit.extensions.mitigate.models.rewriting import EditableModel
from audit.extensions.mitigate.question import SplitQuestion
from audit.extensions.mitigate.record import MAP, MapControl
from audit.extensions.mitigate.shown import random_controls
from audit.linear_maps import unit
from strictio.folders import Folder

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from audit.types import Encoder

TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 5e-3}
"""Largest allowed difference of a number of an embedding of length 1, by the dtype in which the weights are stored."""
_PICTURES, _SIDE = 8, 96


class ModelChange(Protocol):
    """A change of a model that was decided on the fitted half."""

    @property
    def rank(self) -> int | None:
        """Number of directions removed; None if it is not a map."""
        ...

    def tensors(self, model: EditableModel) -> Mapping[str, Tensor]:
        """The changed tensors, by the names of the model's own files."""
        ...

    def difference(self, original: Encoder, written: Encoder, texts: Sequence[str]) -> float:
        """The largest difference between embeddings (of length 1) of the written model, and those that it should give."""
        ...

    def write_beside(self, folder: Folder) -> None:
        """Write what is stored beside the weights."""
        ...

    def controls(self) -> tuple[MapControl, ...]:
        """The gaps that changes of the same kind leave on the shown half, if they know nothing about what is to be corrected."""
        ...


@dataclass(frozen=True)
class FoldedMap:
    """A fitted map, folded into the output layers."""

    method: str
    fit: LinearFit
    split: SplitQuestion
    towers: Sequence[Tower]

    @property
    def rank(self) -> int:
        return self.fit.rank

    def tensors(self, model: EditableModel) -> Mapping[str, Tensor]:
        return fold_map(model, self.fit.map.matrix, self.towers)

    def difference(self, original: Encoder, written: Encoder, texts: Sequence[str]) -> float:
        return largest_difference(original, written, self.fit.map.matrix, self.towers, texts)

    def write_beside(self, folder: Folder) -> None:
        write_map(folder, self.fit.map.matrix)

    def controls(self) -> tuple[MapControl, ...]:
        return random_controls(self.method, self.fit, self.split.inputs, self.split.shown)


def require_layers(model: EditableModel, towers: Sequence[Tower]) -> None:
    """Raise UsageError if a tower has no layer that a map could be folded into, DataError if the layer has no floating-point weights."""
    for tower in towers:
        layer = model.layers[tower]
        if layer is None:
            raise UsageError(
                f"the {tower} tower of this model has no output layer that a map could be folded into", where="--towers",
                why="its last layer adds to what comes before it, or pools it", fix=_way_out(model, tower),
            )  # fmt: skip
        for name in () if layer.absent else filter(None, (layer.weight, layer.bias)):
            if name not in model.tensors or model.tensors[name].dtype not in TOLERANCE:
                kind = model.tensors[name].dtype if name in model.tensors else "missing"
                fix = "save the model with its weights in full or half precision"
                raise DataError(f"the output layer {name!r} cannot be changed", why=f"it is {kind}; float32, float16 or bfloat16", fix=fix)


def _way_out(model: EditableModel, tower: Tower) -> str:
    if tower == "image" and model.layers["text"] is not None:
        return "--towers text, which changes zero-shot answers alike; or name it in open_clip's form: --model open_clip:ARCH,FILE"
    return "mitigate another model"


def fold_map(model: EditableModel, matrix: Float[np.ndarray, "d d"], towers: Sequence[Tower]) -> dict[str, Tensor]:
    """The tensors of a model whose embeddings are those of `model`, mapped by `matrix`."""
    changed: dict[str, Tensor] = {}
    for tower in towers:
        layer = model.layers[tower]
        assert layer is not None  # noqa: S101  (`require_layers`)
        changed |= layer.mapped(matrix, model.tensors)
    return changed


def write_map(folder: Folder, matrix: Float[np.ndarray, "d d"]) -> None:
    """Write the map beside the weights; not as safetensors, since programs take every such file of a folder for weights."""
    with io.BytesIO() as file:
        np.save(file, matrix, allow_pickle=False)
        folder.write(MAP, file.getvalue())


def largest_difference(
    original: Encoder, written: Encoder, matrix: Float[np.ndarray, "d d"], towers: Sequence[Tower], texts: Sequence[str]
) -> float:
    """The largest difference between embeddings (of length 1) of the written model, and the mapped embeddings of the original.

    Of pictures of noise and colours, and of `texts`.
    """
    pictures, differences = _pictures(), []
    for tower in ("image", "text"):
        before, after = (
            unit(model.encode_images(pictures) if tower == "image" else model.encode_texts(texts)) for model in (original, written)
        )
        wanted = unit(before @ matrix.T) if tower in towers else before
        differences.append(float(np.abs(after - wanted).max()))
    return max(differences)


def require_equal(difference: float, dtype: torch.dtype) -> None:
    """Raise an AuditError if the written model is not the one that was decided on."""
    if not difference <= TOLERANCE[dtype]:  # NaN does not count as equal
        why = f"its embeddings differ by {difference:.1e} from those it should give; {TOLERANCE[dtype]:g} is allowed for {dtype}"
        raise AuditError("the written model does not give the embeddings that it should, so it was removed", why=why)


def stored_dtype(changed: Mapping[str, Tensor]) -> torch.dtype:
    """The least precise dtype of weights among the changed tensors."""
    return max((tensor.dtype for tensor in changed.values() if tensor.dtype in TOLERANCE), key=lambda dtype: TOLERANCE[dtype])


def _pictures() -> list[Image.Image]:
    source = np.random.default_rng(0)
    noise = [source.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8) for _ in range(_PICTURES // 2)]
    colours = [np.broadcast_to(source.integers(0, 256, 3, np.uint8), (_SIDE, _SIDE, 3)) for _ in range(_PICTURES // 2)]
    return [Image.fromarray(np.ascontiguousarray(picture)) for picture in (*noise, *colours)]
