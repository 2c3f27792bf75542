"""Infers the architecture of CLIP weights from names and shapes, with a sentence for everything that shapes do not determine.

Source of the rules: openai/CLIP and open_clip build models from a state dict in this way; there, head width is only a convention.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from contrastive.model.architecture import ModelConfig, ResNetConfig, ViTConfig
from contrastive.model.presets import PRESETS
from strictio.errors import DataError
from strictio.weights.overrides import ModelOverrides

CLIP_VOCABULARY, CLIP_CONTEXT = 49_408, 77
HEAD_WIDTH = 64
OTHER_HEAD_WIDTHS = {(1280, 32): 80, (1408, 40): 88, (1664, 48): 104}  # (width, layers) of open_clip's ViT-H, ViT-g, ViT-bigG
TEXT_NAMES = ("text_projection", "positional_embedding", "token_embedding.weight", "ln_final.weight", "logit_scale")
VIT_NAMES = ("visual.proj", "visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding")
RESNET_NAMES = ("visual.attnpool.positional_embedding", "visual.conv1.weight", "visual.layer1.0.conv1.weight")
OTHER_LOADERS = "name the architecture if open_clip has it, --model open_clip:ARCH,FILE; a Hugging Face model is named by its folder"
INCOMPLETE = "save the whole model again: torch.save(model.state_dict(), FILE)"
_BLOCK = re.compile(r"(?P<place>(visual\.)?transformer\.resblocks|visual\.layer[1-4])\.(?P<number>\d{1,6})\.")


def infer(state: Mapping[str, Tensor], overrides: ModelOverrides, activation: str) -> tuple[ModelConfig, tuple[str, ...]]:
    """Return the architecture of weights with OpenAI's names, from their shapes alone, and a sentence for each guess.

    `overrides`: facts specified by the user; `activation` is never guessed here. Raises `DataError` if names are missing, a position
    table is not a square grid, blocks are not numbered from 0, or sizes contradict each other.
    """
    vit = "visual.layer1.0.conv1.weight" not in state
    _require(state, (*(VIT_NAMES if vit else RESNET_NAMES), *TEXT_NAMES))
    guesses: list[str] = []
    text = _text(state, overrides, guesses)
    vision = _vit(state, overrides, guesses) if vit else _resnet(state)
    if overrides.layer_norm_eps is None:
        guesses.append("Guessed: layer norms add 1e-5 (SigLIP and CLIPA add 1e-6; --model-args layer_norm_eps=1e-6).")
    fields = {
        "embed_dim": _shape(state, "text_projection", 2)[1], "vision": vision, "text": text, "activation": activation,
        "layer_norm_eps": overrides.layer_norm_eps or 1e-5, "score_rule": "sigmoid" if "logit_bias" in state else "softmax",
    }  # fmt: skip
    return ModelConfig.from_dict(fields), tuple(guesses)


def described(config: ModelConfig) -> str:
    """Describe the architecture, with its usual name if it has one.

    Examples
    --------
    >>> described(PRESETS["ViT-B/32"])
    'ViT-B/32 (image: 224 px, patch 32, width 768, layers 12, heads 12; text: width 512, layers 12, heads 8, context 77, 49,408 tokens; \
512 dimensions; quick_gelu; softmax)'
    """
    vision, text = config.vision, config.text
    if isinstance(vision, ViTConfig):
        heads = vision.width // vision.head_width
        image = f"{vision.image_size} px, patch {vision.patch_size}, width {vision.width}, layers {vision.layers}, heads {heads}"
    elif isinstance(vision, ResNetConfig):
        image = f"ModifiedResNet, {vision.image_size} px, width {vision.width}, blocks {'+'.join(map(str, vision.layers))}"
    else:
        image = f"{len(vision.channels)} convolutions, {vision.image_size} px"
    words = f"width {text.width}, layers {text.layers}, heads {text.width // text.head_width}, context {text.context}"
    words = f"{words}, {text.vocab_size:,} tokens"
    rest = f"image: {image}; text: {words}; {config.embed_dim} dimensions; {config.activation}; {config.score_rule}"
    name = next((name for name, known in PRESETS.items() if (known.vision, known.text) == (vision, text)), None)
    return f"{name} ({rest})" if name else rest


def _require(state: Mapping[str, Tensor], names: tuple[str, ...]) -> None:
    if missing := [name for name in names if name not in state]:
        lacks, has = _five(missing), _five([repr(name[:80]) for name in state])
        why = f"missing: {lacks}; the file's first are {has}"
        raise DataError("the weights are not a CLIP model that this program knows", why=why, fix=OTHER_LOADERS)


def _five(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _text(state: Mapping[str, Tensor], overrides: ModelOverrides, guesses: list[str]) -> dict[str, object]:
    context, _ = _shape(state, "positional_embedding", 2)
    vocab_size, width = _shape(state, "token_embedding.weight", 2)
    layers = _count(state, "transformer.resblocks")
    head_width = _head_width(width, overrides.text_head_width, "text", guesses)
    if overrides.pooling is None or overrides.causal is None:
        text = "the text tower is causal and its feature is at the end of the text, as in CLIP"
        guesses.append(f"Guessed: {text} (--model-args causal=, pooling=).")
    return {
        "context": context, "vocab_size": vocab_size, "width": width, "layers": layers, "head_width": head_width,
        **_mlp(state, "transformer.resblocks.0.mlp.c_fc.weight", width),
        "causal": True if overrides.causal is None else overrides.causal, "pooling": overrides.pooling or "eot",
    }  # fmt: skip


def _vit(state: Mapping[str, Tensor], overrides: ModelOverrides, guesses: list[str]) -> dict[str, object]:
    width, channels, height, patch = _shape(state, "visual.conv1.weight", 4)
    if channels != 3 or height != patch:
        why = f"its kernel is {channels}x{height}x{patch}"
        raise DataError("visual.conv1.weight does not cut RGB images into square patches", why=why, fix=OTHER_LOADERS)
    grid = _grid(state, "visual.positional_embedding")
    layers = _count(state, "visual.transformer.resblocks")
    usual = OTHER_HEAD_WIDTHS.get((width, layers), HEAD_WIDTH)
    head_width = _head_width(width, overrides.image_head_width, "image", guesses, usual)
    return {
        "kind": "vit", "image_size": patch * grid, "patch_size": patch, "width": width, "layers": layers, "head_width": head_width,
        **_mlp(state, "visual.transformer.resblocks.0.mlp.c_fc.weight", width),
    }  # fmt: skip


def _mlp(state: Mapping[str, Tensor], name: str, width: int) -> dict[str, int]:
    """Return the inner width of the MLPs if it is not four times `width` (as in open_clip's g and bigG)."""
    inner = _shape(state, name, 2)[0] if name in state else 4 * width  # a missing weight is reported when all are compared
    return {} if inner == 4 * width else {"mlp_width": inner}


def _resnet(state: Mapping[str, Tensor]) -> dict[str, object]:
    width = _shape(state, "visual.layer1.0.conv1.weight", 4)[0]
    grid = _grid(state, "visual.attnpool.positional_embedding")
    layers = [_count(state, f"visual.layer{stage}") for stage in (1, 2, 3, 4)]
    return {"kind": "resnet", "image_size": 32 * grid, "width": width, "layers": layers}


def _head_width(width: int, overrides: int | None, tower: str, guesses: list[str], usual: int = HEAD_WIDTH) -> int:
    fact = f"{tower}_head_width"
    if overrides is not None:
        if overrides < 1 or width % overrides:
            fix = f"--model-args {fact}=N, a divisor of it"
            raise DataError(f"{fact}={overrides} does not fit the file", why=f"the {tower} tower's width is {width}", fix=fix)
        return overrides
    if width % usual:
        why = f"its width is {width}, and the usual head width of {usual} does not divide that"
        raise DataError(f"how many attention heads the {tower} tower has is not in the file", why=why, fix=f"--model-args {fact}=N")
    guesses.append(f"Guessed: attention heads of the {tower} tower are {usual} wide, {width // usual} of them (--model-args {fact}=N).")
    return usual


def _grid(state: Mapping[str, Tensor], name: str) -> int:
    places = _shape(state, name, 2)[0] - 1
    grid = math.isqrt(max(places, 0))
    if grid < 1 or grid * grid != places:
        raise DataError(f"{name} is not a square grid with one place more", why=f"it has {places + 1} rows", fix=OTHER_LOADERS)
    return grid


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return the number of blocks, which must be numbered from 0 without gaps."""
    numbers = {int(match["number"]) for name in state if (match := _BLOCK.match(name)) and match["place"] == prefix}
    if not numbers:
        raise DataError("the weights are incomplete", why=f"there is no {prefix}.0", fix=INCOMPLETE)
    if max(numbers) + 1 != len(numbers):
        gap = next(number for number in range(len(numbers)) if number not in numbers)
        raise DataError("the weights are incomplete", why=f"{prefix}.{gap} is missing, {prefix}.{max(numbers)} is there", fix=INCOMPLETE)
    return len(numbers)


def _shape(state: Mapping[str, Tensor], name: str, rank: int) -> tuple[int, ...]:
    shape = tuple(state[name].shape)
    if len(shape) != rank or 0 in shape:
        raise DataError(f"{name} is not of its shape", why=f"it has {len(shape)} axes ({list(shape)}) for {rank}", fix=OTHER_LOADERS)
    return shape
