"""Dual encoders in Hugging Face layout: a folder with configuration, weights, tokenizer and image processor.

The architecture must be built into transformers; texts and images are processed as in its zero-shot pipeline. Differences between
families are in `text_inputs` and `_scoring`; every model is compared with its own scores when it is loaded, and a family that
no test covers gets a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from audit.errors import DataError
from audit.models.attack import PixelScale, attacked_rows
from audit.models.huggingface.clip import ClipOutput
from audit.models.huggingface.opened import OpenedFolder, image_settings, open_folder
from audit.models.huggingface.pixels import ClipPixels, image_processor, resize_library
from audit.models.huggingface.pretrained import build_model, call_transformers, configuration
from audit.models.huggingface.sealed import sealed
from audit.models.huggingface.tokenizer import load_tokenizer
from audit.models.quick_gelu import QuickGELUFold
from audit.models.runtime import log_notes, projected, require_length, scoring, to_rows, untrained_record
from audit.models.tower import ImageTower, OnTower, Pixels
from audit.types import ModelRecord, Note

if TYPE_CHECKING:
    from jaxtyping import Float

# BLIP's retrieval head as two towers: `BlipForImageTextRetrieval` compares a projected image with a projected text, but has no methods
# for the two separately. Its other head, which reads an image and a text together, gives no embeddings and is not used.


class BlipForImageTextRetrieval:
    """Wraps transformers' class of that name with the methods that an encoder needs."""

    notes = (Note("blip_contrastive_head"), Note("guessed_no_temperature"))
    """For the model's record."""

    def __init__(self, model: Any):
        self.model, self.config, self.parameters = model, model.config, model.parameters
        self.dtype, self.device = model.dtype, model.device
        self.logit_scale = torch.zeros(())
        """Applied to the cosine itself: a factor of 1."""

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        """Feature of the class token, projected but not normalised: float[n, d]."""
        return self.model.vision_proj(self.model.vision_model(pixel_values=pixel_values).last_hidden_state[:, 0])  # type: ignore[no-any-return]

    def get_text_features(self, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> Tensor:
        """Feature of the first token, projected but not normalised: float[k, d]; BLIP reads no token types."""
        hidden_kld = self.model.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.model.text_proj(hidden_kld[:, 0])  # type: ignore[no-any-return]

    def __call__(self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> ClipOutput:
        scores = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask, use_itm_head=False)
        return ClipOutput(scores.itm_score)


TESTED_FAMILIES = ("clip", "siglip", "siglip2", "metaclip_2", "align", "altclip", "chinese_clip", "blip")
"""Families whose scores the tests compare with those of transformers. Other families get a warning."""
OFFSET_POSITIONS = ("altclip",)
"""Families whose text positions start after the padding's id, like RoBERTa's."""
RETRIEVAL = "BlipForImageTextRetrieval"
PLUGIN_FIX = "leave this model out, or write a plug-in of two methods: --model FILE.py:CLASS"
_SCORE_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.01}
"""Tolerance for a cosine."""


class HuggingFaceEncoder:
    """A dual encoder that is built into transformers."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, record: ModelRecord, device: torch.device):
        self.record = record
        self.tokenizer = tokenizer
        self._model, self._processor, self._device = model, processor, device
        self._sigmoid = record.score_rule == "sigmoid"
        self._fold = QuickGELUFold(model, (device, model.dtype), self)
        self.context = _context(model.config, tokenizer)
        """Maximum number of tokens."""

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        return self._features("image", self._model.get_image_features, self.image_inputs(images))

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Raises DataError for a text that is too long."""
        return self._features("text", self._model.get_text_features, self.text_inputs(texts))

    def attacked(
        self, images: Sequence[Image.Image], texts: Float[np.ndarray, "k d"], right: Sequence[int], budget: float, steps: int
    ) -> Float[np.ndarray, "n d"] | None:
        """The embeddings after pixels moved against the right text by at most `budget` / 255 (`audit.models.attack`).

        None if the model's input is not normalised whole pixels of three channels, but for example patches of many sizes.
        """
        inputs, scale = self.image_inputs(images), PixelScale.of(self._processor.to_dict())
        pixels = scale.pixels(inputs["pixel_values"].to(self._device)) if set(inputs) == {"pixel_values"} else None
        if pixels is None:
            return None

        def encode(pixels_nchw: torch.Tensor) -> torch.Tensor:
            return projected(self._model.get_image_features(pixel_values=scale.inputs(pixels_nchw).to(self._model.dtype)))

        return attacked_rows(encode, pixels, texts, right, budget, steps)

    def untrained(self, seed: int) -> HuggingFaceEncoder | None:
        """The same architecture with weights initialised by transformers; None if it cannot build such a model."""
        import transformers

        with sealed(), torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            try:
                model: Any = transformers.AutoModel.from_config(self._model.config)
            except ValueError:  # a configuration without its own class
                return None
        if not hasattr(model, "get_image_features") or not hasattr(model, "get_text_features"):
            return None
        model = model.to(self._device, next(iter(self._model.parameters())).dtype).eval()
        return encoder_of(model, self.tokenizer, self._processor, untrained_record(self.record, seed, _scoring(model)), self._device)

    def image_inputs(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        return dict(self._processor(images=list(images), return_tensors="pt"))

    def text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        require_length(self.record, list(map(repr, texts)), self.count_tokens(texts), self.context)
        if not self._sigmoid:
            return dict(self.tokenizer(list(texts), padding=True, return_tensors="pt"))
        # SigLIP was trained on texts padded to the full context, attends to the padding, and uses the feature at the last position.
        padded = self.tokenizer(list(texts), padding="max_length", max_length=self.context, return_tensors="pt")
        return {"input_ids": padded["input_ids"]}

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text before truncation, including those at its start and end."""
        return [len(ids) for ids in self.tokenizer(list(texts), verbose=False)["input_ids"]]

    def logits(self, images: Sequence[Image.Image], texts: Sequence[str]) -> Float[np.ndarray, "n k"]:
        """Scores from the model's own forward pass."""
        output = self._run(self._model, {**self.image_inputs(images), **self.text_inputs(texts)})
        if (logits := getattr(output, "logits_per_image", None)) is None:
            what = f"a model of type {self._model.config.model_type!r} gives no score of an image with a text"
            why = "an audit of its embeddings could not be compared with the model's own use of them"
            raise DataError(what, why=why, fix=PLUGIN_FIX)
        return to_rows(logits)

    def _features(self, tower: str, function: Any, inputs: Mapping[str, torch.Tensor]) -> Float[np.ndarray, "n d"]:
        def encode(rows: slice) -> torch.Tensor:
            return projected(self._run(function, {name: value[rows] for name, value in inputs.items()}))

        return to_rows(self._fold.run(tower, encode, len(next(iter(inputs.values())))))

    def _run(self, function: Any, inputs: Mapping[str, torch.Tensor]) -> Any:
        dtype = self._model.dtype
        placed = {name: value.to(self._device, dtype if value.is_floating_point() else None) for name, value in inputs.items()}
        with torch.inference_mode():
            return function(**placed)


class TowerEncoder(OnTower, HuggingFaceEncoder):
    """An encoder whose image processor is implemented step by step (`Pixels`) instead of only called."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, record: ModelRecord, device: torch.device):
        HuggingFaceEncoder.__init__(self, model, tokenizer, processor, record, device)
        OnTower.__init__(self, ImageTower(model, "get_image_features", processor, (device, model.dtype), self._fold))


def encoder_of(model: Any, tokenizer: Any, processor: Pixels | Any, record: ModelRecord, device: torch.device) -> HuggingFaceEncoder:
    """Transformers' own image processors need whole batches, ours prepare one image at a time."""
    kind = TowerEncoder if hasattr(processor, "normalise") else HuggingFaceEncoder
    return kind(model, tokenizer, processor, record, device)


def is_dual_encoder(config: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` names a class of transformers with image and text features. `load` checks whether its folder is valid."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    of_type, named = MODEL_MAPPING_NAMES.get(str(config.get("model_type")), ()), config.get("architectures")
    known = {of_type} if isinstance(of_type, str) else {*of_type}
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    return RETRIEVAL in names or any(hasattr(getattr(transformers, name), "get_text_features") for name in names if name in known)


def load(folder: Path, **options: Any) -> HuggingFaceEncoder:
    """Load a model folder (`options`: those of `open_folder`). Nothing in it is run, no socket is opened."""
    opened = open_folder(folder, **options)
    with sealed():
        config, tokenizer, processor = configuration(folder), load_tokenizer(folder), image_processor(folder)
        model = _model(opened, config, tokenizer)
        encoder = encoder_of(model, tokenizer, processor, record_of(opened, model, tokenizer, processor), opened.device)
        encoder.record = replace(encoder.record, dimensions=_dimensions(folder, model, encoder, processor))
    log_notes(encoder.record)
    return encoder


def _model(opened: OpenedFolder, config: Any, tokenizer: Any) -> Any:
    """The model: computed by our code if it is a plain CLIP, else by transformers."""
    from audit.models.huggingface import clip

    folder, weights, device, dtype, _ = opened
    if clip.is_plain_clip(config, tokenizer):
        return clip.build_clip(folder, config, weights, (device, dtype))
    retrieval = RETRIEVAL in (config.architectures or ())
    cls = call_transformers(folder, lambda transformers: getattr(transformers, RETRIEVAL)) if retrieval else None
    built = build_model(folder, config, weights, dtype, cls)
    model = call_transformers(folder, lambda _: built.to(device).eval())
    if retrieval:
        return BlipForImageTextRetrieval(model)
    return model


def _scoring(model: Any) -> dict[str, Any]:
    """The rule, the scale and the bias with which a family turns cosines into probabilities."""
    if "siglip" in model.config.model_type:
        return scoring(model)
    if hasattr(model, "logit_scale"):
        scale = float(model.logit_scale.detach().float().exp())
    elif hasattr(model, "temperature"):
        scale = float(1 / model.temperature.detach().float())
    else:
        what = f"a model of type {model.config.model_type!r} has no logit scale"
        raise DataError(what, why="its scores cannot be turned into probabilities", fix=PLUGIN_FIX)
    return {"score_rule": "softmax", "logit_scale": scale, "logit_bias": None}


def record_of(opened: OpenedFolder, model: Any, tokenizer: Any, processor: Any) -> ModelRecord:
    """The record, with dimensions still to be measured."""
    pixels, scores = image_settings(processor), _scoring(model)
    notes = [*opened.weights.notes, *getattr(model, "notes", ())]
    if (family := model.config.model_type) not in TESTED_FAMILIES:
        notes.append(Note("guessed_family", {"family": family}))
    if scores["score_rule"] == "sigmoid" and "attention_mask" in tokenizer.model_input_names:
        notes.append(Note("unused_attention_mask"))
    prepared, kind = {**pixels, "library": resize_library(processor)}, f"Hugging Face {type(model).__name__}"
    context = _context(model.config, tokenizer)
    return opened.record(model, tokenizer, pixels, prepared, context, kind=kind, notes=tuple(notes), **scores)


def _context(config: Any, tokenizer: Any) -> int:
    text = getattr(config, "text_config", config)
    positions = getattr(text, "max_position_embeddings", None)
    if isinstance(positions, int) and config.model_type in OFFSET_POSITIONS:
        positions -= text.pad_token_id + 1
    limits = (positions, tokenizer.model_max_length)
    return min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**6), default=512)


def _dimensions(folder: Path, model: Any, encoder: HuggingFaceEncoder, processor: Any) -> int:
    """The number of dimensions of a feature, after checking that the parts fit together."""
    from audit.models.huggingface import clip

    if isinstance(model, clip.CLIPModel) and isinstance(processor, ClipPixels):
        call_transformers(folder, lambda _: clip.check_parts(folder, model.config, encoder.tokenizer, processor.size))
        return int(model.config.projection_dim)
    return int(call_transformers(folder, lambda _: check_scores(encoder, model.config.model_type)))


def check_scores(encoder: HuggingFaceEncoder, family: str) -> int:
    """Embed a plain image and two texts; returns the dimensions. Raises DataError unless embeddings reproduce the model's own scores."""
    record = encoder.record
    images, texts = [Image.new("RGB", (64, 64), (90, 120, 150))], ["a photo of a person", "a drawing"]
    image_rows, text_rows = encoder.encode_images(images), encoder.encode_texts(texts)
    own = encoder.logits(images, texts)
    if image_rows.ndim != 2 or image_rows.shape[1:] != text_rows.shape[1:]:
        why = f"image features are {image_rows.shape}, text features {text_rows.shape}"
        raise DataError(f"{record.name} has no common space", why=why, fix=PLUGIN_FIX)
    unit_images, unit_texts = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image_rows, text_rows))
    logits = record.logit_scale * unit_images @ unit_texts.T + (record.logit_bias or 0.0)
    if not np.allclose(logits, own, atol=_SCORE_TOLERANCE[record.dtype] * record.logit_scale):
        why = "its own logits differ from scale x cosine + bias, so an audit of its embeddings would not be an audit of the model"
        raise DataError(f"the scores of a {family!r} model are not those of its embeddings", why=why, fix=PLUGIN_FIX)
    return int(image_rows.shape[1])
