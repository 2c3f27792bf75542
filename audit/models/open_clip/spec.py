"""Resolves an ``open_clip:`` name: an architecture's configuration, its image preprocessing, its tokenizer, a file of weights.

Names come from the installed package; a folder in open_clip's layout has its own configuration, which is untrusted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError, MachineError, UsageError, nearest
from audit.models import hub
from audit.types import Note
from strictio.files import read_text
from strictio.model_folders.check import check_folder
from strictio.model_folders.configurations import is_three_numbers

CONFIGURATION = "open_clip_config.json"
WEIGHT_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
TOKENIZER_FILES = tuple(name for name in hub.FILES if "safetensors" not in name and "adapter" not in name)
TOKENIZER_SETTINGS = frozenset({"clean", "language", "reduction_mask", "strip_sep_token"})
"""Tokenizer settings that a folder may contain; others would be passed to transformers."""
IMAGE_SETTINGS = ("mean", "std", "interpolation", "resize_mode")
"""Settings of image preprocessing besides the size."""


@dataclass(frozen=True)
class OpenClipSpec:
    """Everything except the weights."""

    name: str
    """Name of the architecture."""
    config: Mapping[str, Any]
    """open_clip's ``model_cfg``."""
    preprocess: Mapping[str, Any]
    """Parts of open_clip's ``preprocess_cfg``, as far as known."""
    guess: Note | None = None
    """The source of guessed image preprocessing."""
    tokenizer: Path | None = None
    """A folder with the tokenizer, unless it is CLIP's own."""
    revision: str | None = None
    trusted: bool = True
    """Whether the configuration is the package's own."""
    notes: tuple[Note, ...] = ()


def import_open_clip() -> Any:
    """Import open_clip; raises MachineError if it is not installed."""
    try:
        import open_clip
    except ImportError as error:
        why = "models named open_clip: are built by the package open_clip_torch"
        raise MachineError("open_clip is not installed", why=why, fix="pip install open_clip_torch") from error
    return open_clip


def from_name(text: str) -> tuple[OpenClipSpec, Path]:
    """Plan and weights of ``ARCH,FILE`` or ``ARCH,TAG``; raises UsageError if architecture or tag is unknown."""
    open_clip = import_open_clip()
    name, _, weights = text.partition(",")
    name = name.replace("/", "-")
    known = open_clip.list_models()
    if name not in known:
        close, separator, _ = nearest(name[:80], known).partition(" Known:")  # over a hundred architectures are known
        why = close if separator else "no architecture has a similar name; open_clip.list_models() lists them"
        raise UsageError(f"open_clip has no architecture {name[:80]!r}", why=why, fix="--model open_clip:ARCH,FILE or open_clip:ARCH,TAG")
    config = open_clip.get_model_config(name)
    tags = open_clip.list_pretrained_tags_by_model(name)
    path = Path(weights)
    if weights and path.is_file():
        preprocess, guess = _default_preprocessing(name, [open_clip.get_pretrained_cfg(name, tag) for tag in tags])
        return OpenClipSpec(name, config, preprocess, guess=guess), path
    if weights and (path.exists() or path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz") or "/" in weights):
        raise DataError(f"no such file: {weights}", fix=f"--model open_clip:{name},FILE")
    tag = open_clip.get_pretrained_cfg(name, weights)
    if not tag:
        what = f"open_clip has no weights {weights[:80]!r} of {name}" if weights else f"which weights of {name}?"
        why = nearest(weights[:80], tags) if tags else "the hub has no weights of it"
        raise UsageError(what, why=why, fix=f"--model open_clip:{name},FILE")
    if bool(tag.get("quick_gelu")) != bool(config.get("quick_gelu")):
        other = f"{name}-quickgelu" if tag.get("quick_gelu") else name.removesuffix("-quickgelu")
        trained = "QuickGELU" if tag.get("quick_gelu") else "GELU"
        why = f"they were trained with {trained}, and {name} has the other: every number would be wrong"
        raise UsageError(f"the weights {weights} do not belong to {name}", why=why, fix=f"--model open_clip:{other},{weights}")
    return _from_hub(name, config, weights, tag)


def from_folder(folder: Path) -> tuple[OpenClipSpec, Path]:
    """Plan and weights of a folder in open_clip's layout; raises DataError if open_clip cannot build it without downloads."""
    check_folder(folder, folder, required=CONFIGURATION)
    import_open_clip()
    content = json.loads(read_text(folder / CONFIGURATION))
    config, preprocess = content.get("model_cfg"), content.get("preprocess_cfg", {})
    if wrong := _configuration_fault(config, preprocess):
        what = f"{CONFIGURATION} describes no model that is built here"
        raise DataError(what, where=str(folder), why=wrong, fix="--model open_clip:ARCH,FILE")
    path = next((folder / name for name in WEIGHT_NAMES if (folder / name).is_file()), None)
    if path is None:
        why = f"none of {', '.join(WEIGHT_NAMES)}; found {', '.join(sorted(entry.name for entry in folder.iterdir())[:20])}"
        what = "the folder has a configuration but no weights"
        raise DataError(what, where=str(folder), why=why, fix="download the folder again")
    own = folder if config["text_cfg"].get("hf_tokenizer_name") else None
    return OpenClipSpec(folder.name, config, _image_settings(preprocess), tokenizer=own, trusted=False), path


def _image_settings(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stated[name] for name in IMAGE_SETTINGS if name in stated}


def fetch_parts(plan: OpenClipSpec) -> OpenClipSpec:
    """Download what the configuration names on the hub: a tokenizer, the configuration of a text tower. Data only."""
    text, tokenizer, notes = dict(plan.config["text_cfg"]), plan.tokenizer, list(plan.notes)
    if (name := text.get("hf_tokenizer_name")) and tokenizer is None:
        tokenizer = _fetch(name, f"hf download {name} --local-dir DIR on a connected machine; then here: --model-args tokenizer=DIR")
        notes.append(Note("hub_tokenizer", {"name": name, "commit": tokenizer.name}))
        check_folder(tokenizer, tokenizer.parents[1], required=None)
    if name := text.get("hf_model_name"):
        tower = _fetch(name, "run the same command once where the hub can be reached; what it fetches is kept")
        notes.append(Note("hub_text_tower", {"name": name, "commit": tower.name}))
        check_folder(tower, tower.parents[1])
        text |= {"hf_model_name": str(tower), "hf_model_pretrained": False}
    return dataclasses.replace(plan, config={**plan.config, "text_cfg": text}, tokenizer=tokenizer, notes=tuple(notes))


def _fetch(name: str, fix: str) -> Path:
    try:
        return hub.fetch(name, None, TOKENIZER_FILES, weights=False)
    except MachineError as error:
        error.fix = fix
        raise


def _default_preprocessing(name: str, tags: list[Mapping[str, Any]]) -> tuple[dict[str, Any], Note]:
    """The image preprocessing that all of open_clip's own weights of an architecture share, if they do, and a note about it."""
    settings = list(map(_image_settings, tags))
    if settings and all(one == settings[0] for one in settings):
        return settings[0], Note("guessed_images_as_published", {"architecture": name, "count": len(settings)})
    return {}, Note("guessed_images_published_differ" if settings else "guessed_images_unpublished", {"architecture": name})


def _from_hub(name: str, config: Mapping[str, Any], tag: str, entry: Mapping[str, Any]) -> tuple[OpenClipSpec, Path]:
    repository, _, file = str(entry["hf_hub"]).rpartition("/")
    wanted = f"{Path(file).stem}.safetensors" if file else WEIGHT_NAMES[0]
    try:
        folder = hub.fetch(repository, None, (wanted,))
    except (MachineError, DataError) as error:
        error.fix = f"download {repository} on a connected machine, then here: --model open_clip:{name},FILE"
        raise
    if not (folder / wanted).is_file():
        fix = f"download its weights where you trust them, then --model open_clip:{name},FILE"
        raise DataError(f"the hub's {repository} has no {wanted}", why="pickled weights are not downloaded", fix=fix)
    notes = (Note("hub_weights", {"repository": repository, "tag": tag}),)
    return OpenClipSpec(name, config, _image_settings(entry), revision=folder.name, notes=notes), folder / wanted


def _configuration_fault(config: Any, preprocess: Any) -> str | None:
    """What is wrong with an untrusted configuration, or None."""
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    if not isinstance(config, dict) or not isinstance(preprocess, dict):
        return "it has no model_cfg"
    vision, text = config.get("vision_cfg"), config.get("text_cfg")
    if not isinstance(vision, dict) or not isinstance(text, dict) or type(config.get("embed_dim")) is not int:
        return "model_cfg lacks vision_cfg, text_cfg or embed_dim"
    for part, cls in ((vision, CLIPVisionCfg), (text, CLIPTextCfg)):
        if unknown := sorted(set(part) - {field.name for field in dataclasses.fields(cls)}):
            return f"unknown settings {', '.join(unknown[:5])}"
    if text.get("hf_model_name"):
        return "its text tower is one of transformers', whose configuration is not in the folder"
    if unknown := sorted(set(text.get("tokenizer_kwargs") or {}) - TOKENIZER_SETTINGS):
        return f"unknown settings of the tokenizer {', '.join(unknown[:5])}"
    return _image_fault(vision, preprocess)


def _image_fault(vision: Mapping[str, Any], preprocess: Mapping[str, Any]) -> str | None:
    if (name := vision.get("timm_model_name")) is not None:
        import timm

        if not isinstance(name, str) or not timm.is_model(name):  # never "hf-hub:...", which would be downloaded
            return f"timm has no built-in model {str(name)[:80]!r}"
    if wrong := [part for part in ("mean", "std") if not is_three_numbers(preprocess.get(part, [1.0, 1.0, 1.0]))]:
        return f"preprocess_cfg's {wrong[0]} is not three numbers"
    words = {"interpolation": ("bicubic", "bilinear"), "resize_mode": ("shortest", "longest", "squash")}
    wrong = [part for part, known in words.items() if preprocess.get(part, known[0]) not in known]
    return f"preprocess_cfg's {wrong[0]} is unknown" if wrong else None
