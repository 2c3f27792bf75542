"""CLIP as a whole: the published sizes, equality with open_clip, names and shapes in files."""

import json
import warnings
from dataclasses import replace

import pytest
import torch

from contrastive.model.architecture import ModelConfig, ResNetConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP, load_portable, portable_state, unit_length
from contrastive.model.presets import PRESETS, preset
from strictio.errors import DataError, UsageError

torch.set_num_threads(1)

TEXT = TextConfig(context=12, vocab_size=600, width=64, layers=2, head_width=16)
VIT = ModelConfig(48, ViTConfig(32, 8, 64, 3, head_width=16), TEXT, activation="quick_gelu")
RESNET = ModelConfig(48, ResNetConfig(64, 16, (1, 2, 1, 1)), replace(TEXT, head_width=64), activation="quick_gelu")
SIGMOID = replace(VIT, score_rule="sigmoid")


@pytest.fixture(scope="module")
def open_clip():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        return pytest.importorskip("open_clip", reason="open_clip_torch is not installed (pip install open_clip_torch)")


def built(config, seed=0):
    return CLIP(config, torch.Generator().manual_seed(seed)).eval()


def alive(model, seed=1):
    """Draw every weight and batch statistic anew, larger than at the start, so that no path through the model is nearly silent."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and "logit" not in name:
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(1 + 0.3 * noise.abs() if "running_var" in name or "ln_" in name or ".bn" in name else 0.2 * noise)
    return model


def batch(config, n=3):
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(n, 3, config.vision.image_size, config.vision.image_size, generator=generator)
    ids = torch.randint(1, 500, (n, 12), generator=generator)
    for row, end in enumerate(range(4, 4 + n)):
        ids[row, end:] = 0
        ids[row, end] = config.text.eot
    return images, ids


def theirs(open_clip, config):
    """open_clip's model of the same architecture, randomly initialised."""
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    vision, text = config.vision, config.text
    patch, head = (vision.patch_size, vision.head_width) if isinstance(vision, ViTConfig) else (None, 64)
    vision_cfg = CLIPVisionCfg(layers=vision.layers, width=vision.width, head_width=head, patch_size=patch, image_size=vision.image_size)
    heads = text.width // text.head_width
    text_cfg = CLIPTextCfg(context_length=text.context, vocab_size=text.vocab_size, width=text.width, heads=heads, layers=text.layers)
    return open_clip.model.CLIP(config.embed_dim, vision_cfg, text_cfg, quick_gelu=config.activation == "quick_gelu").eval()


@pytest.mark.slow_except("RN50-102.01", "RN50x4-178.3", "ViT-B/32-151.28", "ViT-B/16-149.62", "tiny-conv-0.72")
@pytest.mark.parametrize(
    ("name", "millions"),
    [  # as published, where published; else as open_clip's own models count; tiny-conv: as its recipe states
        ("RN50", 102.01), ("RN101", 119.69), ("RN50x4", 178.30), ("RN50x16", 290.98), ("RN50x64", 623.26), ("ViT-B/32", 151.28),
        ("ViT-B/16", 149.62), ("ViT-L/14", 427.62), ("ViT-L/14@336", 427.94), ("tiny-conv", 0.72),
    ],
)  # fmt: skip
def test_parameters_of_the_nine_models_and_of_the_demo(name, millions):
    with torch.device("meta"):
        model = CLIP(preset(name))
    found = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.01 if name == "tiny-conv" else 0.005)


def test_a_preset_takes_the_vocabulary_and_context_of_a_tokenizer_and_an_unknown_one_names_the_nearest():
    text = preset("tiny-conv", vocab_size=700, context=9).text
    assert (text.vocab_size, text.context, text.eot) == (700, 9, 699)
    with pytest.raises(UsageError, match=r"no model preset 'ViT-B-32'\nfix: did you mean ViT-B/32"):
        preset("ViT-B-32")


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_survives_json(name):
    assert ModelConfig.from_dict(json.loads(json.dumps(PRESETS[name].to_dict()))) == PRESETS[name]


@pytest.mark.slow_except("vit-quick", "vit-gelu")
@pytest.mark.parametrize("config", [VIT, replace(VIT, activation="gelu"), RESNET], ids=["vit-quick", "vit-gelu", "resnet"])
def test_features_equal_those_of_open_clip(open_clip, config):
    model, reference = alive(built(config)), theirs(open_clip, config)
    reference.load_state_dict(portable_state(model), strict=True)
    images, ids = batch(config)
    with torch.inference_mode():
        pairs = [(side.encode_image(images), side.encode_text(ids)) for side in (model, reference)]
        for ours, its in zip(*pairs, strict=True):
            assert its.std() > 0.01
            torch.testing.assert_close(ours / its.norm(), its / its.norm(), rtol=0, atol=1e-5)


def test_weights_of_open_clip_fit_ours(open_clip):
    reference = theirs(open_clip, VIT)
    images, ids = batch(VIT)
    model = load_portable(VIT, reference.state_dict()).eval()
    with torch.inference_mode():
        image, text, scale = model(images, ids)
        its_image, its_text, its_scale = reference(images, ids)
    torch.testing.assert_close(image, its_image, rtol=0, atol=1e-5)
    torch.testing.assert_close(text, its_text, rtol=0, atol=1e-5)
    assert scale.item() == pytest.approx(its_scale.item())


def test_the_wrong_activation_shows():
    model = alive(built(VIT))
    wrong = load_portable(replace(VIT, activation="gelu"), portable_state(model)).eval()
    images, ids = batch(VIT)
    for ours, other in zip(model(images, ids)[:2], wrong(images, ids)[:2], strict=True):
        assert (ours - other).abs().max() > 1e-3


def test_forward_normalises_and_gives_the_scale():
    model = built(VIT)
    images, ids = batch(VIT)
    image, text, scale = model(images, ids)
    torch.testing.assert_close(image.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))
    assert scale.shape == (1,)
    assert scale.item() == pytest.approx(1 / 0.07, rel=1e-5)
    torch.testing.assert_close(image, unit_length(model.encode_image(images)))


def test_a_zero_row_stays_zero_and_length_is_taken_in_at_least_float32():
    for given, kept in ((torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)):
        assert unit_length(torch.ones(1, 2, dtype=given)).dtype == kept
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit = unit_length(rows)
    unit.sum().backward()
    assert unit.tolist() == [[0, 0], [pytest.approx(0.6), pytest.approx(0.8)]]
    assert torch.isfinite(rows.grad).all()


def test_the_sigmoid_rule_begins_as_siglip_and_its_scalars_are_rows_in_memory_and_scalars_in_files():
    model = built(SIGMOID)
    assert (model.logit_scale.exp().item(), model.logit_bias.item()) == (pytest.approx(10), -10)
    assert built(VIT).logit_bias is None
    state = portable_state(model)
    assert model.logit_scale.shape == model.logit_bias.shape == (1,)
    assert state["logit_scale"].shape == state["logit_bias"].shape == ()
    loaded = load_portable(SIGMOID, state)
    assert loaded.logit_scale.shape == (1,)
    assert torch.equal(loaded.logit_scale, model.logit_scale)


def test_the_same_seed_gives_the_same_bytes():
    for config in (VIT, RESNET, preset("tiny-conv")):
        first, second, other = (portable_state(built(config, seed)) for seed in (7, 7, 8))
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)


def test_no_weight_comes_from_the_global_generator():
    torch.manual_seed(1)
    first = portable_state(built(RESNET))
    torch.manual_seed(2)
    second = portable_state(built(RESNET))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_missing_and_unexpected_keys_are_named_five_of_each():
    state = portable_state(built(VIT))
    renamed = {(f"module.{name}" if name.startswith("visual.transformer") else name): tensor for name, tensor in state.items()}
    with pytest.raises(DataError) as caught:
        load_portable(VIT, renamed)
    # 3 blocks of 12 tensors
    assert "missing: 36 (visual.transformer.resblocks.0.ln_1.weight, " in caught.value.why
    assert "unexpected: 36 (module.visual.transformer.resblocks.0.ln_1.weight, " in caught.value.why
    assert caught.value.why.count("module.visual") == 5


def test_another_shape_or_kind_is_named_and_what_fits_shares_its_memory():
    state = portable_state(built(VIT))
    with pytest.raises(DataError, match=r"of another shape or kind: 1 \(text_projection \[48, 64\] for \[64, 48\]\)"):
        load_portable(VIT, {**state, "text_projection": state["text_projection"].T})
    with pytest.raises(DataError, match=r"ln_final\.bias"):
        load_portable(VIT, {**state, "ln_final.bias": torch.zeros(64, dtype=torch.int64)})
    model = load_portable(VIT, state)
    assert model.text_projection.data_ptr() == state["text_projection"].data_ptr()
    assert model.text_projection.requires_grad
