"""Augmentation by torchvision's transforms: its own numbers, the same whoever decodes, and resumed to the bit."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from contrastive.config import read_config
from contrastive.data.augment import NAMES, Augmentation
from contrastive.data.order import stream
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.step import batch_of
from tests.support.training import TINY_CONV, after, assert_same_batches, assert_same_bytes, prepared, run_text, saved_and_resumed

v2 = pytest.importorskip("torchvision.transforms.v2", reason="torchvision is not installed (pip install torchvision)")
pytestmark = pytest.mark.usefixtures("one_thread")

CROP = '{name = "RandomResizedCrop", scale = [0.5, 1.0], interpolation = "bicubic"}'
AUGMENT = f'augment = [{CROP}, {{name = "ColorJitter", hue = 0.2}}, "RandAugment"]'
RUN = run_text(TINY_CONV, data=f"batch = 8; {AUGMENT}", optim="steps = 6; lr = 1e-3")
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8))


def seeded(transform, seed):
    """Return what a transform makes with torch's own generator at that seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transform(PICTURE)


def test_the_pictures_are_torchvisions_own():
    entries = ({"name": "RandomResizedCrop", "scale": [0.5, 1.0], "interpolation": "bicubic"}, {"name": "ColorJitter", "hue": 0.2})
    theirs = v2.Compose([v2.RandomResizedCrop((16, 16), (0.5, 1.0), interpolation=v2.InterpolationMode.BICUBIC), v2.ColorJitter(hue=0.2)])
    ours = Augmentation(entries, 16)
    for seed in range(5):
        assert ours(PICTURE, seed).tobytes() == seeded(theirs, seed).tobytes()
    assert ours(PICTURE, 0).tobytes() != ours(PICTURE, 1).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_transform_of_torchvision_that_gives_a_picture(name):
    needed = {
        "CenterCrop": {}, "GaussianBlur": {"kernel_size": 3}, "Pad": {"padding": 2}, "RandomAdjustSharpness": {"sharpness_factor": 2.0},
        "RandomAffine": {"degrees": 10.0}, "RandomPosterize": {"bits": 2}, "RandomRotation": {"degrees": 10.0},
        "RandomShortestSize": {"min_size": 20}, "RandomSolarize": {"threshold": 100.0}, "ScaleJitter": {"target_size": [20, 20]},
        **{several: {"transforms": ["RandomInvert", "RandomGrayscale"]} for several in ("RandomApply", "RandomChoice", "RandomOrder")},
    }  # fmt: skip
    augment = Augmentation([{"name": name, **needed.get(name, {})}], 16)
    before = torch.default_generator.get_state()
    made = augment(PICTURE, 3)
    assert (isinstance(made, Image.Image), made.mode) == (True, "RGB")
    assert torch.equal(torch.default_generator.get_state(), before)  # nothing was drawn from anywhere else
    assert made.tobytes() == seeded(augment._transforms[0], 3).tobytes()


@pytest.mark.slow
def test_workers_and_a_resume_never_change_a_batch(run):
    one, four = (prepared(run, f"data.workers={workers}", f"data.prefetch={workers - 1}") for workers in (1, 4))
    assert_same_batches(*([batch_of(inputs, step, torch.device("cpu")) for step in range(6)] for inputs in (one, four)))
    straight, numbers = after(one, 6)
    resumed, more = after(one, 3, saved_and_resumed(after(one, 3)[0], one))
    assert numbers[3:] == more
    assert_same_bytes(straight.model.state_dict(), resumed.model.state_dict())


def test_draws_follow_the_crop_and_decide_the_hash(run):
    inputs = prepared(run)
    rows = np.array([5])
    rng = stream(0, "augmentation", 2, 5)
    rng.integers(0, 1), rng.integers(0, 1, 2)  # one text, no shift
    image = inputs.pairs.augmentation(inputs.pairs.reader.read(5)[0], int(rng.integers(2**63)))
    assert torch.equal(inputs.pairs.batch(rows, 2, 0, 0)[0], inputs.preprocess.pixels([image]))
    plain = prepared(run, "data.augment=[]", "data.memory_gib=0.0")
    assert inputs.pairs.sha256 != plain.pairs.sha256
    assert torch.equal(inputs.pairs.plain(rows)[0], plain.pairs.plain(rows)[0])  # what is measured on is not augmented


@pytest.mark.parametrize(
    ("augment", "says"),
    [
        ('["RandAugmnt"]', "error: data.augment: no transform 'RandAugmnt'\nfix: did you mean RandAugment"),
        ('[{name = "ColorJitter", brightnes = 0.4}]', "error: data.augment: ColorJitter does not take these parameters"),
        ('[{name = "ColorJitter", brightness = -1.0}]', "error: data.augment: ColorJitter does not take these parameters"),
        ('[{name = "RandomCrop", interpolation = "cubic"}]', "error: data.augment: RandomCrop does not take these parameters"),
        ('["ToDtype"]', "error: data.augment: no transform 'ToDtype'"),
        ("[{scale = 0.5}]", "error: data.augment must be names of transforms, or tables such as"),
    ],
)
def test_what_torchvision_does_not_have_is_refused(run, capsys, augment, says):
    assert main([run, "--quiet", f"data.augment={augment}"]) == 2
    assert says in capsys.readouterr().err


def test_without_torchvision_that_is_said(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision.transforms.v2", None)  # which is what importing something absent meets
    assert main([run, "--quiet"]) == 2
    assert "error: data.augment needs the package torchvision\n" in (shown := capsys.readouterr().err)
    assert "fix: python -m pip install torchvision" in shown
    loop.prepare(read_config(run, ["data.augment=[]"]))
