"""Resolves a model spec to a reference, and loads it: determines its kind here, and leaves reading it to the module for that kind.

The kinds are those of the core and those that extensions declare (`audit.extension.ModelKind`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import DataError, UsageError, nearest
from audit.extension import ModelKind, find, import_declared, model_kinds
from audit.models.model_args import folder_options
from audit.models.runtime import devices, torch_setting
from strictio.files import open_file, read_text
from strictio.model_folders.configurations import MAX_BYTES

if TYPE_CHECKING:
    from audit.types import AnyModel, Encoder

FORMS = (
    "a file of weights (ckpt.pt, .safetensors, ...)", "DIR (a folder in Hugging Face or open_clip layout)",
    "hf:ORG/NAME[@REV] or ORG/NAME (the hub)", "open_clip:ARCH,FILE or open_clip:ARCH,TAG",
)  # fmt: skip
LAST_FORMS = ("FILE.py:CLASS or plugin:NAME (a model of your own)",)
"""Forms of the core's model specs before and after those of extensions."""
SCHEMES = ("hf", "open_clip", "plugin")
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
    """A key of `_LOADERS`, or the name of the kind that an extension declares."""
    where: str
    """Argument of the loader: a path, a class, an architecture with its weights, or a name on the hub."""
    declared: ModelKind | None = None
    """The kind, if an extension declares it."""


def refer(spec: str) -> ModelReference:
    """Resolve a model spec. Raises UsageError if it is malformed, DataError if it names a file that does not exist."""
    match, path = _SCHEME.match(spec), Path(spec)
    scheme, rest = (match["scheme"], spec[match.end() :]) if match else (None, spec)
    if (served := served_kind(spec)) is not None:
        fix = f"vlm-audit run --model {spec} {served.needs}".strip()
        raise UsageError(f"{spec!r} is not loaded, but asked", why=f"it is a {served.name}", fix=fix)
    if scheme in ("open_clip", "hf"):
        return _of_hub(spec, rest) if scheme == "hf" else ModelReference(scheme, rest)
    if (declared := _kind_of_scheme(spec)) is not None:
        return ModelReference(declared.name, spec.removeprefix(f"{declared.scheme}:"), declared)
    if _FILE.fullmatch(spec) is not None and not path.is_dir():
        return ModelReference("class", spec)
    if scheme == "plugin":
        return ModelReference("plugin", rest)
    if (local := local_path(spec)) is not None:
        return _of_path(local, spec)
    if scheme:
        raise unknown_scheme(spec, scheme)
    # A spec that looks like a file or a path, or starts with an existing folder, is not treated as a name on the hub.
    start = Path(path.parts[0] if spec else "-")
    if path.suffix in WEIGHT_FILES or spec.startswith(("/", ".", "~")) or spec.count("/") > 1 or start.is_dir():
        raise missing_path(path)
    return _of_hub(spec, spec)


def _declared(is_it: Callable[[ModelKind], bool]) -> ModelKind | None:
    """The first kind of extensions for which this holds."""
    return next(filter(is_it, model_kinds()), None)


def _kind_of_scheme(spec: str) -> ModelKind | None:
    """The kind of extensions with the longest scheme that a spec has. The core's schemes come first."""
    if spec.partition(":")[0] in SCHEMES:
        return None
    kinds = [kind for kind in model_kinds() if kind.scheme and spec.startswith(f"{kind.scheme}:")]
    return max(kinds, key=lambda kind: len(kind.scheme), default=None)


def served_kind(model: object) -> ModelKind | None:
    """The kind of a model that is not loaded but asked over a network; None for any other."""
    kind = _kind_of_scheme(model) if isinstance(model, str) else None
    return kind if kind and kind.plan else None


def _schemes() -> list[str]:
    return sorted({*SCHEMES, *(kind.scheme for kind in model_kinds() if kind.scheme and ":" not in kind.scheme)})


def forms() -> str:
    """The forms of model specs, for errors."""
    return ", ".join([*FORMS, *(kind.form for kind in model_kinds() if kind.form), *LAST_FORMS])


def _of_path(path: Path, spec: str) -> ModelReference:
    if path.is_dir():
        return ModelReference("folder", spec)
    declared = None if path.suffix in WEIGHT_FILES else _declared(lambda kind: path.suffix in kind.suffixes)
    return ModelReference("file" if declared is None else declared.name, spec, declared)


def is_hub_name(name: str) -> bool:
    """Whether this is ``ORG/NAME`` or ``ORG/NAME@REV``."""
    return _HUB.fullmatch(name) is not None and ".." not in name


def _of_hub(spec: str, name: str) -> ModelReference:
    if not is_hub_name(name):
        beside = [path.name for path in Path().iterdir() if path.is_dir() or path.suffix in WEIGHT_FILES]
        close, separator, _ = nearest(spec, beside).partition(" Known:")
        raise _unknown_spec(spec, f"nothing here has that name{f'; {close}' if separator else ''}")
    return ModelReference("hub", name)


def local_path(spec: str) -> Path | None:
    """The local file or folder of weights that `load` would read; None if a spec names anything else."""
    match, path = _SCHEME.match(spec), Path(spec)
    elsewhere = match is not None and match["scheme"] in _schemes()
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
    folder: Mapping[str, Any] = MappingProxyType({})
    """For a folder in Hugging Face layout: the options of `audit.models.huggingface.opened.open_folder` that are not in `setting`."""

    @property
    def setting(self) -> dict[str, Any]:
        """Options of every loader."""
        return {"device": self.device, "dtype": self.dtype}


def load(spec: str, *, device: str = "cpu", dtype: str = "float32", model_args: Mapping[str, str] | None = None) -> AnyModel:
    """Load the encoder, the image classifier, the generative model or the text encoder of a model spec, in one of its `forms`.

    ``ORG/NAME`` alone is a folder if it exists, else a name on the hub; custom classes are run. `device` is a torch device, or several GPUs
    (``cuda:0,cuda:1``), which share the batches of a dual encoder or the layers of a generative model; `dtype` is float32, bfloat16 or
    float16; `model_args` set by name what a file of weights does not state
    (``{"activation": "gelu"}``), or are constructor arguments of a custom class. Raises UsageError if the spec is malformed, DataError if
    the model is missing or damaged, UnsafeError if it could run code, MachineError if the hub or the device is missing.
    """
    first, *others = devices(device)
    reference = refer(spec)
    how = Loading(first, dtype, others, model_args)
    if reference.declared is not None:
        model = _load_declared(reference.declared, reference.where, how)
    else:
        model = _LOADERS[reference.kind](reference.where, how)
    if others and not getattr(model, "spans", ()):
        if not hasattr(model, "spread"):
            what = f"{model.record.name} cannot run on several devices"
            raise UsageError(what, why="its images are not prepared apart from the model", fix=f"--device {first}")
        model.spread([torch_setting(gpu, dtype)[0] for gpu in (first, *others)])
    return model


def _load_from_hub(where: str, how: Loading) -> AnyModel:
    options = folder_options(how.model_args, "a model of the hub")
    folder, stated = fetch_folder(where)
    return _read_folder(folder, how._replace(folder={**stated, **options}))


def fetch_folder(name: str, files: tuple[str, ...] = ()) -> tuple[Path, dict[str, Any]]:
    """The folder of ``ORG/NAME[@REV]`` on the hub, with `files` besides the usual ones, and the options for opening it."""
    from audit.models import hub

    name, _, revision = name.partition("@")
    folder = hub.fetch(name, revision or None, (*hub.FILES, *files)) if files else hub.fetch(name, revision or None)
    # The hub's cache stores a model's files in one place and links to them from each revision's folder, two levels down.
    return folder, {"name": name, "revision": folder.name, "inside": folder.parents[1]}


def _load_folder(where: str, how: Loading) -> AnyModel:
    path = Path(where)
    if (declared := _declared(lambda kind: bool(kind.marker) and (path / kind.marker).is_file())) is not None:
        return _load_declared(declared, where, how)
    if (path / "open_clip_config.json").is_file() and not (path / "config.json").is_file():
        return _load_open_clip(where, how)
    if (file := only_file(path)) is not None:
        return _load_file(str(file), how, name=shown_name(path))
    options = folder_options(how.model_args, "a folder in Hugging Face layout")
    return _read_folder(path, how._replace(folder={"name": shown_name(path), **options}))


def _load_file(where: str, how: Loading, name: str | None = None) -> Encoder:
    from audit.models import single_file

    path = Path(where)
    options = {"name": name or shown_name(path), "model_args": how.model_args, **how.setting}
    with _tried("a file of weights", lambda: path.suffix in WEIGHT_FILES):
        return single_file.load(path, **options)


def _load_open_clip(where: str, how: Loading) -> Encoder:
    from audit.models.open_clip import encoder

    if where and Path(where).is_dir():
        return encoder.load_folder(Path(where), name=shown_name(Path(where)), model_args=how.model_args, **how.setting)
    architecture, _, weights = where.partition(",")
    name = f"{architecture} {shown_name(Path(weights)) if weights else ''}".strip()
    return encoder.load(where, name=name, model_args=how.model_args, **how.setting)


def _load_class(where: str, how: Loading) -> AnyModel:
    from audit.models import plugin

    return plugin.load_file(where, how.model_args, **how.setting)


def _load_installed(where: str, how: Loading) -> AnyModel:
    from audit.models import plugin

    return plugin.load_installed(where, how.model_args, **how.setting)


_LOADERS: Mapping[str, Callable[[str, Loading], AnyModel]] = {
    "file": _load_file, "folder": _load_folder, "hub": _load_from_hub, "open_clip": _load_open_clip, "class": _load_class,
    "plugin": _load_installed,
}  # fmt: skip


def _load_declared(kind: ModelKind, where: str, how: Loading) -> AnyModel:
    model: AnyModel = import_declared(kind.load)(where, how)
    return model


def _read_folder(folder: Path, how: Loading) -> AnyModel:
    """Read a folder in Hugging Face layout: of the first kind that says so, else a dual encoder."""
    from audit.models.huggingface import encoder as huggingface_encoder

    config = _config(folder)
    if (declared := _declared(lambda kind: bool(kind.is_kind) and import_declared(kind.is_kind)(config))) is not None:
        return _load_declared(declared, str(folder), how)
    with _tried("a dual encoder", lambda: not config or huggingface_encoder.is_dual_encoder(config)):
        return huggingface_encoder.load(folder, **how.folder, **how.setting)


def _config(folder: Path) -> Mapping[str, Any]:
    """What ``config.json`` says; empty if it cannot be read, which the reader of the folder reports."""
    path = folder / "config.json"
    try:
        content = json.loads(read_text(path, MAX_BYTES)) if path.is_file() else {}  # a named pipe would block
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def _tried(kind: str, is_sure: Callable[[], bool]) -> Iterator[None]:
    """Name the extensions that are left out in an error about what one of them may read, unless it is sure to be of this kind."""
    try:
        yield
    except DataError as error:
        if not (left_out := find().left_out) or is_sure():
            raise
        known = ", ".join(["dual encoder", *(declared.name for declared in model_kinds() if declared.load)])
        why = "; ".join([f"as {kind}: {error.what}", f"known kinds: {known}", *left_out])
        fix = "; or, if it is of another kind, ".join([*filter(None, [error.fix]), "install what is left out"])
        raise DataError("this is not a model of a kind that is known here", where=error.where, why=why, fix=fix) from error


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


def scheme_of(spec: str) -> str | None:
    """What precedes the colon of a spec; None if it has no scheme."""
    match = _SCHEME.match(spec)
    return match and match["scheme"]


def unknown_scheme(spec: str, scheme: str) -> UsageError:
    """The error for a scheme that neither the core nor an extension has."""
    return _unknown_spec(spec, "; ".join([f"unknown scheme {scheme}:; {nearest(scheme, _schemes())}", *find().left_out]))


def _unknown_spec(spec: str, why: str) -> UsageError:
    return UsageError(f"unknown model spec: {spec!r}", why=why, fix=f"--model takes {forms()}")


def missing_path(path: Path) -> DataError:
    """The error for a missing path, which lists what exists instead."""
    existing = next((folder for folder in path.parents if folder.is_dir()), Path())
    where = f"the folder {str(existing).rstrip('/')}/" if existing != Path() else "this folder"
    beside = sorted(entry.name + "/" * entry.is_dir() for entry in existing.iterdir())
    close, separator, _ = nearest(path.name, beside).partition(" Known:")
    shown = ", ".join(beside[:SHOWN]) + (f" and {len(beside) - SHOWN} more" if len(beside) > SHOWN else "")
    why = f"{where} holds {close.removeprefix('did you mean ').rstrip('?') if separator else shown}" if beside else f"{where} is empty"
    return DataError(f"no such file or folder: {path}", why=why, fix=f"--model takes {forms()}")


def shown_name(path: Path) -> str:
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
