"""Another image size or context for an initial model: its position embeddings are interpolated, as open_clip does when it loads weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from contrastive.checkpoint.file import Checkpoint
from contrastive.model.architecture import ModelConfig, ViTConfig
from contrastive.model.clip import at_least_float32, load_portable, portable_state
from strictio.errors import UsageError


def resized(initial: Checkpoint, changes: Mapping[str, Any]) -> Checkpoint:
    """Return a model for another image size or context; `changes`: as in `ModelSource.changes`.

    Raises `UsageError` for the image size of a tower that is not a vision transformer, and for sizes that are not possible.
    """
    old = initial.config
    wanted = {**old.to_dict(), **{table: {**old.to_dict()[table], **values} for table, values in changes.items()}}
    try:
        config = ModelConfig.from_dict(wanted)
    except UsageError as error:
        raise UsageError(error.what.replace("config", "model", 1), why=error.why, fix=error.fix) from error
    if config == old:
        return initial
    state = dict(portable_state(initial.model))
    if config.vision.image_size != old.vision.image_size:
        _resize_image(state, config)
    if config.text.context != old.text.context:
        state["positional_embedding"] = resize_row(state["positional_embedding"], config.text.context)
    return replace(
        initial,
        model=load_portable(config, state).eval(),
        preprocess=replace(initial.preprocess, size=config.vision.image_size),
        tokenizer=replace(initial.tokenizer, context=config.text.context),
        ema=None,
        training=None,
        notes=(*initial.notes, _sentence(old, config)),
    )


def _resize_image(state: dict[str, Tensor], config: ModelConfig) -> None:
    vision = config.vision
    if not isinstance(vision, ViTConfig):
        why = f"this image tower is of kind {vision.kind}"
        raise UsageError("model.vision.image_size next to model.init needs a vision transformer", why=why, fix="leave it out")
    name = "visual.positional_embedding"
    state[name] = resize_grid(state[name], vision.image_size // vision.patch_size)


def resize_grid(positions_ld: Tensor, side: int) -> Tensor:
    """Interpolate the rows of a square grid to one of `side` x `side` rows (bicubic, antialiased); rows before the grid stay."""
    first = len(positions_ld) - isqrt(len(positions_ld)) ** 2  # 1 with a class token, else 0
    old = isqrt(len(positions_ld) - first)
    grid_1dhw = at_least_float32(positions_ld[first:]).reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid_1dhw = F.interpolate(grid_1dhw, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    grid_ld = grid_1dhw.permute(0, 2, 3, 1).reshape(side**2, -1)
    return torch.cat([positions_ld[:first].to(grid_ld.dtype), grid_ld])


def resize_row(positions_ld: Tensor, length: int) -> Tensor:
    """Interpolate the rows of a text's positions to `length` rows (linear)."""
    row_1dl = at_least_float32(positions_ld).T[None]
    return F.interpolate(row_1dl, size=length, mode="linear", align_corners=False)[0].T.contiguous()


def _sentence(old: ModelConfig, new: ModelConfig) -> str:
    changed = [
        f"{what} from {before} to {after} {unit}"
        for what, before, after, unit in (
            ("image size", old.vision.image_size, new.vision.image_size, "px"),
            ("context", old.text.context, new.text.context, "tokens"),
        )
        if before != after
    ]
    return f"Interpolated: the position embeddings, for a change of {' and '.join(changed)}."
