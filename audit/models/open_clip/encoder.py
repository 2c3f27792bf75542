"""``open_clip:ARCH,FILE|TAG``: any architecture of open_clip, with weights read by our reader, and open_clip's own tokenizer and transform.

open_clip builds the model and computes; it opens no file that a person or a hub names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import DataError, UsageError
from audit.models import single_file
from audit.models.folder import check_folder, file_sha256
from audit.models.huggingface.pretrained import call_transformers, offline, quiet, tokenizer_sha256
from audit.models.model_args import override_notes, read_overrides
from audit.models.open_clip.build import build_architecture, fill_weights
from audit.models.open_clip.spec import IMAGE_SETTINGS, OpenClipSpec, fetch_parts, from_folder, from_name, import_open_clip
from audit.models.runtime import canonical, located, log_notes, model_fingerprint, to_rows, torch_setting
from audit.types import ModelRecord, Note

if TYPE_CHECKING:
    import numpy as np
    import torch
    from jaxtyping import Float
    from PIL import Image

    from contrastive.formats.contents import Contents
    from contrastive.overrides import ModelOverrides

OVERRIDABLE = (*IMAGE_SETTINGS, "tokenizer", "weights")
"""What a person may state; the rest is part of the architecture's name."""


class OpenClipEncoder:
    """A dual encoder that open_clip built."""

    def __init__(self, model: Any, transform: Any, tokenizer: Any, record: ModelRecord, setting: tuple[torch.device, torch.dtype]):
        self.record = record
        self._model, self._transform, self._tokenizer = model, transform, tokenizer
        self._device, self._dtype = setting

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """Return one row for each RGB image."""
        import torch

        with torch.inference_mode():
            pixels = torch.stack([self._transform(image) for image in images]).to(self._device, self._dtype)
            return to_rows(self._model.encode_image(pixels))

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Return one row for each text; a text that is too long raises DataError."""
        import torch

        for text in texts:
            length, context = _length(self._tokenizer, text), self._tokenizer.context_length
            if length > context:
                raise DataError(
                    f"a prompt is too long for {self.record.name}: {text!r}",
                    why=f"it has {length} tokens and the model reads {context}; cutting it would ask another question",
                    fix="shorten the prompt, or leave this model out",
                )
        with torch.inference_mode():
            return to_rows(self._model.encode_text(self._tokenizer(list(texts)).to(self._device)))


def load(text: str, *, name: str, device: str, dtype: str, model_args: Mapping[str, str] | None = None) -> OpenClipEncoder:
    """Load ``ARCH,FILE`` or ``ARCH,TAG``.

    `model_args` may set what an architecture does not say: image mean and std, interpolation, resize mode, a tokenizer's folder.
    """
    overrides = _allowed_overrides(model_args)
    plan, path = from_name(text)
    return _encoder(plan, path, overrides, {"name": name, "device": device, "dtype": dtype})


def load_folder(
    folder: Path, *, name: str, device: str, dtype: str, model_args: Mapping[str, str] | None = None, inside: Path | None = None
) -> OpenClipEncoder:
    """Load a folder with ``open_clip_config.json`` and weights; nothing in it is run. `inside` is where links may lead."""
    overrides = _allowed_overrides(model_args)
    plan, path = from_folder(folder, inside or folder)
    return _encoder(plan, path, overrides, {"name": name, "device": device, "dtype": dtype})


def _allowed_overrides(model_args: Mapping[str, str] | None) -> ModelOverrides:
    overrides = read_overrides(model_args or {})
    if refused := [fact for fact in overrides.given() if fact not in OVERRIDABLE]:
        raise UsageError(
            f"--model-args {', '.join(refused)} cannot be set for a model of open_clip",
            why="its architecture decides it",
            fix="leave it out, or name another architecture: --model open_clip:ARCH,FILE",
        )
    return overrides


class _Parts(NamedTuple):
    plan: OpenClipSpec
    model: Any
    preprocess: Mapping[str, Any]
    tokenizer: Any
    contents: Contents


def _encoder(plan: OpenClipSpec, path: Path, overrides: ModelOverrides, setting: single_file.EncoderSettings) -> OpenClipEncoder:
    """Build the architecture of a plan and fill it from a file."""
    from contrastive.formats.unwrap import unwrap

    contents = single_file.read(path)
    with located(str(path)):
        weights = unwrap(contents.data, overrides.weights)
    _check_activation(plan, weights.from_openai, path)
    place, kind = torch_setting(setting["device"], setting["dtype"])
    plan = fetch_parts(replace(plan, tokenizer=_tokenizer_folder(overrides, plan.tokenizer)))
    with located(str(path)), offline(), quiet():
        tokenizer = call_transformers(path, lambda _: _tokenizer(plan))
        _check_vocabulary(plan, tokenizer, path)
        model = call_transformers(path, lambda _: build_architecture(plan, weights.tensors))
        fill_weights(model, weights.tensors)
        model = model.to(place, kind).eval()
        preprocess = _preprocess(plan, model, overrides)
        parts = _Parts(plan, model, preprocess, tokenizer, contents)
        of_file: tuple[Note | str, ...] = (*plan.notes, *weights.notes, *single_file.foreign_class_notes(contents))
        notes = (*override_notes(overrides), *_guess_notes(parts, overrides), *of_file)
        record = replace(_record(parts, setting), notes=notes)
        encoder = OpenClipEncoder(model, _transform(preprocess), tokenizer, record, (place, kind))
        call_transformers(path, lambda _: _check_output(encoder))
    log_notes(record)
    return encoder


def _check_activation(plan: OpenClipSpec, from_openai: bool, path: Path) -> None:
    if from_openai and not plan.config.get("quick_gelu"):
        fix = f"--model open_clip:{plan.name}-quickgelu,{path}"
        why = "OpenAI's models have QuickGELU (the file has OpenAI's size buffers); every number would be wrong"
        raise DataError(f"the weights do not belong to {plan.name}, which has GELU", where=str(path), why=why, fix=fix)


def _tokenizer_folder(overrides: ModelOverrides, found: Path | None) -> Path | None:
    if overrides.tokenizer is None:
        return found
    folder = Path(overrides.tokenizer)
    if not folder.is_dir():
        raise DataError("tokenizer folder not found", where=overrides.tokenizer, fix="--model-args tokenizer=DIR")
    check_folder(folder, folder, required=None)
    return folder


def _tokenizer(plan: OpenClipSpec) -> Any:
    open_clip = import_open_clip()
    text = plan.config["text_cfg"]
    context = text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)
    options = dict(text.get("tokenizer_kwargs") or {})
    if plan.tokenizer is None:
        return open_clip.SimpleTokenizer(context_length=context, **options)
    mode = text.get("tokenizer_mode")
    return open_clip.tokenizer.HFTokenizer(
        str(plan.tokenizer), context_length=context, tokenizer_mode=mode, local_files_only=True, **options
    )


def _check_vocabulary(plan: OpenClipSpec, tokenizer: Any, path: Path) -> None:
    """Refuse CLIP's own vocabulary beside a smaller table of tokens: its ids are those of other words, or of none."""
    rows = plan.config["text_cfg"].get("vocab_size")
    if plan.tokenizer is None and isinstance(rows, int) and rows < tokenizer.vocab_size:
        raise DataError(
            "the model has another vocabulary than open_clip's tokenizer",
            where=str(path),
            why=f"it has {rows:,} entries, the tokenizer {tokenizer.vocab_size:,}",
            fix="audit the checkpoint that was exported, or its export --to huggingface, which brings the tokenizer",
        )


def _preprocess(plan: OpenClipSpec, model: Any, overrides: ModelOverrides) -> dict[str, Any]:
    from open_clip.transform import PreprocessCfg

    given = {name: value for name, value in overrides.given().items() if name in IMAGE_SETTINGS}
    if given.get("interpolation", "bicubic") not in ("bicubic", "bilinear"):
        raise UsageError(
            "open_clip resizes bicubic or bilinear", where="--model-args interpolation", fix="--model-args interpolation=bicubic"
        )
    usual = vars(PreprocessCfg())
    size = model.visual.image_size
    return {**usual, **plan.preprocess, **given, "size": tuple(size) if isinstance(size, tuple | list) else (size, size)}


def _transform(preprocess: Mapping[str, Any]) -> Any:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    return image_transform_v2(PreprocessCfg(**preprocess), is_train=False)


def _length(tokenizer: Any, text: str) -> int:
    """Return how many tokens a text has, uncut, with those that begin and end it."""
    if not hasattr(tokenizer, "tokenizer"):
        return len(tokenizer.encode(text)) + 2
    words = tokenizer.clean_fn(text)
    if tokenizer.tokenizer_mode == "clips":  # start, end and class token are added by open_clip
        return len(tokenizer.tokenizer(words, add_special_tokens=False)["input_ids"]) + 3
    return len(tokenizer.tokenizer(words, verbose=False)["input_ids"])


def _guess_notes(parts: _Parts, overrides: ModelOverrides) -> list[Note]:
    """Say how images are prepared, as far as neither the weights' source nor a person says it."""
    left = [name for name in IMAGE_SETTINGS if getattr(overrides, name) is None]
    if parts.plan.guess is None or not left:
        return []
    settings = tuple(f"{name} {parts.preprocess[name]}" for name in left)
    return [replace(parts.plan.guess, values={**parts.plan.guess.values, "settings": settings})]


def _check_output(encoder: OpenClipEncoder) -> None:
    """Embed one plain image and one text: whatever fails does so now."""
    from PIL import Image

    rows = [encoder.encode_images([Image.new("RGB", (64, 64), (90, 120, 150))]), encoder.encode_texts(["a drawing"])]
    if any(row.shape != (1, encoder.record.dimensions) for row in rows):
        raise DataError(
            f"{encoder.record.name} has no common space",
            why=f"features are {rows[0].shape} and {rows[1].shape}",
            fix="name another architecture",
        )


def _record(parts: _Parts, setting: single_file.EncoderSettings) -> ModelRecord:
    plan, model, contents = parts.plan, parts.model, parts.contents
    release = ".".join(import_open_clip().__version__.split(".")[:2])
    words = _tokenizer_sha256(parts.tokenizer, plan)
    activation = "quick_gelu" if plan.config.get("quick_gelu") else "gelu"
    side = parts.preprocess["size"][0]
    return ModelRecord(
        name=setting["name"],
        kind=f"open_clip {type(model).__name__}, {contents.kind}",
        fingerprint=model_fingerprint(
            weights=contents.sha256,
            architecture={"library": f"open_clip {release}", "class": type(model).__name__, "config": _without_paths(plan.config)},
            preprocessing={"library": "open_clip", **parts.preprocess},
            tokenizer=words,
            dtype=setting["dtype"],
            device=next(model.parameters()).device,
        ),
        sha256=contents.sha256,
        parameters=sum(weight.numel() for weight in model.parameters()),
        dimensions=plan.config["embed_dim"],
        dtype=setting["dtype"],
        score_rule="softmax" if model.logit_bias is None else "sigmoid",
        logit_scale=float(model.logit_scale.detach().float().exp()),
        logit_bias=None if model.logit_bias is None else float(model.logit_bias.detach().float()),
        architecture=f"{plan.name} of open_clip {release} ({side} px; {plan.config['embed_dim']} dimensions; {activation})",
        preprocessing=", ".join(f"{name} {parts.preprocess[name]}" for name in ("size", *IMAGE_SETTINGS)),
        tokenizer=f"{type(parts.tokenizer).__name__}, context {parts.tokenizer.context_length}, sha256 {words[:12]}",
        revision=plan.revision,
    )


def _without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the place of a fetched part: the same part elsewhere is the same part."""
    text = {name: value for name, value in config["text_cfg"].items() if name not in ("hf_model_name", "hf_tokenizer_name")}
    return {**config, "text_cfg": text}


def _tokenizer_sha256(tokenizer: Any, plan: OpenClipSpec) -> str:
    settings = plan.config["text_cfg"].get("tokenizer_kwargs")
    if plan.tokenizer is not None:
        content = tokenizer_sha256(tokenizer.tokenizer, plan.tokenizer)
    else:
        content = file_sha256([Path(import_open_clip().tokenizer.default_bpe())])
    return hashlib.sha256(canonical([type(tokenizer).__name__, content, tokenizer.context_length, settings])).hexdigest()
