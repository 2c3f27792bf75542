"""Dual encoders of the Hugging Face kind: a folder with configuration, weights, tokenizer and image processor.

The architecture is one that transformers has built in; tokenizing and image processing are what its zero-shot pipeline does. What a family
does differently stands in `text_inputs` and `_score_rule`; every model is compared with its own scores when it is loaded, and a family that
no test covers gets a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from audit.errors import DataError
from audit.models.folder import Weights, check_folder, read_weights
from audit.models.huggingface.pixels import ClipPixels, image_processor, resize_library
from audit.models.huggingface.pretrained import (
    build_model,
    call_transformers,
    configuration,
    offline,
    pretrained,
    quiet,
    require_files,
    tokenizer_sha256,
)
from audit.models.huggingface.self_check import PLUGIN_FIX, check_scores
from audit.models.runtime import canonical, log_notes, model_fingerprint, to_rows, torch_setting, untrained_record
from audit.types import ModelRecord, Note

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float
    from PIL import Image

TESTED_FAMILIES = ("clip", "siglip", "siglip2", "metaclip_2", "align", "altclip", "chinese_clip", "blip")
"""Families whose scores the tests compare with transformers' own use of them. Another family gets a warning."""
OFFSET_POSITIONS = ("altclip",)
"""Families whose text positions begin behind the padding's id, as RoBERTa's do."""
RETRIEVAL = "BlipForImageTextRetrieval"


class HuggingFaceEncoder:
    """A dual encoder that transformers has built in."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, record: ModelRecord, device: torch.device):
        self.record = record
        self.tokenizer = tokenizer
        self._model, self._processor, self._device = model, processor, device
        self._sigmoid = record.score_rule == "sigmoid"
        self._context = _context(model.config, tokenizer)

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """Return one row for each RGB image."""
        return to_rows(_features(self._run(self._model.get_image_features, self.image_inputs(images))))

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Return one row for each text; a text that is too long raises DataError."""
        return to_rows(_features(self._run(self._model.get_text_features, self.text_inputs(texts))))

    def untrained(self, seed: int) -> HuggingFaceEncoder | None:
        """Return the same architecture, processor and tokenizer with weights that transformers drew; None where it builds no such model."""
        import torch
        import transformers

        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            try:
                model: Any = transformers.AutoModel.from_config(self._model.config)
            except ValueError:  # a configuration that belongs to no class of its own
                return None
        if not hasattr(model, "get_image_features") or not hasattr(model, "get_text_features"):
            return None
        model = model.to(self._device, next(iter(self._model.parameters())).dtype).eval()
        record = untrained_record(self.record, seed, *_score_rule(model)[1:])
        return HuggingFaceEncoder(model, self.tokenizer, self._processor, record, self._device)

    def image_inputs(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """Return what the model takes for these images."""
        return dict(self._processor(images=list(images), return_tensors="pt"))

    def text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return what the model takes for these texts."""
        longest = max(map(len, self.tokenizer(list(texts), verbose=False)["input_ids"]))
        if longest > self._context:
            counts = [len(ids) for ids in self.tokenizer(list(texts), verbose=False)["input_ids"]]
            raise DataError(
                f"a prompt is too long for {self.record.name}: {texts[counts.index(longest)]!r}",
                why=f"it has {longest} tokens and the model reads {self._context}; cutting it would ask another question",
                fix="shorten the prompt, or leave this model out",
            )
        if not self._sigmoid:
            return dict(self.tokenizer(list(texts), padding=True, return_tensors="pt"))
        # SigLIP was trained on texts padded to the full context, padding visible, and reads the feature at the last position.
        padded = self.tokenizer(list(texts), padding="max_length", max_length=self._context, return_tensors="pt")
        return {"input_ids": padded["input_ids"]}

    def logits(self, images: Sequence[Image.Image], texts: Sequence[str]) -> Float[np.ndarray, "n k"]:
        """Return the logits of the model's own forward pass."""
        output = self._run(self._model, {**self.image_inputs(images), **self.text_inputs(texts)})
        if (logits := getattr(output, "logits_per_image", None)) is None:
            raise DataError(
                f"a model of type {self._model.config.model_type!r} gives no score of an image with a text",
                why="an audit of its embeddings could not be compared with the model's own use of them",
                fix=PLUGIN_FIX,
            )
        return to_rows(logits)

    def _run(self, function: Any, inputs: Mapping[str, torch.Tensor]) -> Any:
        import torch

        dtype = self._model.dtype
        placed = {name: value.to(self._device, dtype if value.is_floating_point() else None) for name, value in inputs.items()}
        with torch.inference_mode():
            return function(**placed)


def load(
    folder: Path, *, name: str, device: str, dtype: str, revision: str | None = None, inside: Path | None = None
) -> HuggingFaceEncoder:
    """Load a model folder; `inside` is where links may lead (None: the folder itself), `revision` the hub's commit that it is a copy of.

    Nothing in it is run, no socket is opened.
    """
    check_folder(folder, inside or folder)
    weights = read_weights(folder)
    require_files(folder)
    place, kind = torch_setting(device, dtype)
    with offline(), quiet():
        config, tokenizer, processor = configuration(folder), pretrained("AutoTokenizer", folder), image_processor(folder)
        model = _model(folder, config, tokenizer, weights, (place, kind))
        record = _record(_Parts(folder, model, tokenizer, processor, weights), name, dtype, revision)
        encoder = HuggingFaceEncoder(model, tokenizer, processor, record, place)
        encoder.record = replace(record, dimensions=_dimensions(folder, model, encoder, processor))
    log_notes(encoder.record)
    return encoder


def _model(folder: Path, config: Any, tokenizer: Any, weights: Weights, setting: tuple[torch.device, torch.dtype]) -> Any:
    """Return the model: computed here where it is a plain CLIP, else transformers' own."""
    from audit.models.huggingface import clip

    if clip.is_plain_clip(config, tokenizer):
        return clip.build_clip(folder, config, weights, setting)
    place, kind = setting
    if RETRIEVAL in (config.architectures or ()):
        from audit.models.huggingface import blip_retrieval as retrieval

        whole = build_model(folder, config, weights, kind, call_transformers(folder, lambda transformers: getattr(transformers, RETRIEVAL)))
        return call_transformers(folder, lambda _: retrieval.BlipForImageTextRetrieval(whole).to(place).eval())
    model = build_model(folder, config, weights, kind)
    return call_transformers(folder, lambda _: model.to(place).eval())


class _Parts(NamedTuple):
    folder: Path
    model: Any
    tokenizer: Any
    processor: Any
    weights: Weights


def _score_rule(model: Any) -> tuple[Literal["softmax", "sigmoid"], float, float | None]:
    """Return the rule, the scale and the bias by which a family turns cosines into probabilities."""
    if hasattr(model, "logit_scale"):
        scale = float(model.logit_scale.detach().float().exp())
    elif hasattr(model, "temperature"):
        scale = float(1 / model.temperature.detach().float())
    else:
        raise DataError(
            f"a model of type {model.config.model_type!r} has no logit scale",
            why="its scores cannot be turned into probabilities",
            fix=PLUGIN_FIX,
        )
    if "siglip" in model.config.model_type:
        return "sigmoid", scale, float(model.logit_bias.detach().float())
    return "softmax", scale, None


def _record(parts: _Parts, name: str, dtype: str, revision: str | None) -> ModelRecord:
    """Return the record, its dimensions still to be measured."""
    model, processor, tokenizer = parts.model, parts.processor, parts.tokenizer
    rule, scale, bias = _score_rule(model)
    words = tokenizer_sha256(tokenizer, parts.folder)
    preprocessing = {"class": type(processor).__name__, **without_origin(processor.to_dict())}
    notes = [*parts.weights.notes, *getattr(model, "notes", ())]
    if (family := model.config.model_type) not in TESTED_FAMILIES:
        notes.append(Note("guessed_family", {"family": family}))
    if rule == "sigmoid" and "attention_mask" in tokenizer.model_input_names:
        notes.append(Note("unused_attention_mask"))
    return ModelRecord(
        name=name,
        kind=f"Hugging Face {type(model).__name__}",
        fingerprint=model_fingerprint(
            weights=parts.weights.sha256,
            architecture=decisive_configuration(model),
            preprocessing=preprocessing | {"library": resize_library(processor)},
            tokenizer=words,
            dtype=dtype,
            device=model.device,
        ),
        sha256=parts.weights.sha256,
        parameters=sum(weight.numel() for weight in model.parameters()),
        dimensions=0,
        dtype=dtype,
        score_rule=rule,
        logit_scale=scale,
        logit_bias=bias,
        architecture=f"image: {describe_tower(model.config, 'vision_config')}; text: {describe_tower(model.config, 'text_config')}",
        preprocessing=describe_preprocessing(preprocessing),
        tokenizer=f"{type(tokenizer).__name__}, {len(tokenizer)} entries, context {_context(model.config, tokenizer)}, sha256 {words[:12]}",
        revision=revision,
        notes=tuple(notes),
    )


def decisive_configuration(model: Any) -> dict[str, Any]:
    """Return what a model's fingerprint holds of its class and configuration."""
    return {"class": type(model).__name__, "attention": model.config._attn_implementation, **without_origin(model.config.to_dict())}


def without_origin(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return configuration values without those that only say where a model came from."""
    origin = ("_name_or_path", "name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "_commit_hash")
    return {key: without_origin(value) if isinstance(value, dict) else value for key, value in values.items() if key not in origin}


def describe_tower(config: Any, name: str) -> str:
    """Return the sizes of a part of a configuration, in words."""
    part = getattr(config, name, config)
    shown = {"hidden_size": "width", "num_hidden_layers": "layers", "image_size": "px", "patch_size": "patch", "vocab_size": "tokens"}
    return ", ".join(f"{word} {getattr(part, key)}" for key, word in shown.items() if isinstance(getattr(part, key, None), int))


def describe_preprocessing(preprocessing: Mapping[str, Any]) -> str:
    """Return the steps that are switched on, with their numbers."""
    steps = {"do_resize": ("size", "resample"), "do_center_crop": ("crop_size",), "do_normalize": ("image_mean", "image_std")}
    keys = [key for step, keys in steps.items() if preprocessing.get(step) for key in keys if preprocessing.get(key) is not None]
    return ", ".join([preprocessing["class"], *(f"{key} {canonical(preprocessing[key]).decode()}" for key in keys)])


def _context(config: Any, tokenizer: Any) -> int:
    """Return how many tokens the model reads."""
    text = getattr(config, "text_config", config)
    positions = getattr(text, "max_position_embeddings", None)
    if isinstance(positions, int) and config.model_type in OFFSET_POSITIONS:
        positions -= text.pad_token_id + 1
    limits = (positions, tokenizer.model_max_length)
    return min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**6), default=512)


def _features(output: Any) -> torch.Tensor:
    """Return the projected features: transformers 5 gives an object that holds them, earlier versions the tensor itself."""
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


def _dimensions(folder: Path, model: Any, encoder: HuggingFaceEncoder, processor: Any) -> int:
    """Return how many numbers a feature has, once it is sure that the parts fit together."""
    from audit.models.huggingface import clip

    if isinstance(model, clip.CLIPModel) and isinstance(processor, ClipPixels):
        call_transformers(folder, lambda _: clip.check_parts(folder, model.config, encoder.tokenizer, processor.side))
        return int(model.config.projection_dim)
    return int(call_transformers(folder, lambda _: check_scores(encoder, model.config.model_type)))
