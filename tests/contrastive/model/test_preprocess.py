"""Preprocessing: values by hand, agreement with open_clip's own transform, and the hash."""

import json
import warnings
from dataclasses import replace

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from contrastive.model.preprocess import OPENAI_MEAN, OPENAI_STD, Preprocess
from strictio.errors import UsageError

torch.set_num_threads(1)
PLAIN = Preprocess(size=2, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="nearest")
SIZES = [(32, 32), (33, 32), (32, 47), (31, 50), (64, 48), (200, 90), (91, 201), (8, 9), (500, 333), (17, 400)]


def noise(size, seed=0, mode="RGB"):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)


def photo_like(size, seed):
    """Made-up, but smooth as photographs are: noise enlarged, with a hard edge across."""
    image = noise((9, 7), seed).resize(size, Image.Resampling.BICUBIC)
    image.paste((250, 10, 120), (size[0] // 3, 0, size[0] // 2, size[1]))
    return image


@pytest.fixture(scope="module")
def image_transform():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        open_clip = pytest.importorskip("open_clip", reason="open_clip_torch is not installed (pip install open_clip_torch)")
    return open_clip.transform.image_transform


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
def test_pixels_equal_those_of_open_clip(image_transform, interpolation, resize_mode):
    peer = image_transform(32, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), interpolation=interpolation, resize_mode=resize_mode)
    images = [make(size, seed) for seed, size in enumerate(SIZES) for make in (noise, photo_like)]
    ours = replace(PLAIN, size=32, interpolation=interpolation, resize_mode=resize_mode)(images)
    theirs = torch.stack([peer(image) for image in images])
    assert (ours - theirs).abs().max() <= 1 / 255 + 1e-6


def test_normalised_values_equal_those_of_open_clip(image_transform):
    image = photo_like((100, 80), 3)
    theirs = image_transform(64, is_train=False, mean=OPENAI_MEAN, std=OPENAI_STD)(image)
    torch.testing.assert_close(Preprocess(64)([image])[0], theirs, rtol=0, atol=1 / 255 / 0.26)


def test_values_by_hand():
    # (255 / 255 - 0.5) / 0.25 = 2 and (0 - 0.5) / 0.25 = -2
    half = replace(PLAIN, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    assert half([Image.new("RGB", (2, 2), (255, 0, 255))])[0].amax(dim=(1, 2)).tolist() == [2, -2, 2]


def test_the_centre_is_cut_out():
    # six columns 0..5 of two rows: the short side is 2 already; columns 2 and 3 remain
    columns = Image.fromarray(np.tile(np.arange(6, dtype=np.uint8)[None, :, None], (2, 1, 3)))
    assert PLAIN.pixels([columns])[0, 0].tolist() == [[2, 3], [2, 3]]
    assert PLAIN.pixels([columns.transpose(Image.Transpose.TRANSPOSE)])[0, 0].tolist() == [[2, 2], [3, 3]]


def test_squashing_cuts_nothing():
    columns = Image.fromarray(np.tile(np.array([0, 0, 255, 255], dtype=np.uint8)[None, :, None], (2, 1, 3)))
    assert replace(PLAIN, resize_mode="squash").pixels([columns])[0, 0].tolist() == [[0, 255], [0, 255]]


def test_channels_come_first_and_in_order_and_grey_images_become_three_equal_ones():
    pixels = PLAIN.pixels([Image.new("RGB", (3, 3), (1, 2, 3))])
    assert pixels.dtype == torch.uint8
    assert pixels[0, :, 0, 0].tolist() == [1, 2, 3]
    row = PLAIN.pixels([noise((9, 9), mode="L")])[0]
    assert torch.equal(row, row[:1].expand(3, -1, -1))


def test_a_row_does_not_depend_on_its_batch_and_no_images_make_no_rows():
    assert Preprocess(32)([]).shape == (0, 3, 32, 32)
    images = [noise(size, seed) for seed, size in enumerate(SIZES)]
    together = Preprocess(32)(images)
    assert all(torch.equal(Preprocess(32)([image])[0], row) for image, row in zip(images, together, strict=True))


def test_the_hash_changes_with_every_number_and_with_pillows_major_version_only(monkeypatch):
    base, half = Preprocess(32), (0.5, 0.5, 0.5)
    changes = {"size": 33, "mean": half, "std": half, "interpolation": "bilinear", "resize_mode": "squash"}
    others = [replace(base, **{name: value}) for name, value in changes.items()]
    assert len({spec.sha256 for spec in [base, *others]}) == 6
    before = Preprocess(32).sha256
    assert base.sha256 == before
    major = int(PIL.__version__.split(".")[0])
    monkeypatch.setattr(PIL, "__version__", f"{major}.99.0")
    assert Preprocess(32).sha256 == before
    monkeypatch.setattr(PIL, "__version__", f"{major + 1}.0.0")
    assert Preprocess(32).sha256 != before


def test_a_specification_survives_json():
    spec = Preprocess(32, interpolation="bilinear", resize_mode="squash")
    assert Preprocess.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0}, {"std": [1, 0, 1]}, {"mean": [0, 0]}, {"antialias": False}, {"interpolation": "cubic"}, {"crop": True},
        {"std": [1, 1, float("inf")]},
    ],
)  # fmt: skip
def test_impossible_specifications_are_refused(change):
    with pytest.raises(UsageError):
        Preprocess.from_dict({**Preprocess(32).to_dict(), **change})
