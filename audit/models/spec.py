"""Resolves a model spec to a reference, and loads it: determines its kind here, and leaves reading it to the module for that kind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import DataError, UsageError, nearest
from audit.models.endpoint.settings import is_served
from audit.models.model_args import folder_options
from audit.models.runtime import devices, torch_setting
from strictio.files import open_file

if TYPE_CHECKING:
    from audit.types import AnyModel, Encoder

FORMS = (
    "a file of weights (ckpt.pt, .safetensors, ...), DIR (a folder in Hugging Face or open_clip layout), hf:ORG/NAME[@REV] or ORG/NAME "
    "(the hub), open_clip:ARCH,FILE or open_clip:ARCH,TAG, onnx:FILE (an image classifier), text:DIR (an encoder of text alone), "
    "FILE.py:CLASS or plugin:NAME (a model of your own), api:NAME or text:api:NAME (a model behind an endpoint)"
)
SCHEMES = ("api", "hf", "onnx", "open_clip", "plugin", "text")
SHOWN = 8
"""Number of names listed if a file does not exist and no name is similar."""
WEIGHT_FILES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".pkl", ".npz")
_HUB = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]{1,255}))?", re.ASCII)
_FILE = re.compile(r".+\.py(:\w*)?", re.DOTALL)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9_+-]+):")


@dataclass(frozen=True)
class ModelReference:
    """What a model spec refers to, before anything is read."""

    kind: str
    """A key of `_LOADERS`."""
    where: str
    """Argument of the loader: a path, a class, an architecture with its weights, or a name on the hub."""


def refer(spec: str) -> ModelReference:
    """Resolve a model spec. Raises UsageError if it is malformed, DataError if it names a file that does not exist."""
    match, path = _SCHEME.match(spec), Path(spec)
    scheme, rest = (match["scheme"], spec[match.end() :]) if match else (None, spec)
    if is_served(spec):
        fix = f"vlm-audit run --model {spec} --base-url URL"
        raise UsageError(f"{spec!r} is not loaded, but asked", why="it is behind an endpoint", fix=fix)
    if scheme in ("onnx", "open_clip", "text", "hf"):
        return _of_hub(spec, rest) if scheme == "hf" else ModelReference(scheme, rest)
    if _FILE.fullmatch(spec) is not None and not path.is_dir():
        return ModelReference("class", spec)
    if scheme == "plugin":
        return ModelReference("plugin", rest)
    if (local := local_path(spec)) is not None:
        return ModelReference("folder" if local.is_dir() else "onnx" if local.suffix == ".onnx" else "file", spec)
    if scheme:
        raise _unknown_spec(spec, f"unknown scheme {scheme}:; {nearest(scheme, SCHEMES)}")
    # A spec that looks like a file or a path, or starts with an existing folder, is not treated as a name on the hub.
    start = Path(path.parts[0] if spec else "-")
    if path.suffix in WEIGHT_FILES or spec.startswith(("/", ".", "~")) or spec.count("/") > 1 or start.is_dir():
        raise _missing(path)
    return _of_hub(spec, spec)


def _of_hub(spec: str, name: str) -> ModelReference:
    if _HUB.fullmatch(name) is None or ".." in spec:
        beside = [path.name for path in Path().iterdir() if path.is_dir() or path.suffix in WEIGHT_FILES]
        close, separator, _ = nearest(spec, beside).partition(" Known:")
        raise _unknown_spec(spec, f"nothing here has that name{f'; {close}' if separator else ''}")
    return ModelReference("hub", name)


def local_path(spec: str) -> Path | None:
    """The local file or folder of weights that `load` would read; None if a spec names anything else."""
    match, path = _SCHEME.match(spec), Path(spec)
    elsewhere = match is not None and match["scheme"] in SCHEMES
    if not spec or elsewhere or not path.exists() or (_FILE.fullmatch(spec) is not None and not path.is_dir()):
        return None
    return path


# ---- loading ---------------------------------------------------------------------------------------------------------------------------


class Loading(NamedTuple):
    """Options for loading a model."""

    device: str
    dtype: str
    others: Sequence[str]
    """Further devices, for generative models."""
    model_args: Mapping[str, str] | None

    @property
    def setting(self) -> dict[str, Any]:
        """Options of every loader."""
        return {"device": self.device, "dtype": self.dtype}


def load(spec: str, *, device: str = "cpu", dtype: str = "float32", model_args: Mapping[str, str] | None = None) -> AnyModel:
    """Load the encoder, the image classifier, the generative model or the text encoder of a model spec; its forms are `FORMS`.

    ``ORG/NAME`` alone is a folder if it exists, else a name on the hub; custom classes are run. `device` is a torch device, or several GPUs
    (``cuda:0,cuda:1``), which share the batches of a dual encoder or the layers of a generative model; `dtype` is float32, bfloat16 or
    float16; `model_args` set by name what a file of weights does not state
    (``{"activation": "gelu"}``), or are constructor arguments of a custom class. Raises UsageError if the spec is malformed, DataError if
    the model is missing or damaged, UnsafeError if it could run code, MachineError if the hub or the device is missing.
    """
    first, *others = devices(device)
    reference = refer(spec)
    model = _LOADERS[reference.kind](reference.where, Loading(first, dtype, others, model_args))
    if others and not getattr(model, "spans", ()):
        if not hasattr(model, "spread"):
            what = f"{model.record.name} cannot run on several devices"
            raise UsageError(what, why="its images are not prepared apart from the model", fix=f"--device {first}")
        model.spread([torch_setting(gpu, dtype)[0] for gpu in (first, *others)])
    return model


def _load_from_hub(where: str, how: Loading) -> AnyModel:
    from audit.models import hub

    options = folder_options(how.model_args, "a model of the hub")
    name, _, revision = where.partition("@")
    folder = hub.fetch(name, revision or None)
    # The hub's cache stores a model's files in one place and links to them from each revision's folder, two levels down.
    return _read_folder(folder, how, name=name, revision=folder.name, inside=folder.parents[1], **options)


def _load_folder(where: str, how: Loading) -> AnyModel:
    path = Path(where)
    if (path / "modules.json").is_file():
        return _load_text(where, how)
    if (path / "open_clip_config.json").is_file() and not (path / "config.json").is_file():
        return _load_open_clip(where, how)
    if (file := only_file(path)) is not None:
        return _load_file(str(file), how, name=_name(path))
    return _read_folder(path, how, name=_name(path), **folder_options(how.model_args, "a folder in Hugging Face layout"))


def _load_file(where: str, how: Loading, name: str | None = None) -> Encoder:
    from audit.models import single_file

    path = Path(where)
    return single_file.load(path, name=name or _name(path), model_args=how.model_args, **how.setting)


def _load_open_clip(where: str, how: Loading) -> Encoder:
    from audit.models.open_clip import encoder

    if where and Path(where).is_dir():
        return encoder.load_folder(Path(where), name=_name(Path(where)), model_args=how.model_args, **how.setting)
    architecture, _, weights = where.partition(",")
    name = f"{architecture} {_name(Path(weights)) if weights else ''}".strip()
    return encoder.load(where, name=name, model_args=how.model_args, **how.setting)


def _load_onnx(where: str, how: Loading) -> AnyModel:
    from audit.models.classifier import onnx_file

    return onnx_file.load(Path(where), name=_name(Path(where)), model_args=how.model_args, **how.setting)


def _load_text(where: str, how: Loading) -> AnyModel:
    """An encoder of text alone: a folder, or a name on the hub (``hf:`` may precede it)."""
    from audit.models import hub
    from audit.models.text_encoder import folder as text_folder

    path = Path(where)
    if path.is_dir():
        return text_folder.load(path, how.model_args, name=_name(path), **how.setting)
    name = where.removeprefix("hf:")
    if _HUB.fullmatch(name) is None or ".." in name:
        raise _missing(path)
    name, _, revision = name.partition("@")
    fetched = hub.fetch(name, revision or None, (*hub.FILES, *hub.TEXT_FILES))
    return text_folder.load(fetched, how.model_args, name=name, revision=fetched.name, inside=fetched.parents[1], **how.setting)


def _load_class(where: str, how: Loading) -> AnyModel:
    from audit.models import plugin

    return plugin.load_file(where, how.model_args, **how.setting)


def _load_installed(where: str, how: Loading) -> AnyModel:
    from audit.models import plugin

    return plugin.load_installed(where, how.model_args, **how.setting)


_LOADERS: Mapping[str, Callable[[str, Loading], AnyModel]] = {
    "file": _load_file, "folder": _load_folder, "hub": _load_from_hub, "open_clip": _load_open_clip, "class": _load_class,
    "plugin": _load_installed, "onnx": _load_onnx, "text": _load_text,
}  # fmt: skip


def _read_folder(folder: Path, how: Loading, **options: Any) -> AnyModel:
    """Read a folder in Hugging Face layout: a dual encoder, an image classifier, or a generative model."""
    from audit.models.classifier import folder as classifier_folder
    from audit.models.generative import folder as generative_folder
    from audit.models.huggingface import encoder as huggingface_encoder

    plain = (folder / "config.json").is_file()  # a named pipe would block
    if plain and classifier_folder.is_classifier(folder):
        return classifier_folder.load(folder, **options, **how.setting)
    if plain and generative_folder.is_generative(folder):
        return generative_folder.load(folder, others=how.others, **options, **how.setting)
    return huggingface_encoder.load(folder, **options, **how.setting)


def only_file(folder: Path) -> Path | None:
    """The file to load instead of a folder: our export's, our checkpoint, or the only weights if there is no configuration; else None."""
    from audit.models import single_file
    from strictio.model_folders.check import check_folder
    from strictio.weights.adapter import FILES as ADAPTER

    names = {path.name for path in folder.iterdir()} - {*ADAPTER}
    if (exported := single_file.exported_weights(folder)) is not None:
        files = {exported.name}
    elif "config.json" not in names and "ckpt.pt" in names:
        files = {"ckpt.pt"}
    else:  # a folder with an incomplete configuration: let its reader report what is missing
        configured = any(name.endswith("config.json") for name in names)
        files = {name for name in names if Path(name).suffix in WEIGHT_FILES and not configured}
    if len(files) != 1:
        return None
    check_folder(folder, folder, required=None)
    return folder / files.pop()


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
        with suppress(OSError, AttributeError), open_file(path) as file:  # not every system supports it
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _weight_files(model: Any) -> Iterator[Path]:
    path = Path(model.rpartition(",")[2] if model.startswith("open_clip:") else model) if isinstance(model, str) and model else None
    if path is not None and "\0" not in str(path):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in WEIGHT_FILES and file.is_file())
