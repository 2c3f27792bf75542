"""Objectives with a head, and a teacher, against one process that sees the whole batch: fp64, gloo, 1, 2 and 4 real processes."""

import functools
import itertools

import pytest
import torch

from contrastive import distributed
from contrastive.checkpoint.file import Checkpoint
from contrastive.config import OptimConfig
from contrastive.loss import UNTAUGHT, Distillation, PerPair, Together, make_objective, tiled
from contrastive.loss import grad_cache as accumulate
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from contrastive.training import optimizer as optim
from tests.support.spawn import spawn

PAIRS, STEPS, TOLERANCE = 12, 3, 1e-10
ADAMW = OptimConfig(steps=STEPS, lr=1e-2, clip=0.5)
TOWERS = {"vit": ViTConfig(8, 4, 16, 1, head_width=8), "conv": ConvConfig(8, (4, 8))}
HEADS = ("caption", "caption-both", "bag-of-words")

# tower, how wrapped, kind, rows of a tile, parts of an accumulated batch (neither 5 nor 2 divides all shares)
GRID = [
    *itertools.product(["vit"], ["ddp", "fsdp2"], ["caption", "bag-of-words"], [None], [1, 2]),
    *itertools.product(["vit"], ["ddp", "fsdp2"], ["teacher"], [None, 5], [1, 2]),
    ("vit", "ddp", "teacher of sigmoid", 5, 2),
    ("vit", "fsdp2", "caption-both", None, 2),
]
CONV = ("conv", "ddp", "caption", None, 1)


@functools.cache
def words():
    return train_bpe(["one two three four five six"] * 3, vocab_size=530, context=8)


def make_learner(tower, kind):
    """Return model, objective and learner, always with the same weights; the text tower of a captioner is locked, as in the trainer."""
    text = TextConfig(context=8, vocab_size=words().vocab_size, width=16, layers=1, head_width=8)
    rule = "sigmoid" if kind == "teacher of sigmoid" else "softmax"
    config = ModelConfig(8, TOWERS[tower], text, score_rule=rule)
    model = CLIP(config, torch.Generator().manual_seed(3)).double()
    if kind not in HEADS:
        teacher = CLIP(ModelConfig(6, ConvConfig(8, (4,)), text), torch.Generator().manual_seed(5)).double()
        known = Checkpoint(teacher, Preprocess(8), words())
        return model, Distillation(known, words(), Preprocess(8), weight=0.7, temperature=2.0), model
    objective = make_objective(kind, config, torch.Generator().manual_seed(4)).double()
    learner = Together(model, objective)
    optim.lock(learner, UNTAUGHT)
    return model, objective, learner


def make_batches():
    texts = [
        "one two",
        "three",
        "four five six",
        "six one",
        "two two three",
        "five",
        "two",
        "one",
        "six six",
        "four one",
        "two one three",
        "six",
    ]
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(STEPS, PAIRS, 3, 8, 8, generator=generator, dtype=torch.float64)
    return [(batch, words()(texts[step:] + texts[:step])) for step, batch in enumerate(images)]


def train(learner, backward):
    """Three steps; return the first step's loss and gradients, and the parameters at the end."""
    optimizer = optim.make_optimizer(learner, ADAMW)
    first = {}
    for images, ids in make_batches():
        optimizer.zero_grad()
        value = backward(images, ids)
        gradients = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
        first = first or {"loss": value, **{name: tensor.clone() for name, tensor in distributed.full_tensors(gradients).items()}}
        optim.clip(learner, ADAMW.clip)
        optimizer.step()
    return first, distributed.full_tensors(dict(learner.named_parameters()))


def train_dense(tower, kind):
    model, objective, learner = make_learner(tower, kind)

    def backward(images, ids):
        value = objective(model, images, ids)
        value.backward()
        return value.detach()

    return train(learner, backward)


def train_shared(tower, mode, kind, tile, parts):
    """What the trainer does, on this process's rows."""
    model, objective, learner = make_learner(tower, kind)
    wrapped = distributed.wrap(learner, mode)
    own = distributed.rank_slice(PAIRS)

    def backward(images, ids):
        batches = accumulate.split_parts((images[own], ids[own]), parts)
        if isinstance(objective, PerPair):
            return distributed.all_mean(accumulate.add_up(wrapped, batches))
        return distributed.all_mean(accumulate.accumulate(wrapped, batches, objective.share(model, batches, tile)))

    return train(learner, backward)


def distances(found, expected):
    (first, last), (first_expected, last_expected) = found, expected
    assert first.keys() == first_expected.keys()
    assert last.keys() == last_expected.keys()
    return {
        "first": max(float((first[name] - first_expected[name]).abs().max()) for name in first),
        "three steps": max(float((last[name] - last_expected[name]).abs().max()) for name in last),
    }


def run_grid(cases):
    """In a process of a group: case -> distances."""
    expected = {(tower, kind): train_dense(tower, kind) for tower, kind in {(case[0], case[2]) for case in cases}}
    return [distances(train_shared(*case), expected[case[0], case[2]]) for case in cases]


# Breaking the reduction on purpose: the oracle must notice each of these.


def _slice_only(x_md):
    return x_md.chunk(distributed.world_size())[distributed.rank()].clone()


def _reversed_ranks(x_nd):
    return torch.cat(list(reversed(distributed.gather_rows(x_nd).chunk(distributed.world_size()))))


BROKEN = {
    "columns of this process only": ("_over_processes", lambda column_m: column_m),
    "the reduce-scatter is dropped": ("scatter_sum", _slice_only),
    "ranks gathered in another order": ("gather_rows", _reversed_ranks),
    "temperature is not averaged": ("all_mean", lambda x: x),
}


def run_mutants():
    """In a process of a group: what is broken -> the distance from the oracle, of a student who hears the teacher only."""
    expected, found = train_dense("vit", "teacher"), {}
    for name, (attribute, function) in BROKEN.items():
        kept = getattr(tiled, attribute)
        setattr(tiled, attribute, function)
        try:
            found[name] = max(torch.tensor(list(distances(train_shared("vit", "ddp", "teacher", 5, 1), expected).values())).tolist())
        finally:
            setattr(tiled, attribute, kept)
    return found


def run_all(cases):
    """In a process of a group: everything, because starting a process costs more than most of it."""
    return run_grid(cases), run_mutants()


@pytest.fixture(scope="module")
def groups():
    """Return a function: size -> what `run_all` returned on every process. Each size is run once."""
    return functools.cache(lambda size: spawn(run_all, size, GRID))


@pytest.mark.parametrize("case", GRID, ids=str)
@pytest.mark.parametrize("size", [2, 4])
def test_many_processes_are_one(groups, size, case):
    for found, _ in groups(size):
        assert max(found[GRID.index(tuple(case))].values()) < TOLERANCE, found


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_reduction_is_noticed(groups, broken, size):
    assert all(not mutants[broken] < 1e-4 for _, mutants in groups(size))  # NaN is as wrong as anything can be


@pytest.mark.parametrize("case", [CONV, *(case for case in GRID if case[1] == "ddp")], ids=str)
def test_a_lone_process_is_exact_too(case):
    [found] = run_grid([case])
    assert max(found.values()) < TOLERANCE, found


def test_parts_of_different_sizes_count_by_their_rows():
    # 12 pairs in 5 parts: three of 2 and two of 3. The plain mean of the parts' means would be another number.
    _, objective, learner = make_learner("vit", "bag-of-words")
    images, ids = make_batches()[0]
    parts = accumulate.split_parts((images, ids), 5)
    assert sorted(len(part[0]) for part in parts) == [2, 2, 2, 3, 3]
    found = accumulate.add_up(learner, parts, factor=4.0)
    whole = objective(learner.model, images, ids)
    assert found.item() == pytest.approx(4 * whole.item(), abs=1e-12)
    plain = torch.stack([objective(learner.model, *part) for part in parts]).mean()
    assert abs(plain - whole).item() > 1e-4


def test_parts_with_batch_norm_are_refused():
    from contrastive.errors import UsageError

    _, _, learner = make_learner("conv", "caption")
    images, ids = make_batches()[0]
    with pytest.raises(UsageError, match="not exact with batch norm"):
        accumulate.add_up(learner.train(), accumulate.split_parts((images, ids), 2))


def test_the_gradient_of_distillation_is_the_formula():
    """Teacher and student logits A and B over the temperature T: by hand, dL/dB = w T ((softmax(B) - softmax(A)) by rows and columns) / 2n,
    and 1 - w of the usual (softmax - 1 on the diagonal). All by numpy, in the features themselves."""
    import numpy as np

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
