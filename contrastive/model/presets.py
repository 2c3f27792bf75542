"""Architectures by name: the nine in the paper (table 20) and two that can be trained on a laptop."""

from __future__ import annotations

from dataclasses import replace

from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, TextConfig, ViTConfig
from strictio.errors import UsageError, nearest


def _openai(embed_dim: int, vision: ViTConfig | ResNetConfig, text_width: int) -> ModelConfig:
    text = TextConfig(context=77, vocab_size=49_408, width=text_width, layers=12)
    return ModelConfig(embed_dim, vision, text, activation="quick_gelu")


PRESETS: dict[str, ModelConfig] = {
    "RN50": _openai(1024, ResNetConfig(224, 64, (3, 4, 6, 3)), 512),
    "RN101": _openai(512, ResNetConfig(224, 64, (3, 4, 23, 3)), 512),
    "RN50x4": _openai(640, ResNetConfig(288, 80, (4, 6, 10, 6)), 640),
    "RN50x16": _openai(768, ResNetConfig(384, 96, (6, 8, 18, 8)), 768),
    "RN50x64": _openai(1024, ResNetConfig(448, 128, (3, 15, 36, 10)), 1024),
    "ViT-B/32": _openai(512, ViTConfig(224, 32, 768, 12), 512),
    "ViT-B/16": _openai(512, ViTConfig(224, 16, 768, 12), 512),
    "ViT-L/14": _openai(768, ViTConfig(224, 14, 1024, 24), 768),
    "ViT-L/14@336": _openai(768, ViTConfig(336, 14, 1024, 24), 768),
    "tiny-vit": ModelConfig(64, ViTConfig(32, 8, 64, 3, head_width=16), TextConfig(77, 1024, 64, 3, head_width=16)),
    "tiny-conv": ModelConfig(
        96, ConvConfig(32, (32, 64, 128, 192)), TextConfig(48, 1024, 96, 2, head_width=24, causal=False, pooling="mean")
    ),
}  # fmt: skip


def preset(name: str, *, vocab_size: int | None = None, context: int | None = None) -> ModelConfig:
    """Return the architecture `name`, optionally with another vocabulary size and context.

    Raises `UsageError` with the closest names if it is unknown.

    Examples
    --------
    >>> preset("tiny-vit", vocab_size=600).text.eot
    599
    """
    if name not in PRESETS:
        raise UsageError(f"no model preset {name[:80]!r}", fix=nearest(name[:80], PRESETS))
    config = PRESETS[name]
    text = replace(config.text, vocab_size=vocab_size or config.text.vocab_size, context=context or config.text.context)
    return replace(config, text=text)
