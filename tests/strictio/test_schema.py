"""Strict reading of plain values into frozen dataclasses."""

import time

import pytest

from contrastive.model.architecture import ModelConfig
from contrastive.model.presets import PRESETS
from strictio.errors import UsageError
from strictio.schema import sha256_of_json

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


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed("embed_dims", 64), r"config has no setting 'embed_dims'\nfix: did you mean embed_dim\?"),
        ({key: value for key, value in TINY.items() if key != "embed_dim"}, r"config lacks the setting 'embed_dim'"),
        (changed("text", "width", "64"), r"config.text.width must be a whole number, not str"),
        (changed("activation", "quickgelu"), r"config.activation cannot be 'quickgelu'\nfix: did you mean quick_gelu"),
        (changed("vision", "kind", "vitt"), r"config.vision is not of a known kind\nfix: did you mean vit"),
        (changed("layer_norm_eps", 1), "layer_norm_eps must be below 1"),  # a whole number is fine where a float is wanted
        *((changed(tower, "layers", 1_000_000), r"config\..*\.layers must be at most 1000") for tower in ("vision", "text")),
        *(
            (changed("embed_dim", value), r"config\.embed_dim must be") for value in (True, 64.0, None, -1, 0, 2**80, [64], {"a": 1})
        ),  # no positive size
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_what_is_nearest(table, words):
    with pytest.raises(UsageError, match=words):
        ModelConfig.from_dict(table)


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


def test_the_hash_of_a_known_value():
    # echo -n '{"a":[1,2.5],"b":"\u00e4"}' | sha256sum
    assert sha256_of_json({"b": "ä", "a": (1, 2.5)}) == "bfd13913e6c6f157521f58548709b07c07a089c8d4aa0ae031b37e262e87c3f4"
