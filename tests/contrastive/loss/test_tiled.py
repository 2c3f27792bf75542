"""The tiled losses in one process. Across processes: test_oracle.py."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from contrastive.loss import tiled
from strictio.errors import VlmAuditError
from tests.support.losses import dense_form, kept_bytes
from tests.support.losses import value_and_slopes as slopes

KINDS = ("softmax", "sigmoid")


def make_features(pairs, width, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [functional.normalize(torch.randn(pairs, width, generator=generator, dtype=dtype), dim=1) for _ in range(2)]


def make_scalars(scale=14.3, bias=-4.0, dtype=torch.float64):
    return [torch.tensor([math.log(scale)], dtype=dtype), torch.tensor([bias], dtype=dtype)]


def assert_same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


def test_two_pairs_by_hand():
    """Features are the axes, scale 2: each row of logits is (2, 0), so that every cross-entropy is ln(1 + e^-2)."""
    axes = torch.eye(2, dtype=torch.float64)
    scale, bias = make_scalars(scale=2, bias=-1)
    assert tiled.info_nce(axes, axes, scale).item() == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-15)
    # With bias -1 the right pairs have logit 1, the wrong ones -1: for each image ln(1 + e^-1) twice.
    assert tiled.sigmoid(axes, axes, scale, bias).item() == pytest.approx(2 * math.log(1 + math.exp(-1)), abs=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [1, 2, 5, 12, 13, 1000, None])
def test_any_tile_is_the_dense_loss(kind, tile):
    tensors = [*make_features(13, 7), *make_scalars()]
    assert_same(slopes(tiled.LOSSES[kind], tensors, tile=tile), slopes(dense_form(kind), tensors), 1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind):
    leaves = [tensor.requires_grad_() for tensor in [*make_features(5, 3), *make_scalars(scale=3)]]
    used = leaves if kind == "sigmoid" else leaves[:3]
    assert torch.autograd.gradcheck(lambda *x: tiled.LOSSES[kind](*x, tile=2), used)


def test_one_pair_alone_has_nothing_to_be_told_from():
    image_nd, text_nd = make_features(1, 4)
    value, *gradients = slopes(tiled.info_nce, [image_nd, text_nd, make_scalars()[0]])
    assert value == 0
    assert all(gradient.abs().max() < 1e-15 for gradient in gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_pairs_does_not_matter_and_captions_that_move_against_their_images_cost(kind):
    """The loss stays, and each row's gradient goes with its row."""
    image_nd, text_nd = make_features(9, 4)
    order = torch.tensor([4, 0, 8, 2, 7, 1, 3, 6, 5])
    value, image, text, scale, bias = slopes(tiled.LOSSES[kind], [image_nd, text_nd, *make_scalars()], tile=4)
    moved = slopes(tiled.LOSSES[kind], [image_nd[order], text_nd[order], *make_scalars()], tile=4)
    assert_same(moved, [value, image[order], text[order], scale, bias], 1e-13)
    matched, shifted = (tiled.LOSSES[kind](image_nd, text, *make_scalars(), tile=4) for text in (image_nd, image_nd.roll(1, 0)))
    assert matched < shifted


def test_image_and_text_may_be_exchanged():
    image_nd, text_nd = make_features(9, 4)
    scale, _ = make_scalars()
    value, image, text, slope = slopes(tiled.info_nce, [image_nd, text_nd, scale], tile=4)
    assert_same(slopes(tiled.info_nce, [text_nd, image_nd, scale], tile=2), [value, text, image, slope], 1e-13)


def test_open_clip_gives_the_same_losses():
    open_clip = pytest.importorskip("open_clip")
    image_nd, text_nd = make_features(17, 8)
    scale, bias = make_scalars()
    theirs = open_clip.ClipLoss()(image_nd, text_nd, scale.exp().squeeze())
    torch.testing.assert_close(tiled.info_nce(image_nd, text_nd, scale, tile=5), theirs, rtol=0, atol=1e-13)
    theirs = open_clip.loss.SigLipLoss()(image_nd, text_nd, scale.exp(), bias)
    torch.testing.assert_close(tiled.sigmoid(image_nd, text_nd, scale, bias, tile=5), theirs, rtol=0, atol=1e-13)


# Memory: what autograd keeps. A chunked loss whose chunks autograd keeps saves nothing, and no value shows it.


def saved_bytes(function, tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    return kept_bytes(lambda: function(*leaves))


def chunked_but_kept(image_nd, text_nd, logit_scale, logit_bias):
    """Tiles in a plain loop: each is small, all of them stay."""
    logits = [(logit_scale.exp() * rows) @ text_nd.T for rows in image_nd.split(16)]
    rows = torch.cat([part.logsumexp(1) for part in logits])
    columns = torch.stack([part.logsumexp(0) for part in logits]).logsumexp(0)
    positive = (image_nd * text_nd).sum(1) * logit_scale.exp()
    return ((rows + columns) / 2 - positive).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_saved_bytes_grow_with_the_batch_not_with_its_square(kind):
    """Saved: image [n, d], text [n, d], two n-vectors and scalars. At n = 512, d = 8 that is 18 n numbers; dense losses keep 512 n."""
    width = 8
    for pairs in (256, 512):
        tensors = [*make_features(pairs, width, dtype=torch.float32), *make_scalars(dtype=torch.float32)]
        allowed = 4 * (2 * pairs * width + 2 * pairs) + 64
        assert saved_bytes(lambda *x: tiled.LOSSES[kind](*x, tile=16), tensors) <= allowed
        assert saved_bytes(dense_form(kind), tensors) > 4 * pairs**2
        assert saved_bytes(chunked_but_kept, tensors) > 4 * pairs**2


@pytest.mark.parametrize("kind", KINDS)
def test_no_tensor_is_larger_than_a_tile(kind, monkeypatch):
    """Neither pass makes anything larger than tile x batch, or than the features."""
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, tuple | list) else [result]:
                largest = max(largest, tensor.numel() if isinstance(tensor, torch.Tensor) else 0)
            return result

    tensors = [*make_features(64, 4), *make_scalars()]
    with Watch():
        slopes(tiled.LOSSES[kind], tensors, tile=8)
    assert largest == 8 * 64


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16])
def test_narrow_features_and_autocast_do_not_touch_the_loss(kind, narrow):
    """The logits are float32 products of the given features, also inside autocast, and so is the backward pass."""
    features = [x.to(narrow) for x in make_features(33, 16, dtype=torch.float32)]
    scalars = make_scalars(scale=100, dtype=torch.float32)
    expected = slopes(tiled.LOSSES[kind], [*(x.float() for x in features), *scalars], tile=8)
    leaves = [tensor.clone().requires_grad_() for tensor in [*features, *scalars]]
    with torch.autocast("cpu", torch.bfloat16):
        value = tiled.LOSSES[kind](*leaves, tile=8)
        value.backward()
    assert value.dtype == torch.float32
    assert value == expected[0]
    for leaf, slope in zip(leaves, expected[1:], strict=True):
        assert slope is None or torch.equal(leaf.grad, slope.to(leaf.dtype))


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_near_float64(kind):
    tensors = [*make_features(64, 16), *make_scalars(scale=100)]
    exact = slopes(tiled.LOSSES[kind], tensors)
    found = slopes(tiled.LOSSES[kind], [tensor.float() for tensor in tensors])
    for one, other in zip(found, exact, strict=True):
        assert one is None or (one - other).abs().max() <= 1e-5 * max(1, other.abs().max())


def test_logits_of_thousands_stay_finite():
    """Logits up to about +-10^4 with exp(logit) far outside float32; by the largest and the second largest logit of a row."""
    image_nd, text_nd = (100 * x for x in make_features(8, 4, dtype=torch.float32))
    found = slopes(tiled.info_nce, [image_nd, text_nd, torch.zeros(1)], tile=3)
    expected = slopes(dense_form("softmax"), [x.double() for x in (image_nd, text_nd, torch.zeros(1), torch.zeros(1))])
    for one, other in zip(found, expected[:4], strict=True):
        assert torch.isfinite(one).all()
        np.testing.assert_allclose(one.double(), other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_an_almost_learnt_pair_still_has_a_gradient():
    """Logits +-40 and the right answer: the loss is 2 e^-40, its slope at the right pair -e^-40; in float32, 1 - sigmoid(40) is 0."""
    axes = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    value, image, *_ = slopes(tiled.sigmoid, [axes, axes, torch.tensor([math.log(40.0)]), torch.zeros(1)])
    assert value.item() == pytest.approx(2 * math.exp(-40), rel=1e-5)
    # Image 1: its own caption (1, 0) with slope -e^-40 and the other (-1, 0) with +e^-40, times scale 40, over 2 pairs.
    assert image[0, 0].item() == pytest.approx(-40 * math.exp(-40), rel=1e-5)


def test_a_loss_that_is_scaled_has_scaled_gradients():
    """As the fp16 scaler does."""
    tensors = [*make_features(9, 4), *make_scalars()]
    plain = slopes(tiled.sigmoid, tensors, tile=4)
    scaled = slopes(lambda *x: 1024 * tiled.sigmoid(*x, tile=4), tensors)
    assert_same(scaled, [1024 * x for x in plain], 1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_locked_tower_needs_no_gradient(kind):
    image_nd, text_nd = make_features(9, 4)
    scalars = make_scalars()
    _, image, text, scale, _ = slopes(tiled.LOSSES[kind], [image_nd, text_nd, *scalars])
    for locked in (0, 1):
        leaves = [x.clone().requires_grad_(index != locked) for index, x in enumerate([image_nd, text_nd, *scalars])]
        tiled.LOSSES[kind](*leaves).backward()
        assert leaves[locked].grad is None
        assert_same([leaves[1 - locked].grad, leaves[2].grad], [text if locked == 0 else image, scale], 1e-15)


def test_no_gradient_is_kept_where_none_is_asked_for_and_a_gradient_of_the_gradient_is_refused():
    with torch.no_grad():
        assert not tiled.info_nce(*make_features(4, 3), make_scalars()[0].requires_grad_()).requires_grad
    leaves = [x.requires_grad_() for x in [*make_features(4, 3), make_scalars()[0]]]
    [slope] = torch.autograd.grad(tiled.info_nce(*leaves), leaves[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        slope.sum().backward()


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (4,), (0, 4)])
def test_features_that_are_no_pairs_are_refused(shape):
    other = torch.zeros(0, 4) if shape == (0, 4) else torch.zeros(4, 4)
    with pytest.raises(VlmAuditError, match="not pairs"):
        tiled.info_nce(torch.zeros(shape), other, torch.zeros(1))


def test_the_sigmoid_loss_without_a_bias_and_a_tile_of_no_rows_are_refused():
    with pytest.raises(VlmAuditError, match="logit bias"):
        tiled.sigmoid(*make_features(4, 3), make_scalars()[0])
    with pytest.raises(VlmAuditError, match="a tile of 0 rows"):
        tiled.info_nce(*make_features(4, 3), make_scalars()[0], tile=0)
