"""The optimiser's rules: who decays, the schedule, clipping, the clamp."""

import math
from itertools import pairwise

import pytest
import torch

from contrastive.config import OptimConfig, read_config
from contrastive.model.clip import CLIP
from contrastive.model.presets import preset
from contrastive.training.optimizer import (
    LOGIT_SCALE_MAX,
    clamp_logit_scale,
    clip,
    decays,
    learning_rate,
    make_optimizer,
    parameter_groups,
    set_learning_rate,
)  # fmt: skip

CONFIG = OptimConfig(steps=110, lr=0.4, warmup=10)


@pytest.mark.parametrize("name", ["tiny-vit", "tiny-conv"])
def test_only_matrices_and_kernels_decay(name):
    model = CLIP(preset(name, vocab_size=600))
    kept = {parameter for parameter, tensor in model.named_parameters() if not decays(parameter, tensor)}
    assert {"logit_scale", "positional_embedding", "ln_final.weight", "ln_final.bias", "transformer.resblocks.0.mlp.c_fc.bias"} <= kept
    assert not kept & {"token_embedding.weight", "text_projection", "visual.proj", "transformer.resblocks.0.attn.in_proj_weight"}
    for parameter, tensor in model.named_parameters():
        assert (parameter in kept) == (tensor.ndim < 2 or "positional" in parameter or "class_embedding" in parameter), parameter
    assert not decays("logit_bias", torch.zeros(1, 1))
    assert not decays("visual.class_embedding", torch.zeros(1, 8))
    assert decays("class_embedding_head", torch.zeros(2, 8))  # whole names count, not their beginnings


def test_groups_hold_every_trained_parameter_once_and_the_rate_reaches_all():
    model = CLIP(preset("tiny-vit", vocab_size=600))
    model.text_projection.requires_grad_(False)
    groups = parameter_groups(model.named_parameters(), 0.1)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    optimizer = make_optimizer(model, CONFIG)
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


def test_a_step_with_zero_gradient_only_decays():
    # AdamW: p <- p (1 - lr * decay) = p (1 - 0.4 * 0.5); what does not decay stays.
    model = CLIP(preset("tiny-vit", vocab_size=600))
    optimizer = make_optimizer(model, OptimConfig(steps=1, lr=0.4, weight_decay=0.5))
    before = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, tensor in model.named_parameters():
        torch.testing.assert_close(tensor.detach(), before[name] * (0.8 if decays(name, tensor) else 1.0))


def test_warm_up_then_cosine():
    # Warm-up over 10 steps: 1/10, 2/10, ... of 0.4. Then half a cosine over 100: a quarter of the way (cos 45 deg) at step 35, half at 60.
    rates = [learning_rate(step, CONFIG) for step in range(110)]
    assert rates[:10] == pytest.approx([0.04 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(0.4)
    assert rates[35] == pytest.approx(0.4 * (1 + math.sqrt(0.5)) / 2)
    assert rates[60] == pytest.approx(0.2)
    assert rates[109] == pytest.approx(0.4 * (1 + math.cos(math.pi * 0.99)) / 2)
    assert all(after < before for before, after in pairwise(rates[10:]))
    for config in (OptimConfig(steps=3, lr=1.0, warmup=warmup) for warmup in (0, 3)):  # short ones are positive
        assert all(0 < learning_rate(step, config) <= 1 for step in range(3))


@pytest.mark.parametrize(
    ("before", "length", "after", "rel"),
    [((3.0, 4.0), 5.0, (0.6, 0.8), 1e-5), ((0.3, 0.4), 0.5, (0.3, 0.4), None), ((math.nan, 4.0), math.nan, (math.nan, 4.0), 0.0)],
    ids=["long", "short", "not finite"],
)
def test_clipping_scales_the_whole_gradient_to_1_where_it_is_longer(before, length, after, rel):
    model = torch.nn.Linear(1, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[before[0]]]), torch.tensor([before[1]])
    assert clip(model, 1.0) == pytest.approx(length, nan_ok=True)
    assert (model.weight.grad.item(), model.bias.grad.item()) == pytest.approx(after, rel=rel, nan_ok=True)


def test_clipping_can_be_turned_off():
    model = torch.nn.Linear(1, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[30.0]]), torch.tensor([40.0])
    assert clip(model, 0.0) == pytest.approx(50.0)
    assert (model.weight.grad.item(), model.bias.grad.item()) == (30.0, 40.0)
    assert read_config("shapes", ["optim.clip=0.0"]).optim.clip == 0


@pytest.mark.parametrize(("before", "after"), [(-0.5, 0.0), (2.659, 2.659), (5.0, LOGIT_SCALE_MAX)])
def test_the_scale_stays_between_1_and_100(before, after):
    scale = torch.nn.Parameter(torch.tensor([before]))
    clamp_logit_scale(scale)
    assert scale.item() == pytest.approx(after)
    assert scale.requires_grad
    assert math.exp(LOGIT_SCALE_MAX) == pytest.approx(100)
