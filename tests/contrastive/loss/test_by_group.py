"""Weights of pairs by group: worked by hand, and in the losses themselves."""

import numpy as np
import pytest
import torch

from contrastive.loss import tiled
from contrastive.loss.by_group import FixedWeights, GroupDRO


def test_group_dro_by_hand():
    # Two groups in the batch, one outside. Losses: group 0 has 2 and 4 (mean 3), group 1 has 1. With rate ln 2, the weights 1/3 each become
    # 8/3, 2/3, 1/3, divided by their sum: 8/11, 2/11, 1/11. A pair of group 0 counts 8/11 * 3 / 2, the one of group 1 2/11 * 3 / 1.
    dro = GroupDRO.start(3, rate=np.log(2))
    losses = torch.tensor([2.0, 1.0, 4.0])
    weights = dro.weigh(np.array([0, 1, 0]))(losses)
    np.testing.assert_allclose(dro.q_g, [8 / 11, 2 / 11, 1 / 11], rtol=1e-12)
    np.testing.assert_allclose(weights.numpy(), [12 / 11, 6 / 11, 12 / 11], rtol=1e-6)
    assert (weights * losses).mean().item() == pytest.approx(8 / 11 * 3 + 2 / 11 * 1)


def test_equal_losses_keep_the_weights_and_large_ones_do_not_overflow():
    dro = GroupDRO.start(2, rate=1.0)
    dro.weigh(np.array([0, 1]))(torch.tensor([5.0, 5.0]))
    np.testing.assert_allclose(dro.q_g, [0.5, 0.5])
    dro.weigh(np.array([0, 1]))(torch.tensor([1e4, 1.0]))
    assert dro.q_g.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_two_pairs_by_hand(kind):
    # Images and texts of one dimension: the logits are [[2, 1], [4, 2]] + bias, so the losses can be written down.
    image, text, bias = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [1.0]]), torch.tensor([-1.0])
    seen = []
    weigh = lambda losses: seen.append(losses) or torch.tensor([0.5, 1.5])  # noqa: E731
    value = tiled.LOSSES[kind](image, text, torch.zeros(1), bias, tile=1, weigh=weigh)

    def softplus(x):
        return np.log1p(np.exp(x))

    if kind == "softmax":  # row 0: 2 against 1; row 1: 2 against 4; column 0: 2 against 4; column 1: 2 against 1
        expected = [(softplus(1 - 2) + softplus(4 - 2)) / 2, (softplus(4 - 2) + softplus(1 - 2)) / 2]
    else:  # right: logit 1 each; wrong: 0 and 3
        right, wrong, other = softplus(-1), softplus(0), softplus(3)
        expected = [right + (wrong + other) / 2, right + (wrong + other) / 2]
    np.testing.assert_allclose(seen[0].numpy(), expected, rtol=1e-6)
    assert value.item() == pytest.approx((0.5 * expected[0] + 1.5 * expected[1]) / 2, rel=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_the_weighted_gradient_is_that_of_autograd(kind):
    """With weights of 0 among them, in tiles of 3; against the sum written with torch's own functions."""
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(8, 4, generator=generator, dtype=torch.float64) for _ in range(2)]
    leaves += [torch.tensor([1.1], dtype=torch.float64), torch.tensor([-2.0], dtype=torch.float64)]
    weight_n = torch.tensor([0.0, 1.0, 2.5, 0.0, 0.3, 1.0, 1.0, 4.0], dtype=torch.float64)

    def dense(image, text, log_scale, bias):
        logits = log_scale.exp() * image @ text.T
        if kind == "softmax":
            loss_n = -(torch.log_softmax(logits, 1).diagonal() + torch.log_softmax(logits, 0).diagonal()) / 2
        else:
            sign = 2 * torch.eye(8, dtype=torch.float64) - 1
            terms = torch.nn.functional.softplus(-sign * (logits + bias))
            loss_n = (terms.sum(0) + terms.sum(1)) / 2
        return (weight_n * loss_n).mean()

    def slopes(function):
        fresh = [leaf.clone().requires_grad_() for leaf in leaves]
        value = function(*fresh)
        return value.item(), torch.autograd.grad(value, fresh[: 3 if kind == "softmax" else 4])

    value, gradients = slopes(lambda *arguments: tiled.LOSSES[kind](*arguments, tile=3, weigh=lambda _: weight_n))
    expected, wanted = slopes(dense)
    assert value == pytest.approx(expected, abs=1e-13)
    for gradient, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_equal_weights_are_the_plain_loss(kind):
    generator = torch.Generator().manual_seed(1)
    image, text = (torch.randn(10, 4, generator=generator, requires_grad=True) for _ in range(2))
    bias = torch.tensor([-1.0])
    plain = tiled.LOSSES[kind](image, text, torch.zeros(1), bias)
    weighted = tiled.LOSSES[kind](image, text, torch.zeros(1), bias, weigh=FixedWeights(np.ones(2)).weigh(np.arange(10) % 2))
    assert weighted.item() == pytest.approx(plain.item(), rel=1e-6)
    for one, other in zip(*(torch.autograd.grad(value, [image, text]) for value in (plain, weighted)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
