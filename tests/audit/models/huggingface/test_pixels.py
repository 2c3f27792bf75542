"""CLIP's image processor without transformers: bit for bit what both of its backends make."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from audit.errors import UnsafeError
from audit.models.huggingface import pixels

SIZES = [(448, 448), (64, 48), (48, 64), (200, 90), (48, 48), (33, 77), (224, 224), (300, 224), (7, 100), (8, 8)]


def classes():
    from transformers.models.clip.image_processing_clip import CLIPImageProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return {"CLIPImageProcessor": CLIPImageProcessor, "CLIPImageProcessorPil": CLIPImageProcessorPil}


def saved(folder, settings):
    folder.mkdir()
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("name", ["CLIPImageProcessor", "CLIPImageProcessorPil"])
@pytest.mark.parametrize(("short", "side"), [(48, 48), (224, 224), (57, 40)])
def test_pixels_are_those_of_transformers(tmp_path, name, short, side):
    if name == "CLIPImageProcessor":
        pytest.importorskip("torchvision", reason="transformers' default needs torchvision")
    size = {"size": {"shortest_edge": short}, "crop_size": {"height": side, "width": side}, "image_std": [0.2, 0.3, 0.4]}
    theirs = classes()[name](**size)
    ours = pixels.image_processor(saved(tmp_path / "x", {**size, "image_processor_type": name}))
    assert isinstance(ours, pixels.ClipPixels)
    assert pixels.resize_library(ours) == pixels.resize_library(theirs)
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in SIZES]
    wanted = theirs(images=images, return_tensors="pt")["pixel_values"]
    assert torch.equal(ours(images=images)["pixel_values"], wanted)


def test_the_settings_of_openais_own_folder_are_understood(tmp_path):
    """Sizes as one number, and the class's old name."""
    old = {"crop_size": 224, "size": 224, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "do_resize": True}
    processor = pixels.image_processor(saved(tmp_path / "x", old))
    assert (processor.side, processor.to_dict()["size"]) == (224, {"shortest_edge": 224})
    inside = {"image_processor": {**old, "image_processor_type": "CLIPImageProcessorPil"}, "processor_class": "CLIPProcessor"}
    folder = saved(tmp_path / "y", {})
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps(inside))
    assert pixels.image_processor(folder).pillow


@pytest.mark.parametrize(
    "unusual",
    [
        {"resample": 2},
        {"do_center_crop": False},
        {"size": {"height": 48, "width": 48}},
        {"do_pad": True},
        {"crop_size": 300},
        {"surprise": 1},
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_transformers(tmp_path, unusual):
    processor = pixels.image_processor(saved(tmp_path / "x", {"image_processor_type": "CLIPImageProcessor", **unusual}))
    assert not isinstance(processor, pixels.ClipPixels)


@pytest.mark.parametrize("large", [{"size": {"shortest_edge": 10**6}}, {"crop_size": 4096}, {"size": 1e9}])
def test_images_are_not_made_enormous(tmp_path, large):
    with pytest.raises(UnsafeError, match="asks for images of") as caught:
        pixels.image_processor(saved(tmp_path / "x", {"image_processor_type": "SiglipImageProcessor", **large}))
    assert caught.value.fix


def test_a_class_that_says_pil_is_pillows(tmp_path):
    """By itself transformers takes torchvision's wherever that is installed: other pixels by a level here and there."""
    processor = pixels.image_processor(saved(tmp_path / "x", {"image_processor_type": "SiglipImageProcessorPil"}))
    assert pixels.resize_library(processor).startswith("pillow")
