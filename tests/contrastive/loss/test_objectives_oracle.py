"""Objectives with a head, and a teacher, against one process that sees the whole batch: fp64, gloo, 1, 2 and 4 real processes."""

import functools
import itertools

import numpy as np
import pytest
import torch

from contrastive.checkpoint.file import Checkpoint
from contrastive.loss import UNTAUGHT, Distillation, ModelWithHead, make_objective, tiled
from contrastive.loss.grad_cache import add_up, split_parts
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from contrastive.training import optimizer as optim
from strictio.errors import UsageError
from tests.support.oracle import BROKEN, STEPS, TOLERANCE, TOWERS, broken, distances, run_grid, train_dense, train_shared, worst
from tests.support.spawn import spawn

# Tower, how wrapped, kind, rows of a tile, parts of an accumulated batch (neither 5 nor 2 divides all shares).
GRID = [
    *itertools.product(["vit"], ["ddp", "fsdp2"], ["caption", "bag-of-words"], [None], [1, 2]),
    *itertools.product(["vit"], ["ddp", "fsdp2"], ["teacher"], [None, 5], [1, 2]),
    ("vit", "ddp", "teacher of sigmoid", 5, 2),
    ("vit", "fsdp2", "caption-both", None, 2),
]
FEW = [case for case in GRID if case[4] == 2 and (case[2], case[3]) not in (("bag-of-words", None), ("teacher", None))]
"""Each objective wrapped in each way, all uneven: what two processes run; the whole grid under ``-m slow``."""
CONV = ("conv", "ddp", "caption", None, 1)
NOTICED = [name for name in BROKEN if name != "SUM for MAX"]  # which needs logits that no model gives: `test_oracle` has them
TEXTS = [
    "one two", "three", "four five six", "six one", "two two three", "five", "two", "one", "six six", "four one", "two one three", "six",
]  # fmt: skip


@functools.cache
def words():
    return train_bpe(["one two three four five six"] * 3, vocab_size=530, context=8)


def learner_of(tower, kind):
    """Return model, objective and learner, always with the same weights; the text tower of a captioner is locked, as in the trainer."""
    text = TextConfig(context=8, vocab_size=words().vocab_size, width=16, layers=1, head_width=8)
    rule = "sigmoid" if kind == "teacher of sigmoid" else "softmax"
    config = ModelConfig(8, TOWERS[tower], text, score_rule=rule)
    model = CLIP(config, torch.Generator().manual_seed(3)).double()
    if kind.startswith("teacher"):
        teacher = CLIP(ModelConfig(6, ConvConfig(8, (4,)), text), torch.Generator().manual_seed(5)).double()
        known = Checkpoint(teacher, Preprocess(8), words())
        return model, Distillation(known, words(), Preprocess(8), weight=0.7, temperature=2.0), model
    objective = make_objective(kind, config, torch.Generator().manual_seed(4)).double()
    learner = ModelWithHead(model, objective)
    optim.lock(learner, UNTAUGHT)
    return model, objective, learner


def make_batches():
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(STEPS, len(TEXTS), 3, 8, 8, generator=generator, dtype=torch.float64)
    return [(batch, words()(TEXTS[step:] + TEXTS[:step])) for step, batch in enumerate(images)]


def run_all(cases):
    """In a process of a group: the grid, and how far from the oracle a student who hears the teacher only is when something is broken."""
    batches = make_batches()
    expected, found = train_dense(learner_of, batches, "vit", "teacher"), {}
    for name in NOTICED:
        with broken(name):
            found[name] = worst(distances(train_shared(learner_of, batches, "vit", "ddp", "teacher", 5, 1), expected).values())
    return run_grid(learner_of, batches, cases), found


@pytest.fixture(scope="module")
def two():
    """What `run_all` returned on both processes of a group."""
    return spawn(run_all, 2, FEW)


@pytest.mark.parametrize("case", FEW, ids=str)
def test_two_processes_are_one(two, case):
    for found, _ in two:
        assert max(found[FEW.index(case)].values()) < TOLERANCE, found


@pytest.mark.parametrize("name", NOTICED)
def test_a_broken_reduction_is_noticed(two, name):
    assert all(mutants[name] > 1e-4 for _, mutants in two)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_many_processes_are_one_in_every_case(size):
    for found, mutants in spawn(run_all, size, GRID):
        assert max(worst(case.values()) for case in found) < TOLERANCE, found
        assert all(mutants[name] > 1e-4 for name in NOTICED)


@pytest.mark.slow_except(
    "('conv', 'ddp', 'caption', None, 1)",
    "('vit', 'ddp', 'caption', None, 1)",
    "('vit', 'ddp', 'caption', None, 2)",
    "('vit', 'ddp', 'bag-of-words', None, 1)",
    "('vit', 'ddp', 'bag-of-words', None, 2)",
    "('vit', 'ddp', 'teacher', None, 1)",
    "('vit', 'ddp', 'teacher', 5, 1)",
    "('vit', 'ddp', 'teacher', 5, 2)",
)
@pytest.mark.parametrize("case", [CONV, *(case for case in GRID if case[1] == "ddp")], ids=str)
def test_a_lone_process_is_exact_too(case):
    [found] = run_grid(learner_of, make_batches(), [case])
    assert max(found.values()) < TOLERANCE, found


def test_parts_of_different_sizes_count_by_their_rows():
    # 12 pairs in 5 parts: three of 2 and two of 3. The plain mean of the parts' means would be another number.
    _, objective, learner = learner_of("vit", "bag-of-words")
    images, ids = make_batches()[0]
    parts = split_parts((images, ids), 5)
    assert sorted(len(part[0]) for part in parts) == [2, 2, 2, 3, 3]
    found = add_up(learner, parts, factor=4.0)
    whole = objective(learner.model, images, ids)
    assert found.item() == pytest.approx(4 * whole.item(), abs=1e-12)
    plain = torch.stack([objective(learner.model, *part) for part in parts]).mean()
    assert abs(plain - whole).item() > 1e-4


def test_parts_with_batch_norm_are_refused():
    _, _, learner = learner_of("conv", "caption")
    images, ids = make_batches()[0]
    with pytest.raises(UsageError, match="not exact with batch norm"):
        add_up(learner.train(), split_parts((images, ids), 2))


def test_the_gradient_of_distillation_is_the_formula():
    """Teacher and student logits A and B over the temperature T: by hand, dL/dB = w T ((softmax(B) - softmax(A)) by rows and columns) / 2n,
    and 1 - w of the usual (softmax - 1 on the diagonal). All by numpy, in the features themselves."""
    generator = np.random.default_rng(0)
    image, text, their_image, their_text = (generator.normal(size=(7, 4)) for _ in range(4))
    scale, their_scale, temperature, weight = 3.0, 5.0, 2.0, 0.3

    def softmax(x, axis):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    student, teacher = scale * image @ text.T, their_scale * their_image @ their_text.T
    apart = sum(softmax(student / temperature, axis) - softmax(teacher / temperature, axis) for axis in (0, 1))
    usual = sum(softmax(student, axis) - np.eye(7) for axis in (0, 1))
    slope = (weight * temperature * apart + (1 - weight) * usual) / (2 * 7)

    leaves = [torch.tensor(x, requires_grad=True) for x in (image, text, np.array([np.log(scale)]))]
    teacher_says = tiled.Teacher(torch.tensor(their_image), torch.tensor(their_text), torch.tensor([their_scale]).double())
    for tile in (1, 3, None):
        loss = weight * tiled.divergence(*leaves, teacher_says, temperature, tile) + (1 - weight) * tiled.info_nce(*leaves, tile=tile)
        found = torch.autograd.grad(loss, leaves)
        for tensor, expected in zip(found, (scale * slope @ text, scale * slope.T @ image, [(slope * student).sum()]), strict=True):
            np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-13)


def test_a_sure_teacher_makes_it_the_usual_loss():
    # Logits of 1e4 on the diagonal and 0 elsewhere: probabilities 1 and 0; the divergence is then the cross-entropy to the pairs.
    image, text = (torch.randn(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in (1, 2))
    scale = torch.tensor([0.7], dtype=torch.float64)
    sure = tiled.Teacher(torch.eye(6).double(), torch.eye(6).double(), torch.tensor([1e4]))
    assert tiled.divergence(image, text, scale, sure).item() == pytest.approx(tiled.info_nce(image, text, scale).item(), abs=1e-10)


def test_what_the_divergence_keeps_is_bounded():
    # Saved for the backward pass: features of both, and vectors; never a matrix of logits (256 x 256 would be 65,536 numbers).
    image, text = (torch.randn(256, 8, requires_grad=True) for _ in range(2))
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor):
        tiled.divergence(image, text, torch.zeros(1), tiled.Teacher(image.detach(), text.detach(), torch.ones(1)), tile=16)
    assert max(sizes) <= 256 * 8
