"""What a folder of a text encoder states: the layout of sentence-transformers, or a plain model with a pooling that the user names.

sentence-transformers itself is not needed. Its ``modules.json`` lists the steps after one another: the transformer, a pooling of its token
embeddings, dense layers, a normalisation. Each step has a class and a sub-folder; a class that is not listed here is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from audit.errors import DataError, UnsafeError, UsageError, nearest
from strictio.files import read_text
from strictio.model_folders.configurations import read_configuration

MODULES = "modules.json"
MOST_BYTES = 2**16
"""Maximum size of ``modules.json``; the longest on the hub have less than a kilobyte."""
POOLINGS = {
    "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens", "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}  # fmt: skip
"""Name of a pooling -> its key in older folders, in the order in which several are concatenated."""
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
"""Activations of a dense layer: classes of ``torch.nn`` without arguments."""
SAVE_AGAIN = "save the model again with sentence-transformers, or leave it out"
ARGS = ("pooling", "normalize", "prompt")
"""Names in ``--model-args`` of a plain folder."""


@dataclass(frozen=True)
class DenseLayer:
    """A linear layer after the pooling."""

    folder: Path
    activation: str
    """A name in `ACTIVATIONS`."""
    residual: bool = False


@dataclass(frozen=True)
class TextLayout:
    """The steps from a text to its embedding."""

    transformer: Path
    """Folder with configuration, weights and tokenizer."""
    poolings: tuple[str, ...]
    """Names in `POOLINGS`; several are concatenated."""
    steps: tuple[DenseLayer | Literal["normalize"], ...] = ()
    """After the pooling, in their order."""
    most_tokens: int | None = None
    lower_case: bool = False
    prompt: str = ""
    """Precedes every text."""
    pools_prompt: bool = True
    """Whether the tokens of the prompt take part in the pooling."""
    stated: Mapping[str, Any] = field(default_factory=dict)
    """Everything above that affects an embedding, as text and numbers, for the fingerprint."""


def is_sentence_transformer(folder: Path) -> bool:
    """Whether a folder is in the layout of sentence-transformers."""
    return (folder / MODULES).is_file()


def read_layout(folder: Path, args: Mapping[str, str]) -> TextLayout:
    """Read what a checked folder states; `args` are ``--model-args``: ``pooling``, ``normalize`` and ``prompt`` of a plain folder.

    Raises UsageError if a plain folder comes without a pooling, or a value is invalid; DataError for a step that is not supported;
    UnsafeError for one whose class is foreign, or whose folder is outside of the model's.
    """
    layout = _of_modules(folder, args) if is_sentence_transformer(folder) else _plain(folder, args)
    dense = [[step.folder.name, step.activation, step.residual] if isinstance(step, DenseLayer) else step for step in layout.steps]
    stated = {
        "poolings": layout.poolings, "steps": dense, "most_tokens": layout.most_tokens, "lower_case": layout.lower_case,
        "prompt": layout.prompt, "pools_prompt": layout.pools_prompt,
    }  # fmt: skip
    return replace(layout, stated=stated)


def _plain(folder: Path, args: Mapping[str, str]) -> TextLayout:
    unknown = [name for name in args if name not in ARGS]
    if unknown:
        what = f"--model-args {unknown[0]} cannot be set for an encoder of text alone"
        raise UsageError(what, fix=nearest(unknown[0], ARGS))
    pooling, normalize = args.get("pooling", ""), args.get("normalize", "false")
    if pooling not in POOLINGS:
        what = f"unknown pooling {pooling!r}" if pooling else "this folder does not say how token embeddings become one embedding"
        why = "another pooling is another encoder, so none is assumed; a sentence-transformers folder names its own in modules.json"
        raise UsageError(what, where=str(folder), why=why, fix=f"--model-args pooling=mean; or one of {', '.join(POOLINGS)}")
    if normalize not in ("true", "false"):
        raise UsageError(f"--model-args normalize {normalize!r}", fix="normalize=true or normalize=false")
    return TextLayout(folder, (pooling,), ("normalize",) if normalize == "true" else (), prompt=args.get("prompt", ""))


def _of_modules(folder: Path, args: Mapping[str, str]) -> TextLayout:
    if args:
        what = f"--model-args {', '.join(args)} cannot be set for a sentence-transformers folder"
        raise UsageError(what, why="the model's own files decide it", fix="leave it out")
    (kind, transformer), *rest = _modules(folder)
    if kind != "Transformer":
        raise _unsupported(folder, kind, "the first step must be a Transformer")
    if not rest or rest[0][0] != "Pooling":
        raise _unsupported(folder, rest[0][0] if rest else "nothing", "a Pooling must follow the Transformer")
    poolings, pools_prompt = _poolings(rest[0][1])
    steps = tuple(_step(folder, kind, path) for kind, path in rest[1:])
    own = transformer / "sentence_bert_config.json"
    settings = read_configuration(own) if own.is_file() else {}
    most = settings.get("max_seq_length")
    lower_case = settings.get("do_lower_case") is True
    if most is not None and (type(most) is not int or most < 1):
        raise DataError(f"invalid max_seq_length {str(most)[:80]!r}", where=str(own), fix=SAVE_AGAIN)
    return TextLayout(transformer, poolings, steps, most, lower_case, _default_prompt(folder), pools_prompt)


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Class (without its package) and folder of each step."""
    path = folder / MODULES
    try:
        listed = json.loads(read_text(path, MOST_BYTES))
        steps = [(str(step["type"]), step["path"]) for step in listed]
    except OSError as error:
        raise UnsafeError(f"{MODULES} cannot be read", where=str(path), why=error.strerror, fix=SAVE_AGAIN) from error
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        why = "it is not a JSON list of steps with type and path"
        raise DataError(f"{MODULES} cannot be read", where=str(path), why=why, fix=SAVE_AGAIN) from error
    if not steps:
        raise DataError(f"{MODULES} lists no step", where=str(path), fix=SAVE_AGAIN)
    return [(_class_of(kind, path), _below(folder, name)) for kind, name in steps]


def _class_of(kind: str, path: Path) -> str:
    package, _, name = kind.rpartition(".")
    if package.partition(".")[0] != "sentence_transformers":
        why = f"it names the class {kind[:80]!r}, which is not one of sentence-transformers"
        raise UnsafeError("the model asks for foreign code", where=str(path), why=why, fix="leave this model out; no option runs it")
    return name


def _below(folder: Path, name: object) -> Path:
    """A sub-folder of a model; raises UnsafeError if it leads out of it."""
    path = folder / str(name)
    if not isinstance(name, str) or ".." in Path(name).parts or Path(name).is_absolute():
        raise UnsafeError(f"{MODULES} leads out of the model's folder", where=str(folder), why=f"path {str(name)[:80]!r}", fix=SAVE_AGAIN)
    return path


def _poolings(folder: Path) -> tuple[tuple[str, ...], bool]:
    """Names of the poolings, and whether the prompt takes part."""
    path = folder / "config.json"
    if not path.is_file():
        raise DataError("the pooling has no config.json", where=str(folder), fix=SAVE_AGAIN)
    stated = read_configuration(path)
    modes = stated.get("pooling_mode")
    if modes is None:
        modes = [name for name, key in POOLINGS.items() if stated.get(key) is True] or ["mean"]
    names = tuple(map(str, modes)) if isinstance(modes, list) else (str(modes),)
    if unknown := [name for name in names if name not in POOLINGS]:
        why = f"known: {', '.join(POOLINGS)}"
        raise DataError(f"unsupported pooling {unknown[0][:80]!r}", where=str(path), why=why, fix="leave this model out")
    return names, stated.get("include_prompt", True) is not False


def _step(folder: Path, kind: str, path: Path) -> DenseLayer | Literal["normalize"]:
    if kind == "Normalize":
        return "normalize"
    if kind != "Dense":
        raise _unsupported(folder, kind, "after the pooling, Dense and Normalize are supported")
    stated = read_configuration(path / "config.json") if (path / "config.json").is_file() else {}
    package, _, activation = str(stated.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")
    if not package.startswith("torch.nn.modules.") or activation not in ACTIVATIONS:
        why = f"supported are {', '.join(ACTIVATIONS)} of torch.nn"
        raise DataError(f"unsupported activation {activation[:80]!r}", where=str(path / "config.json"), why=why, fix="leave this model out")
    for key in ("module_input_name", "module_output_name"):
        if stated.get(key) not in (None, "sentence_embedding"):
            raise _unsupported(path, f"Dense with {key} {str(stated[key])[:80]!r}", "a dense layer changes the embedding of the text")
    return DenseLayer(path, activation, stated.get("use_residual") is True)


def _default_prompt(folder: Path) -> str:
    """The text that precedes every text unless a caller names another prompt."""
    path = folder / "config_sentence_transformers.json"
    stated = read_configuration(path) if path.is_file() else {}
    name, prompts = stated.get("default_prompt_name"), stated.get("prompts")
    if not name:
        return ""
    if not isinstance(prompts, dict) or not isinstance(prompts.get(name), str):
        raise DataError(f"the default prompt {str(name)[:80]!r} is missing", where=str(path), fix=SAVE_AGAIN)
    return str(prompts[name])


def _unsupported(folder: Path, kind: str, why: str) -> DataError:
    fix = "leave out text:, if it reads images as well" if "CLIP" in kind else "leave this model out"
    return DataError(f"unsupported step {kind[:80]!r} of a sentence-transformers model", where=str(folder), why=why, fix=fix)


def weight_folders(layout: TextLayout) -> Iterator[Path]:
    """The folders with weights, that of the transformer first."""
    yield layout.transformer
    yield from (step.folder for step in layout.steps if isinstance(step, DenseLayer))
