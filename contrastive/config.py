"""The configuration of a training run: a TOML file with ``[model]``, ``[data]``, ``[optim]``, ``[loss]``, ``[run]``, parsed without torch.

A configuration determines the run: two runs of one configuration on one machine end with the same parameters.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from contrastive.settings import (
    CounterfactualConfig,
    DataConfig,
    InterventionConfig,
    LeaveOutConfig,
    LossConfig,
    ModelSource,
    OptimConfig,
    RunConfig,
)
from strictio.errors import UnsafeError, UsageError, nearest
from strictio.files import read_text
from strictio.schema import from_dict, record, to_dict

__all__ = [
    "Config", "CounterfactualConfig", "DataConfig", "InterventionConfig", "LeaveOutConfig", "LossConfig", "ModelSource", "OptimConfig",
    "RunConfig", "config_from_dict", "first_difference", "read_config", "recipes", "require_local",
]  # fmt: skip


@record
class Config:
    """A training run."""

    model: ModelSource
    data: DataConfig
    optim: OptimConfig
    run: RunConfig
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        data, optim = self.data, self.optim
        by_group = {
            "optim.sampling": optim.sampling == "balanced", "optim.objective": optim.objective == "group_dro",
            "optim.loss_weights": bool(optim.loss_weights), "optim.target_shares": bool(optim.target_shares),
        }  # fmt: skip
        for name in (name for name, used in by_group.items() if used and not data.groups):
            raise UsageError(f"{name} needs the setting data.groups", fix='for example data.groups=["gender"]')
        for name in (name for name in ("optim.objective", "optim.loss_weights") if by_group[name] and not self.loss.contrastive):
            raise UsageError(f"{name} cannot be used with loss.kind = {self.loss.kind!r}", fix="loss.kind=softmax or loss.kind=sigmoid")
        if optim.lora_rank and (self.model.init is None or not self.loss.contrastive):
            why = "additions are trained for a model that exists, by comparing images with texts"
            raise UsageError("optim.lora_rank needs model.init, and loss.kind softmax or sigmoid", why=why, fix="optim.lora_rank=0")
        if by_group["optim.objective"] and by_group["optim.loss_weights"]:
            why = "group DRO learns the weights of the groups"
            raise UsageError("optim.loss_weights cannot be used with optim.objective = 'group_dro'", why=why, fix="leave one of them out")
        if optim.sampling == "weighted" and data.weight is None and not optim.target_shares:
            what = "optim.sampling = 'weighted' needs the setting data.weight or optim.target_shares"
            raise UsageError(what, fix="for example data.weight=weight")
        if data.balance_within and not optim.target_shares:
            raise UsageError("data.balance_within needs the setting optim.target_shares", fix="for example {woman = 0.5, man = 0.5}")
        if data.upsampling and optim.sampling not in ("natural", "resampled"):
            what = f"data.upsampling cannot be used with optim.sampling = {optim.sampling!r}"
            raise UsageError(what, fix="optim.sampling=natural or optim.sampling=resampled")
        if data.weight is not None and optim.sampling not in ("weighted", "resampled"):
            raise UsageError("data.weight has no effect", why=f"optim.sampling is {optim.sampling!r}", fix="optim.sampling=weighted")

    def to_dict(self) -> dict[str, Any]:
        """Return the tables of the TOML file with all defaults filled in."""
        return {**to_dict(self), "model": self.model.to_dict()}

    def identity(self) -> dict[str, Any]:
        """Return setting -> value for settings that affect the parameters beyond rounding: not output, logging or number of processes."""
        return {name: value for name, value in _flatten(self.to_dict()) if name not in _INDIFFERENT}


_INDIFFERENT = {
    *("run.out", "run.save_every", "run.keep_every", "run.log_every", "run.dist", "run.recompute", "run.compile", "run.kg_co2e_per_kwh"),
    *("run.resume", "optim.accumulate", "loss.tile", "data.memory_gib", "data.workers", "data.prefetch", "model.init", "loss.teacher"),
    *("run.sharded", "run.eval_every", "run.keep_last", "data.validation", "data.zero_shot", "data.spool_gib", "run.wandb"),
}
"""Settings that do not affect the parameters (``model.init`` and ``loss.teacher`` do, but their files are compared by hash)."""


_SMALLEST = {
    "model": 'preset = "tiny-conv"', "data": 'train = "pairs.csv"', "optim": "steps = 300 and lr = 1e-3", "run": 'out = "runs/mine"',
}  # fmt: skip
"""The tables of every run, with their required settings."""


_MOST_BYTES, _MOST_DOTS = 1 << 18, 200
"""Limits for a configuration and for a line in it. The largest recipe has 2,000 bytes; a line with a dozen numbers has a dozen dots."""


def recipes() -> dict[str, str]:
    """Return name -> TOML text of the included recipes."""
    folder = resources.files("contrastive") / "recipes"
    return {item.name[:-5]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}


def read_config(source: str, overrides: Sequence[str] = (), recipe: str | None = None) -> Config:
    """Read a configuration from a TOML file or an included recipe.

    `source`: path of a TOML file, or the name of a recipe (``"emoji"``). `overrides`: ``section.key=value`` strings; the value is TOML
    (``optim.lr=1e-3``), or plain text if it is not valid TOML (``run.out=runs/x``). `recipe`: the name of a recipe with the settings that
    neither has. Raises `UsageError` for a missing file or recipe, for invalid TOML, and for an unknown, missing or invalid setting.
    """
    tables = _tables(_text_of(source), source)
    for override in overrides:
        _override(tables, override)
    tables = tables if recipe is None else _completed(tables, recipe)
    return config_from_dict(tables, ", with ".join([source, *([" ".join(overrides)] if overrides else [])]))


def _completed(own: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """Add the settings of a recipe that `own` lacks, without those that cannot be set together with one of `own`."""
    if recipe not in (known := recipes()):
        raise UsageError(f"no recipe {recipe!r}", where="--recipe", fix=nearest(recipe, known))
    base = _tables(known[recipe], recipe)
    model, optim = (table if isinstance(table := own.get(name), Mapping) else {} for name in ("model", "optim"))
    if "init" in model:
        base.pop("model", None)
    for name, other in (("steps", "epochs"), ("epochs", "steps")):
        if name in optim:
            base.get("optim", {}).pop(other, None)
    return laid_over(base, own)


def laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables with changes.

    >>> laid_over({"text": {"width": 8, "layers": 2}}, {"text": {"layers": 1}})
    {'text': {'width': 8, 'layers': 1}}
    """
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        merged[name] = laid_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def config_from_dict(tables: Mapping[str, Any], where: str) -> Config:
    """Return the configuration in the tables of a TOML file; raises like `read_config`."""
    absent = [name for name in _SMALLEST if name not in tables]
    if absent:
        example = "; ".join(f"[{name}] {_SMALLEST[name]}" for name in absent)
        raise UsageError(f"the configuration lacks the table [{absent[0]}]", where=where, fix=f"for example {example}")
    if isinstance(model := tables["model"], Mapping):
        known = {key: value for key, value in model.items() if key in ("preset", "init", "stated", "initialization")}
        tables = {**tables, "model": {**known, "changes": {key: value for key, value in model.items() if key not in known}}}
    try:
        return from_dict(Config, tables, "the configuration")
    except UsageError as error:
        # The reader says "the configuration.data.bach"; users look for data.bach.
        raise UsageError(error.what.replace("the configuration.", ""), where=where, why=error.why, fix=error.fix) from error


def with_defaults(identity: object) -> dict[str, Any]:
    """Add defaults to an identity (untrusted) for settings that did not exist when it was written.

    An identity has the settings of a table such as ``data.intervention.share`` one by one: the table is set, and has no default.
    """
    tables = {"data": DataConfig, "optim": OptimConfig, "loss": LossConfig, "run": RunConfig}
    known = {f"{table}.{item.name}": item.default for table, cls in tables.items() for item in fields(cls) if item.default is not MISSING}
    own = identity if isinstance(identity, dict) else {}
    nested = {str(name).rpartition(".")[0] for name in own}
    return {name: to_dict(value) for name, value in known.items() if name not in _INDIFFERENT and name not in nested} | own


def require_local(config: Config) -> None:
    """Raise `UnsafeError` for a setting by which a run asks another machine for data, or sends it something."""
    data = config.data
    named = {
        "data.train": data.train, "data.validation": data.validation, "model.init": config.model.init, "loss.teacher": config.loss.teacher,
        "run.resume": config.run.resume,
    }  # fmt: skip
    remote = [name for name, value in named.items() if value is not None and (value.startswith("hf:") or "://" in value)]
    remote += ["data.zero_shot"] * (data.zero_shot is not None) + ["run.wandb"] * (config.run.wandb is not None)
    if remote:
        reasons = {"data.zero_shot": "that file may name data behind a URL", "run.wandb": "it sends the curves to Weights & Biases"}
        why = reasons.get(remote[0], f"{named.get(remote[0], '')!r} is behind a URL or on the hub")[:200]
        fix = "name local files; with vlm-audit causes: --allow-remote, if you trust the plan and its training file"
        raise UnsafeError(f"{remote[0]} may lead to another machine", where="--local", why=why, fix=fix)


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Return a phrase that names the first setting that differs, or None.

    >>> first_difference({"optim.lr": 0.1, "run.seed": 0}, {"optim.lr": 0.2, "run.seed": 1})
    'optim.lr was 0.1, now 0.2'
    """
    for name in {**new, **old}:
        before, after = (side.get(name) for side in (old, new))
        if before != after:
            was, now = ("not set" if value is None else value for value in (before, after))
            return f"{name} was {was}, now {now}"
    return None


def _tables(text: str, source: str) -> dict[str, Any]:
    """Parse untrusted TOML: the parser takes minutes for a name of 30,000 parts, and nested brackets have no depth limit."""
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
        raise UsageError("the configuration is not a run", where=source, why=f"a line has more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise UsageError("the configuration is not a run", where=source, why="it is nested too deeply") from error
    except ValueError as error:  # invalid TOML, or a number with thousands of digits
        raise UsageError("the configuration is not TOML", where=source, why=str(error)) from error


def _text_of(source: str) -> str:
    path = Path(source)
    try:
        return read_text(path, _MOST_BYTES).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is not a UTF-8 text file", fix="give a TOML file or a recipe's name") from error
    except (OSError, ValueError) as error:  # not a readable file: a recipe's name, or an error that names both possibilities
        if path.exists() and "\0" not in source:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"{path.name} is not a configuration", why=why, fix="give a TOML file or a recipe's name") from error
    known = recipes()
    if source not in known:
        raise UsageError(f"no readable file and no recipe {source!r}", fix=nearest(path.name.removesuffix(".toml"), known))
    return known[source]


def _override(tables: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not sections or not all([*sections, key]):
        raise UsageError(f"{override!r} is not of the form section.key=value", fix="for example optim.lr=1e-3")
    table = tables
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UsageError(f"{section!r} in {override!r} is a setting, not a table of settings")
    try:
        table[key] = tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        table[key] = text.strip()


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
