"""``--model-args``: settings from the user for a model whose file does not determine them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audit.errors import UsageError
from audit.types import Note

if TYPE_CHECKING:
    from strictio.weights.overrides import ModelOverrides

FORM = "--model-args 'activation=gelu mean=0.5,0.5,0.5' or a JSON object"
MAX_LENGTH = 10_000


def parse_model_args(text: str) -> dict[str, str]:
    """Parse ``name=value name=value`` (separated by spaces or commas) or a JSON object.

    Text after a comma that is not ``name=`` belongs to the value before it. Unknown names are rejected when the model is loaded.

    Examples
    --------
    >>> parse_model_args("activation=gelu, mean=0.5,0.5,0.5")
    {'activation': 'gelu', 'mean': '0.5,0.5,0.5'}
    >>> parse_model_args('{"mean": [0.5, 0.5, 0.5], "causal": true}')
    {'mean': '0.5,0.5,0.5', 'causal': 'true'}
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"--model-args has {len(text):,} letters", fix=FORM)
    if text.lstrip().startswith("{"):
        return _parse_json(text)
    arguments: dict[str, str] = {}
    if not text.strip():
        return arguments
    starts = list(re.finditer(r"(?:^|(?<=[\s,]))([A-Za-z_][\w-]*)\s*=\s*", text, re.ASCII))
    if not starts or text[: starts[0].start()].strip(" ,"):
        raise UsageError(f"--model-args {text[:80]!r} is not understood", why="no name=value in it", fix=FORM)
    for start, end in zip(starts, [*(match.start() for match in starts[1:]), len(text)], strict=True):
        name, value = start[1].replace("-", "_"), text[start.end() : end].strip(" \t\n,")
        if name in arguments or not value:
            raise UsageError(f"--model-args gives {name} {'twice' if name in arguments else 'no value'}", fix=FORM)
        arguments[name] = value
    return arguments


def by_model(texts: Sequence[tuple[int, str]], models: int) -> list[dict[str, str]]:
    """The arguments of each of several models.

    Each text comes with the number of models before it on the command line: 0 applies to all models, else to that one, with priority.

    Examples
    --------
    >>> by_model([(0, "activation=gelu"), (2, "activation=quick_gelu")], 2)
    [{'activation': 'gelu'}, {'activation': 'quick_gelu'}]
    """
    arguments: list[dict[str, str]] = [{} for _ in range(models + 1)]
    for number, text in texts:
        words = parse_model_args(text)
        if twice := sorted(words.keys() & arguments[number].keys()):
            raise UsageError(f"--model-args gives {twice[0]} twice", why="it is about the --model before it", fix=FORM)
        arguments[number] |= words
    return [{**arguments[0], **own} for own in arguments[1:]]


def read_overrides(words: Mapping[str, str]) -> ModelOverrides:
    """Parse overrides; raises UsageError for an unknown name or an invalid value."""
    from strictio.errors import UsageError
    from strictio.weights.overrides import ModelOverrides

    try:
        return ModelOverrides.from_words(words)
    except UsageError as error:
        raise UsageError(error.what, where="--model-args", why=error.why, fix=error.fix) from error


def override_notes(overrides: ModelOverrides) -> list[Note]:
    """A note for every override; a tokenizer's folder is not named."""
    return [Note("override", {"name": name, "value": str(value)}) for name, value in overrides.given().items() if name != "tokenizer"]


def folder_options(words: Mapping[str, str] | None, kind: str) -> dict[str, str]:
    """The only option for a folder whose files determine everything else: that its adapter is ignored."""
    remaining = dict(words or {})
    options = {"adapter": remaining.pop("adapter")} if "adapter" in remaining else {}
    read_overrides(options)
    refuse_overrides(remaining, kind)
    return options


def refuse_overrides(words: Mapping[str, str] | None, kind: str) -> None:
    """Raise UsageError for overrides of a model whose files determine everything: they would make it another model."""
    if words:
        what = f"--model-args {', '.join(words)} cannot be set for {kind}"
        raise UsageError(what, why="the model's own files decide it", fix="leave it out")


def _parse_json(text: str) -> dict[str, str]:
    try:
        values = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise UsageError("--model-args is not JSON", why=str(error)[:200], fix=FORM) from error
    return {name: _word(name, value) for name, value in values.items()}


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def _word(name: str, value: object) -> str:
    if isinstance(value, list):
        return ",".join(_word(name, item) for item in value if not isinstance(item, list))
    if not isinstance(value, str | int | float):
        raise UsageError(f"--model-args gives {name[:80]} a value of type {type(value).__name__}", fix=FORM)
    return str(value).lower() if isinstance(value, bool) else str(value)
