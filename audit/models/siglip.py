"""SigLIP weights in a single file: converts big_vision's ``.npz``, or `SiglipModel`'s names in one file, to transformers' model.

The architecture is inferred from the shapes. The vocabulary is SentencePiece's and never in the file: it is set with ``tokenizer=DIR``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from audit.models.huggingface.encoder import HuggingFaceEncoder, encoder_of
from audit.models.huggingface.outline import build_outline
from audit.models.huggingface.pretrained import call_transformers, has_tokenizer, tokenizer_sha256
from audit.models.huggingface.sealed import sealed
from audit.models.huggingface.tokenizer import load_tokenizer
from audit.models.model_args import override_notes
from audit.models.runtime import located, model_record, scoring, torch_setting
from audit.types import ModelRecord, Note
from contrastive.model.preprocess import Preprocess
from strictio.errors import DataError
from strictio.limits import LIMIT, MAX_LAYERS
from strictio.model_folders.check import check_folder
from strictio.weights.fill import check_fit

if TYPE_CHECKING:
    from PIL import Image

    from strictio.weights.contents import Contents
    from strictio.weights.overrides import ModelOverrides

FOLDER = "give the model's folder in Hugging Face layout: --model DIR"


class SiglipFile(NamedTuple):
    """The contents of a file."""

    state: Mapping[str, torch.Tensor]
    """Under `SiglipModel`'s names."""
    heads: tuple[int, int] | None
    """Attention heads of image and text tower, if the file states them."""
    contents: Contents
    notes: tuple[Note | str, ...]


def load(path: Path, file: SiglipFile, overrides: ModelOverrides, *, name: str, device: str, dtype: str) -> HuggingFaceEncoder:
    """The encoder of a file; raises DataError if the weights do not fit together, or no tokenizer is set."""
    import transformers

    torch_device, kind = torch_setting(device, dtype)
    with sealed(), located(str(path)):
        config, guesses = _config(file, overrides)
        tokenizer = _tokenizer(overrides, config.text_config.vocab_size)
        model = _fill(transformers.SiglipModel, config, file.state, path).to(torch_device, kind).eval()
        preprocess = _preprocess(config.vision_config.image_size, overrides, guesses)
        record = _record(model, tokenizer, preprocess, file.contents, {"name": name, "dtype": dtype})
        record = replace(record, notes=(*override_notes(overrides), *guesses, *file.notes))
        return encoder_of(model, tokenizer, SiglipPixels(preprocess), record, torch_device)


class SiglipPixels:
    """Our own preprocessing with the interface of an image processor of transformers."""

    def __init__(self, preprocess: Preprocess):
        self.size, self.pixels, self.normalise = preprocess.size, preprocess.pixels, preprocess.normalise
        self._mean, self._std = preprocess.mean, preprocess.std

    def __call__(self, images: Sequence[Image.Image], return_tensors: str = "pt") -> dict[str, torch.Tensor]:
        return {"pixel_values": self.normalise(self.pixels(images))}

    def to_dict(self) -> dict[str, Any]:
        """How pixels are normalised."""
        return {"rescale_factor": 1 / 255, "image_mean": self._mean, "image_std": self._std}


def _config(file: SiglipFile, overrides: ModelOverrides) -> tuple[Any, list[Note]]:
    """The configuration inferred from the shapes, and a note for each guess."""
    from transformers import SiglipConfig

    places, width = _shape_of(file.state, "vision_model.embeddings.position_embedding.weight", 2)
    patch = _shape_of(file.state, "vision_model.embeddings.patch_embedding.weight", 4)[-1]
    context, text_width = _shape_of(file.state, "text_model.embeddings.position_embedding.weight", 2)
    vocab_size = _shape_of(file.state, "text_model.embeddings.token_embedding.weight", 2)[0]
    dimensions = _shape_of(file.state, "text_model.head.weight", 2)[0]
    grid = math.isqrt(places)
    if grid * grid != places or grid * patch > LIMIT or dimensions != width:
        why = f"{places} places of {patch} px, image features of {width} and text features of {dimensions} numbers"
        raise DataError("the weights are not a SigLIP model: a square grid and one common space are expected", why=why, fix=FOLDER)
    guesses: list[Note] = []
    image_heads, text_heads = file.heads or (
        _head_count(width, overrides.image_head_width, "image", guesses),
        _head_count(text_width, overrides.text_head_width, "text", guesses),
    )
    common = {"hidden_act": overrides.activation or "gelu_pytorch_tanh", "layer_norm_eps": overrides.layer_norm_eps or 1e-6}
    if overrides.activation is None or overrides.layer_norm_eps is None:
        guesses.append(Note("guessed_siglip_layers"))
    vision = {"hidden_size": width, "image_size": patch * grid, "patch_size": patch, "num_attention_heads": image_heads}
    text = {"hidden_size": text_width, "vocab_size": vocab_size, "max_position_embeddings": context, "num_attention_heads": text_heads}
    words: dict[str, Any] = {"projection_size": dimensions, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = SiglipConfig(
        vision_config={**vision, **common, **_depth(file.state, "vision_model")},
        text_config={**text, **common, **words, **_depth(file.state, "text_model")},
    )
    return config, guesses


def _depth(state: Mapping[str, torch.Tensor], tower: str) -> dict[str, int]:
    pattern = re.compile(re.escape(tower) + r"\.encoder\.layers\.(\d{1,4})\.")
    numbers = {int(match[1]) for name in state if (match := pattern.match(name))}
    if sorted(numbers) != list(range(len(numbers))) or not 1 <= len(numbers) <= MAX_LAYERS:
        raise DataError(f"the blocks of {tower} are not numbered from 0 without gap", why=f"found {sorted(numbers)[:20]}", fix=FOLDER)
    return {"num_hidden_layers": len(numbers), "intermediate_size": _shape_of(state, f"{tower}.encoder.layers.0.mlp.fc1.weight", 2)[0]}


def _shape_of(state: Mapping[str, torch.Tensor], name: str, rank: int) -> tuple[int, ...]:
    if name not in state or state[name].ndim != rank or not state[name].numel():
        why = f"the first names are {', '.join(repr(other[:80]) for other in list(state)[:5])}"
        raise DataError(f"the weights are not a SigLIP model: {name} is missing or not of its shape", why=why, fix=FOLDER)
    return tuple(state[name].shape)


def _head_count(width: int, override: int | None, tower: str, guesses: list[Note]) -> int:
    head_width = override or (72 if width == 1152 else 64)  # 72 in the towers of SigLIP So400m
    if width % head_width:
        why = f"its width is {width}, which {head_width} does not divide"
        fix = f"--model-args {tower}_head_width=N"
        raise DataError(f"how many attention heads the {tower} tower has is not in the file", why=why, fix=fix)
    if override is None:
        guesses.append(Note("guessed_head_width", {"tower": tower, "width": head_width}))
    return width // head_width


def _tokenizer(overrides: ModelOverrides, vocab_size: int) -> Any:
    if overrides.tokenizer in (None, "clip"):
        why = f"SigLIP's vocabulary ({vocab_size:,} entries here) is SentencePiece's and comes in files of its own"
        fix = "--model-args tokenizer=DIR, a folder with the tokenizer in Hugging Face layout"
        raise DataError("the file has no tokenizer", why=why, fix=fix)
    folder = Path(str(overrides.tokenizer))
    if not has_tokenizer(folder):
        why = "a tokenizer.json or spiece.model is expected"
        raise DataError("no tokenizer in this folder", where=str(folder), why=why, fix="--model-args tokenizer=DIR")
    check_folder(folder, folder, required=None)
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > vocab_size:
        why = f"it has {len(tokenizer):,} entries, the model {vocab_size:,}"
        raise DataError("the tokenizer does not fit the model", where=str(folder), why=why, fix="--model-args tokenizer=DIR of this model")
    return tokenizer


def _fill(architecture: Any, config: Any, state: Mapping[str, torch.Tensor], path: Path) -> Any:
    """Build the architecture and load its weights, strictly."""
    outline = call_transformers(path, lambda _: build_outline(lambda: architecture(config), state, str(path)))
    check_fit(outline.state_dict(), state)
    return call_transformers(path, lambda _: architecture.from_pretrained(None, config=config, state_dict=dict(state), dtype=torch.float32))


def _preprocess(size: int, overrides: ModelOverrides, guesses: list[Note]) -> Preprocess:
    usual = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bicubic", "resize_mode": "squash"}
    overridden = {name: value for name, value in overrides.given().items() if name in usual}
    if left := [name for name in usual if name not in overridden]:
        guesses.append(Note("guessed_siglip_images", {"settings": tuple(f"{name} {usual[name]}" for name in left)}))
    return Preprocess.from_dict({"size": size, **usual, **overridden})


def _record(model: Any, tokenizer: Any, preprocess: Preprocess, contents: Contents, setting: Mapping[str, str]) -> ModelRecord:
    words = tokenizer_sha256(tokenizer, Path(tokenizer.name_or_path))
    image, text = model.config.vision_config, model.config.text_config
    architecture = {"attention": model.config._attn_implementation, "image": _decisive(image), "text": _decisive(text)}
    return model_record(
        model,
        {"architecture": {"class": "SiglipModel", **architecture}, "preprocessing": preprocess.to_dict(), "tokenizer": words},
        sha256=contents.sha256,
        device=model.device,
        kind=f"{contents.kind} of a SigLIP",
        dimensions=image.hidden_size,
        architecture=(
            f"SigLIP (image: {image.image_size} px, patch {image.patch_size}, {_tower(image)}; text: {_tower(text)}, "
            f"context {text.max_position_embeddings}, {text.vocab_size:,} tokens; {image.hidden_size} dimensions; {image.hidden_act})"
        ),
        preprocessing=f"size {preprocess.size}, {preprocess.resize_mode}, {preprocess.interpolation}, sha256 {preprocess.sha256[:12]}",
        tokenizer=f"{type(tokenizer).__name__}, {len(tokenizer)} entries, sha256 {words[:12]}",
        **setting,
        **scoring(model),
    )


def _decisive(part: Any) -> dict[str, Any]:
    names = "hidden_size intermediate_size num_hidden_layers num_attention_heads hidden_act layer_norm_eps projection_size"
    sizes = "image_size patch_size vocab_size max_position_embeddings"
    return {name: getattr(part, name, None) for name in f"{names} {sizes}".split()}


def _tower(part: Any) -> str:
    return f"width {part.hidden_size}, layers {part.num_hidden_layers}, heads {part.num_attention_heads}"
