"""CLIP's image processor without transformers: bit for bit what both of its backends make."""

import json

import pytest
import torch

from audit.models.huggingface import pixels
from tests.support.model_folders import noise

SIZES = [(448, 448), (64, 48), (48, 64), (200, 90), (48, 48), (33, 77), (224, 224), (300, 224), (7, 100), (8, 8)]


def classes():
    from transformers.models.clip.image_processing_clip import CLIPImageProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return {"CLIPImageProcessor": CLIPImageProcessor, "CLIPImageProcessorPil": CLIPImageProcessorPil}


def processor(folder, settings, file="preprocessor_config.json"):
    (folder / file).write_text(json.dumps(settings))
    return pixels.image_processor(folder)


@pytest.mark.slow_except(
    "48-48-CLIPImageProcessor",
    "48-48-CLIPImageProcessorPil",
    "224-224-CLIPImageProcessor",
    "57-40-CLIPImageProcessor",
    "57-40-CLIPImageProcessorPil",
)
@pytest.mark.parametrize("name", ["CLIPImageProcessor", "CLIPImageProcessorPil"])
@pytest.mark.parametrize(("short", "side"), [(48, 48), (224, 224), (57, 40)])
def test_pixels_are_those_of_transformers(tmp_path, name, short, side):
    if name == "CLIPImageProcessor":
        pytest.importorskip("torchvision", reason="transformers' default needs torchvision")
    size = {"size": {"shortest_edge": short}, "crop_size": {"height": side, "width": side}, "image_std": [0.2, 0.3, 0.4]}
    theirs = classes()[name](**size)
    ours = processor(tmp_path, {**size, "image_processor_type": name})
    assert isinstance(ours, pixels.ClipPixels)
    assert pixels.resize_library(ours) == pixels.resize_library(theirs)
    wanted = theirs(images=noise(*SIZES), return_tensors="pt")["pixel_values"]
    assert torch.equal(ours(images=noise(*SIZES))["pixel_values"], wanted)
    assert ours.pixels(noise(*SIZES)).is_contiguous()  # colours beside each other would go to other kernels, which round otherwise


def test_the_settings_of_openais_own_folder_are_understood(tmp_path):
    """Sizes as one number, and the class's old name."""
    old = {"crop_size": 224, "size": 224, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "do_resize": True}
    found = processor(tmp_path, old)
    assert (found.size, found.to_dict()["size"]) == (224, {"shortest_edge": 224})
    inside = {"image_processor": {**old, "image_processor_type": "CLIPImageProcessorPil"}, "processor_class": "CLIPProcessor"}
    (tmp_path / "preprocessor_config.json").unlink()
    assert processor(tmp_path, inside, "processor_config.json").pillow


@pytest.mark.parametrize(
    "unusual",
    [
        {"resample": 2}, {"do_center_crop": False}, {"size": {"height": 48, "width": 48}},
        {"do_pad": True}, {"crop_size": 300}, {"surprise": 1},
    ],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_left_to_transformers(tmp_path, unusual):
    assert not isinstance(processor(tmp_path, {"image_processor_type": "CLIPImageProcessor", **unusual}), pixels.ClipPixels)


def test_a_class_that_says_pil_is_pillows(tmp_path):
    """By itself transformers takes torchvision's wherever that is installed: other pixels by a level here and there."""
    assert pixels.resize_library(processor(tmp_path, {"image_processor_type": "SiglipImageProcessorPil"})).startswith("pillow")
