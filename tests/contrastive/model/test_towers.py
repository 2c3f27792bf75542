"""The towers: initial spread of every weight, pooling, masks, and what must not matter."""

import math

import pytest
import torch

from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, TextConfig, ViTConfig
from contrastive.model.blocks import QuickGELU
from contrastive.model.towers import ConvTower, ModifiedResNet, TextTransformer, VisionTransformer, vision_tower
from strictio.errors import UsageError
from strictio.schema import from_dict
from tests.support.losses import kept_bytes

torch.set_num_threads(1)

VIT = ViTConfig(image_size=32, patch_size=8, width=256, layers=3)
RESNET = ResNetConfig(image_size=64, width=8, layers=(1, 2, 1, 1))
CONV = ConvConfig(image_size=16, channels=(4, 8))
TEXT = TextConfig(context=10, vocab_size=50, width=32, layers=2, head_width=8)
EOT = 49


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(vision=VIT, text=TEXT, **settings):
    return ModelConfig(embed_dim=32, vision=vision, text=text, **settings)


def text_tower(seed=0, **changes):
    tower = TextTransformer(model(text=TextConfig(**{**TEXT.__dict__, **changes})))
    tower.reset_text(seeded(seed))
    # The paper's weights make a text tower's first features nearly equal; with larger ones a wrong mask shows.
    for parameter in tower.parameters():
        parameter.data *= 3
    return tower.eval()


def spread(tensors):
    """Root mean square, relative to nothing: the weights have mean 0."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).square().mean().sqrt().item()


# Initialisation: every standard deviation of contrastive training's table to 5 %. Small tensors are drawn many times.


@pytest.mark.slow_except(
    "proj-0.0625",
    "transformer.resblocks.0.attn.in_proj_weight-0.0625",
    "transformer.resblocks.1.attn.out_proj.weight-0.02551551815399144",
    "transformer.resblocks.2.mlp.c_proj.weight-0.02551551815399144",
    "transformer.resblocks.0.mlp.c_fc.weight-0.04419417382415922",
)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("class_embedding", 256**-0.5), ("positional_embedding", 256**-0.5), ("proj", 256**-0.5),
        ("transformer.resblocks.0.attn.in_proj_weight", 256**-0.5),
        ("transformer.resblocks.1.attn.out_proj.weight", 256**-0.5 * 6**-0.5),
        ("transformer.resblocks.2.mlp.c_proj.weight", 256**-0.5 * 6**-0.5),
        ("transformer.resblocks.0.mlp.c_fc.weight", 512**-0.5),
    ],
)  # fmt: skip
def test_initial_spread_of_the_vision_transformer_whose_biases_begin_at_zero(name, expected):
    tower = VisionTransformer(VIT, model())
    drawn = []
    for seed in range(20 if "embedding" in name else 1):
        tower.reset(seeded(seed))
        drawn.append(dict(tower.named_parameters())[name].clone())
    assert spread(drawn) == pytest.approx(expected, rel=0.05)
    assert all(not parameter.any() for name, parameter in tower.named_parameters() if name.endswith("bias"))


def test_initial_spread_of_the_text_transformer():
    tower = TextTransformer(model(text=TextConfig(context=32, vocab_size=500, width=128, layers=2)))
    tower.reset_text(seeded())
    expected = {
        "token_embedding.weight": 0.02,
        "positional_embedding": 0.01,
        "text_projection": 128**-0.5,
        "transformer.resblocks.0.attn.in_proj_weight": 128**-0.5,
        "transformer.resblocks.1.attn.out_proj.weight": 128**-0.5 * 4**-0.5,
        "transformer.resblocks.0.mlp.c_fc.weight": 256**-0.5,
        "transformer.resblocks.1.mlp.c_proj.weight": 128**-0.5 * 4**-0.5,
    }
    assert {name: spread([dict(tower.named_parameters())[name]]) for name in expected} == pytest.approx(expected, rel=0.05)


def test_initial_spread_of_the_attention_pool_and_every_bottleneck_begins_as_its_shortcut():
    tower = ModifiedResNet(RESNET, model())
    tower.reset(seeded())
    assert spread([tower.attnpool.positional_embedding]) == pytest.approx(256**-0.5, rel=0.05)  # 5 places, width 8 * 32
    block = tower.layer2[1].eval()  # 64 channels in and out: the shortcut is the identity
    x = torch.rand(2, 64, 5, 5, generator=seeded())
    assert torch.equal(block(x), x)
    block.bn3.weight.data.fill_(1)
    assert not torch.equal(block(x), x)


@pytest.mark.parametrize(("vision", "kind", "size"), [(VIT, VisionTransformer, 32), (RESNET, ModifiedResNet, 64), (CONV, ConvTower, 16)])
def test_a_tower_makes_one_row_an_image(vision, kind, size):
    tower = vision_tower(model(vision))
    tower.reset(seeded())
    tower.eval()
    images = torch.rand(3, 3, size, size, generator=seeded())
    rows = tower(images)
    assert isinstance(tower, kind)
    assert rows.shape == (3, 32)
    torch.testing.assert_close(tower(images[1:2]), rows[1:2])  # a row does not depend on its neighbours
    assert not torch.allclose(tower(images.flip(3)), rows)  # place matters


def test_quick_gelu_at_one():
    # 1 * sigmoid(1.702) = 1 / (1 + e^-1.702) = 1 / 1.18232 = 0.84580; GELU there is 0.84134
    assert QuickGELU()(torch.tensor(1.0)).item() == pytest.approx(0.84580, abs=1e-5)


def test_the_first_end_of_text_is_pooled_and_what_follows_does_not_matter():
    for tower in (text_tower(), text_tower(causal=False), text_tower(pooling="mean"), text_tower(causal=False, pooling="mean")):
        plain = tower.encode_text(torch.tensor([[48, 3, 5, EOT, 0, 0, 0, 0, 0, 0]]))
        for tail in ([7, 8, 9, 10, 11, 12], [EOT] * 6, [0, EOT, 3, 0, 0, 0], []):
            torch.testing.assert_close(tower.encode_text(torch.tensor([[48, 3, 5, EOT, *tail]])), plain, rtol=0, atol=1e-5)
        assert (tower.encode_text(torch.tensor([[48, 3, 6, EOT]])) - plain).abs().max() > 1e-2  # what precedes does


def test_mean_pooling_is_the_mean_over_the_tokens_up_to_the_end():
    tower = text_tower(causal=False, pooling="mean")
    final = []
    tower.ln_final.register_forward_hook(lambda *call: final.append(call[2]))
    row = tower.encode_text(torch.tensor([[48, 3, EOT, 0, 0]]))
    torch.testing.assert_close(row, final[0][:, :3].mean(dim=1) @ tower.text_projection)


def test_a_causal_tower_looks_back_only():
    ids = torch.tensor([[48, 3, 5, EOT], [48, 3, 6, EOT]])  # they differ at place 2
    features = {}
    for causal in (True, False):
        tower = text_tower(causal=causal)
        tower.ln_final.register_forward_hook(lambda *call, causal=causal: features.update({causal: call[2]}))
        tower.encode_text(ids)
    torch.testing.assert_close(features[True][0, :2], features[True][1, :2])
    assert (features[False][0, :2] - features[False][1, :2]).abs().max() > 1e-2


def test_a_text_without_end_or_longer_than_the_context_is_refused():
    with pytest.raises(ValueError, match=r"row 1 has no end-of-text id \(49\)"):
        text_tower().encode_text(torch.tensor([[48, 3, EOT], [48, 3, 4], [48, 3, 5]]))
    with pytest.raises(ValueError, match="texts have 11 tokens, the model's context is 10"):
        text_tower().encode_text(torch.full((1, 11), EOT))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: ViTConfig(image_size=30, patch_size=8, width=64, layers=1),
        lambda: ViTConfig(image_size=32, patch_size=8, width=65, layers=1),
        lambda: ResNetConfig(image_size=65, width=8, layers=(1, 1, 1, 1)),
        lambda: ConvConfig(image_size=12, channels=(4, 8, 16)),
        lambda: ConvConfig(image_size=16, channels=()),
        lambda: from_dict(TextConfig, {"context": 0, "vocab_size": 50, "width": 64, "layers": 1}, "text"),
        lambda: ModelConfig.from_dict({**model().to_dict(), "layer_norm_eps": math.nan}),
    ],
)
def test_impossible_sizes_are_refused(broken):
    with pytest.raises(UsageError):
        broken()


# Recomputation: less memory, the same numbers.


def resnet_step(recompute, times=2):
    """Two forward and backward passes in train mode; return loss, gradients and buffers, and how often a bottleneck ran."""
    tower = ModifiedResNet(RESNET, model()).double()
    tower.reset(seeded())
    with torch.no_grad():
        for block in tower.layer2:
            block.bn3.weight.fill_(0.5)  # as they begin, a bottleneck passes its shortcut on alone
    tower.recompute, calls = recompute, []
    tower.layer2[1].register_forward_pre_hook(lambda *_: calls.append(1))
    for step in range(times):
        images = torch.randn(4, 3, 64, 64, generator=seeded(step), dtype=torch.float64)
        loss = tower(images).square().mean()
        loss.backward()
    gradients = {name: parameter.grad for name, parameter in tower.named_parameters()}
    return loss, gradients, dict(tower.named_buffers()), len(calls)


def test_recomputed_bottlenecks_run_twice_and_their_statistics_move_once():
    loss, gradients, buffers, calls = resnet_step(recompute=False)
    again, others, moved, more = resnet_step(recompute=True)
    assert (calls, more) == (2, 4)
    assert torch.equal(loss, again)
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)
    assert all(torch.equal(buffers[name], moved[name]) for name in buffers)
    assert moved["layer2.1.bn1.num_batches_tracked"] == 2


def test_a_resnet_in_eval_mode_recomputes_nothing_and_its_sizes_halve_five_times():
    tower = ModifiedResNet(RESNET, model()).eval()
    tower.recompute, calls, seen = True, [], []
    tower.layer1[0].register_forward_pre_hook(lambda *_: calls.append(1))
    tower.attnpool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    tower(torch.zeros(1, 3, 64, 64)).sum().backward()
    assert len(calls) == 1
    assert seen == [(1, 256, 2, 2)]  # 64 / 32 = 2; 8 * 32 = 256 channels


def test_recomputation_saves_memory():
    # Bytes that autograd keeps between the passes, parameters not counted.
    def saved(recompute):
        tower = ModifiedResNet(RESNET, model())
        tower.recompute = recompute
        return kept_bytes(lambda: tower(torch.randn(4, 3, 64, 64, generator=seeded())).sum(), ignored=tower.parameters())

    assert saved(True) < 0.6 * saved(False)
