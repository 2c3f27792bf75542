"""Exports a folder for transformers' `CLIPModel` or `SiglipModel`, with a tokenizer and image processor of equal ids and pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import save_file

from contrastive.checkpoint.file import Checkpoint
from contrastive.formats.exports import TEXTS, Features, Ids, compare_ids, refuse, write_json
from contrastive.formats.siglip import ACTIVATIONS
from contrastive.model.architecture import ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import portable_state
from contrastive.model.pieces import AnyTokenizer
from contrastive.model.preprocess import RESAMPLING, Preprocess
from contrastive.model.tokenizer import END, START, Tokenizer
from strictio.errors import VlmAuditError
from strictio.files import write_text
from strictio.weights.fill import SCALARS
from strictio.weights.weight_names import to_hugging_face

NOTE = (
    "The tokenizer gives the ids of the checkpoint's own for plain text; it does not unescape HTML, composes accents (NFC) and reads "
    "<|endoftext|> as the end of the text. The image processor gives the checkpoint's own pixels with Pillow "
    '(AutoImageProcessor.from_pretrained(DIR, backend="pil"); torchvision rounds some pixels otherwise), except that of an image whose '
    "long side is 3, 7, 11, ... pixels too long after resizing it cuts out the square one pixel further up or left."
)
SIDES = ((1, 1), (2, 1), (1, 3), (3, 4))  # height and width, relative to the model's input, of images that both must process alike


def check(checkpoint: Checkpoint) -> None:
    """Refuse what `CLIPModel` does not support."""
    config = checkpoint.config
    if not isinstance(config.vision, ViTConfig):
        refuse("Hugging Face's CLIPModel has no image tower of this kind", f"this one is of kind {config.vision.kind}; it has a ViT only")
    if is_siglip(config):
        return
    if config.vision.pooling == "attention":
        refuse(
            "transformers has no model with these two towers", "its SiglipModel has both, pooling by attention and a text read at its end"
        )
    if not config.text.causal or config.text.pooling != "eot":
        why = "its mask is causal and it reads the feature at the end of the text"
        refuse("Hugging Face's CLIPModel has no text tower of this kind", why)
    if config.score_rule != "softmax":
        refuse("Hugging Face's CLIPModel has no logit bias", "this model was trained with the sigmoid loss")


def is_siglip(config: ModelConfig) -> bool:
    """Whether a model has the towers and the score rule of SigLIP."""
    pooled = isinstance(config.vision, ViTConfig) and config.vision.pooling == "attention"
    return pooled and config.text.pooling == "last" and config.score_rule == "sigmoid"


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write configuration, weights, image processor and tokenizer; the last two are verified immediately."""
    state = to_hugging_face(portable_state(checkpoint.model))
    if is_siglip(checkpoint.config):  # where they have one axis
        state |= {name: state[name].reshape(1) for name in SCALARS}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", model_settings(checkpoint))
    write_json(folder / "preprocessor_config.json", processor_settings(checkpoint.preprocess))
    make_tokenizer(checkpoint.tokenizer).save_pretrained(folder)
    if isinstance(checkpoint.tokenizer, Tokenizer):
        write_text(folder / "vocab.json", json.dumps(checkpoint.tokenizer.ids, ensure_ascii=False))
        write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *checkpoint.tokenizer.merges]) + "\n")
    compare_inputs(checkpoint, folder)


def model_settings(checkpoint: Checkpoint) -> dict[str, Any]:
    """Content of ``config.json``."""
    config = checkpoint.config
    vision, text = config.vision, config.text
    assert isinstance(vision, ViTConfig)  # noqa: S101 (refused by `check`)
    if is_siglip(config):
        return _siglip_settings(config, vision)
    common = {"hidden_act": config.activation, "layer_norm_eps": config.layer_norm_eps, "projection_dim": config.embed_dim}
    end = {"bos_token_id": text.eot - 1, "eos_token_id": text.eot, "pad_token_id": text.eot}
    return {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": config.embed_dim, "logit_scale_init_value": 2.6592,
        "vision_config": {
            **common, **_blocks(vision), "model_type": "clip_vision_model",
            "image_size": vision.image_size, "patch_size": vision.patch_size,
        },
        "text_config": {
            **common, **_blocks(text), **end, "model_type": "clip_text_model",
            "max_position_embeddings": text.context, "vocab_size": text.vocab_size,
        },
    }  # fmt: skip


def _siglip_settings(config: ModelConfig, vision: ViTConfig) -> dict[str, Any]:
    text, names = config.text, {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    common = {"hidden_act": names[config.activation], "layer_norm_eps": config.layer_norm_eps}
    unused = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    return {
        "architectures": ["SiglipModel"], "model_type": "siglip",
        "vision_config": {
            **common, **_blocks(vision), "model_type": "siglip_vision_model",
            "image_size": vision.image_size, "patch_size": vision.patch_size,
        },
        "text_config": {
            **common, **_blocks(text), **unused, "model_type": "siglip_text_model", "projection_size": config.embed_dim,
            "max_position_embeddings": text.context, "vocab_size": text.vocab_size,
        },
    }  # fmt: skip


def _blocks(tower: ViTConfig | TextConfig) -> dict[str, int]:
    return {
        "hidden_size": tower.width, "intermediate_size": tower.mlp_width or 4 * tower.width, "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.width // tower.head_width,
    }  # fmt: skip


def processor_settings(preprocess: Preprocess) -> dict[str, Any]:
    """Content of ``preprocessor_config.json``: the processor that resizes with Pillow, like this program."""
    square = {"height": preprocess.size, "width": preprocess.size}
    shortest = preprocess.resize_mode == "shortest"
    return {
        "image_processor_type": "CLIPImageProcessorPil", "do_convert_rgb": True,
        "do_resize": True, "size": {"shortest_edge": preprocess.size} if shortest else square,
        "resample": RESAMPLING[preprocess.interpolation], "do_center_crop": shortest, "crop_size": square,
        "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": list(preprocess.mean), "image_std": list(preprocess.std),
    }  # fmt: skip


def make_tokenizer(tokenizer: AnyTokenizer) -> Any:
    """Transformers' tokenizer of the same vocabulary."""
    from transformers import CLIPTokenizer, PreTrainedTokenizerFast

    if not isinstance(tokenizer, Tokenizer):
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.parsed(), pad_token=tokenizer.pad, padding_side=tokenizer.padding_side,
            model_max_length=tokenizer.context, model_input_names=["input_ids"],
        )  # fmt: skip
    merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
    return CLIPTokenizer(
        vocab=tokenizer.ids, merges=merges, bos_token=START, eos_token=END, unk_token=END, pad_token=END,
        model_max_length=tokenizer.context,
    )  # fmt: skip


def reader(folder: Path) -> Features:
    """Features of transformers' own model, loaded from the folder as a user would."""
    from transformers import AutoModel
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    finally:
        if shown:
            logging.enable_progress_bar()
    return lambda images, ids: (model.get_image_features(images).pooler_output, model.get_text_features(ids).pooler_output)


def ids_of(checkpoint: Checkpoint, folder: Path) -> Ids:
    """The ids of transformers' own tokenizer, loaded from the folder."""
    from transformers import AutoTokenizer

    tokenizer, own = AutoTokenizer.from_pretrained(folder, local_files_only=True), checkpoint.tokenizer

    if not isinstance(own, Tokenizer):
        return lambda text: list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def ids(text: str) -> list[int]:
        first, *between, last = tokenizer([text], verbose=False)["input_ids"][0]
        return between if (first, last) == (own.eot - 1, own.eot) else []

    return ids


def compare_inputs(checkpoint: Checkpoint, folder: Path) -> None:
    """Raise `VlmAuditError` if ids of texts, or pixels of random images, differ between the folder and the checkpoint."""
    from transformers import AutoImageProcessor, AutoTokenizer

    compare_ids(checkpoint.tokenizer, ids_of(checkpoint, folder))
    if not isinstance(own := checkpoint.tokenizer, Tokenizer):
        rows = AutoTokenizer.from_pretrained(folder, local_files_only=True)(
            list(TEXTS), padding="max_length", max_length=own.context, truncation=True, return_tensors="np"
        )["input_ids"]
        if not np.array_equal(rows, own(TEXTS, truncate=True).numpy()):
            raise VlmAuditError("the exported tokenizer pads or truncates otherwise, so the export was removed")
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
    rng, side = np.random.default_rng(0), checkpoint.preprocess.size
    for height, width in SIDES:
        image = Image.fromarray(rng.integers(0, 256, (height * side, width * side, 3), dtype=np.uint8))
        pixels = np.asarray(processor(images=[image], return_tensors="pt")["pixel_values"])
        if not np.allclose(pixels, checkpoint.preprocess([image]).numpy(), rtol=0, atol=1e-5):
            raise VlmAuditError("the exported image processor gives other pixels, so the export was removed", where=f"{image.size}")
