"""A model is outlined without memory, and no further than its weights reach."""

import pytest
import torch
from torch import nn

from audit.errors import DataError, UnsafeError
from audit.models.huggingface.outline import MODULES_PER_TENSOR, MORE_BUFFERS, MORE_MODULES, build_outline

HELD = {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}


def made(make):
    return build_outline(make, HELD, "DIR")


def masked(side):
    module = nn.Linear(4, 3)
    module.register_buffer("mask", torch.ones(side, side))
    return module


def test_an_outline_takes_no_memory_and_leaves_no_hook():
    outline = made(lambda: nn.Linear(4, 3))
    assert outline.weight.is_meta
    assert sum(weight.numel() for weight in outline.parameters()) == 15
    nn.Linear(1000, 2000)  # outside nothing is counted


def test_more_weights_than_the_files_hold_are_bad_data_as_soon_as_they_are_asked_for():
    layers = []

    def endless():
        while True:
            layers.append(nn.Linear(1000, 1000))

    with pytest.raises(DataError, match="do not fit the configuration") as caught:
        made(endless)
    assert len(layers) < 3  # the first has a million numbers, and the limit is one million and thirty
    assert "the files hold 15" in caught.value.why


def test_buffers_and_modules_without_weights_are_bounded():
    assert made(lambda: masked(7000)).mask.is_meta  # 49 million
    with pytest.raises(UnsafeError, match="far more than its weights need") as caught:
        made(lambda: masked(8000))
    assert f"{2 * 15 + MORE_BUFFERS:,} numbers in buffers" in caught.value.why
    with pytest.raises(UnsafeError) as caught:
        made(lambda: nn.Sequential(*(nn.Identity() for _ in range(10**5))))
    assert f"{MODULES_PER_TENSOR * 2 + MORE_MODULES:,} modules" in caught.value.why


@pytest.mark.slow
def test_a_weight_that_several_modules_share_counts_once():
    def tied():
        first, second = nn.Linear(1000, 700), nn.Linear(1000, 700)
        del second.weight
        second.weight = first.weight
        third = nn.Linear(1, 1)
        for name in "abcdef":
            third.register_parameter(name, first.weight)
        return third

    assert build_outline(tied, {"w": torch.zeros(700, 1000)}).a.is_meta
