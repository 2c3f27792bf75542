"""Strict reading of plain values into frozen dataclasses."""

import time

import pytest

from contrastive.errors import UsageError
from contrastive.model.architecture import ModelConfig
from contrastive.model.presets import PRESETS
from contrastive.schema import sha256_of_json

TINY = PRESETS["tiny-vit"].to_dict()


def changed(*path_and_value):
    """Return the tiny configuration with one value replaced: ``changed("text", "width", 7)``."""
    *path, last, value = path_and_value
    data = {key: dict(part) if isinstance(part, dict) else part for key, part in TINY.items()}
    inner = data
    for key in path:
        inner = inner[key]
    inner[last] = value
    return data


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UsageError, match=r"config has no setting 'embed_dims'\nfix: did you mean embed_dim\?"):
        ModelConfig.from_dict(changed("embed_dims", 64))


def test_a_missing_setting_is_named():
    with pytest.raises(UsageError, match=r"config lacks the setting 'embed_dim'"):
        ModelConfig.from_dict({key: value for key, value in TINY.items() if key != "embed_dim"})


def test_a_nested_setting_is_named_with_its_place():
    with pytest.raises(UsageError, match=r"config.text.width must be a whole number, not str"):
        ModelConfig.from_dict(changed("text", "width", "64"))


def test_a_word_outside_its_list_names_the_nearest():
    with pytest.raises(UsageError, match=r"config.activation cannot be 'quickgelu'\nfix: did you mean quick_gelu"):
        ModelConfig.from_dict(changed("activation", "quickgelu"))


def test_an_unknown_kind_of_tower_names_the_nearest():
    with pytest.raises(UsageError, match=r"config.vision is not of a known kind\nfix: did you mean vit"):
        ModelConfig.from_dict(changed("vision", "kind", "vitt"))


@pytest.mark.parametrize("value", [True, 64.0, None, -1, 0, 2**80, [64], {"a": 1}])
def test_what_is_no_positive_size_is_refused(value):
    with pytest.raises(UsageError):
        ModelConfig.from_dict(changed("embed_dim", value))


@pytest.mark.parametrize("path", [("vision", "layers"), ("text", "layers")])
def test_a_million_layers_are_refused_before_any_is_built(path):
    with pytest.raises(UsageError, match=r"config\..*\.layers must be at most 1000"):
        ModelConfig.from_dict(changed(*path, 1_000_000))


@pytest.mark.parametrize("path", [("embed_dim",), ("activation",), ("vision",), ("text", "pooling")])
def test_a_list_that_expands_to_10_to_the_30_is_refused_at_once(path):
    nested = ["x"]
    for _ in range(30):
        nested = [nested] * 10
    started = time.process_time()
    with pytest.raises(UsageError) as caught:
        ModelConfig.from_dict(changed(*path, nested))
    assert len(str(caught.value)) < 500
    assert time.process_time() - started < 1


def test_an_integer_is_a_float_where_a_float_is_wanted():
    with pytest.raises(UsageError, match="layer_norm_eps must be below 1"):
        ModelConfig.from_dict(changed("layer_norm_eps", 1))


def test_the_hash_of_a_known_value():
    # echo -n '{"a":[1,2.5],"b":"\u00e4"}' | sha256sum
    assert sha256_of_json({"b": "ä", "a": (1, 2.5)}) == "bfd13913e6c6f157521f58548709b07c07a089c8d4aa0ae031b37e262e87c3f4"
