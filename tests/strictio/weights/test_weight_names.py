"""Two sets of names for the same weights: strictly back and forth, and equal to what transformers computes under its own."""

from dataclasses import replace

import pytest
import torch

from contrastive.model.clip import CLIP, ModelConfig, ResNetConfig, TextConfig, ViTConfig, load_portable, portable_state
from contrastive.model.presets import PRESETS
from strictio.errors import DataError
from strictio.weights.weight_names import from_hugging_face, to_hugging_face, without_text_prefix

torch.set_num_threads(1)
CONFIG = ModelConfig(24, ViTConfig(32, 16, 32, 2, head_width=16), TextConfig(12, 40, 48, 3, head_width=24), activation="quick_gelu")


@pytest.fixture
def model():
    return CLIP(CONFIG, torch.Generator().manual_seed(0)).eval()


def test_there_and_back_is_bit_equal_and_the_text_prefix_of_custom_models_is_taken_off(model):
    state = portable_state(model)
    back = from_hugging_face(to_hugging_face(state))
    assert set(back) == set(state)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())
    assert all(tensor.is_contiguous() for tensor in to_hugging_face(state).values())
    prefixed = {name if name.startswith(("visual", "logit")) else f"text.{name}": tensor for name, tensor in state.items()}
    assert set(without_text_prefix(prefixed)) == set(state)


def test_transformers_computes_the_same(model):
    from transformers import CLIPConfig, CLIPModel

    def blocks(width, layers):
        return {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers, "num_attention_heads": 2}

    vision = {**blocks(32, 2), "image_size": 32, "patch_size": 16}
    special = {"vocab_size": 40, "max_position_embeddings": 12, "eos_token_id": 39, "bos_token_id": 38, "pad_token_id": 39}
    theirs = CLIPModel(CLIPConfig(text_config={**blocks(48, 3), **special}, vision_config=vision, projection_dim=24)).eval()
    theirs.load_state_dict(to_hugging_face(portable_state(model)), strict=True)
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ids = torch.tensor([[38, 5, 7, 39, 0, 0], [38, 1, 2, 3, 4, 39]])
    with torch.inference_mode():
        torch.testing.assert_close(theirs.get_image_features(pixels).pooler_output, model.encode_image(pixels), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(theirs.get_text_features(ids).pooler_output, model.encode_text(ids), atol=1e-5, rtol=1e-5)
    back = load_portable(CONFIG, from_hugging_face({name: tensor.detach() for name, tensor in theirs.state_dict().items()}))
    with torch.inference_mode():
        torch.testing.assert_close(back.eval().encode_image(pixels), model.encode_image(pixels), atol=0, rtol=0)


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("ViT")])
def test_every_preset_goes_there_and_back(name):
    """With all of its layers, but few numbers in each, every one another: none may come back in another's place."""
    config = PRESETS[name]
    vision = replace(config.vision, image_size=2 * config.vision.patch_size, width=4, head_width=2)
    text = replace(config.text, vocab_size=3, width=6, head_width=3)
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in portable_state(CLIP(replace(config, embed_dim=5, vision=vision, text=text))).items()}
    numbers = torch.arange(sum(shape.numel() for shape in shapes.values()), dtype=torch.float64)
    pieces = numbers.split([shape.numel() for shape in shapes.values()])
    state = {key: piece.reshape(shape) for (key, shape), piece in zip(shapes.items(), pieces, strict=True)}
    back = from_hugging_face(to_hugging_face(state))
    assert set(back) == set(state)
    assert [key for key, tensor in state.items() if not torch.equal(back[key], tensor)] == []


def test_a_name_without_a_counterpart_stays_to_be_refused_by_the_strict_load(model):
    state = to_hugging_face(portable_state(model))
    extra = {"text_model.extra.weight": torch.ones(2), "vision_model.encoder.layers.0.gate.weight": torch.ones(2)}
    names = set(from_hugging_face({**state, **extra})) - set(portable_state(model))
    assert names == {"text_model.extra.weight", "visual.transformer.resblocks.0.gate.weight"}


def test_a_missing_third_of_the_attention_is_not_overlooked_and_a_resnet_has_no_counterpart(model):
    for lost in ("q_proj", "k_proj", "v_proj"):
        state = to_hugging_face(portable_state(model))
        del state[f"text_model.encoder.layers.1.self_attn.{lost}.bias"]
        with pytest.raises(DataError, match="no query, key and value"):
            from_hugging_face(state)
    with torch.device("meta"):
        state = portable_state(CLIP(ModelConfig(24, ResNetConfig(32, 8, (1, 1, 1, 1)), CONFIG.text)))
    with pytest.raises(DataError, match="no image tower of this kind"):
        to_hugging_face(state)
