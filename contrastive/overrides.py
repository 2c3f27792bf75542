"""What a person states about a model whose file does not say it: ``activation=gelu mean=0.5,0.5,0.5``. Read strictly."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from contrastive.errors import UsageError, nearest

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class ModelOverrides:
    """Facts that weights do not show. None: not stated."""

    activation: Literal["quick_gelu", "gelu", "relu"] | None = None
    """Of both towers."""
    image_head_width: int | None = None
    text_head_width: int | None = None
    layer_norm_eps: float | None = None
    pooling: Literal["eot", "mean"] | None = None
    """Of the text tower."""
    causal: bool | None = None
    """Whether a token sees the ones before it only."""
    mean: Channels | None = None
    std: Channels | None = None
    interpolation: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] | None = None
    resize_mode: Literal["shortest", "squash"] | None = None
    tokenizer: str | None = None
    """``clip``, a list of merges (``merges.txt``), a checkpoint of this project, or (SigLIP, open_clip) a folder in Hugging Face layout."""
    weights: str | None = None
    """Which table of a trainer's file, where it has several: ``state_dict_ema``."""

    @classmethod
    def from_words(cls, words: Mapping[str, str]) -> ModelOverrides:
        """Read strictly.

        Raises
        ------
        UsageError
            At an unknown name (the nearest is given) or a value that does not fit.

        Examples
        --------
        >>> Stated.from_words({"activation": "gelu", "mean": "0.5,0.5,0.5"}).mean
        (0.5, 0.5, 0.5)
        """
        hints = typing.get_type_hints(cls)
        for name in words:
            if name not in hints:
                raise UsageError(f"there is no fact {name[:80]!r} to state about a model", fix=nearest(name[:80], hints))
        return cls(**{name: _read(name, text, typing.get_args(hints[name])[0]) for name, text in words.items()})

    def given(self) -> dict[str, Any]:
        """Return what was stated."""
        return {field.name: value for field in dataclasses.fields(self) if (value := getattr(self, field.name)) is not None}


def _read(name: str, text: str, hint: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        if text not in typing.get_args(hint):
            raise UsageError(f"{name} cannot be {text[:80]!r}", fix=nearest(text[:80], typing.get_args(hint)))
        return text
    read, expected, example = READ[hint]
    try:
        return read(text)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{name} cannot be {text[:80]!r}", why=f"expected {expected}", fix=f"{name}={example}") from error


def _channels(text: str) -> Channels:
    red, green, blue = (float(part) for part in text.split(","))
    return red, green, blue


READ: dict[Any, tuple[Callable[[str], Any], str, str]] = {
    int: (int, "a whole number", "64"),
    float: (float, "a number", "1e-6"),
    str: (str, "a word", "clip"),
    bool: (lambda text: {"true": True, "false": False}[text.lower()], "true or false", "true"),
    Channels: (_channels, "three numbers with commas between", "0.5,0.5,0.5"),
}
