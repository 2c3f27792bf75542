"""Reads the folder of a SigLIP or SigLIP 2 of fixed resolution in Hugging Face layout.

Its configuration says everything; weights alone do not say how texts are read, so they are refused without their folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrastive.checkpoint.file import Checkpoint
from contrastive.formats.image_processor import read_processor
from contrastive.model.architecture import ModelConfig
from contrastive.model.clip import load_portable
from contrastive.model.pieces import PieceTokenizer
from contrastive.model.preprocess import Preprocess
from strictio.errors import DataError, UsageError
from strictio.model_folders.check import check_folder
from strictio.model_folders.tokenizers import check_tokenizer
from strictio.weights.contents import Contents
from strictio.weights.overrides import ModelOverrides
from strictio.weights.unwrap import unwrap
from strictio.weights.weight_names import from_hugging_face

ACTIVATIONS = {"gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "quick_gelu": "quick_gelu", "relu": "relu"}
"""transformers' names -> ours."""
FREE = {"mean", "std", "interpolation", "resize_mode", "adapter", "weights"}
"""What may be stated in spite of the folder's configuration."""
PIXELS = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bicubic", "resize_mode": "squash"}
PAIRS = (("hidden_act", "activation"), ("layer_norm_eps", "epsilon"))


def read_siglip(folder: Path, configuration: Mapping[str, Any], contents: Contents, facts: ModelOverrides) -> Checkpoint:
    """Read the model of a folder with this ``config.json`` and these weights.

    Raises `DataError` if it is not a SigLIP that can be trained here, or its parts do not fit; `UnsafeError` for a hostile tokenizer;
    `UsageError` if `facts` contradict the folder.
    """
    if fixed := set(facts.given()) - FREE:
        raise UsageError(
            f"model.stated has {sorted(fixed)[0]}, but the folder says itself what it is", where=str(folder), fix="leave it out"
        )
    config = model_config(configuration)
    weights = unwrap(contents.data, facts.weights, facts.adapter)
    pixels = (
        PIXELS | read_processor(folder, config.vision.image_size) | {name: facts.given()[name] for name in PIXELS if name in facts.given()}
    )
    return Checkpoint(
        load_portable(config, from_hugging_face(weights.tensors)).eval(),
        Preprocess.from_dict({"size": config.vision.image_size, **pixels}),
        read_tokenizer(folder, config),
        sha256=contents.sha256,
        format=f"{contents.kind} of a SigLIP",
        notes=weights.notes,
    )


def model_config(configuration: Mapping[str, Any]) -> ModelConfig:
    """Return the architecture in a ``config.json``, with transformers' defaults for what it does not say."""
    from transformers import SiglipConfig

    config = SiglipConfig.from_dict(dict(configuration))
    image, text = config.vision_config, config.text_config
    for name, what in PAIRS:
        if getattr(image, name) != getattr(text, name):
            raise DataError(f"the towers differ in {what}, which no model here does")
    if image.hidden_act not in ACTIVATIONS:
        raise DataError(f"no activation {str(image.hidden_act)[:40]!r} here", fix=f"one of {', '.join(ACTIVATIONS)}")
    if not getattr(image, "vision_use_head", True) or image.num_channels != 3 or text.projection_size != image.hidden_size:
        raise DataError("a SigLIP without its pooling head, for other than RGB images or without a common space cannot be trained here")
    vision = {"kind": "vit", "image_size": image.image_size, "patch_size": image.patch_size, "pooling": "attention", **_blocks(image)}
    read = {"context": text.max_position_embeddings, "vocab_size": text.vocab_size, "causal": False, "pooling": "last", **_blocks(text)}
    return ModelConfig.from_dict(
        {
            "embed_dim": image.hidden_size, "vision": vision, "text": read, "activation": ACTIVATIONS[image.hidden_act],
            "layer_norm_eps": float(image.layer_norm_eps), "score_rule": "sigmoid",
        }
    )  # fmt: skip


def _blocks(tower: Any) -> dict[str, int]:
    width, inner = tower.hidden_size, tower.intermediate_size
    if width % tower.num_attention_heads:
        raise DataError(f"{tower.num_attention_heads} attention heads do not divide the width of {width}")
    sizes = {"width": width, "layers": tower.num_hidden_layers, "head_width": width // tower.num_attention_heads}
    return sizes if inner == 4 * width else {**sizes, "mlp_width": inner}


def read_tokenizer(folder: Path, config: ModelConfig) -> PieceTokenizer:
    """Return the tokenizer of a folder, as transformers builds it. Raises `DataError` if it is not one of the package tokenizers."""
    from transformers import AutoTokenizer

    check_folder(folder, folder, required=None)
    check_tokenizer(folder)
    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        content, pad = loaded.backend_tokenizer, loaded.pad_token
    except (OSError, ValueError, ImportError, AttributeError) as error:
        why, fix = str(error).strip().splitlines()[0][:200], "save it as a fast tokenizer: tokenizer.json and tokenizer_config.json"
        raise DataError("the folder's tokenizer cannot be read as a tokenizer.json", where=str(folder), why=why, fix=fix) from error
    if pad is None:
        raise DataError(
            "the folder's tokenizer has no token that pads", where=str(folder), fix="name its pad_token in tokenizer_config.json"
        )
    content.no_padding()
    content.no_truncation()
    text = config.text
    tokenizer = PieceTokenizer(content.to_str(), str(pad), text.vocab_size, text.context, loaded.padding_side)
    tokenizer.parsed()
    return tokenizer
