"""Floating-point operations of a model by formula: multiplications and additions in matrix products and convolutions.

Normalisations, activations and softmax are left out, as is usual for such numbers. So is the loss, which takes less than 1 % of
the towers' operations at any batch size in the paper. Shape letters: l tokens, d width.

Source: Kaplan et al. 2020, https://arxiv.org/abs/2001.08361, section 2.1, with the terms that are dropped there
"""

from __future__ import annotations

from dataclasses import dataclass

from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, ViTConfig


@dataclass(frozen=True)
class Cost:
    """Forward operations of one sample through one tower."""

    forward: float
    first: float = 0.0  # of these, the first convolution, whose backward pass is half as long, because pixels need no gradient

    def step(self, *, learns: bool = True, forwards: int = 1, backward: float = 2.0) -> float:
        """Return the operations of one training step: `forwards` forward passes and, if the tower learns, a backward pass.

        `backward`: its operations, in forward passes.
        """
        return forwards * self.forward + (backward * self.forward - self.first if learns else 0.0)


def image_cost(config: ModelConfig, seen: float = 1.0) -> Cost:
    """Return the cost of one image.

    `seen`: share of visible patches in a vision transformer (below 1 with patch dropout).

    Examples
    --------
    >>> from contrastive.model.presets import preset
    >>> round(image_cost(preset("ViT-B/32")).forward / 1e9, 1)
    8.8
    """
    vision, embed_dim = config.vision, config.embed_dim
    if isinstance(vision, ViTConfig):
        patches = (vision.image_size // vision.patch_size) ** 2
        first = _convolution(3, vision.width, vision.patch_size, patches)
        tokens, inner = max(1, round(patches * seen)), vision.mlp_width or 4 * vision.width
        if vision.pooling == "attention":
            pooled = _attention_pool(tokens, vision.width, vision.width) + 2 * linear(1, vision.width, inner)
            return Cost(first + transformer(tokens, vision.width, vision.layers, vision.mlp_width) + pooled, first)
        tokens += 1
        return Cost(first + transformer(tokens, vision.width, vision.layers, vision.mlp_width) + linear(1, vision.width, embed_dim), first)
    if isinstance(vision, ConvConfig):
        return _conv_tower(vision, embed_dim)
    return _resnet(vision, embed_dim)


def text_cost(config: ModelConfig, tokens: int | None = None) -> Cost:
    """Return the cost of one text with `tokens` tokens (None: the whole context).

    Examples
    --------
    >>> from contrastive.model.presets import preset
    >>> [round(text_cost(preset("ViT-B/32"), tokens).forward / 1e9, 1) for tokens in (None, 16)]
    [6.0, 1.2]
    """
    text = config.text
    return Cost(transformer(tokens or text.context, text.width, text.layers, text.mlp_width) + linear(1, text.width, config.embed_dim))


def transformer(tokens: int, width: int, layers: int, mlp_width: int | None = None) -> float:
    """Return the operations of blocks: 4 d^2 in attention and 2 d m in the MLP (None: m is 4 d) a token; two products of l x d by d x l."""
    projections = 4 * width**2 + 2 * width * (mlp_width or 4 * width)
    return layers * (2.0 * tokens * projections + 4.0 * tokens**2 * width)


def linear(rows: int, inputs: int, outputs: int) -> float:
    """Operations of a matrix product: one multiplication and one addition per weight and row."""
    return 2.0 * rows * inputs * outputs


def _convolution(inputs: int, outputs: int, kernel: int, places: int) -> float:
    return 2.0 * places * inputs * outputs * kernel**2


def _conv_tower(vision: ConvConfig, embed_dim: int) -> Cost:
    pairs = zip((3, *vision.channels), vision.channels, strict=False)
    costs = [_convolution(a, b, 3, (vision.image_size >> (i + 1)) ** 2) for i, (a, b) in enumerate(pairs)]
    places = (vision.image_size >> len(vision.channels)) ** 2
    return Cost(sum(costs) + linear(1, vision.channels[-1] * places, embed_dim), costs[0])


def _resnet(vision: ResNetConfig, embed_dim: int) -> Cost:
    width, side = vision.width, vision.image_size // 2
    first = _convolution(3, width // 2, 3, side**2)
    total = first + _convolution(width // 2, width // 2, 3, side**2) + _convolution(width // 2, width, 3, side**2)
    inputs, side = width, side // 2
    for stage, blocks in enumerate(vision.layers):
        planes = width * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            total += _bottleneck(inputs, planes, side, stride)
            inputs, side = 4 * planes, side // stride
    return Cost(total + _attention_pool(side**2 + 1, inputs, embed_dim), first)


def _bottleneck(inputs: int, planes: int, side: int, stride: int) -> float:
    before, after = side**2, (side // stride) ** 2  # the pool precedes the third convolution and the shortcut's
    main = _convolution(inputs, planes, 1, before) + _convolution(planes, planes, 3, before) + _convolution(planes, 4 * planes, 1, after)
    shortcut = _convolution(inputs, 4 * planes, 1, after) if stride > 1 or inputs != 4 * planes else 0.0
    return main + shortcut


def _attention_pool(tokens: int, width: int, embed_dim: int) -> float:
    """One query; keys and values for every position."""
    return linear(1 + 2 * tokens, width, width) + 4.0 * tokens * width + linear(1, width, embed_dim)
