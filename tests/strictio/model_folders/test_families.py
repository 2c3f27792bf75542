"""Settings of a `config.json` that its family knows, by the code of the installed transformers."""

import pytest

from strictio.model_folders.families import known_settings, unknown_settings
from tests.support.model_families import MADE, clip

OLD_DEFAULTS = {
    "_name_or_path": "", "add_cross_attention": False, "bad_words_ids": None, "chunk_size_feed_forward": 0, "diversity_penalty": 0.0,
    "do_sample": True, "early_stopping": True, "finetuning_task": "x", "gradient_checkpointing": True, "is_decoder": True, "prefix": "a",
    "problem_type": None, "pruned_heads": {"1": [2]}, "return_dict": True, "task_specific_params": {"a": {"prefix": "b"}},
    "tf_legacy_loss": True, "tokenizer_class": "CLIPTokenizer", "torch_dtype": "float16", "torchscript": True, "use_bfloat16": True,
    "use_cache": True, "id2label": {"0": "LABEL_0"}, "transformers_version": "4.16.0.dev0",
}  # fmt: skip
"""What transformers once wrote into every configuration and into each of its parts, with values other than the defaults."""
PUBLISHED = {
    "clip": {
        "initializer_factor": 1.0, "logit_scale_init_value": 2.6592, "projection_dim": 512, "vision_config_dict": None,
        "text_config_dict": {"hidden_size": 512, "dropout": 0.0}, "text_config": {"hidden_act": "quick_gelu", "projection_dim": 512},
        "vision_config": {"patch_size": 32, "dropout": 0.0, "model_type": "clip_vision_model"},
    },
    "siglip": {"text_config": {"model_type": "siglip_text_model"}, "vision_config": {"model_type": "siglip_vision_model"}},
    "blip": {
        "image_text_hidden_size": 256, "text_config": {"encoder_hidden_size": 768, "model_type": "blip_text_model"},
        "vision_config": {"initializer_factor": 1.0, "model_type": "blip_vision_model"},
    },
    "llava": {
        "ignore_index": -100, "image_token_index": 32000, "projector_hidden_act": "gelu", "vision_feature_select_strategy": "default",
        "text_config": {"model_type": "llama", "pretraining_tp": 1, "rope_scaling": {"type": "linear", "factor": 2.0}},
        "vision_config": {"model_type": "clip_vision_model", "projection_dim": 768, "vocab_size": 32000},
    },
    "paligemma": {
        "text_config": {"model_type": "gemma", "num_image_tokens": 256},
        "vision_config": {"model_type": "siglip_vision_model", "vision_use_head": False, "num_image_tokens": 256},
    },
    "vit": {"encoder_stride": 16, "pooler_act": "tanh", "qkv_bias": True},
}  # fmt: skip
"""Like the `config.json` of published models, which older versions of transformers wrote."""


@pytest.mark.parametrize("family", PUBLISHED)
def test_every_setting_of_a_published_configuration_is_known(family):
    content = {"model_type": family} | OLD_DEFAULTS | PUBLISHED[family]
    content |= {key: OLD_DEFAULTS | value for key, value in content.items() if key.endswith("_config")}
    assert [place + key for place, key, _ in unknown_settings(content)] == []
    assert known_settings(content) == content


@pytest.mark.parametrize("family", [*MADE, "clip"])
def test_every_setting_that_transformers_writes_is_known(family):
    model, _ = (MADE | {"clip": clip})[family]()
    assert list(unknown_settings(model.config.to_dict())) == []


def test_what_no_code_of_the_family_reads_is_unknown_unless_it_names_nothing():
    inner = {"hidden_size": 32, "speed": "fast", "turbo": True, "older": [1, 2], "off": False, "none": None}
    content = {"model_type": "clip", "text_config": inner, "vision_config_dict": {"turbo": {"a": "b"}}, "made_by": "me"}
    unknown = [place + key for place, key, _ in unknown_settings(content)]
    assert unknown == ["text_config.speed", "text_config.turbo", "vision_config_dict.turbo", "made_by"]
    left = {"hidden_size": 32, "older": [1, 2], "off": False, "none": None}
    assert known_settings(content) == {"model_type": "clip", "text_config": left, "vision_config_dict": {}}


def test_a_part_without_a_model_type_is_of_the_usual_family_and_timm_writes_none():
    timm = {"architecture": "vit", "num_classes": 2, "global_pool": "avg", "pretrained_cfg": {"input_size": [3, 8, 8]}, "turbo": True}
    assert [key for _, key, _ in unknown_settings(timm)] == ["turbo"]
    assert [key for _, key, _ in unknown_settings({"model_type": "llava", "text_config": {"turbo": True}})] == ["turbo"]


@pytest.mark.parametrize("content", [{"turbo": True}, {"model_type": "other", "turbo": True}, {"model_type": ["clip"], "turbo": True}])
def test_without_a_family_nothing_is_unknown(content):
    assert list(unknown_settings(content)) == []
    assert known_settings(content) == content
