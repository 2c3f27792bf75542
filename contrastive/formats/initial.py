"""Reads an initial or teacher model: our own checkpoint, another program's weight file, or a folder.

No code from a file or folder is run. Facts that weights do not reveal are read from the folder's configuration or ``model.stated``,
guessed with a note, or required from the user; `contrastive.formats.convert` has the rules.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from contrastive.checkpoint.file import Checkpoint, from_archive, is_own
from contrastive.formats.convert import FOREIGN_VOCABULARY, convert
from contrastive.formats.exports import tensors
from contrastive.formats.image_processor import read_processor
from contrastive.model.tokenizer import Tokenizer
from strictio.errors import DataError, UsageError
from strictio.weights.adapter import refuse_beside
from strictio.weights.contents import Contents, read, read_json
from strictio.weights.overrides import ModelOverrides
from strictio.weights.torch_file import flatten
from strictio.weights.unwrap import unwrap

HUGGING_FACE, OPEN_CLIP = "config.json", "open_clip_config.json"
FILES = (
    "model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors", "open_clip_model.safetensors.index.json",
    "pytorch_model.bin", "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin",
)  # fmt: skip
"""Weight files in a folder, in order of preference; an index lists the files of weights that are in several."""
INDEX = ".index.json"
MAX_SHARDS = 1000
TOKENIZERS = ("merges.txt", "tokenizer.json")  # transformers 5 writes only the second


def read_model(name: str, overrides: Mapping[str, str] | None = None) -> Checkpoint:
    """Read a model: a ``ckpt.pt``, another program's weight file, or a transformers or open_clip folder.

    `overrides`: missing facts, by the names of `ModelOverrides`. Raises `DataError` if the model cannot be read, is not a CLIP model,
    or lacks necessary facts; `UnsafeError` if it requires code or could exhaust the machine; `UsageError` if `overrides` has an
    unknown name, or a fact that the checkpoint itself specifies.
    """
    path = Path(name)
    try:
        facts = ModelOverrides.from_words(overrides or {})
    except UsageError as error:
        raise UsageError(error.what, where="model.stated", why=error.why, fix=error.fix) from error
    try:
        checkpoint = _folder(path, facts) if path.is_dir() else _file(path, facts)
    except DataError as error:
        error.where = error.where or name
        error.fix = error.fix and in_settings(error.fix)
        raise
    return replace(checkpoint, notes=tuple(map(in_settings, checkpoint.notes)))


def in_settings(text: str) -> str:
    """Translate advice from the audit's flags to the trainer's settings.

    >>> in_settings("state it, for example --model-args 'activation=gelu tokenizer=merges.txt'")
    'state it, for example model.stated.activation=gelu model.stated.tokenizer=merges.txt'
    >>> in_settings("Guessed: heads are 64 wide (--model-args text_head_width=N).")
    'Guessed: heads are 64 wide (model.stated.text_head_width=N).'
    """
    for flags, settings in ADVICE.items():
        text = re.sub(flags, settings, text)
    return text


_TRAINABLE = "a CLIP whose image tower is OpenAI's vision transformer or ResNet can be trained here"
ADVICE: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"--model-args '([^']*)'": lambda match: " ".join(f"model.stated.{word}" for word in match[1].split()),
    r"--model-args causal=, pooling=": "model.stated.causal=false, model.stated.pooling=mean",
    r"--model-args (?=\w+=)": "model.stated.",
    r"--model-args": "model.stated",
    r"; or name the architecture: --model open_clip:ARCH,FILE": "",
    r"name the architecture if open_clip has it, --model open_clip:ARCH,FILE": _TRAINABLE,
    r"--model open_clip:ARCH,FILE, with the architecture's name in open_clip": _TRAINABLE,
}
"""The audit's flags in advice -> the trainer's settings."""


def _file(path: Path, facts: ModelOverrides, kind: str = "", configured: frozenset[str] = frozenset()) -> Checkpoint:
    contents = _contents(path)
    if contents.archive is not None and is_own(contents.archive):
        if facts.given():
            stated = ", ".join(facts.given())
            raise UsageError(f"model.stated has {stated}, but the checkpoint says itself what it is", where=str(path), fix="leave it out")
        return from_archive(contents.archive, path)
    refuse_beside(path.parent, facts.adapter is not None)
    contents = replace(contents, kind=kind or contents.kind, configured=configured)
    return convert(unwrap(contents.data, facts.weights, facts.adapter), contents, facts)


def _contents(path: Path) -> Contents:
    return _read_shards(path) if path.name.endswith(INDEX) else read(path)


def _read_shards(index: Path) -> Contents:
    """Read the files that an index lists, in their order; `DataError` if one is missing, outside the folder, or holds other weights."""
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise DataError(f"{index.name} does not list the files of the weights", fix="download the folder again")
    names = sorted(set(listed.values()))
    wrong = next((name for name in names if Path(name).name != name or name.endswith(INDEX)), None)
    if wrong is not None or len(names) > MAX_SHARDS:
        why = f"it lists {wrong[:80]!r}" if wrong is not None else f"it lists {len(names):,}; the limit is {MAX_SHARDS:,}"
        raise DataError(f"{index.name} must list files in its own folder", why=why)
    tensors: dict[str, Tensor] = {}
    digest = hashlib.sha256()
    for name in names:
        contents = read(index.parent / name)
        own = {tensor for tensor, file in listed.items() if file == name}
        part = flatten(contents.data)
        if part.keys() != own:
            odd = sorted(part.keys() ^ own)[0]
            what = f"{name} does not hold the weights that {index.name} lists"
            raise DataError(what, why=f"the first that differs is {odd[:80]!r}", fix="download the folder again")
        tensors |= part
        digest.update(contents.sha256.encode())
    return Contents(tensors, f"{contents.kind} in {len(names)} parts", digest.hexdigest())


def _folder(folder: Path, facts: ModelOverrides) -> Checkpoint:
    """Read a folder; the user's overrides take precedence over its configuration."""
    readers = {HUGGING_FACE: (_hugging_face, "Hugging Face folder"), OPEN_CLIP: (_open_clip, "open_clip folder")}
    if tensors.is_export(folder):
        return tensors.read(folder)
    form = next((name for name in readers if (folder / name).is_file()), None)
    weights = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if form is None or weights is None:
        missing = " or ".join(readers) if form is None else " or ".join(FILES)
        raise DataError("the folder is not a model that can be read", why=f"it has no {missing}", fix="name a file of weights")
    configuration = read_json(folder / form)
    if form == HUGGING_FACE and configuration.get("model_type") == "siglip":
        from contrastive.formats.siglip import read_siglip

        refuse_beside(folder, facts.adapter is not None)
        contents = replace(_contents(weights), kind="Hugging Face folder")
        return read_siglip(folder, configuration, contents, facts)
    interpret, kind = readers[form]
    try:
        stated = interpret(folder)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError("the folder's configuration cannot be understood", where=form, why=why) from error
    checkpoint = _file(weights, ModelOverrides(**{**stated, **facts.given()}), kind, frozenset(stated) - set(facts.given()))
    vocabulary = folder / "vocab.json"
    own = checkpoint.tokenizer
    if form == HUGGING_FACE and vocabulary.is_file() and isinstance(own, Tokenizer) and read_json(vocabulary) != own.ids:
        raise DataError(FOREIGN_VOCABULARY, where=vocabulary.name)
    return checkpoint


def _hugging_face(folder: Path) -> dict[str, Any]:
    """Return the facts in a `CLIPModel` folder, with transformers' defaults for old files."""
    from transformers import CLIPConfig

    content = read_json(folder / HUGGING_FACE)
    if (kind := content.get("model_type")) != "clip":
        why = "its resolution varies from image to image" if kind == "siglip2" else None  # of fixed resolution, its type is siglip
        fix = "name the folder of a CLIPModel or a SiglipModel"
        raise DataError(f"a model of type {str(kind)[:40]!r} cannot be trained here", why=why, fix=fix)
    config = CLIPConfig.from_dict(content)
    image, text = config.vision_config, config.text_config
    if (image.hidden_act, image.layer_norm_eps) != (text.hidden_act, text.layer_norm_eps):
        raise DataError("the towers differ in activation or epsilon, which no model here does")
    return {
        "activation": image.hidden_act, "layer_norm_eps": float(image.layer_norm_eps), "causal": True, "pooling": "eot",
        "image_head_width": image.hidden_size // image.num_attention_heads,
        "text_head_width": text.hidden_size // text.num_attention_heads,
        **read_processor(folder, image.image_size),
        **next(({"tokenizer": str(folder / name)} for name in TOKENIZERS if (folder / name).is_file()), {}),
    }  # fmt: skip


def _open_clip(folder: Path) -> dict[str, Any]:
    """Return the facts in a folder for open_clip's factory."""
    content = read_json(folder / OPEN_CLIP)
    model, pixels = content["model_cfg"], content.get("preprocess_cfg", {})
    image, text = model["vision_cfg"], model["text_cfg"]
    return {
        "activation": "quick_gelu" if model.get("quick_gelu") else "gelu", "layer_norm_eps": 1e-5, "causal": True, "pooling": "eot",
        "text_head_width": text["width"] // text["heads"],
        **({"image_head_width": image["head_width"]} if "head_width" in image else {}),
        **{name: tuple(map(float, pixels[name])) for name in ("mean", "std") if name in pixels},
        **{name: pixels[name] for name in ("interpolation", "resize_mode") if name in pixels},
    }  # fmt: skip
