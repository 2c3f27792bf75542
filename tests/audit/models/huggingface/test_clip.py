"""CLIPModel computed without transformers' modelling: the same numbers as transformers, and what is not plain CLIP is left to it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from audit.errors import DataError
from audit.models import load
from audit.models.huggingface import clip
from tests.support.folded import folded_towers
from tests.support.model_folders import edited, letters_tokenizer, noise, refused, saved

torch.set_num_threads(1)
TEXTS = ["a cook", "a nurse at work", "x"]


def made(folder, vision=(), text=(), processor=(), **settings):
    """Save a tiny CLIP whose two towers differ in everything that they may differ in."""
    words = letters_tokenizer()
    end = len(words) - 1
    torch.manual_seed(0)
    config = CLIPConfig(
        vision_config={"hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 32,
                       "patch_size": 8, "layer_norm_eps": 1e-6, **dict(vision)},
        text_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": len(words),
                     "max_position_embeddings": 40, "bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end, **dict(text)},
        projection_dim=24, **settings,
    )  # fmt: skip
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape) * 0.05)
    pixels = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, **dict(processor))
    return saved(folder, model, words, pixels)


def images():
    return noise((32, 32), (50, 40), (33, 90))


def ours(encoder):
    return encoder.encode_images(images()), encoder.encode_texts(TEXTS)


@torch.inference_mode()
def of_transformers(folder, dtype=torch.float32):
    """Return image and text features as transformers' documentation computes them."""
    from transformers import AutoTokenizer

    model = CLIPModel.from_pretrained(folder, dtype=dtype).eval()
    pixels = CLIPImageProcessor.from_pretrained(folder)(images=images(), return_tensors="pt").to(dtype=dtype)
    words = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    return [out.pooler_output.float().numpy() for out in (model.get_image_features(**pixels), model.get_text_features(**words))]


VARIANTS = {
    "as OpenAI": {},
    "another activation a tower": {"vision": {"hidden_act": "gelu"}},
    "GELU in both": {"vision": {"hidden_act": "gelu"}, "text": {"hidden_act": "gelu"}},
    "the legacy end of text": {"text": {"eos_token_id": 2}},
    "computed by transformers": {"vision": {"hidden_act": "gelu_new"}},
    "images by transformers": {"processor": {"resample": 2}},
}


@pytest.mark.slow_except("GELU in both")
@pytest.mark.parametrize("variant", VARIANTS)
def test_features_are_those_of_transformers(tmp_path, variant):
    encoder = load(str(made(tmp_path / "model", **VARIANTS[variant])))
    assert isinstance(encoder._model, clip.CLIPModel) == (variant != "computed by transformers")
    for rows, wanted in zip(ours(encoder), of_transformers(tmp_path / "model"), strict=True):
        np.testing.assert_allclose(rows, wanted, atol=1e-5, rtol=1e-5)
    assert encoder.record.kind == "Hugging Face CLIPModel"
    assert encoder.record.dimensions == 24


def test_half_precision_is_as_close_to_transformers_as_rounding_allows(tmp_path):
    encoder = load(str(made(tmp_path / "model")), dtype="bfloat16")
    wanted = of_transformers(tmp_path / "model", torch.bfloat16)
    for rows, theirs in zip(ours(encoder), wanted, strict=True):
        cosines = (rows * theirs).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(theirs, axis=1)
        assert (cosines > 0.9995).all()


def test_a_folder_counts_the_parameters_of_transformers(tmp_path):
    folder = made(tmp_path / "model")
    model = CLIPModel.from_pretrained(folder)
    assert load(str(folder)).record.parameters == sum(weight.numel() for weight in model.parameters())
    assert clip.expected_shapes(model.config) == {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def test_older_files_are_the_same_model(tmp_path):
    """They hold the positions' numbers, a scale with an axis, and weights in half precision."""
    folder = made(tmp_path / "model")
    tensors = {name: tensor.half().float() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    wanted = load(str(folder)).encode_images(images())
    tensors = {name: tensor.half() for name, tensor in tensors.items()}
    tensors["logit_scale"] = tensors["logit_scale"].reshape(1)
    tensors["text_model.embeddings.position_ids"] = torch.arange(40)[None]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    np.testing.assert_array_equal(load(str(folder)).encode_images(images()), wanted)


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("config.json", {"text_config.num_hidden_layers": 1}, "unexpected"),
        ("config.json", {"vision_config.intermediate_size": 96}, "mismatched"),
        ("config.json", {"text_config.eos_token_id": 7}, "every text would be the same"),
        ("preprocessor_config.json", {"crop_size": 16}, "images come out 16 px wide, the model takes 32"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path, file, changes, says):
    folder = made(tmp_path / "model")
    edited(folder / file, changes)
    error = refused(folder, DataError)
    assert says in str(error)
    assert error.fix


MODELLING = ("transformers.modeling_utils", "torchvision", "torch._dynamo")


def test_a_plain_clip_asks_for_no_modelling(tmp_path, monkeypatch):
    """In a process that has imported it already: it would be imported again."""
    folder = made(tmp_path / "model")
    for name in MODELLING:
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert [rows.shape for rows in ours(load(str(folder)))] == [(3, 24), (3, 24)]
    assert [name for name in MODELLING if name in sys.modules] == []


@pytest.mark.slow
def test_a_plain_clip_is_loaded_without_transformers_modelling(tmp_path):
    """Two seconds and 140 MB less: what `benchmarks/speed/load.py` measures."""
    folder = made(tmp_path / "model")
    code = f"""
import sys
from PIL import Image
from audit.models import load
encoder = load({str(folder)!r})
encoder.encode_images([Image.new("RGB", (40, 40))])
encoder.encode_texts(["a cook"])
print([name for name in {MODELLING} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[4])
    assert done.stdout.strip() == "[]"


@pytest.mark.slow_except("another activation a tower-towers1")
@pytest.mark.parametrize(
    ("variant", "towers"), [("as OpenAI", {"image", "text"}), ("another activation a tower", {"text"}), ("GELU in both", set())]
)
def test_quick_gelu_is_folded_in_the_towers_that_have_it(tmp_path, variant, towers):
    made(tmp_path, **VARIANTS[variant])
    assert folded_towers(load(str(tmp_path)), [*TEXTS, "two people"]) == towers
