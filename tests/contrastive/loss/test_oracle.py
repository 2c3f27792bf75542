"""The objectives against one process that sees the whole batch at once, with the dense losses: fp64, gloo, 1, 2 and 4 real processes.

Each group of processes is started once and runs all its cases. In every case each process has its share of 16 pairs; after the first
backward pass the loss and all gradients are compared with the oracle's, after three steps of AdamW (clipped, scale clamped) all parameters.
"""

import functools
import itertools
from contextlib import contextmanager, nullcontext

import pytest
import torch

from contrastive import distributed
from contrastive.config import OptimConfig
from contrastive.loss import dense as losses
from contrastive.loss import grad_cache as accumulate
from contrastive.loss import tiled
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP
from contrastive.training import optimizer as optim
from tests.support.spawn import spawn

PAIRS, STEPS, TOLERANCE = 16, 3, 1e-10
KINDS = ("softmax", "sigmoid")
TOWERS = {"vit": ViTConfig(8, 4, 16, 1, head_width=8), "conv": ConvConfig(8, (4, 8))}
ADAMW = OptimConfig(steps=STEPS, lr=1e-2, clip=0.5)
SIZES = (1, 2, 4)

# tower, how wrapped, loss, rows of a tile (None: the default, all of them here), parts of an accumulated batch (3 does not divide it)
GRID = list(itertools.product(["vit"], ["ddp", "fsdp2"], KINDS, [1, 3, None], [1, 3]))
CONV = ("conv", "ddp", "softmax", 3, 1)
"""Has batch norm, which several processes on the CPU are refused (`test_processes`)."""


def make_model(tower, kind):
    text = TextConfig(context=5, vocab_size=12, width=16, layers=1, head_width=8)
    return CLIP(ModelConfig(8, TOWERS[tower], text, score_rule=kind), torch.Generator().manual_seed(3)).double()


def make_batches():
    """Return 16 pairs for each step; the last id of a caption is the end of text."""
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(STEPS, PAIRS, 3, 8, 8, generator=generator, dtype=torch.float64)
    ids = torch.randint(1, 11, (STEPS, PAIRS, 5), generator=generator)
    ids[..., -1] = 11
    return list(zip(images, ids, strict=True))


def train(model, backward):
    """Three steps; return the first step's loss and gradients, and the parameters at the end."""
    optimizer = optim.make_optimizer(model, ADAMW)
    first = {}
    for images, ids in make_batches():
        optimizer.zero_grad()
        value = backward(images, ids)
        first = first or {"loss": value, **whole_gradients(model)}
        optim.clip(model, ADAMW.clip)
        optimizer.step()
        optim.clamp_logit_scale(model.logit_scale)
    return first, distributed.full_tensors(dict(model.named_parameters()))


def whole_gradients(model):
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: tensor.clone() for name, tensor in distributed.full_tensors(gradients).items()}


def train_dense(tower, kind):
    """The oracle: one process, one batch, the losses of a few lines."""
    model = make_model(tower, kind)

    def backward(images, ids):
        image_nd, text_nd, scale = model(images, ids)
        value = losses.LOSSES[kind](image_nd, text_nd, scale, model.logit_bias)
        value.backward()
        return value.detach()

    return train(model, backward)


def train_shared(tower, mode, kind, tile, parts):
    """What the trainer does, on this process's rows."""
    model = make_model(tower, kind)
    wrapped = distributed.wrap(model, mode)
    share = PAIRS // distributed.world_size()
    rows = slice(distributed.rank() * share, (distributed.rank() + 1) * share)

    def objective(image_nd, text_nd):
        return tiled.LOSSES[kind](image_nd, text_nd, model.logit_scale, model.logit_bias, tile)

    def backward(images, ids):
        batches = accumulate.split_parts((images[rows], ids[rows]), parts)
        return distributed.all_mean(accumulate.accumulate(wrapped, batches, objective))

    return train(model, backward)


def distances(found, expected):
    """Largest difference in the loss, the towers' gradients, each scalar's gradient, and the parameters after three steps."""
    (first, last), (first_expected, last_expected) = found, expected
    assert first.keys() == first_expected.keys()
    assert last.keys() == last_expected.keys()
    by_name = {name: float((first[name] - first_expected[name]).abs().max()) for name in first}
    alone = {name: by_name.pop(name) for name in ("loss", "logit_scale", "logit_bias") if name in by_name}
    moved = max(float((last[name] - last_expected[name]).abs().max()) for name in last)
    return alone | {"towers": max(by_name.values()), "three steps": moved}


def run_grid(cases):
    """In a process of a group: case -> distances."""
    expected = {(tower, kind): train_dense(tower, kind) for tower, kind in {(case[0], case[2]) for case in cases}}
    return [distances(train_shared(*case), expected[case[0], case[2]]) for case in cases]


# The losses by themselves, on features whose logits no model would give.


def run_features(kind, length):
    """Compare loss and gradients of features as long as `length`: logits of about +-length^2 * 10."""
    generator = torch.Generator().manual_seed(5)
    image_md, text_md = (length * torch.randn(PAIRS, 6, generator=generator, dtype=torch.float64) / 6**0.5 for _ in range(2))
    scalars = [torch.tensor([2.3], dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)]
    share = PAIRS // distributed.world_size()
    rows = slice(distributed.rank() * share, (distributed.rank() + 1) * share)
    found = value_and_slopes(tiled.LOSSES[kind], [image_md[rows], text_md[rows], *scalars], tile=3)
    expected = value_and_slopes(dense(kind), [image_md, text_md, *scalars])
    # A process's features count in the loss of all processes; averaging parameters' gradients later divides by their number.
    size = distributed.world_size()
    pairs = [
        (distributed.all_mean(found[0]), expected[0]),
        (found[1] / size, expected[1][rows]),
        (found[2] / size, expected[2][rows]),
        (found[3], expected[3]),
        (found[4], expected[4]),
    ]
    return [float((a - b).abs().max()) for a, b in pairs if a is not None]


def dense(kind):
    return lambda image_nd, text_nd, logit_scale, logit_bias: losses.LOSSES[kind](image_nd, text_nd, logit_scale.exp(), logit_bias)


def value_and_slopes(function, tensors, **settings):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves, **settings)
    return [value.detach(), *torch.autograd.grad(value, leaves, allow_unused=True)]


FEATURES = [("softmax", 1.0), ("softmax", 20.0), ("sigmoid", 0.8)]


# Breaking the reduction on purpose: the oracle must notice each of these.


def _slice_only(x_md):
    return x_md.chunk(distributed.world_size())[distributed.rank()].clone()


def _without_rescale(column_m):
    largest_m = distributed.all_max(column_m)
    return largest_m + distributed.all_sum(torch.ones_like(column_m)).log()


def _reversed_ranks(x_nd):
    return torch.cat(list(reversed(distributed.gather_rows(x_nd).chunk(distributed.world_size()))))


BROKEN = {
    "the reduce-scatter is dropped": ("scatter_sum", _slice_only),
    "SUM for MAX": ("all_max", distributed.all_sum),
    "no rescaling to the common maximum": ("_over_processes", _without_rescale),
    "columns of this process only": ("_over_processes", lambda column_m: column_m),
    "ranks gathered in another order": ("gather_rows", _reversed_ranks),
    "temperature and bias are not averaged": ("all_mean", lambda x: x),
}


@contextmanager
def replaced(name, function):
    kept = getattr(tiled, name)
    setattr(tiled, name, function)
    try:
        yield
    finally:
        setattr(tiled, name, kept)


def run_mutants():
    """In a process of a group: what the features' cases and one accumulated DDP case say, sound and broken."""
    expected = train_dense("vit", "softmax")

    def worst():
        errors = [max(run_features(*case)) for case in FEATURES]
        errors += distances(train_shared("vit", "ddp", "softmax", 3, 3), expected).values()
        # NaN is as wrong as anything can be, and no maximum shows it reliably.
        return max(torch.tensor(errors).nan_to_num(nan=torch.inf).tolist())

    found = {}
    for name, (attribute, function) in {"sound": ("all_mean", tiled.all_mean), **BROKEN}.items():
        with replaced(attribute, function) if name != "sound" else nullcontext():
            found[name] = worst()
    return found


def run_all(cases):
    """In a process of a group: everything, because starting a process costs more than most of it."""
    return run_grid(cases), run_mutants() if distributed.world_size() > 1 else {}


@pytest.fixture(scope="module")
def groups():
    """Return a function: size -> what `run_all` returned on every process. Each size is run once."""
    return functools.cache(lambda size: spawn(run_all, size, GRID))


@pytest.mark.parametrize("case", GRID, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_many_processes_are_one(groups, size, case):
    for found, _ in groups(size):
        on_a_process = found[GRID.index(case)]
        assert max(on_a_process.values()) < TOLERANCE, on_a_process
        assert ("logit_bias" in on_a_process) == (case[2] == "sigmoid")


@pytest.mark.parametrize("case", [CONV, *(case for case in GRID if case[1] == "ddp")], ids=str)
def test_a_lone_process_without_a_group_is_exact_too(case):
    [found] = run_grid([case])
    assert max(found.values()) < TOLERANCE, found


@pytest.mark.parametrize("size", SIZES[1:])
def test_features_of_any_length_agree(groups, size):
    """Logits reach +-4000: no exponential of one is finite in fp64, only of differences."""
    assert all(mutants["sound"] < TOLERANCE for _, mutants in groups(size))


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_reduction_is_noticed(groups, broken, size):
    assert all(mutants[broken] > 1e-4 for _, mutants in groups(size))
