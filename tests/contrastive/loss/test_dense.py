"""Losses against numbers worked by hand, identities, and derivatives checked by differences."""

import math

import pytest
import torch

from contrastive.loss.dense import LOSSES, info_nce, sigmoid


def unit(rows):
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float64), dim=-1)


def random_pair(n=5, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.nn.functional.normalize(torch.randn(n, d, dtype=torch.float64, generator=generator), dim=-1) for _ in range(2))


SCALE, BIAS = torch.tensor([2.0], dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)


AXES = unit([[1, 0], [0, 1]])


def test_two_orthogonal_pairs_by_hand():
    # Cosines are the identity; logits 2 on the diagonal, 0 beside it: every row and column loses ln(1 + e^-2).
    assert info_nce(AXES, AXES, SCALE).item() == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-12)
    # Logits: 2 * 1 - 1 = 1 on the diagonal, -1 beside it. Each of the four terms is softplus(-1); the sum is over two images.
    assert sigmoid(AXES, AXES, SCALE, BIAS).item() == pytest.approx(4 * math.log(1 + math.exp(-1)) / 2, abs=1e-12)
    with pytest.raises(ValueError, match="bias"):
        sigmoid(AXES, AXES, SCALE)


def test_info_nce_averages_both_directions():
    # Both captions are (1, 0): an image cannot choose between them (ln 2 for each row), and both columns hold logits 2 and 0:
    # caption 0 prefers its own image, ln(1 + e^-2); caption 1 prefers the other's, ln(1 + e^2).
    image, text = AXES, unit([[1, 0], [1, 0]])
    columns = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    assert info_nce(image, text, SCALE).item() == pytest.approx((math.log(2) + columns) / 2, abs=1e-12)
    assert info_nce(text, image, SCALE).item() == pytest.approx((math.log(2) + columns) / 2, abs=1e-12)


def test_info_nce_of_equal_features_is_ln_n():
    same = unit([[3, 4]] * 7)
    assert info_nce(same, same, SCALE).item() == pytest.approx(math.log(7), abs=1e-12)


@pytest.mark.parametrize("kind", LOSSES)
def test_permuting_the_pairs_changes_nothing_and_exchanging_captions_costs(kind):
    image, text = random_pair()
    order = torch.tensor([3, 0, 4, 1, 2])
    before, after = LOSSES[kind](image, text, SCALE, BIAS), LOSSES[kind](image[order], text[order], SCALE, BIAS)
    assert after.item() == pytest.approx(before.item(), abs=1e-12)
    image = unit([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert LOSSES[kind](image, image[[1, 2, 0]], SCALE, BIAS) > LOSSES[kind](image, image, SCALE, BIAS)


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients_equal_differences(kind):
    image, text = random_pair()
    inputs = tuple(tensor.clone().requires_grad_() for tensor in (image, text, SCALE, BIAS))
    assert torch.autograd.gradcheck(lambda *values: LOSSES[kind](*values), inputs)


def test_info_nce_gradient_by_hand():
    # Two orthogonal pairs, p = e^2 / (e^2 + 1): d logits = (p - 1, 1 - p; 1 - p, p - 1) / 2 from rows and columns together,
    # d scale = sum(d logits * cosine) = p - 1.
    scale = SCALE.clone().requires_grad_()
    info_nce(AXES, AXES, scale).backward()
    p = math.exp(2) / (math.exp(2) + 1)
    assert scale.grad.item() == pytest.approx(p - 1, abs=1e-12)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_loss_is_single_precision_whatever_the_features_are_and_autocast_does_not_reach_it(kind):
    image, text = random_pair(n=64, d=32)
    scale, bias = torch.tensor([100.0]), torch.tensor([-10.0])
    half = LOSSES[kind](image.bfloat16(), text.bfloat16(), scale, bias)
    # The features are rounded once; from there on nothing is.
    rounded = LOSSES[kind](image.bfloat16().double(), text.bfloat16().double(), scale, bias)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(rounded.item(), rel=1e-5)
    image, text = image.float(), text.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = LOSSES[kind](image, text, scale, bias)
    assert inside.item() == LOSSES[kind](image, text, scale, bias).item()


def test_extreme_logits_stay_finite():
    image = torch.eye(3)
    for loss in LOSSES.values():
        for text in (image, image[[1, 2, 0]]):
            scale = torch.tensor([1e4], requires_grad=True)
            value = loss(image, text, scale, torch.tensor([-1e4]))
            value.backward()
            assert torch.isfinite(torch.stack([value, *scale.grad])).all()
