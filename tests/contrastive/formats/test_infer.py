"""The architecture from shapes alone: all nine of the paper, by OpenAI's rules; contradictions and gaps are refused."""

from dataclasses import replace

import pytest
import torch

from contrastive.formats.infer import infer
from contrastive.model.clip import CLIP, ModelConfig, TextConfig, ViTConfig, portable_state
from contrastive.model.presets import PRESETS
from strictio.errors import DataError, UsageError
from strictio.weights.overrides import ModelOverrides

NINE = [name for name in PRESETS if not name.startswith("tiny")]


def outline(config):
    with torch.device("meta"):
        return portable_state(CLIP(config))


@pytest.mark.slow_except("RN50", "ViT-B/16")
@pytest.mark.parametrize("name", NINE)
def test_every_model_of_the_paper_is_recognised(name):
    assert len(NINE) == 9
    assert infer(outline(PRESETS[name]), ModelOverrides(), "quick_gelu")[0] == PRESETS[name]


@pytest.mark.slow_except("1280-31-64")
@pytest.mark.parametrize(
    ("width", "layers", "head_width"), [(1280, 32, 80), (1408, 40, 88), (1664, 48, 104), (1280, 31, 64), (1024, 24, 64)]
)
def test_the_large_models_of_open_clip_have_wider_heads(width, layers, head_width):
    """H/14, g/14 and bigG/14: width/64 would be 20, 22 and 26 heads, they have 16."""
    config = ModelConfig(1024, ViTConfig(28, 14, width, layers, head_width=head_width), TextConfig(77, 49_408, 64, 1))
    found, guesses = infer(outline(config), ModelOverrides(), "gelu")
    assert found == config
    assert f"heads of the image tower are {head_width} wide, {width // head_width} of them" in " ".join(guesses)


@pytest.mark.slow_except("ViT-H-14-None")
@pytest.mark.parametrize(("name", "inner"), [("ViT-H-14", None), ("ViT-g-14", 6144), ("ViT-bigG-14", 8192)])
def test_the_mlps_width_is_read_from_the_shapes_of_open_clips_own_models(name, inner):
    """g/14 is 4.3637 times as wide inside, bigG/14 4.9231 times."""
    open_clip = pytest.importorskip("open_clip", reason="needs the extra [open_clip]")
    from strictio.weights.fill import check_fit, skip_init

    with torch.device("meta"), skip_init():
        state = open_clip.CLIP(**open_clip.get_model_config(name)).state_dict()
    state.pop("attn_mask", None)
    config = infer(state, ModelOverrides(), "gelu")[0]
    assert (config.vision.mlp_width, config.text.mlp_width) == (inner, None)
    check_fit(outline(config), state)
    assert ModelConfig.from_dict(config.to_dict()) == config


SMALL = ModelConfig(24, ViTConfig(32, 16, 64, 2), TextConfig(12, 40, 64, 3))


@pytest.fixture
def state():
    return outline(SMALL)


def test_what_is_stated_is_no_guess_and_an_ordinary_mlp_leaves_the_configuration_as_it_always_was(state):
    assert "mlp_width" not in str(SMALL.to_dict())
    assert replace(SMALL, text=replace(SMALL.text, mlp_width=100)).to_dict()["text"]["mlp_width"] == 100
    stated = ModelOverrides(image_head_width=16, text_head_width=32, layer_norm_eps=1e-6, pooling="mean", causal=False)
    config, guesses = infer(state, stated, "relu")
    assert guesses == ()
    vision, text = replace(SMALL.vision, head_width=16), replace(SMALL.text, head_width=32, pooling="mean", causal=False)
    assert config == replace(SMALL, vision=vision, text=text, activation="relu", layer_norm_eps=1e-6)


def test_a_bias_of_the_logits_means_the_sigmoid_rule_and_a_size_beyond_reason_is_refused(state):
    with pytest.raises(UsageError):
        infer(changed(state, positional_embedding=(2_000_000, 64)), ModelOverrides(), "gelu")
    assert infer({**state, "logit_bias": torch.zeros(())}, ModelOverrides(), "gelu")[0].score_rule == "sigmoid"


def changed(state, **more):
    return {**state, **{name.replace("__", "."): torch.empty(shape, device="meta") for name, shape in more.items()}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"visual__positional_embedding": (6, 64)}, "not a square grid"),
        ({"visual__positional_embedding": (1, 64)}, "not a square grid"),
        ({"visual__conv1__weight": (64, 3, 16, 8)}, "square patches"),
        ({"visual__conv1__weight": (64, 1, 16, 16)}, "square patches"),
        ({"visual__conv1__weight": (64, 768)}, "is not of its shape"),
        ({"text_projection": ()}, "is not of its shape"),
        ({"token_embedding__weight": (0, 64)}, "is not of its shape"),
        ({"transformer__resblocks__9__ln_1__weight": (64,)}, "transformer.resblocks.3 is missing, transformer.resblocks.9 is there"),
        ({"visual__transformer__resblocks__3__ln_1__weight": (64,)}, "visual.transformer.resblocks.2 is missing"),
    ],
)
def test_shapes_that_contradict_each_other_are_refused(state, change, said):
    with pytest.raises(DataError) as caught:
        infer(changed(state, **change), ModelOverrides(), "gelu")
    assert said in str(caught.value)


def test_missing_names_are_listed_with_those_that_are_there_and_no_blocks_at_all_are_refused(state):
    with pytest.raises(DataError, match="not a CLIP model that this program knows") as caught:
        infer({"visual.proj": torch.zeros(8, 4), "logit_scale": torch.zeros(())}, ModelOverrides(), "gelu")
    assert caught.value.why == (
        "missing: visual.conv1.weight, visual.class_embedding, visual.positional_embedding, text_projection, positional_embedding, ...; "
        "the file's first are 'visual.proj', 'logit_scale'"
    )
    with pytest.raises(DataError) as caught:
        infer({name: tensor for name, tensor in state.items() if "visual.transformer" not in name}, ModelOverrides(), "gelu")
    assert caught.value.why == "there is no visual.transformer.resblocks.0"


def test_heads_that_cannot_be_guessed_are_asked_for():
    config = ModelConfig(24, ViTConfig(32, 16, 48, 1, head_width=16), TextConfig(12, 40, 64, 1))
    with pytest.raises(DataError, match="how many attention heads the image tower has") as caught:
        infer(outline(config), ModelOverrides(), "gelu")
    assert caught.value.fix == "--model-args image_head_width=N"
    assert infer(outline(config), ModelOverrides(image_head_width=16), "gelu")[0] == config
    with pytest.raises(DataError, match="image_head_width=0 does not fit"):
        infer(outline(config), ModelOverrides(image_head_width=0), "gelu")


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ({"activation": "relu"}, "activation", "relu"), ({"layer_norm_eps": "1e-6"}, "layer_norm_eps", 1e-6),
        ({"causal": "False"}, "causal", False), ({"mean": "0.1, 0.2,0.3"}, "mean", (0.1, 0.2, 0.3)),
        ({"weights": "state_dict_ema"}, "weights", "state_dict_ema"),
    ],
)  # fmt: skip
def test_words_are_read_by_type(words, field, value):
    assert ModelOverrides.from_words(words).given() == {field: value}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"activatoin": "gelu"}, "did you mean activation"), ({"activation": "gleu"}, "did you mean gelu"),
        ({"mean": "1,2"}, "mean must have 3 values"), ({"std": "a,b,c"}, "std[0] must be a number"),
        ({"causal": "yes"}, "true or false"), ({"image_head_width": "3.5"}, "a whole number"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(words, said):
    with pytest.raises(UsageError) as caught:
        ModelOverrides.from_words(words)
    assert said in str(caught.value)
