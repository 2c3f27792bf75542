"""A model spec -> an encoder. Which kind it is, is decided here; reading it is left to the module of that kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import DataError, UsageError, nearest
from audit.models.model_args import by_model, parse_model_args, refuse_overrides

if TYPE_CHECKING:
    from audit.types import Answerer, Encoder

FORMS = (
    "a file of weights (ckpt.pt, .safetensors, ...), DIR (a folder in Hugging Face or open_clip layout), hf:ORG/NAME[@REV] or ORG/NAME "
    "(the hub), open_clip:ARCH,FILE or open_clip:ARCH,TAG, FILE.py:CLASS or plugin:NAME (an encoder of your own)"
)
__all__ = ["FORMS", "by_model", "load", "parse_model_args"]
SCHEMES = ("hf", "open_clip", "plugin")
SHOWN = 8
"""Names listed where a file does not exist and no name is similar."""
WEIGHT_FILES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".pkl", ".npz")
_HUB = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_FILE = re.compile(r".+\.py(:\w*)?", re.DOTALL)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9_+-]+):")


def load(spec: str, *, device: str = "cpu", dtype: str = "float32", model_args: Mapping[str, str] | None = None) -> Encoder | Answerer:
    """Return the encoder, or the generative model, that a model spec names.

    Parameters
    ----------
    spec : str
        A file of weights, a folder in Hugging Face or open_clip layout, ``hf:ORG/NAME[@REV]``, ``open_clip:ARCH,FILE|TAG``,
        ``FILE.py:CLASS`` or ``plugin:NAME`` (code of your own, which is run). ``ORG/NAME`` alone is a folder if it exists, else the hub's.
    device : str
        As torch names it.
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``.
    model_args : mapping, optional
        What a file of weights does not say, by name: ``{"activation": "gelu"}``; a class of your own is made with them.

    Raises
    ------
    UsageError, DataError, UnsafeError, MachineError
        If the spec is malformed; if the model is missing or damaged; if it could run code; if the hub or the device is missing.
    """
    scheme = _SCHEME.match(spec)
    if scheme and scheme["scheme"] == "open_clip":
        return _load_open_clip(spec.removeprefix("open_clip:"), device, dtype, model_args)
    if scheme and scheme["scheme"] == "hf":
        refuse_overrides(model_args, "a model of the hub")
        return _load_from_hub(spec.removeprefix("hf:"), spec, device, dtype)
    path = Path(spec)
    if _FILE.fullmatch(spec) and not path.is_dir():
        from audit.models import plugin

        return plugin.load_file(spec, device=device, dtype=dtype, model_args=model_args)
    if scheme and scheme["scheme"] == "plugin":
        from audit.models import plugin

        return plugin.load_installed(spec.removeprefix("plugin:"), device=device, dtype=dtype, model_args=model_args)
    if spec and path.is_dir():
        return _load_folder(path, device, dtype, model_args)
    if spec and path.exists():
        from audit.models import single_file

        return single_file.load(path, name=_name(path), device=device, dtype=dtype, model_args=model_args)
    if scheme:
        raise _unknown_scheme(spec, scheme["scheme"])
    if (
        path.suffix in WEIGHT_FILES
        or spec.startswith(("/", ".", "~"))
        or spec.count("/") > 1
        or Path(path.parts[0] if spec else "-").is_dir()
    ):
        raise _missing(path)
    refuse_overrides(model_args, "a model of the hub")
    return _load_from_hub(spec, spec, device, dtype)


def _load_from_hub(text: str, spec: str, device: str, dtype: str) -> Encoder | Answerer:
    match = _HUB.fullmatch(text)
    if match is None or ".." in text:
        beside = [path.name for path in Path().iterdir() if path.is_dir() or path.suffix in WEIGHT_FILES]
        close, found, _ = nearest(spec, beside).partition(" Known:")
        why = f"nothing here has that name{f'; {close}' if found else ''}"
        raise UsageError(f"unknown model spec: {spec!r}", why=why, fix=f"--model takes {FORMS}")
    from audit.models import hub

    folder = hub.fetch(match["name"], match["revision"])
    # The hub's cache keeps a model's files in one place and links to them from each revision's folder, two levels down.
    return _reader(folder)(folder, name=match["name"], device=device, dtype=dtype, revision=folder.name, inside=folder.parents[1])


def _load_folder(path: Path, device: str, dtype: str, model_args: Mapping[str, str] | None) -> Encoder | Answerer:
    if (path / "open_clip_config.json").is_file() and not (path / "config.json").is_file():
        from audit.models.open_clip import encoder as open_clip_encoder

        return open_clip_encoder.load_folder(path, name=_name(path), device=device, dtype=dtype, model_args=model_args)
    refuse_overrides(model_args, "a folder in Hugging Face layout")
    return _reader(path)(path, name=_name(path), device=device, dtype=dtype)


def _reader(folder: Path) -> Callable[..., Encoder | Answerer]:
    """Return what loads a folder in Hugging Face layout: a dual encoder, or a model that is asked."""
    from audit.models.generative import folder as generative_folder
    from audit.models.huggingface import encoder as huggingface_encoder

    plain = (folder / "config.json").is_file()  # a pipe of that name would be waited for
    return generative_folder.load if plain and generative_folder.is_generative(folder) else huggingface_encoder.load


def _load_open_clip(text: str, device: str, dtype: str, model_args: Mapping[str, str] | None) -> Encoder | Answerer:
    from audit.models.open_clip import encoder as open_clip_encoder

    if text and Path(text).is_dir():
        return open_clip_encoder.load_folder(Path(text), name=_name(Path(text)), device=device, dtype=dtype, model_args=model_args)
    architecture, _, weights = text.partition(",")
    name = f"{architecture} {_name(Path(weights)) if weights else ''}".strip()
    return open_clip_encoder.load(text, name=name, device=device, dtype=dtype, model_args=model_args)


def _unknown_scheme(spec: str, scheme: str) -> UsageError:
    why = f"unknown scheme {scheme}:; {nearest(scheme, SCHEMES)}"
    return UsageError(f"unknown model spec: {spec!r}", why=why, fix=f"--model takes {FORMS}")


def _missing(path: Path) -> DataError:
    """Say what is there instead of a path that is not."""
    existing = next((folder for folder in path.parents if folder.is_dir()), Path())
    place = f"the folder {str(existing).rstrip('/')}/" if existing != Path() else "this folder"
    beside = sorted(entry.name + "/" * entry.is_dir() for entry in existing.iterdir())
    close, found, _ = nearest(path.name, beside).partition(" Known:")
    shown = ", ".join(beside[:SHOWN]) + (f" and {len(beside) - SHOWN} more" if len(beside) > SHOWN else "")
    why = f"{place} holds {close.removeprefix('did you mean ').rstrip('?') if found else shown}" if beside else f"{place} is empty"
    return DataError(f"no such file or folder: {path}", why=why, fix=f"--model takes {FORMS}")


def _name(path: Path) -> str:
    """Return what reports call a model: its last two names as typed, but never the name of the user."""
    folder = path.parent.name
    private = not folder or folder == ".." or path.parent.absolute() in (Path.home(), *Path.home().parents)
    return path.name or path.resolve().name if private else f"{folder}/{path.name}"
