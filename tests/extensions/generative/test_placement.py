"""Layers of a generative model over several GPUs: what transformers is asked for, what is refused, and that parts give the numbers."""

import numpy as np
import pytest
import torch
import transformers as hf

from audit.errors import MachineError, UsageError
from audit.extensions.generative import folder as generative
from audit.extensions.generative import placement
from audit.models import load, spec
from audit.types import Question
from tests.support.model_folders import noise

GIB = 1 << 30
ASKED = Question("Who is this?\n- man\n- a suspicious person", ("man", "a suspicious person"))
HALVES = {"model.vision_tower": "cpu", "model.multi_modal_projector": "cpu", "model.language_model": "disk", "lm_head": "disk"}


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs by name, with 10 GiB free on the first and 20 on the second; models on them are on the CPU."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (10 * (number + 1) * GIB, 40 * GIB))
    monkeypatch.setattr(placement, "torch_setting", lambda device, dtype: (torch.device(device), torch.float32))
    opened = generative.open_folder
    monkeypatch.setattr(generative, "open_folder", lambda path, **options: opened(path, **{**options, "device": "cpu"}))


@pytest.fixture
def placed(monkeypatch):
    """Record where a model is asked to lie; instead of that, it lies where the test says."""
    asked, real = [], hf.LlavaForConditionalGeneration.from_pretrained

    def place(instead):
        def from_pretrained(*args, device_map=None, max_memory=None, **options):
            asked.append((device_map, max_memory))
            model, report = real(*args, **options, **instead)
            return model, report

        monkeypatch.setattr(hf.LlavaForConditionalGeneration, "from_pretrained", from_pretrained)
        return asked

    return place


def test_each_gpu_may_hold_its_share_of_what_is_free_and_nothing_goes_elsewhere(folders, gpus, placed):
    asked = placed({})
    model = load(str(folders("llava")), device="cuda:0,cuda:1")
    assert asked == [("auto", {0: 8 * GIB, 1: 16 * GIB})]
    assert model.spans == ("cuda:0", "cuda:1")


@pytest.mark.slow
def test_one_device_is_not_placed_by_accelerate(folders, placed):
    asked = placed({})
    assert load(str(folders("llava"))).spans == ("cpu",)
    assert asked == [(None, None)]


def test_a_model_in_parts_has_the_numbers_of_one_in_one_place(folders, models, gpus, placed, tmp_path, monkeypatch):
    pytest.importorskip("accelerate")
    images = noise((40, 40), (50, 70), seed=5)
    whole = models("llava").log_likelihoods(images, [ASKED])
    placed({"device_map": HALVES, "offload_folder": str(tmp_path)})
    # Parts that were left over are refused; here they are let through, to be handed from one place to another as between two GPUs.
    with pytest.raises(MachineError, match=r"no room for .*llava[^§]*4 of its 4 parts are left over") as caught:
        load(str(folders("llava")), device="cuda:0,cuda:1")
    assert caught.value.exit_code == 5
    monkeypatch.setattr(generative, "require_placed", lambda places, name: None)
    parts = load(str(folders("llava")), device="cuda:0,cuda:1")
    np.testing.assert_allclose(parts.log_likelihoods(images, [ASKED]), whole, atol=1e-5)


def test_without_accelerate_the_package_is_named_and_other_models_stay_as_they_are(folders, gpus, monkeypatch):
    monkeypatch.setattr(placement, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="needs the package accelerate"):
        load(str(folders("llava")), device="cuda:0,cuda:1")
    own = type("Own", (), {"record": type("Record", (), {"name": "own"})})
    monkeypatch.setitem(spec._LOADERS, spec.refer("own.py:Own").kind, lambda where, how: own())
    with pytest.raises(UsageError, match="own cannot run on several devices"):
        load("own.py:Own", device="cuda:0,cuda:1")
