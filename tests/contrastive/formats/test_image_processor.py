"""A folder's image processor: read where the model here sees the same pixels, refused with the reason where it does not."""

import json

import pytest

from contrastive.formats.image_processor import read_processor
from strictio.errors import DataError

SQUARE = {"height": 32, "width": 32}
CLIP = {"size": {"shortest_edge": 32}, "crop_size": SQUARE, "resample": 2, "image_mean": [0.5, 0.4, 0.3]}


def read(folder, settings, side=32):
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return read_processor(folder, side)


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ({}, "shortest"), ({"size": 32, "crop_size": 32}, "shortest"), ({"do_resize": True, "do_normalize": True}, "shortest"),
        ({"size": SQUARE, "do_center_crop": False}, "squash"), ({"size": SQUARE}, "squash"),
        ({"size": {"shortest_edge": 32, "height": None}}, "shortest"),
    ],
)  # fmt: skip
def test_what_a_model_here_sees_is_read(tmp_path, change, mode):
    assert read(tmp_path, CLIP | change) == {"mean": (0.5, 0.4, 0.3), "interpolation": "bilinear", "resize_mode": mode}


def test_what_is_not_stated_is_left_open(tmp_path):
    assert read_processor(tmp_path, 32) == {}
    assert read(tmp_path, {}) == {"interpolation": "bicubic", "resize_mode": "shortest"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"size": {"shortest_edge": 36}}, "resizes images to 36 and cuts out 32, .*\nwhy: .*\nfix: train .*: write 32 for 36 under size "),
        ({"size": {"shortest_edge": 36}, "crop_size": 36}, "resizes images to 36, .*\nwhy: the model takes .* 32 pixels\n.* 32 for 36"),
        ({"size": 36, "crop_size": 36}, "resizes images to 36, .*\nwhy: the model takes images of 32 pixels"),
        ({"size": {"height": 36, "width": 36}, "do_center_crop": False}, "resizes images to 36, .*\nwhy: the model takes images of 32"),
        ({"size": {"height": 32, "width": 48}, "do_center_crop": False}, "resizes images to 32 x 48, "),
        ({"do_center_crop": False}, "resizes images to {\"shortest_edge\": 32} and cuts nothing out, .*\nwhy: a model here sees squares"),
        ({"size": {"longest_edge": 32}}, "resizes images to {\"longest_edge\": 32}, "),
        ({"do_normalize": False}, "says do_normalize: false, .*\nwhy: .*\nfix: .*: write true for do_normalize in the processor's file"),
        ({"do_resize": None}, "says do_resize: null, "),
    ],
)  # fmt: skip
def test_other_pixels_are_refused_with_the_reason(tmp_path, change, says):
    with pytest.raises(DataError, match=f"the folder's processor {says}"):
        read(tmp_path, CLIP | change)
