"""Operations by formula against torch's own counter, for every kind of tower; and against the published numbers."""

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP, kept_patches
from contrastive.model.flops import Cost, image_cost, text_cost
from contrastive.model.presets import preset

torch.set_num_threads(1)

TEXT = TextConfig(16, 600, 64, 2, head_width=16)
VIT = ModelConfig(48, ViTConfig(64, 8, 96, 3, head_width=32), TEXT)
TOWERS = {
    "vit": VIT,
    "resnet": ModelConfig(48, ResNetConfig(64, 16, (1, 2, 1, 1)), TEXT),
    "conv": ModelConfig(48, ConvConfig(32, (8, 16, 32)), replace(TEXT, causal=False, pooling="mean")),
}
PIXELS = 2


def counted(action):
    # The counter knows matrix products, not the CPU's fused attention: attention is computed by products here.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()


def images_of(config):
    side = config.vision.image_size
    return torch.randn(PIXELS, 3, side, side)


@pytest.mark.slow_except("vit", "conv")
@pytest.mark.parametrize("name", TOWERS)
def test_image_towers_agree_with_the_counter(name):
    config = TOWERS[name]
    model, images = CLIP(config), images_of(config)
    forward = counted(lambda: model.encode_image(images))
    step = counted(lambda: model.encode_image(images).sum().backward())
    assert PIXELS * image_cost(config).forward == pytest.approx(forward, rel=0.02)
    assert PIXELS * image_cost(config).step() == pytest.approx(step, rel=0.02)


@pytest.mark.parametrize("tokens", [16, 7])
@pytest.mark.parametrize("name", ["vit", "conv"])  # causal, and both ways
def test_text_towers_agree_with_the_counter(name, tokens):
    config, ids = TOWERS[name], torch.ones(PIXELS, tokens, dtype=torch.long)
    model, ids[:, -1] = CLIP(config), config.text.eot
    assert PIXELS * text_cost(config, tokens).forward == pytest.approx(counted(lambda: model.encode_text(ids)), rel=0.02)
    assert PIXELS * text_cost(config, tokens).step() == pytest.approx(counted(lambda: model.encode_text(ids).sum().backward()), rel=0.02)


def test_patch_dropout_agrees_with_the_counter():
    model, images = CLIP(VIT), images_of(VIT)
    kept = kept_patches(PIXELS, 64, 0.5, torch.Generator())
    assert PIXELS * image_cost(VIT, seen=0.5).forward == pytest.approx(counted(lambda: model.visual(images, kept)), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B/32", "RN50"])
def test_full_size_towers_agree_with_the_counter(name):
    config = preset(name)
    with torch.device("meta"):
        model, images = CLIP(config), images_of(config)
    assert PIXELS * image_cost(config).forward == pytest.approx(counted(lambda: model.encode_image(images)), rel=0.02)


@pytest.mark.parametrize(
    ("name", "image", "text"),  # GFLOP; those of a ResNet count its batch norms as well
    [("RN50", 12.2, 6.0), ("RN50x64", 529, 23.6), ("ViT-B/32", 8.8, 6.0), ("ViT-B/16", 35.1, 6.0), ("ViT-L/14", 162, 13.3)],
)
def test_published_costs(name, image, text):
    assert image_cost(preset(name)).forward / 1e9 == pytest.approx(image, rel=0.06 if name.startswith("RN") else 0.02)
    assert text_cost(preset(name)).forward / 1e9 == pytest.approx(text, rel=0.02)


def test_a_step_is_three_passes_less_the_pixels_gradient():
    # forward 10, of which 2 in the first convolution: 10 + 2 * 10 - 2; forward again: 10 more; locked: the forward pass alone
    assert (Cost(10, 2).step(), Cost(10, 2).step(forwards=2), Cost(10, 2).step(learns=False)) == (28, 38, 10)
