"""open_clip's models: built by open_clip, filled by our reader, equal to open_clip's own use of the same weights."""

import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

open_clip = pytest.importorskip("open_clip", reason="needs the extra [open_clip]")

from audit.embedding.context import CountingEncoder  # noqa: E402
from audit.errors import DataError, MachineError, UnsafeError, UsageError  # noqa: E402
from audit.models import hub  # noqa: E402
from audit.models.open_clip import spec as openclip_plan  # noqa: E402
from audit.models.spec import load  # noqa: E402
from audit.types import Note  # noqa: E402
from tests.support.attacks import assert_is_attacked, assert_within, pixels_seen  # noqa: E402
from tests.support.folded import folded_towers  # noqa: E402
from tests.support.model_folders import all_faces, edited, evil, noise, refused  # noqa: E402
from tests.support.notes import sentences  # noqa: E402

torch.set_num_threads(1)
TOWERS = {
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 64, "heads": 2, "layers": 2},
}
SMALL_TEXT = {"context_length": 16, "vocab_size": 40, "width": 32, "heads": 2, "layers": 2}
CONFIGS = {
    "small": {"embed_dim": 48, **TOWERS},
    "small-quickgelu": {"embed_dim": 48, "quick_gelu": True, **TOWERS},
    "small-mlp": {
        "embed_dim": 48, "vision_cfg": {**TOWERS["vision_cfg"], "mlp_ratio": 4.3637}, "text_cfg": {**TOWERS["text_cfg"], "mlp_ratio": 3.0},
    },
    "small-RN": {"embed_dim": 48, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}, "text_cfg": TOWERS["text_cfg"]},
    "small-custom": {
        "embed_dim": 48, "custom_text": True, "init_logit_bias": -10.0,
        "vision_cfg": {**TOWERS["vision_cfg"], "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True, "mlp_ratio": 3.0},
        "text_cfg": {**TOWERS["text_cfg"], "no_causal_mask": True, "pool_type": "last", "proj_bias": True, "norm_kwargs": {"eps": 1e-6}},
    },
    "small-timm": {
        "embed_dim": 64, "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160},
        "text_cfg": TOWERS["text_cfg"],
    },
    "small-tokenizer": {
        "embed_dim": 48, "vision_cfg": TOWERS["vision_cfg"],
        "text_cfg": {**SMALL_TEXT, "hf_tokenizer_name": "org/tokenizer", "tokenizer_kwargs": {"clean": "lower"}, "pool_type": "last"},
    },
    "small-coca": {
        "embed_dim": 48, "custom_text": True, "vision_cfg": {**TOWERS["vision_cfg"], "attentional_pool": True, "output_tokens": True},
        "text_cfg": {**TOWERS["text_cfg"], "context_length": 76, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 76, "vocab_size": 49_408, "width": 64, "heads": 2, "layers": 1},
    },
}  # fmt: skip
TEXTS = ["a photo of a cook", "A Nurse, at work"]


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory):
    """Small architectures beside open_clip's own."""
    folder = tmp_path_factory.mktemp("configs")
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in CONFIGS:
        del open_clip.factory._MODEL_CONFIGS[name]


def images():
    return noise(*[(40, 50)] * 3)


def made(name, seed=0):
    """Return open_clip's model with random weights, and its transform."""
    torch.manual_seed(seed)
    model, _, transform = open_clip.create_model_and_transforms(name)
    with torch.no_grad():
        for weight in model.parameters():  # CoCa's decoder has one that open_clip leaves as it was allocated
            weight.nan_to_num_(0, 0, 0).clamp_(-20, 20)
    return model.eval(), transform


def transform_of(**settings):
    return open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**settings), is_train=False)


def assert_same(encoder, model, transform, tokenizer):
    with torch.inference_mode():
        wanted = model.encode_image(torch.stack([transform(image) for image in images()])), model.encode_text(tokenizer(TEXTS))
    np.testing.assert_allclose(encoder.encode_images(images()), wanted[0].numpy(), atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), wanted[1].numpy(), atol=5e-6, rtol=1e-6)  # of 11 places, not 77


@pytest.fixture
def saved(tmp_path):
    """Save a model's weights as open_clip's trainer does, from several processes."""

    def save(name):
        model, transform = made(name)
        state = {f"module.{key}": tensor for key, tensor in model.state_dict().items()}
        torch.save({"epoch": 1, "name": "run", "state_dict": state, "optimizer": {}}, tmp_path / f"{name}.pt")
        return tmp_path / f"{name}.pt", model, transform

    return save


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "small-quickgelu", "small-RN", "small-custom", "small-timm", "small-coca"])
def test_embeddings_are_those_of_open_clip(saved, name):
    path, model, transform = saved(name)
    encoder = load(f"open_clip:{name},{path}")
    assert_same(encoder, model, transform, open_clip.get_tokenizer(name))
    record = encoder.record
    assert record.kind.startswith(f"open_clip {type(model).__name__}, torch.save archive")
    assert record.architecture.startswith(f"{name} of open_clip")
    assert record.parameters == sum(weight.numel() for weight in model.parameters())
    assert (record.score_rule, record.logit_bias) == (("sigmoid", -10.0) if name == "small-custom" else ("softmax", None))
    assert record.logit_scale == pytest.approx(1 / 0.07)


@pytest.mark.slow_except("small-quickgelu")
@pytest.mark.parametrize("name", ["small-quickgelu", "small-RN", "small-custom"])
def test_an_attack_follows_the_gradients_in_levels_of_pixels(saved, name, monkeypatch):
    encoder = load(f"open_clip:{name},{saved(name)[0]}")
    assert_is_attacked(encoder, images(), TEXTS)
    settings = open_clip.transform.PreprocessCfg()
    seen = pixels_seen(monkeypatch, encoder._model, "encode_image", settings.mean, settings.std, keyword=False)
    encoder.attacked(images(), encoder.encode_texts(TEXTS), [0, 1, 0], 3.0, 5)
    assert_within(seen, 3.0)


@pytest.mark.slow
@pytest.mark.faces
@pytest.mark.parametrize("name", ["small-quickgelu", "small-RN", "small-custom", "small-timm"])
def test_180_faces_get_the_embeddings_of_open_clip(saved, name, fairface_dir):
    path, model, transform = saved(name)
    faces = all_faces(fairface_dir)
    with torch.inference_mode():
        wanted = model.encode_image(torch.stack([transform(face) for face in faces])).numpy()
    np.testing.assert_allclose(load(f"open_clip:{name},{path}").encode_images(faces), wanted, atol=1e-5, rtol=1e-5)


def test_a_text_tower_of_transformers_gives_the_embeddings_of_open_clip(tmp_path, monkeypatch):
    """Its configuration and tokenizer are named on the hub; padding is masked, the feature is the masked mean."""
    from transformers import XLMRobertaConfig

    tower = tmp_path / "models--org--tower" / "snapshots" / ("c0ffee" * 6 + "c0ff")
    small_tokenizer(tower)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    XLMRobertaConfig(**sizes, vocab_size=40, max_position_embeddings=90, pad_token_id=0).save_pretrained(tower)
    text = {"hf_model_name": "org/tower", "hf_tokenizer_name": "org/tower", "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}
    config = {"embed_dim": 48, "vision_cfg": TOWERS["vision_cfg"], "text_cfg": {**text, "context_length": 20}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "small-hf", config)
    torch.manual_seed(0)
    here = {**config["text_cfg"], "hf_model_name": str(tower), "hf_model_pretrained": False}
    model = open_clip.CustomTextCLIP(48, config["vision_cfg"], here).eval()
    with torch.no_grad():
        for weight in model.text.parameters():
            weight.add_(torch.randn(weight.shape) * 0.05)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "x.pt")
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: tower)
    encoder = load(f"open_clip:small-hf,{tmp_path / 'x.pt'}")
    tokenizer = open_clip.tokenizer.HFTokenizer(str(tower), context_length=20)
    with torch.inference_mode():
        wanted = model.encode_text(tokenizer(["a cook", "a nurse at work"])).numpy()
    rows = encoder.encode_texts(["a cook", "a nurse at work"])
    np.testing.assert_allclose(rows, wanted, atol=1e-6, rtol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert f"configuration of org/tower on the hub, at commit {tower.name}" in " ".join(sentences(encoder.record.notes))
    assert str(tmp_path) not in repr(encoder.record)


def assert_close(ours, theirs):
    square = noise((32, 32))
    np.testing.assert_allclose(ours.encode_images(square), theirs.encode_images(square), atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(ours.encode_texts(TEXTS), theirs.encode_texts(TEXTS), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seen"), [("small-quickgelu", 12), ("small-custom", 77), ("small-coca", 76)])
def test_texts_are_cut_at_the_longest_of_a_batch_where_what_follows_never_reaches_a_feature(saved, name, seen):
    """The longer text has ten words, and an id at either end; a tower that is not causal, or reads elsewhere, sees all of its context."""
    path, model, _ = saved(name)
    encoder, texts, lengths = load(f"open_clip:{name},{path}"), ["a cook", "a photo of a person who works as a cook"], []
    tower = getattr(encoder._model, "text", encoder._model)
    tower.token_embedding.register_forward_hook(lambda module, given, _: lengths.append(given[0].shape[1]))
    with torch.inference_mode():
        whole = model.encode_text(open_clip.get_tokenizer(name)(texts)).numpy()
    np.testing.assert_allclose(encoder.encode_texts(texts), whole, atol=1e-5, rtol=1e-5)
    assert lengths == [seen]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "activation"), [("small-quickgelu", "quick_gelu"), ("small-mlp", "gelu")])
def test_our_own_towers_give_the_same_as_open_clips(saved, name, activation):
    """They read how wide an MLP is: 64 x 4.3637 is 279 in the image tower of small-mlp, 64 x 3 is 192 in its text tower."""
    path, _, _ = saved(name)
    stated, theirs = {"activation": activation}, load(f"open_clip:{name},{path}")
    assert_close(load(str(path), model_args={**stated, "text_head_width": "32"}), theirs)
    # open_clip has two heads of 32 here, ours guesses one of 64: what weights do not say, and why a guess is a warning.
    guessed = load(str(path), model_args=stated)
    np.testing.assert_allclose(guessed.encode_images(noise((32, 32))), theirs.encode_images(noise((32, 32))), atol=1e-5, rtol=1e-5)
    assert np.abs(guessed.encode_texts(TEXTS) - theirs.encode_texts(TEXTS)).max() > 1e-3


def test_other_kinds_of_file_are_the_same_model(saved, tmp_path):
    path, model, _ = saved("small-timm")
    state = {name.removeprefix("text."): tensor for name, tensor in model.state_dict().items()}
    state["logit_scale"] = state["logit_scale"].reshape(1)
    save_file(state, tmp_path / "x.safetensors")  # an older layout: no prefix, and a scale with an axis
    encoder = load(f"open_clip:small-timm,{tmp_path / 'x.safetensors'}")
    np.testing.assert_array_equal(encoder.encode_images(images()), load(f"open_clip:small-timm,{path}").encode_images(images()))


def test_images_are_prepared_as_stated(saved):
    path, model, _ = saved("small")
    encoder = load(f"open_clip:small,{path}", model_args={"mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5", "resize_mode": "squash"})
    transform = transform_of(size=32, mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="squash")
    assert_same(encoder, model, transform, open_clip.get_tokenizer("small"))
    assert "Set with --model-args: resize_mode is squash." in sentences(encoder.record.notes)
    guessed = [note for note in sentences(encoder.record.notes) if note.startswith("Guessed")]
    assert len(guessed) == 1
    assert "it has no weights of small): interpolation bicubic (set with --model-args" in guessed[0]  # what is left to guess
    assert encoder.record.fingerprint != load(f"open_clip:small,{path}").record.fingerprint


def test_images_are_prepared_as_for_open_clips_own_weights_where_those_agree():
    known, note = openclip_plan._default_preprocessing("ViT-B-16-SigLIP", [open_clip.get_pretrained_cfg("ViT-B-16-SigLIP", "webli")])
    assert (known["mean"], known["resize_mode"]) == ((0.5, 0.5, 0.5), "squash")
    assert note == Note("guessed_images_as_published", {"architecture": "ViT-B-16-SigLIP", "count": 1})
    unlike = [{"mean": (0.5, 0.5, 0.5)}, {"mean": (0.1, 0.1, 0.1)}]
    assert openclip_plan._default_preprocessing("x", unlike)[0] == {}


@pytest.mark.slow
def test_a_prompt_that_does_not_fit_is_refused_not_cut(saved):
    encoder = load(f"open_clip:small,{saved('small')[0]}")
    fits = "cook " * 75  # 75 tokens, start and end: 77
    assert encoder.encode_texts([fits]).shape == (1, 48)
    assert (isinstance(encoder, CountingEncoder), encoder.count_tokens([fits]), encoder.context) == (True, [77], 77)
    with pytest.raises(DataError, match="too long"):
        encoder.encode_texts([fits + "cook"])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_close(saved, dtype):
    path, _, _ = saved("small")
    rows, wanted = (load(f"open_clip:small,{path}", dtype=kind).encode_texts(TEXTS) for kind in (dtype, "float32"))
    assert rows.dtype == np.float32
    cosines = (rows * wanted).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(wanted, axis=1)
    assert (cosines > 0.999).all()


# What is refused


@pytest.mark.slow
def test_weights_of_another_architecture_are_never_loaded_in_part(saved):
    path, _, _ = saved("small")
    assert "missing: " in refused(f"open_clip:small-RN,{path}", DataError, "do not fit the architecture").why
    path, model, _ = saved("small")
    torch.save({**model.state_dict(), "visual.positional_embedding": torch.zeros(17, 64)}, path)
    # open_clip itself would stretch the positions to another image size, without a word
    assert "visual.positional_embedding [17, 64] for [5, 64]" in refused(f"open_clip:small,{path}", DataError).why


def test_a_file_with_code_is_refused_before_anything_is_built(tmp_path, monkeypatch):
    torch.save({"state_dict": {}, "args": evil(tmp_path / "CANARY")}, tmp_path / "x.pt")
    monkeypatch.setattr(open_clip, "CLIP", None)
    refused(f"open_clip:small,{tmp_path / 'x.pt'}", UnsafeError, r"posix\.system")
    assert not (tmp_path / "CANARY").exists()


def test_openais_weights_do_not_go_into_a_model_with_gelu(tmp_path):
    model, _ = made("small")
    sizes = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(77), "vocab_size": torch.tensor(49_408)}
    torch.save({**model.state_dict(), **sizes}, tmp_path / "x.pt")
    error = refused(f"open_clip:small,{tmp_path / 'x.pt'}", DataError, "do not belong to small, which has GELU")
    assert "open_clip:small-quickgelu," in error.fix
    assert load(f"open_clip:small-quickgelu,{tmp_path / 'x.pt'}").record.dimensions == 48


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("ViT-B32,x", "did you mean ViT-B-32"), ("ViT-B-32", "which weights of ViT-B-32?"), ("", "no architecture"),
        ("ViT-B-32,laion2b_e61", "did you mean laion2b_e16"),
        ("ViT-B-32,openai", "open_clip:ViT-B-32-quickgelu,openai"), ("ViT-B-32-quickgelu,laion2b_e16", "no weights"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_the_users_mistake(spec, said):
    error = refused(f"open_clip:{spec}", UsageError)
    assert error.exit_code == 2
    assert said in str(error)


def test_a_missing_file_is_bad_data_and_what_the_architecture_says_is_not_stated(saved):
    refused("open_clip:ViT-B-32,nowhere/x.pt", DataError, r"no such file: nowhere/x\.pt")
    path, _, _ = saved("small")
    refused(f"open_clip:small,{path}", UsageError, "activation cannot be set", model_args={"activation": "gelu"})


def test_without_open_clip_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)  # importing it fails then
    assert "pip install open_clip_torch" in refused("open_clip:ViT-B-32,laion2b_e16", MachineError, "open_clip is not installed").fix


# What is on the hub


def test_a_tag_is_fetched_at_a_commit_and_read_by_our_reader(saved, tmp_path, monkeypatch):
    _, model, transform = saved("small")
    folder = tmp_path / "models--org--weights" / "snapshots" / ("c0ffee" * 6 + "c0ff")
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    asked = []
    monkeypatch.setattr(hub, "fetch", lambda name, revision, files, **more: asked.append((name, revision, files)) or folder)
    monkeypatch.setitem(
        open_clip.pretrained._PRETRAINED, "small", {"mine": {"hf_hub": "org/weights/", "mean": (0.5,) * 3, "std": (0.5,) * 3}}
    )
    encoder = load("open_clip:small,mine")
    assert asked == [("org/weights", None, ("open_clip_model.safetensors",))]
    assert encoder.record.revision == folder.name
    assert "The weights are org/weights on the hub (tag mine)." in sentences(encoder.record.notes)
    assert not any(note.startswith("Guessed") for note in sentences(encoder.record.notes))
    transform = transform_of(size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert_same(encoder, model, transform, open_clip.get_tokenizer("small"))


def test_a_hub_that_cannot_be_reached_is_the_machines_fault():
    error = refused("open_clip:ViT-B-32,laion2b_e16", MachineError)
    assert error.exit_code == 5
    assert "open_clip:ViT-B-32,FILE" in error.fix


def small_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [("<pad>", 0.0), ("<unk>", -20.0), ("</s>", 0.0), *((letter, -9.0) for letter in "\u2581abcdefghijklmnopqrstuvwxyz,")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    names = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return folder


def test_a_tokenizer_of_the_hub_is_fetched_at_a_commit_or_named(saved, tmp_path, monkeypatch):
    path, model, _ = saved("small-tokenizer")
    snapshot = tmp_path / "models--org--tokenizer" / "snapshots" / ("c0ffee" * 6 + "c0ff")
    small_tokenizer(snapshot)
    assert "--model-args tokenizer=DIR" in refused(f"open_clip:small-tokenizer,{path}", MachineError).fix
    named = load(f"open_clip:small-tokenizer,{path}", model_args={"tokenizer": str(snapshot)})
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: snapshot)
    fetched = load(f"open_clip:small-tokenizer,{path}")
    tokenizer = open_clip.tokenizer.HFTokenizer(str(snapshot), context_length=16, clean="lower")
    with torch.inference_mode():
        wanted = model.encode_text(tokenizer(["a cook", "A Nurse"])).numpy()
    for encoder in (named, fetched):
        np.testing.assert_allclose(encoder.encode_texts(["a cook", "A Nurse"]), wanted, atol=1e-6)
    assert named.record.fingerprint == fetched.record.fingerprint
    assert f"at commit {snapshot.name}" in " ".join(sentences(fetched.record.notes))
    with pytest.raises(DataError, match="too long"):
        fetched.encode_texts(["a cook and a nurse"])  # more than 16 letters


# Folders in open_clip's layout


@pytest.fixture
def folder(tmp_path):
    model, _ = made("small-quickgelu")
    place = tmp_path / "folder"
    place.mkdir()
    half = [0.5, 0.5, 0.5]
    preprocess = {"size": 32, "mode": "RGB", "mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "squash"}
    content = {"model_cfg": CONFIGS["small-quickgelu"], "preprocess_cfg": preprocess}
    (place / "open_clip_config.json").write_text(json.dumps(content))
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    return place, model, transform_of(**preprocess)


@pytest.mark.slow
def test_a_folder_brings_its_configuration(folder):
    place, model, transform = folder
    encoder = load(str(place))
    assert_same(encoder, model, transform, open_clip.get_tokenizer("small"))
    assert encoder.record.name == f"{place.parent.name}/folder"
    assert not any(note.startswith("Guessed") for note in sentences(encoder.record.notes))
    (place / "open_clip_model.safetensors").unlink()
    torch.save(model.state_dict(), place / "open_clip_pytorch_model.bin")
    np.testing.assert_array_equal(load(f"open_clip:{place}").encode_images(images()), encoder.encode_images(images()))


def test_a_folder_brings_its_tokenizer(tmp_path):
    model, _ = made("small-tokenizer")
    place = small_tokenizer(tmp_path / "folder")
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIGS["small-tokenizer"], "preprocess_cfg": {}}))
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    encoder = load(str(place))
    tokenizer = open_clip.tokenizer.HFTokenizer(str(place), context_length=16, clean="lower")
    with torch.inference_mode():
        np.testing.assert_allclose(encoder.encode_texts(["a cook"]), model.encode_text(tokenizer(["a cook"])).numpy(), atol=1e-6)
    assert str(tmp_path) not in repr(encoder.record)


@pytest.mark.slow_except(
    "changes0-timm has no built-in model",
    "changes1-its text tower is one of transformers'",
    "changes3-unknown settings surprise",
    "changes4-no model_cfg",
    "changes5-mean is not three numbers",
    "changes7-embed_dim",
    "changes8-unknown settings of the tokenizer subfolder_",
    "changes9-it has 532 entries, the tokenizer 49,408",
)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_cfg.vision_cfg.timm_model_name": "no_such_model"}, "timm has no built-in model"),
        ({"model_cfg.text_cfg.hf_model_name": "evil/model"}, "its text tower is one of transformers'"),
        ({"model_cfg.vision_cfg.width": 64 * 500}, "it asks for"),
        ({"model_cfg.vision_cfg.surprise": 1}, "unknown settings surprise"),
        ({"model_cfg": "ViT-B-32"}, "no model_cfg"),
        ({"preprocess_cfg.mean": [0.5]}, "mean is not three numbers"),
        ({"preprocess_cfg.resize_mode": "stretch"}, "resize_mode is unknown"),
        ({"model_cfg.embed_dim": "many"}, "embed_dim"),
        ({"model_cfg.text_cfg.tokenizer_kwargs": {"subfolder_": "../up"}}, "unknown settings of the tokenizer subfolder_"),
        ({"model_cfg.text_cfg.vocab_size": 532}, "it has 532 entries, the tokenizer 49,408"),
    ],
)
def test_a_configuration_is_untrusted(folder, changes, said):
    edited(folder[0] / "open_clip_config.json", changes)
    assert said in str(refused(folder[0], DataError))


@pytest.mark.slow_except("changes1-layers is 10,000,000, and 1,000 is the most")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_cfg.vision_cfg.timm_model_name": "hf-hub:evil/model"}, "model_cfg.vision_cfg.timm_model_name"),
        ({"model_cfg.vision_cfg.layers": 10**7}, "layers is 10,000,000, and 1,000 is the most"),
        ({"model_cfg.vision_cfg.width": 10**9}, "width is 1,000,000,000, and 1,000,000 is the most"),
        ({"model_cfg.vision_cfg.patch_size": 0}, "patch_size is 0, and 1 is the least"),
    ],
)
def test_what_an_unsafe_configuration_names_or_states_is_refused_before_anything_is_built(folder, changes, said):
    edited(folder[0] / "open_clip_config.json", changes)
    assert said in str(refused(folder[0], UnsafeError))


def test_a_folder_that_asks_for_code_or_has_no_weights_is_refused(folder, tmp_path):
    place = Path(shutil.copytree(folder[0], tmp_path / "copy"))
    edited(place / "open_clip_config.json", {"auto_map": {"AutoModel": "evil.Model"}})
    refused(place, UnsafeError, "auto_map")
    (folder[0] / "open_clip_model.safetensors").unlink()
    refused(folder[0], DataError, "no weights")


def test_a_local_model_opens_no_socket_and_prints_nothing(saved, monkeypatch, capfd):
    path, _, _ = saved("small")
    capfd.readouterr()
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was opened"))
    load(f"open_clip:small,{path}").encode_texts(TEXTS)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "towers"), [("small-quickgelu", {"image", "text"}), ("small", set())])
def test_quick_gelu_is_folded(saved, name, towers):
    path, _, _ = saved(name)
    assert folded_towers(load(f"open_clip:{name},{path}"), [*TEXTS, "x", "two people"]) == towers
