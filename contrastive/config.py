"""One training run as a TOML file: ``[model]``, ``[data]``, ``[optim]``, ``[loss]``, ``[run]``; read strictly, without torch.

A run is what its configuration says and nothing else: two runs of one configuration on one machine end in the same parameters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from contrastive.errors import ConfigError, nearest
from contrastive.plain import from_plain, to_plain


@dataclass(frozen=True)
class DataConfig:
    """What is shown, and what is said of it."""

    train: str
    """``emoji``, ``shapes``, or a CSV file whose image paths are relative to its own folder."""
    batch: int = 256
    shift: int = 0
    """Each image moves by up to so many pixels, either way in both directions, anew each epoch; its edge is repeated."""
    held_out: float = 0.0
    """Share of the pairs that training never sees: loss and recall on them are logged at the end."""
    templates: tuple[str, ...] = ("{caption}",)
    """Put around a caption; one is drawn for a pair each epoch. ``{caption}`` is the caption, ``{a caption}`` the same with its article."""
    skew: Literal["none", "misnamed-women"] = "none"
    """What is planted in the captions on purpose (emoji only; `contrastive.data.emoji`). The checkpoint's data card says it in words."""
    tokenizer: Literal["own", "clip"] = "own"
    """``own``: a byte-pair vocabulary trained on the captions. ``clip``: CLIP's 49,408 entries from the installed open_clip_torch."""
    vocabulary: int = 2048
    """Entries of the own vocabulary."""
    image_column: str = "image"
    caption_column: str = "caption"

    def __post_init__(self) -> None:
        _require(self.batch >= 2, "data.batch", "at least 2: a pair alone has nothing to be told from")
        _require(0 <= self.shift <= 64, "data.shift", "between 0 and 64 pixels")
        _require(0 <= self.held_out <= 0.5, "data.held_out", "between 0 and 0.5")
        _require(len(self.templates) > 0, "data.templates", "at least one template")
        for template in self.templates:
            slots = template.count("{caption}") + template.count("{a caption}")
            _require(slots == 1 == template.count("{"), "data.templates", "templates with {caption} or {a caption} exactly once")


@dataclass(frozen=True)
class OptimConfig:
    """AdamW and its schedule."""

    steps: int
    lr: float
    """Peak learning rate."""
    warmup: int = 0
    """Steps until the peak."""
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.1
    clip: float = 1.0
    """Longest gradient; a longer one is scaled down to it."""

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "optim.steps", "at least 1")
        _require(0 <= self.warmup <= self.steps, "optim.warmup", "between 0 and optim.steps")
        for name in ("lr", "eps", "clip"):
            _require(0 < getattr(self, name) < float("inf"), f"optim.{name}", "above 0")
        _require(0 <= self.weight_decay < float("inf"), "optim.weight_decay", "0 or more")
        _require(all(0 <= beta < 1 for beta in self.betas), "optim.betas", "between 0 and 1")


@dataclass(frozen=True)
class LossConfig:
    """What is made small; the model scores by the same rule."""

    kind: Literal["softmax", "sigmoid"] = "softmax"


@dataclass(frozen=True)
class RunConfig:
    """Where, and how often the state is written."""

    out: str
    """Folder for ``ckpt.pt`` and ``log.jsonl``."""
    seed: int = 0
    device: str = "cpu"
    save_every: int = 100
    """Steps between two writes of the state: what a kill can cost."""
    log_every: int = 10

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**63, "run.seed", "between 0 and 2^63 - 1")
        _require(self.save_every >= 1, "run.save_every", "at least 1")
        _require(self.log_every >= 1, "run.log_every", "at least 1")


@dataclass(frozen=True)
class ModelSource:
    """A named preset, and what differs from it."""

    preset: str
    changes: Mapping[str, Any] | None = None
    """Settings of `contrastive.architecture.ModelConfig` laid over the preset, nested as there; checked when the model is made."""


@dataclass(frozen=True)
class Config:
    """A training run."""

    model: ModelSource
    data: DataConfig
    optim: OptimConfig
    run: RunConfig
    loss: LossConfig = LossConfig()

    def to_dict(self) -> dict[str, Any]:
        """Return the tables of the TOML file with every default filled in."""
        plain: dict[str, Any] = to_plain(self)
        return plain | {"model": {"preset": self.model.preset, **(self.model.changes or {})}}

    def identity(self) -> dict[str, Any]:
        """Return setting -> value for all that decides the parameters: not where they are written nor how often."""
        flat = dict(_flatten(self.to_dict()))
        return {name: value for name, value in flat.items() if name not in ("run.out", "run.save_every", "run.log_every")}


def recipes() -> dict[str, str]:
    """Return name -> TOML text of the recipes that come with the package."""
    folder = resources.files("contrastive") / "recipes"
    return {item.name[:-5]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}


def read_config(source: str, overrides: Sequence[str] = ()) -> Config:
    """Read a run from a TOML file or a shipped recipe.

    Parameters
    ----------
    source : str
        Path of a TOML file, or the bare name of a recipe (``"emoji"``).
    overrides : sequence of str
        ``section.key=value`` each; the value is TOML (``optim.lr=1e-3``), or plain text where it is none (``run.out=runs/x``).

    Raises
    ------
    ConfigError
        Without such a file or recipe; for bad TOML; for an unknown, missing or ill-fitting setting.
    """
    tables = _parse(_text_of(source), source)
    for override in overrides:
        _override(tables, override)
    return config_from_dict(tables, source)


def config_from_dict(tables: Mapping[str, Any], where: str) -> Config:
    """Return the run that the tables of a TOML file describe; raises as `read_config` does."""
    model = tables.get("model")
    if isinstance(model, Mapping):
        if not isinstance(model.get("preset"), str):
            raise ConfigError("model lacks the setting 'preset'", where=where, fix='write preset = "..." under [model]')
        changes = {key: value for key, value in model.items() if key != "preset"}
        tables = {**tables, "model": {"preset": model["preset"]}}
    try:
        config = from_plain(Config, tables, "the configuration")
    except ConfigError as error:
        # "the configuration.data.bach" is how the reader names a place; a person looks for data.bach.
        raise ConfigError(error.what.replace("the configuration.", ""), where=where, why=error.why, fix=error.fix) from error
    return Config(ModelSource(config.model.preset, changes), config.data, config.optim, config.run, config.loss)


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Return a phrase that names the first setting that differs, or None.

    Examples
    --------
    >>> first_difference({"optim.lr": 0.1, "run.seed": 0}, {"optim.lr": 0.2, "run.seed": 1})
    'optim.lr was 0.1, now 0.2'
    """
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = (side.get(name, "not set") for side in (old, new))
        if before != after:
            return f"{name} was {before}, now {after}"
    return None


def _text_of(source: str) -> str:
    path = Path(source)
    try:
        return path.read_text("utf-8")
    except OSError:
        pass  # not a readable file: a recipe's name, or an error that names both possibilities
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not a UTF-8 text file", fix="give a TOML file or a recipe's name") from error
    known = recipes()
    if source not in known:
        raise ConfigError(f"no readable file and no recipe {source!r}", fix=nearest(path.name.removesuffix(".toml"), known))
    return known[source]


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("the configuration is not TOML", where=source, why=str(error)) from error


def _override(tables: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not sections or not all([*sections, key]):
        raise ConfigError(f"{override!r} is not of the form section.key=value", fix="for example optim.lr=1e-3")
    table = tables
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{section!r} in {override!r} is a setting, not a table of settings")
    table[key] = _value(text.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _require(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{name} must be {expected}")
