"""Exports a folder that open_clip's own factory can read: ``open_clip.create_model_and_transforms("local-dir:OUT")``."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from contrastive.checkpoint.file import Checkpoint
from contrastive.formats.exports import Features, Ids, refuse, write_json
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import portable_state
from contrastive.model.tokenizer import Tokenizer, clip_tokenizer
from strictio.errors import UsageError
from strictio.files import read_text

NOTE = (
    "open_clip knows CLIP's own vocabulary; the ids of a model with another one are described by tokenizer_of_this_model.json. "
    "After resizing, open_clip cuts out the same pixels."
)
WEIGHTS = "open_clip_model.safetensors"


def check(checkpoint: Checkpoint) -> None:
    """Refuse what open_clip's model does not support."""
    config = checkpoint.config
    if isinstance(config.vision, ConvConfig):
        refuse("open_clip has no image tower of this kind", "a few plain convolutions (conv); it has vision transformers and ResNets")
    if isinstance(config.vision, ViTConfig) and config.vision.pooling == "attention":
        refuse("this model is exported for transformers", "its image tower pools by attention (SigLIP); use --to huggingface")
    if not config.text.causal or config.text.pooling != "eot":
        refuse("open_clip's CLIP has no text tower of this kind", "its mask is causal and it reads the feature at the end of the text")
    if config.activation == "relu" or config.layer_norm_eps != 1e-5:
        why = f"activation {config.activation}, epsilon {config.layer_norm_eps:g}; it has GELU and 1e-5"
        refuse("open_clip's CLIP has no such blocks", why)
    if not isinstance(config.vision, ViTConfig) and config.vision.width * 32 % 64:
        refuse("open_clip has no ResNet of this width", f"{config.vision.width}; it must be even")
    if checkpoint.preprocess.interpolation not in ("bicubic", "bilinear"):
        refuse("open_clip has no such resizing", f"{checkpoint.preprocess.interpolation}; it has bicubic and bilinear")
    _library()


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write configuration, weights and the tokenizer's merges."""
    pixels = {name: value for name, value in checkpoint.preprocess.to_dict().items() if name not in ("size", "antialias")}
    write_json(folder / "open_clip_config.json", {"model_cfg": model_settings(checkpoint.config), "preprocess_cfg": pixels})
    write_json(folder / "tokenizer_of_this_model.json", checkpoint.tokenizer.to_dict())
    save_file({name: tensor.contiguous() for name, tensor in portable_state(checkpoint.model).items()}, folder / WEIGHTS)


def model_settings(config: ModelConfig) -> dict[str, Any]:
    """Content of open_clip's ``model_cfg``."""
    vision, text = config.vision, config.text
    assert not isinstance(vision, ConvConfig)  # noqa: S101 (refused by `check`)
    image: dict[str, Any] = {"image_size": vision.image_size, "width": vision.width}
    if isinstance(vision, ViTConfig):
        image |= {"layers": vision.layers, "patch_size": vision.patch_size, "head_width": vision.head_width, **_ratio(vision)}
    else:
        image |= {"layers": list(vision.layers), "patch_size": None}
    settings: dict[str, Any] = {
        "embed_dim": config.embed_dim,
        "quick_gelu": config.activation == "quick_gelu",
        "vision_cfg": image,
        "text_cfg": {
            "context_length": text.context, "vocab_size": text.vocab_size, "width": text.width, "heads": text.width // text.head_width,
            "layers": text.layers, **_ratio(text),
        },
    }  # fmt: skip
    return settings | ({"init_logit_bias": -10.0} if config.score_rule == "sigmoid" else {})


def _ratio(tower: ViTConfig | TextConfig) -> dict[str, float]:
    """Return the MLP's width as open_clip expects it: a factor whose product it rounds down."""
    return {} if tower.mlp_width is None else {"mlp_ratio": (tower.mlp_width + 0.5) / tower.width}


def reader(folder: Path) -> Features:
    """Features of open_clip's own model, built from the folder."""
    module = _library()
    settings = json.loads(read_text(folder / "open_clip_config.json"))["model_cfg"]
    vision, text = module.CLIPVisionCfg(**settings.pop("vision_cfg")), module.CLIPTextCfg(**settings.pop("text_cfg"))
    model = module.CLIP(vision_cfg=vision, text_cfg=text, **settings).eval()
    model.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    return lambda images, ids: (model.encode_image(images), model.encode_text(ids))


def ids_of(checkpoint: Checkpoint, folder: Path) -> Ids | None:
    """The ids of open_clip's own tokenizer; None if the model has another vocabulary."""
    own = checkpoint.tokenizer
    if not isinstance(own, Tokenizer) or own.merges != clip_tokenizer(own.context).merges:
        return None
    _library()
    from open_clip import tokenizer as theirs

    tokenizer = theirs.SimpleTokenizer()
    return lambda text: list(tokenizer.encode(tokenizer.clean_fn(text)))


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        try:
            import open_clip.model as module
        except ImportError as error:
            why, fix = "the export is verified with it", "pip install open_clip_torch"
            raise UsageError("open_clip is not installed", why=why, fix=fix) from error
    return module
