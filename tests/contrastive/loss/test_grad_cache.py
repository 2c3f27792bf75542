"""GradCache in one process. Across processes: test_oracle.py."""

import math
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional

from contrastive.loss import dense as losses
from contrastive.loss import tiled
from contrastive.loss.grad_cache import accumulate, freeze_batch_norm, split_parts
from strictio.errors import UsageError

PAIRS, WIDTH = 12, 6


class Towers(nn.Module):
    """Two small towers; `noise` is drawn from torch's own generator, `kept` (a patch dropout) from one of the model's."""

    def __init__(self, dropout=0.0, norm=False, generator=None):
        super().__init__()
        middle = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.image = nn.Sequential(nn.Linear(WIDTH, 8), middle, nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 4))
        self.text = nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 4))
        self.logit_scale, self.logit_bias = nn.Parameter(torch.tensor([math.log(10)])), nn.Parameter(torch.tensor([-3.0]))
        self.generator, self.calls = generator, 0

    def forward(self, image, text):
        self.calls += 1
        if self.generator is not None:
            image = image * torch.randint(0, 2, image.shape, generator=self.generator)
        return functional.normalize(self.image(image), dim=1), functional.normalize(self.text(text), dim=1), self.logit_scale.exp()


def make_model(**settings):
    torch.manual_seed(1)
    return Towers(**settings).double()


def make_batch():
    generator = torch.Generator().manual_seed(2)
    return tuple(torch.randn(PAIRS, WIDTH, generator=generator, dtype=torch.float64) for _ in range(2))


def objective(model, kind="sigmoid"):
    return lambda image_nd, text_nd: tiled.LOSSES[kind](image_nd, text_nd, model.logit_scale, model.logit_bias, 5)


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def assert_same(found, expected, tolerance=1e-12):
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=tolerance)


def one_graph(model, parts, kind="sigmoid"):
    """The oracle: every part encoded with its graph kept, the dense loss on all features, one backward pass."""
    features = [model(*part)[:2] for part in split_parts(make_batch(), parts)]
    image_nd, text_nd = (torch.cat(column) for column in zip(*features, strict=True))
    value = losses.LOSSES[kind](image_nd, text_nd, model.logit_scale.exp(), model.logit_bias)
    value.backward()
    return value.detach()


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize(("parts", "norm"), [(1, False), (1, True), (2, False), (5, False), (12, False)])
def test_parts_give_the_gradient_of_the_whole_batch(kind, parts, norm):
    """Temperature and bias too: not the sum over the parts of what each would give them. Batch norm may train on one part."""
    expected, model = (make_model(norm=norm) for _ in range(2))
    whole = one_graph(expected, 1, kind)
    value = accumulate(model, split_parts(make_batch(), parts), objective(model, kind))
    torch.testing.assert_close(value, whole, rtol=0, atol=1e-13)
    assert not value.requires_grad
    assert_same(gradients(model), gradients(expected))
    assert ("logit_bias" in gradients(model)) == (kind == "sigmoid")
    assert model.calls == (1 if parts == 1 else 2 * parts)  # every part is encoded twice, and one part once


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_dropout_is_drawn_once_for_both_passes(parts):
    """Half of everything is dropped, from torch's generator and from the model's own; the second pass drops the same."""
    results = []
    for run in (
        lambda model: one_graph(model, parts),
        lambda model: accumulate(model, split_parts(make_batch(), parts), objective(model), generators=[model.generator]),
    ):
        model = make_model(dropout=0.5, generator=torch.Generator().manual_seed(3))
        torch.manual_seed(4)
        results.append((run(model), gradients(model), torch.get_rng_state(), model.generator.get_state()))
    (value, found, after, own_after), (expected_value, expected, expected_after, own_expected) = results
    torch.testing.assert_close(value, expected_value, rtol=0, atol=1e-13)
    assert_same(found, expected)
    # What is drawn next does not depend on how the batch was taken.
    assert torch.equal(after, expected_after)
    assert torch.equal(own_after, own_expected)


def test_a_generator_that_is_not_replayed_shows():
    """Without the replay the test above would fail: it sees the random state."""
    expected, model = (make_model(dropout=0.5, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    torch.manual_seed(4)
    one_graph(expected, 3)
    torch.manual_seed(4)
    accumulate(model, split_parts(make_batch(), 3), objective(model))
    name = "image.0.weight"
    assert (gradients(model)[name] - gradients(expected)[name]).abs().max() > 1e-3


def test_gradients_add_to_what_is_there():
    expected, model = make_model(), make_model()
    one_graph(expected, 1)
    for _ in range(2):
        accumulate(model, split_parts(make_batch(), 3), objective(model))
    assert_same(gradients(model), {name: 2 * gradient for name, gradient in gradients(expected).items()})


def test_the_order_of_the_rows_is_that_of_the_batch():
    """A loss that weighs row i by i sees rows 0 to 11 in order, whatever the parts."""
    weight = torch.arange(PAIRS, dtype=torch.float64)
    found = []
    for parts in (1, 5):
        model = make_model()
        accumulate(model, split_parts(make_batch(), parts), lambda image_nd, text_nd: (weight[:, None] * image_nd * text_nd.detach()).sum())
        found.append(gradients(model))
    assert_same(found[1], found[0])


@pytest.mark.parametrize("locked", ["image", "text"])
def test_a_locked_tower_stays_without_gradient(locked):
    expected, model = make_model(), make_model()
    for towers in (expected, model):
        getattr(towers, locked).requires_grad_(False)
    one_graph(expected, 1)
    accumulate(model, split_parts(make_batch(), 3), objective(model))
    assert_same(gradients(model), gradients(expected))
    assert not any(name.startswith(locked) for name in gradients(model))


def test_autocast_covers_the_towers_and_not_the_loss():
    """Also when all of it runs inside autocast: weights cast by the pass without gradient are not reused by the one with."""
    for outside in (nullcontext, lambda: torch.autocast("cpu", torch.bfloat16)):
        model, seen = make_model().float(), []

        def loss(image_nd, text_nd, model=model, seen=seen):
            seen.append((image_nd.dtype, torch.is_autocast_enabled("cpu")))
            return objective(model)(image_nd.float(), text_nd.float())

        with outside():
            batches = split_parts(tuple(x.float() for x in make_batch()), 3)
            value = accumulate(model, batches, loss, within=lambda: torch.autocast("cpu", torch.bfloat16))
        assert value.dtype == torch.float32
        assert seen[0][1] == (outside is not nullcontext)
        assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in model.parameters())


def test_batch_norm_in_train_mode_is_refused_and_frozen_is_exact():
    model = make_model(norm=True)
    with pytest.raises(UsageError, match="not exact with batch norm") as refused:
        accumulate(model, split_parts(make_batch(), 2), objective(model))
    assert "freeze_batch_norm" in str(refused.value)
    assert gradients(model) == {}
    assert model.calls == 0
    expected = make_model(norm=True)
    for towers in (model, expected):
        freeze_batch_norm(towers)
    one_graph(expected, 1)
    accumulate(model, split_parts(make_batch(), 2), objective(model))
    assert_same(gradients(model), gradients(expected))
    assert model.training
    assert model.image[1].num_batches_tracked == 0


def test_split_keeps_order_and_is_even_and_more_parts_than_rows_are_refused():
    parts = split_parts((torch.arange(7), torch.arange(7) * 10), 3)
    assert [part[0].tolist() for part in parts] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [part[1].tolist() for part in parts] == [[0, 10, 20], [30, 40], [50, 60]]
    for count in (0, 8):
        with pytest.raises(UsageError, match=f"7 pairs cannot be taken in {count} parts"):
            split_parts((torch.arange(7),), count)
