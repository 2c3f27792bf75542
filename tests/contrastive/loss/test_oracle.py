"""The objectives against one process that sees the whole batch at once, with the dense losses: fp64, gloo, 1, 2 and 4 real processes.

Each group of processes is started once and runs all its cases. In every case each process has its share of 16 pairs; after the first
backward pass the loss and all gradients are compared with the oracle's, after three steps of AdamW all parameters.
"""

import itertools
from contextlib import nullcontext

import pytest
import torch

from contrastive import distributed
from contrastive.loss import Contrast, tiled
from contrastive.model.architecture import ModelConfig, TextConfig
from contrastive.model.clip import CLIP
from tests.support.losses import dense_form, value_and_slopes
from tests.support.oracle import BROKEN, STEPS, TOLERANCE, TOWERS, broken, distances, run_grid, train_dense, train_shared, worst
from tests.support.spawn import spawn

PAIRS, SIZES = 16, (1, 2, 4)
# Tower, how wrapped, loss, rows of a tile (None: all of them here), parts of an accumulated batch (3 does not divide it).
GRID = list(itertools.product(["vit"], ["ddp", "fsdp2"], ["softmax", "sigmoid"], [1, 3, None], [1, 3]))
UNEVEN = [case for case in GRID if case[3:] == ((3, 3) if (case[1] == "ddp") == (case[2] == "softmax") else (None, 1))]
"""What two processes run: each wrapping and each loss with everything uneven and with nothing cut; the whole grid under ``-m slow``."""
CONV = ("conv", "ddp", "softmax", 3, 1)
"""Has batch norm, which several processes on the CPU are refused (`test_processes`)."""


def learner_of(tower, kind):
    text = TextConfig(context=5, vocab_size=12, width=16, layers=1, head_width=8)
    model = CLIP(ModelConfig(8, TOWERS[tower], text, score_rule=kind), torch.Generator().manual_seed(3)).double()
    return model, Contrast(), model


def make_batches():
    """Return 16 pairs for each step; the last id of a caption is the end of text."""
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(STEPS, PAIRS, 3, 8, 8, generator=generator, dtype=torch.float64)
    ids = torch.randint(1, 11, (STEPS, PAIRS, 5), generator=generator)
    ids[..., -1] = 11
    return list(zip(images, ids, strict=True))


# The losses by themselves, on features whose logits no model would give.


def run_features(kind, length):
    """Compare loss and gradients of features as long as `length`: logits of about +-length^2 * 10."""
    generator = torch.Generator().manual_seed(5)
    image_md, text_md = (length * torch.randn(PAIRS, 6, generator=generator, dtype=torch.float64) / 6**0.5 for _ in range(2))
    scalars = [torch.tensor([2.3], dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)]
    rows = distributed.rank_slice(PAIRS)
    found = value_and_slopes(tiled.LOSSES[kind], [image_md[rows], text_md[rows], *scalars], tile=3)
    expected = value_and_slopes(dense_form(kind), [image_md, text_md, *scalars])
    # A process's features count in the loss of all processes; averaging parameters' gradients later divides by their number.
    size = distributed.world_size()
    pairs = [
        (distributed.all_mean(found[0]), expected[0]), (found[1] / size, expected[1][rows]), (found[2] / size, expected[2][rows]),
        (found[3], expected[3]), (found[4], expected[4]),
    ]  # fmt: skip
    return [float((a - b).abs().max()) for a, b in pairs if a is not None]


FEATURES = [("softmax", 1.0), ("softmax", 20.0), ("sigmoid", 0.8)]


def run_all(cases):
    """In a process of a group: the grid, and what the features' cases and one accumulated DDP case say, sound and broken."""
    batches = make_batches()
    expected, found = train_dense(learner_of, batches, "vit", "softmax"), {}
    for name in ("sound", *BROKEN) if distributed.world_size() > 1 else ():
        with broken(name) if name != "sound" else nullcontext():
            errors = [max(run_features(*case)) for case in FEATURES]
            errors += distances(train_shared(learner_of, batches, "vit", "ddp", "softmax", 3, 3), expected).values()
            found[name] = worst(errors)
    return run_grid(learner_of, batches, cases), found


@pytest.fixture(scope="module")
def two():
    """What `run_all` returned on both processes of a group."""
    return spawn(run_all, 2, UNEVEN)


@pytest.mark.parametrize("case", UNEVEN, ids=str)
def test_two_processes_are_one(two, case):
    assert_one(two, UNEVEN.index(case), case)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_many_processes_are_one_in_every_case(size):
    group = spawn(run_all, size, GRID)
    for place, case in enumerate(GRID):
        assert_one(group, place, case)
    for _, features in group if size > 1 else ():
        assert_features_agree_and_what_is_broken_is_noticed(features)


def assert_one(group, place, case):
    for found, _ in group:
        on_a_process = found[place]
        assert max(on_a_process.values()) < TOLERANCE, on_a_process
        assert ("logit_bias" in on_a_process) == (case[2] == "sigmoid")


@pytest.mark.parametrize("case", [CONV, *(case for case in GRID if case[1] == "ddp")], ids=str)
def test_a_lone_process_without_a_group_is_exact_too(case):
    [found] = run_grid(learner_of, make_batches(), [case])
    assert max(found.values()) < TOLERANCE, found


def test_features_of_any_length_agree_and_a_broken_reduction_is_noticed(two):
    """Logits reach +-4000: no exponential of one is finite in fp64, only of differences."""
    for _, features in two:
        assert_features_agree_and_what_is_broken_is_noticed(features)


def assert_features_agree_and_what_is_broken_is_noticed(found):
    assert found.pop("sound") < TOLERANCE
    assert found.keys() == set(BROKEN)
    assert all(error > 1e-4 for error in found.values()), found
