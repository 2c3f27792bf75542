"""Every size that a configuration can state has a limit; transformers' own classes stay within it."""

import json

import pytest
import transformers

from audit.errors import UnsafeError
from strictio.model_folders.configurations import check_configurations, oversized

TOWER = {"hidden_size": 32, "num_hidden_layers": 2}


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("num_hidden_layers", {"num_hidden_layers": 10**9}),
        ("text_config.n_layer", {"text_config": {"n_layer": 10**9}}),
        ("vision_config.depths", {"vision_config": {"depths": [1, 10**9]}}),
        ("vision_config.depth", {"vision_config": {"depth": 1e9}}),
        ("vision_config.image_size", {"vision_config": {**TOWER, "image_size": 60_000}}),
        ("vision_config.image_size", {"vision_config": {**TOWER, "image_size": [4096, 4096], "patch_size": 1}}),
        ("vision_config.patch_size", {"vision_config": {**TOWER, "image_size": 32, "patch_size": 0}}),
        ("text_config.vocab_size", {"text_config": {"vocab_size": 10**9}}),
        ("hidden_size", {"hidden_size": 10**12}),
        ("num_labels", {"num_labels": 10**6}),
        ("mm_tokens_per_image", {"mm_tokens_per_image": 10**9}),
    ],
)
def test_a_size_of_a_model_that_none_has_is_found(key, content):
    assert oversized(content, "config.json").key == key


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("size", {"size": [60_000, 60_000]}),
        ("size", {"size": 60_000}),
        ("size.height", {"size": {"height": 60_000, "width": 1}}),
        ("crop_size", {"crop_size": 60_000}),
        ("image_processor.crop_size.height", {"image_processor": {"crop_size": {"height": 60_000, "width": 60_000}}}),
        ("max_num_patches", {"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 10**9}),
        ("min_pixels", {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 4 * 10**9}),
        ("size.shortest_edge", {"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 4 * 10**9}}),
        ("size.longest_edge", {"image_processor_type": "Qwen2VLImageProcessorFast", "size": {"longest_edge": 4 * 10**9}}),
        ("size.shortest_edge", {"image_processor_type": "SiglipImageProcessor", "size": {"shortest_edge": 10**6}}),
        ("image_seq_len", {"image_seq_len": 10**9}),
        ("image_seq_length", {"image_seq_length": 10**9}),
        ("num_query_tokens", {"num_query_tokens": 10**9}),
        ("patch_size", {"patch_size": 10**9}),
        ("image_grid_pinpoints", {"image_grid_pinpoints": [[336, 60_000]]}),
        ("max_patches", {"crop_to_patches": True, "size": {"height": 448, "width": 448}, "max_patches": 16_000}),
        (
            "max_patches",
            {
                "image_processor_type": "GotOcr2ImageProcessor",
                "size": {"height": 448, "width": 448},
                "max_patches": 16_000,
                "patch_size": 1,
            },
        ),
        ("max_num_patches", {"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 16_000, "patch_size": 4000}),
        ("temporal_patch_size", {"image_processor_type": "Qwen2VLImageProcessor", "temporal_patch_size": 4096}),
        ("size", {"size": {"longest_edge": 4096}, "max_image_size": {"longest_edge": 1}}),
        ("image_processor.pad_size", {"image_processor": {"pad_size": float("inf")}}),
        ("image_processor.pad_size", {"image_processor": {"pad_size": float("nan")}}),
    ],
)
def test_a_size_of_an_image_that_none_has_is_found(key, content):
    assert oversized(content, "preprocessor_config.json").key == key


@pytest.mark.parametrize(
    "content",
    [
        {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 3136, "max_pixels": 12_845_056, "patch_size": 14},
        {"image_processor_type": "Qwen2VLImageProcessorFast", "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216}},
        {"image_grid_pinpoints": [[384, 3840], [3840, 384]]},
        {"model_max_length": 1000000000000000019884624838656},
        {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}, "image_seq_len": 64},
        {"video_processor": {"size": {"longest_edge": 87_478_720}, "total_pixels": 45_158_400}},
    ],
)
def test_published_settings_are_within_the_limits(content):
    assert oversized(content, "preprocessor_config.json") is None


@pytest.mark.slow
def test_the_defaults_of_every_class_of_transformers_are_within_the_limits():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES as IMAGES
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as GENERATIVE
    from transformers.models.auto.modeling_auto import MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES as DUAL

    images = [IMAGES[kind] for kind in (*GENERATIVE, *DUAL) if kind in IMAGES]
    names = {name for image in images for name in (image.values() if isinstance(image, dict) else [image]) if name}
    made = [("config.json", kind, CONFIG_MAPPING[kind]) for kind in (*GENERATIVE, *DUAL)]
    made += [("preprocessor_config.json", name, getattr(transformers, name)) for name in sorted(names)]
    beyond, tried = {}, 0
    for file, name, cls in made:
        try:
            content = json.loads(cls().to_json_string())
        except Exception:  # a class that takes arguments, or a package that is not installed
            continue
        tried += 1
        beyond |= {name: large} if (large := oversized(content, file)) else {}
    assert tried > 100
    assert beyond == {}


def test_a_token_is_added_at_an_id_that_can_be_counted_up_to():
    added = {"added_tokens_decoder": {"151643": {"content": "<x>"}, "1000000000000": {"content": "<y>"}}}
    assert oversized(added, "tokenizer_config.json").key == "added_tokens_decoder.1000000000000"
    assert oversized({"<x>": 151_643}, "added_tokens.json") is None
    assert oversized({"..": 10**12}, "added_tokens.json").key == ".."


def test_a_refusal_names_file_key_value_and_limit(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": [60_000, 60_000]}))
    with pytest.raises(UnsafeError, match="a size that no model has") as caught:
        check_configurations(tmp_path)
    assert caught.value.where == str(tmp_path / "preprocessor_config.json")
    assert caught.value.why == "size is 60,000, and 4,096 is the most that is accepted"
    assert caught.value.exit_code == 4
