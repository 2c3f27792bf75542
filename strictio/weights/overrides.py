"""What a person states about a model whose file does not say it: ``activation=gelu mean=0.5,0.5,0.5``. Read strictly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import StrictBool

from strictio.errors import UsageError, nearest
from strictio.schema import from_dict, record

Channels = tuple[float, float, float]
READ: dict[str, Callable[[str], object]] = {
    "mean": lambda text: text.split(","),
    "std": lambda text: text.split(","),
    "causal": lambda text: {"true": True, "false": False}.get(text.lower(), text),
}
"""What pydantic does not read out of text."""


@record
class ModelOverrides:
    """Facts that weights do not show. None: not stated."""

    activation: Literal["quick_gelu", "gelu", "relu"] | None = None
    """Of both towers."""
    image_head_width: int | None = None
    text_head_width: int | None = None
    layer_norm_eps: float | None = None
    pooling: Literal["eot", "mean"] | None = None
    """Of the text tower."""
    causal: StrictBool | None = None
    """Whether a token sees the ones before it only."""
    mean: Channels | None = None
    std: Channels | None = None
    interpolation: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] | None = None
    resize_mode: Literal["shortest", "squash"] | None = None
    tokenizer: str | None = None
    """``clip``, a list of merges (``merges.txt``), a checkpoint of this project, or (open_clip) a folder in Hugging Face layout."""
    adapter: Literal["ignore"] | None = None
    """What becomes of a LoRA adapter beside the weights or among them: it is never applied."""
    weights: str | None = None
    """Which table of a trainer's file, where it has several: ``state_dict_ema``."""

    @classmethod
    def from_words(cls, words: Mapping[str, str]) -> ModelOverrides:
        """Read words; raises `UsageError` at an unknown name (the nearest is given) or a value that does not fit.

        >>> ModelOverrides.from_words({"activation": "gelu", "mean": "0.5,0.5,0.5"}).mean
        (0.5, 0.5, 0.5)
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in words:
            if name not in known:
                raise UsageError(f"unknown model override {name[:80]!r}", fix=nearest(name[:80], known))
        values = {name: READ.get(name, str)(text) for name, text in words.items()}
        try:
            return from_dict(cls, values, "")
        except UsageError as error:
            raise UsageError(error.what.removeprefix("."), why=error.why, fix=error.fix) from error

    def given(self) -> dict[str, Any]:
        """Return what was stated."""
        return {field.name: value for field in dataclasses.fields(self) if (value := getattr(self, field.name)) is not None}
