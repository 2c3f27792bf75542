"""Resolves a model spec to an encoder: determines its kind here, and leaves reading it to the module for that kind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import DataError, UsageError, nearest
from audit.models.model_args import folder_options
from audit.models.runtime import devices, torch_setting

if TYPE_CHECKING:
    from audit.types import Answerer, Encoder

FORMS = (
    "a file of weights (ckpt.pt, .safetensors, ...), DIR (a folder in Hugging Face or open_clip layout), hf:ORG/NAME[@REV] or ORG/NAME "
    "(the hub), open_clip:ARCH,FILE or open_clip:ARCH,TAG, FILE.py:CLASS or plugin:NAME (an encoder of your own), "
    "api:NAME (a model behind an endpoint)"
)
SCHEMES = ("api", "hf", "open_clip", "plugin")
SHOWN = 8
"""Number of names listed if a file does not exist and no name is similar."""
WEIGHT_FILES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".pkl", ".npz")
_HUB = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_FILE = re.compile(r".+\.py(:\w*)?", re.DOTALL)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9_+-]+):")


def load(spec: str, *, device: str = "cpu", dtype: str = "float32", model_args: Mapping[str, str] | None = None) -> Encoder | Answerer:
    """Load the encoder, or the generative model, that a model spec names; its forms are `FORMS`.

    ``ORG/NAME`` alone is a folder if it exists, else a name on the hub; custom classes are run. `device` is a torch device, or several GPUs
    (``cuda:0,cuda:1``), which share the batches of a dual encoder or the layers of a generative model; `dtype` is float32, bfloat16 or
    float16; `model_args` set by name what a file of weights does not state
    (``{"activation": "gelu"}``), or are constructor arguments of a custom class. Raises UsageError if the spec is malformed, DataError if
    the model is missing or damaged, UnsafeError if it could run code, MachineError if the hub or the device is missing.
    """
    first, *others = devices(device)
    model = _load(spec, {"device": first, "dtype": dtype}, model_args, others)
    if others and not getattr(model, "spans", ()):
        if not hasattr(model, "spread"):
            what = f"{model.record.name} cannot run on several devices"
            raise UsageError(what, why="its images are not prepared apart from the model", fix=f"--device {first}")
        model.spread([torch_setting(gpu, dtype)[0] for gpu in (first, *others)])
    return model


def _load(spec: str, setting: Mapping[str, str], model_args: Mapping[str, str] | None, others: Sequence[str]) -> Encoder | Answerer:
    """Load a model on one device; generative models use `others` as well."""
    match = _SCHEME.match(spec)
    scheme = match["scheme"] if match else None
    path = Path(spec)
    if scheme == "open_clip":
        return _load_open_clip(spec.removeprefix("open_clip:"), setting, model_args)
    if scheme == "hf":
        return _load_from_hub(spec, setting, model_args, others)
    if scheme == "api":
        raise UsageError(
            f"{spec!r} is not loaded, but asked", why="it is behind an endpoint", fix="vlm-audit run --model api:NAME --base-url URL"
        )
    own_file = _FILE.fullmatch(spec) is not None and not path.is_dir()
    if own_file or scheme == "plugin":
        from audit.models import plugin

        if own_file:
            return plugin.load_file(spec, model_args, **setting)
        return plugin.load_installed(spec.removeprefix("plugin:"), model_args, **setting)
    if spec and path.is_dir():
        return _load_folder(path, setting, model_args, others)
    if spec and path.exists():
        from audit.models import single_file

        return single_file.load(path, name=_name(path), model_args=model_args, **setting)
    if scheme:
        raise _unknown_spec(spec, f"unknown scheme {scheme}:; {nearest(scheme, SCHEMES)}")
    # A spec that looks like a file or a path, or starts with an existing folder, is not treated as a name on the hub.
    start = Path(path.parts[0] if spec else "-")
    if path.suffix in WEIGHT_FILES or spec.startswith(("/", ".", "~")) or spec.count("/") > 1 or start.is_dir():
        raise _missing(path)
    return _load_from_hub(spec, setting, model_args, others)


def local_path(spec: str) -> Path | None:
    """The local file or folder of weights that `load` would read; None if a spec names anything else."""
    match, path = _SCHEME.match(spec), Path(spec)
    elsewhere = match is not None and match["scheme"] in SCHEMES
    if not spec or elsewhere or not path.exists() or (_FILE.fullmatch(spec) is not None and not path.is_dir()):
        return None
    return path


def _load_from_hub(
    spec: str, setting: Mapping[str, str], model_args: Mapping[str, str] | None, others: Sequence[str]
) -> Encoder | Answerer:
    options = folder_options(model_args, "a model of the hub")
    match = _HUB.fullmatch(spec.removeprefix("hf:"))
    if match is None or ".." in spec:
        beside = [path.name for path in Path().iterdir() if path.is_dir() or path.suffix in WEIGHT_FILES]
        close, separator, _ = nearest(spec, beside).partition(" Known:")
        raise _unknown_spec(spec, f"nothing here has that name{f'; {close}' if separator else ''}")
    from audit.models import hub

    folder = hub.fetch(match["name"], match["revision"])
    # The hub's cache stores a model's files in one place and links to them from each revision's folder, two levels down.
    return _reader(folder, others)(folder, name=match["name"], revision=folder.name, inside=folder.parents[1], **options, **setting)


def _load_folder(path: Path, setting: Mapping[str, str], model_args: Mapping[str, str] | None, others: Sequence[str]) -> Encoder | Answerer:
    if (path / "open_clip_config.json").is_file() and not (path / "config.json").is_file():
        return _load_open_clip(str(path), setting, model_args)
    if (file := _only_file(path)) is not None:
        from audit.models import single_file

        return single_file.load(file, name=_name(path), model_args=model_args, **setting)
    options = folder_options(model_args, "a folder in Hugging Face layout")
    return _reader(path, others)(path, name=_name(path), **options, **setting)


def _only_file(folder: Path) -> Path | None:
    """The file to load instead of a folder: our export's, our checkpoint, or the only weights if there is no configuration; else None."""
    from contrastive.formats.exports import tensors
    from strictio.model_folders.check import check_folder
    from strictio.weights.adapter import FILES as ADAPTER

    names = {path.name for path in folder.iterdir()} - {*ADAPTER}
    if tensors.is_export(folder):
        files = {tensors.WEIGHTS}
    elif "config.json" not in names and "ckpt.pt" in names:
        files = {"ckpt.pt"}
    else:  # a folder with an incomplete configuration: let its reader report what is missing
        configured = any(name.endswith("config.json") for name in names)
        files = {name for name in names if Path(name).suffix in WEIGHT_FILES and not configured}
    if len(files) != 1:
        return None
    check_folder(folder, folder, required=None)
    return folder / files.pop()


def _reader(folder: Path, others: Sequence[str]) -> Callable[..., Encoder | Answerer]:
    """The loader for a folder in Hugging Face layout: for a dual encoder, or for a generative model."""
    from audit.models.generative import folder as generative_folder
    from audit.models.huggingface import encoder as huggingface_encoder

    plain = (folder / "config.json").is_file()  # a named pipe would block
    if plain and generative_folder.is_generative(folder):
        return partial(generative_folder.load, others=others)
    return huggingface_encoder.load


def _load_open_clip(text: str, setting: Mapping[str, str], model_args: Mapping[str, str] | None) -> Encoder:
    from audit.models.open_clip import encoder

    if text and Path(text).is_dir():
        return encoder.load_folder(Path(text), name=_name(Path(text)), model_args=model_args, **setting)
    architecture, _, weights = text.partition(",")
    name = f"{architecture} {_name(Path(weights)) if weights else ''}".strip()
    return encoder.load(text, name=name, model_args=model_args, **setting)


def _unknown_spec(spec: str, why: str) -> UsageError:
    return UsageError(f"unknown model spec: {spec!r}", why=why, fix=f"--model takes {FORMS}")


def _missing(path: Path) -> DataError:
    """The error for a missing path, which lists what exists instead."""
    existing = next((folder for folder in path.parents if folder.is_dir()), Path())
    where = f"the folder {str(existing).rstrip('/')}/" if existing != Path() else "this folder"
    beside = sorted(entry.name + "/" * entry.is_dir() for entry in existing.iterdir())
    close, separator, _ = nearest(path.name, beside).partition(" Known:")
    shown = ", ".join(beside[:SHOWN]) + (f" and {len(beside) - SHOWN} more" if len(beside) > SHOWN else "")
    why = f"{where} holds {close.removeprefix('did you mean ').rstrip('?') if separator else shown}" if beside else f"{where} is empty"
    return DataError(f"no such file or folder: {path}", why=why, fix=f"--model takes {FORMS}")


def _name(path: Path) -> str:
    """The name of a model in reports: the last two parts of the path as typed, but never the name of the user."""
    folder = path.parent.name
    private = not folder or folder == ".." or path.parent.absolute() in (Path.home(), *Path.home().parents)
    return path.name or path.resolve().name if private else f"{folder}/{path.name}"


def prefetch(model: Any) -> None:
    """Ask the system to read the local weights of a model into its page cache; no-op for other models.

    No copy is made and no thread started: the system skips what does not fit.
    """
    for path in _weight_files(model):
        with suppress(OSError, AttributeError):  # not every system supports it
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)


def _weight_files(model: Any) -> Iterator[Path]:
    path = Path(model.rpartition(",")[2] if model.startswith("open_clip:") else model) if isinstance(model, str) and model else None
    if path is not None and "\0" not in str(path):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in WEIGHT_FILES and file.is_file())
