"""Translates a folder's transformers image processor to the fields of `ModelOverrides`.

Processing that `contrastive.model.preprocess` cannot reproduce is refused, because another size or other steps would change numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrastive.model.preprocess import RESAMPLING
from strictio.errors import DataError
from strictio.weights.contents import read_json

FILES = ("processor_config.json", "preprocessor_config.json")  # transformers 5 writes the first, older ones the second
_STEPS = ("do_resize", "do_rescale", "do_normalize")


def read_processor(folder: Path, side: int) -> dict[str, Any]:
    """Return how images are prepared for a model with an input of `side` pixels; empty if no file in the folder specifies it.

    If two files do, the newer format takes precedence, as in transformers. Raises `DataError` if images would have another size or shape,
    or if a step is disabled.
    """
    newer, older = (folder / name for name in FILES)
    content = read_json(newer).get("image_processor") if newer.is_file() else None
    if content is None:
        content = read_json(older) if older.is_file() else None
    if content is None:
        return {}
    for step in _STEPS:
        if content.get(step, True) is not True:
            why = "a model here sees images that are resized, scaled to [0, 1] and normalised"
            raise _refused(f"says {step}: {json.dumps(content[step])}", why, f"write true for {step}")
    names = {number: name for name, number in RESAMPLING.items()}
    return {
        **{fact: tuple(map(float, content[f"image_{fact}"])) for fact in ("mean", "std") if f"image_{fact}" in content},
        "interpolation": names[content.get("resample", RESAMPLING["bicubic"])],
        "resize_mode": _resize_mode(content, side),
    }


def _resize_mode(content: Mapping[str, Any], side: int) -> str:
    """Return whether the short side or both sides are resized; raises `DataError` unless the result is a square of `side` pixels."""
    cropped = content.get("do_center_crop", True)
    resized = _edges(content.get("size", side))
    cut = _edges(content.get("crop_size", side)) if cropped else resized
    squashed = set(resized) == {"height", "width"}
    if not squashed and (set(resized) != {"shortest_edge"} or not cropped):
        why = "a model here sees squares: images whose short side is resized and whose centre is cut out, or with both sides resized"
        raise _refused(f"resizes images to {json.dumps(resized)}{'' if cropped else ' and cuts nothing out'}", why, "write one of the two")
    pixels, kept = (" x ".join(map(str, sorted(set(edges.values())))) for edges in (resized, cut))
    if kept != pixels:
        why = "a model here sees images that are resized to the side that is cut out"
        raise _refused(f"resizes images to {pixels} and cuts out {kept}", why, f"write {kept} for {pixels} under size")
    if pixels != str(side):
        why = f"the model takes images of {side} pixels"
        raise _refused(f"resizes images to {pixels}", why, f"write {side} for {pixels} under size and crop_size")
    return "squash" if squashed else "shortest"


def _edges(stated: Any) -> dict[str, int]:
    """Return the specified sides by name; a single number is the short side."""
    return (
        {edge: value for edge, value in stated.items() if value is not None} if isinstance(stated, Mapping) else {"shortest_edge": stated}
    )


def _refused(what: str, why: str, fix: str) -> DataError:
    where = "in the processor's file"
    return DataError(f"the folder's processor {what}, which cannot be done here", why=why, fix=f"train with that: {fix} {where}")
