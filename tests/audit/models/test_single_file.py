"""Files of weights from elsewhere: in any kind of file the same weights give the same embeddings; the record says what was guessed."""

import argparse
import gzip
import hashlib
import json
import logging
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from audit.errors import DataError, UsageError
from audit.models import load
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.model.clip import CLIP, ModelConfig, ResNetConfig, TextConfig, ViTConfig, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import clip_tokenizer, train_bpe
from strictio.weights.weight_names import to_hugging_face
from tests.support import forked
from tests.support.model_folders import noise, refused, saved
from tests.support.notes import sentences
from tests.support.page_text import text_of
from tests.support.tiny import write_faces

torch.set_num_threads(1)
TEXT = TextConfig(context=77, vocab_size=49_408, width=64, layers=2)
VIT = ModelConfig(48, ViTConfig(32, 16, 64, 2), TEXT, activation="quick_gelu")
RESNET = ModelConfig(48, ResNetConfig(32, 8, (1, 2, 1, 1)), TEXT, activation="quick_gelu")
PROMPTS = ["a photo of a cook", "a photo of a nurse, at work", "an astronaut"]
STATED = {"activation": "quick_gelu"}


def images(side=32):
    """Of the model's own size, so that no library's way of resizing takes part."""
    return noise(*[(side, side)] * 3)


def random_clip(config):
    """Weights large enough for the activation to matter, and exact in half precision."""
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight * 2).half().float())
        model.logit_scale.fill_(3.0)
    return model


class Skeleton(torch.nn.Module):
    """Holds weights by nested names and computes nothing; TorchScript saves it as it saves OpenAI's models."""

    def forward(self):
        return 0


def torchscript(path, state, buffers):
    """Save an archive like OpenAI's: matrices in half precision, three size buffers, the causal mask with its -inf."""
    root = Skeleton()
    for name, tensor in state.items():
        *parents, last = name.split(".")
        place = root
        for part in parents:
            place = place._modules.setdefault(part, Skeleton())
        half = tensor.half() if tensor.ndim > 1 and "embedding" not in name else tensor
        if "running" in name or "num_batches" in name:
            place.register_buffer(last, half.clone())
        else:
            place.register_parameter(last, torch.nn.Parameter(half.clone(), requires_grad=False))
    for name, value in buffers.items():
        root.register_buffer(name, torch.tensor(value))
    root.transformer.resblocks._modules["0"].register_buffer("attn_mask", torch.full((77, 77), -torch.inf).triu(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; OpenAI's files are such archives
        torch.jit.save(torch.jit.script(root), str(path))
    return path


SIZES = {"input_resolution": 32, "context_length": 77, "vocab_size": 49_408}


def write(kind, folder, model):
    """Write one model in one kind of file; return its path and what must be stated about it."""
    state, path = portable_state(model), folder / "model.pt"
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    if kind == "torchscript":
        return torchscript(path, state, SIZES), {}
    if kind == "own":
        save(path, Checkpoint(model, Preprocess(32), clip_tokenizer(77)))
        return path, {}
    if kind == "safetensors":
        path = folder / "model.safetensors"
        save_file(state, path)
        return path, STATED
    optimizer = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3}]}
    compiled = {name.replace("visual.", "visual._orig_mod."): tensor for name, tensor in state.items()}
    hyper, version = argparse.Namespace(lr=1e-3, model="ViT"), {"pytorch-lightning_version": "2.4"}
    contents = {
        "flat": state,
        "open_clip": {"epoch": 3, "name": "2024-model_ViT-B-32-lr_1e-3", "state_dict": prefixed, "optimizer": optimizer},
        "compiled": {"epoch": 3, "state_dict": {f"_orig_mod.{name}": tensor for name, tensor in compiled.items()}},
        "custom text": {name if name.startswith(("visual.", "logit")) else f"text.{name}": tensor for name, tensor in state.items()},
        "lightning": {"state_dict": {f"net.{name}": tensor for name, tensor in state.items()}, "hyper_parameters": hyper, **version},
        "hugging face names": to_hugging_face(state) if kind == "hugging face names" else {},
    }
    torch.save(contents[kind], path)
    return path, STATED


KINDS = ["torchscript", "own", "safetensors", "flat", "open_clip", "compiled", "custom text", "lightning", "hugging face names"]


def embeddings(encoder):
    return encoder.encode_images(images()), encoder.encode_texts(PROMPTS)


def assert_equal_rows(found, expected):
    """Compare directions, which is what scores are made of: 1e-6 of a row of length 1 (the rows themselves are up to 100 long)."""
    for rows, wanted in zip(found, expected, strict=True):
        unit_rows, unit_wanted = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, wanted))
        np.testing.assert_allclose(unit_rows, unit_wanted, atol=1e-6, rtol=0)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(wanted, axis=1), rtol=1e-5)


@pytest.fixture(scope="module")
def vit():
    return random_clip(VIT)


@pytest.fixture(scope="module")
def expected(vit):
    with torch.inference_mode():
        ids = clip_tokenizer(77)(PROMPTS)
        return vit.encode_image(Preprocess(32)(images())).numpy(), vit.encode_text(ids).numpy()


@pytest.mark.slow_except("custom text")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_weights_give_the_same_embeddings_in_every_kind_of_file(tmp_path, vit, expected, kind):
    path, stated = write(kind, tmp_path, vit)
    assert_equal_rows(embeddings(load(str(path), model_args=stated)), expected)


@pytest.mark.slow
def test_and_in_a_hugging_face_folder(tmp_path, vit, expected):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    tokenizer, tower = clip_tokenizer(77), {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 1}
    config = CLIPConfig(text_config=tower, vision_config={**tower, "image_size": 32, "patch_size": 16}, projection_dim=48)
    model = CLIPModel(config).eval()
    model.load_state_dict(to_hugging_face(portable_state(vit)), strict=True)
    vocabulary = {symbol: number for number, symbol in enumerate(tokenizer._symbols)}
    merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
    words = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    saved(tmp_path, model, words, CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}))
    assert_equal_rows(embeddings(load(str(tmp_path))), expected)
    # The folder's weights alone, without its configuration, are the same model once the activation is stated.
    assert_equal_rows(embeddings(load(str(tmp_path / "model.safetensors"), model_args=STATED)), expected)


@pytest.mark.slow_except("resnet")
@pytest.mark.parametrize("config", [VIT, RESNET], ids=["vit", "resnet"])
def test_open_clip_reads_an_openai_archive_alike(tmp_path, config):
    """open_clip infers the architecture by OpenAI's rules and runs its own classes; the file is made here, so its loader may open it."""
    from open_clip.model import build_model_from_openai_state_dict

    model = random_clip(config)
    torchscript(tmp_path / "openai.pt", portable_state(model), SIZES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = {**torch.jit.load(str(tmp_path / "openai.pt")).state_dict()}
    state = {name: tensor for name, tensor in state.items() if not name.endswith("attn_mask")}
    theirs = build_model_from_openai_state_dict(state, cast_dtype=torch.float32).eval().float()
    encoder = load(str(tmp_path / "openai.pt"))
    with torch.inference_mode():
        rows = theirs.encode_image(Preprocess(32)(images())).numpy(), theirs.encode_text(clip_tokenizer(77)(PROMPTS)).numpy()
    assert_equal_rows(embeddings(encoder), rows)


# What the record says


def test_an_openai_archive_needs_no_flag_and_its_record_says_where_every_fact_is_from(tmp_path, vit, caplog):
    path, _ = write("torchscript", tmp_path, vit)
    with caplog.at_level(logging.INFO, logger="audit"):
        record = load(str(path)).record
    assert record.kind == "TorchScript archive of a CLIP"
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.architecture == (
        "image: 32 px, patch 16, width 64, layers 2, heads 1; text: width 64, layers 2, heads 1, context 77, 49,408 tokens; "
        "48 dimensions; quick_gelu; softmax"
    )
    assert record.logit_scale == pytest.approx(np.exp(3.0))
    first, *rest = sentences(record.notes)
    assert first.startswith("Not in the weights, known because the file has OpenAI's size buffers: quick_gelu, heads 64 wide")
    assert "Left out because it follows from the sizes: attn_mask (1), context_length (1), input_resolution (1), vocab_size (1)." in rest
    assert "The file names __torch__.Skeleton, which was not looked up." in [note.replace(f"{__name__}.", "") for note in rest]
    assert all(note in caplog.text for note in sentences(record.notes))
    assert not [entry for entry in caplog.records if entry.levelno >= logging.WARNING]  # nothing was guessed


def test_everything_guessed_is_a_note_and_a_warning(tmp_path, vit, caplog):
    path, stated = write("lightning", tmp_path, vit)
    record = load(str(path), model_args=stated).record
    guesses = [note for note in sentences(record.notes) if note.startswith("Guessed")]
    towers = ("heads of the text tower", "heads of the image tower")
    for fact in (*towers, "1e-5", "causal", "mean=0.48145466", "bicubic", "vocabulary is CLIP's"):
        assert any(fact in guess for guess in guesses), fact
    assert "Stated by the user: activation is quick_gelu." in sentences(record.notes)
    assert any("in 'state_dict'" in note for note in sentences(record.notes))
    assert f"Taken off the names of {len(portable_state(vit))} weights: 'net'." in sentences(record.notes)
    assert "The file names argparse.Namespace, which was not looked up." in sentences(record.notes)
    warned = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert warned == [f"{record.name}: {guess}" for guess in guesses]


@pytest.mark.slow
def test_what_is_stated_is_no_guess_is_used_and_part_of_what_the_model_is(tmp_path, vit):
    path, _ = write("flat", tmp_path, vit)
    stated = {
        "activation": "gelu", "image_head_width": "32", "text_head_width": "16", "layer_norm_eps": "1e-6", "pooling": "mean",
        "causal": "false", "mean": "0.5,0.5,0.5", "std": "0.25,0.25,0.25", "interpolation": "bilinear", "resize_mode": "squash",
        "tokenizer": "clip",
    }  # fmt: skip
    record = load(str(path), model_args=stated).record
    assert not [note for note in sentences(record.notes) if note.startswith("Guessed")]
    encoder = load(str(path), model_args=stated)
    config = replace(
        VIT, activation="gelu", layer_norm_eps=1e-6, vision=replace(VIT.vision, head_width=32),
        text=replace(VIT.text, head_width=16, pooling="mean", causal=False),
    )  # fmt: skip
    model = CLIP(config).eval()
    model.load_state_dict(vit.state_dict())
    preprocess = Preprocess(32, (0.5,) * 3, (0.25,) * 3, "bilinear", "squash")
    with torch.inference_mode():
        wanted = model.encode_image(preprocess(images(50))).numpy(), model.encode_text(clip_tokenizer(77)(PROMPTS)).numpy()
    assert_equal_rows((encoder.encode_images(images(50)), encoder.encode_texts(PROMPTS)), wanted)
    # It is part of what the model is.
    variants = [{"activation": "gelu"}, STATED, {**STATED, "mean": "0.5,0.5,0.5"}, {**STATED, "image_head_width": "16"}]
    assert len({load(str(path), model_args=stated).record.fingerprint for stated in variants}) == 4


@pytest.mark.slow
def test_of_several_tables_one_is_taken_and_the_others_are_named_in_a_salvaged_file_too(tmp_path, vit, expected):
    state = portable_state(vit)
    torch.save({"state_dict": {name: tensor + 1 for name, tensor in state.items()}, "state_dict_ema": state}, tmp_path / "x.pt")
    encoder = load(str(tmp_path / "x.pt"), model_args={**STATED, "weights": "state_dict_ema"})
    assert_equal_rows(embeddings(encoder), expected)
    notes = sentences(load(str(tmp_path / "x.pt"), model_args=STATED).record.notes)
    assert any("'state_dict' are meant; the file also has state_dict_ema" in note for note in notes)
    # ``python -m contrastive.foreign`` keeps a trainer's tables in the names: a salvaged file is read as the one that it came from.
    salvaged = {f"state_dict.{name}": tensor for name, tensor in state.items()} | {"optimizer.state.0.exp_avg": torch.ones(3)}
    save_file(salvaged, tmp_path / "x.safetensors")
    assert_equal_rows(embeddings(load(str(tmp_path / "x.safetensors"), model_args=STATED)), expected)


# What is refused


def refused_args(path, **stated):
    return refused(path, DataError, model_args=stated)


def test_an_unknown_activation_that_matters_is_asked_for(tmp_path, vit):
    path, _ = write("open_clip", tmp_path, vit)
    error = refused_args(path)
    assert error.exit_code == 3
    assert "do not show what every number depends on" in error.what
    assert "model_ViT-B-32" in error.why
    assert "--model-args 'activation=gelu'" in error.fix
    assert "open_clip:ARCH,FILE" in error.fix


def test_an_activation_that_does_not_matter_is_not(tmp_path):
    """With the blocks' second matrices zero, what the activation makes goes nowhere."""
    model = random_clip(VIT)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "mlp.c_proj.weight" in name:
                weight.zero_()
    path, _ = write("flat", tmp_path, model)
    assert any("with quick_gelu no cosine changes" in note for note in sentences(load(str(path)).record.notes))


def test_half_precision_means_openai_and_is_said_to_be_a_guess(tmp_path, vit, expected):
    state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in portable_state(vit).items()}
    torch.save(state, tmp_path / "x.pt")
    encoder = load(str(tmp_path / "x.pt"))
    assert any(note.startswith("Guessed: quick_gelu, because") for note in sentences(encoder.record.notes))
    assert_equal_rows(embeddings(encoder), expected)
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "x.pt")  # a trainer's file is not OpenAI's
    assert "activation=gelu" in refused_args(tmp_path / "x.pt").fix


def test_an_archive_whose_buffers_contradict_its_shapes_is_refused(tmp_path, vit):
    torchscript(tmp_path / "x.pt", portable_state(vit), {**SIZES, "input_resolution": 224})
    assert "it says input_resolution 224, its weights' shapes say 32" in refused_args(tmp_path / "x.pt").why


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"activatoin": "gelu"}, "did you mean activation"), ({"activation": "swish"}, "gelu"), ({"causal": "maybe"}, "true or false"),
        ({"image_head_width": "many"}, "a whole number"), ({"mean": "0.5"}, "mean must have 3 values"),
    ],
)  # fmt: skip
def test_a_wrong_statement_is_the_users_mistake(tmp_path, vit, words, said):
    path, _ = write("flat", tmp_path, vit)
    error = refused(path, UsageError, model_args=words)
    assert error.exit_code == 2
    assert said in str(error)


@pytest.mark.slow
def test_nothing_is_stated_about_a_file_that_says_everything_nor_a_head_width_that_does_not_divide(tmp_path, vit):
    path, _ = write("own", tmp_path, vit)
    assert "activation cannot be set" in refused(path, UsageError, model_args={"activation": "gelu"}).what
    path, _ = write("flat", tmp_path, vit)
    assert "width is 64" in refused_args(path, **STATED, image_head_width="48").why


def test_weights_that_are_more_or_less_than_a_clip_are_never_loaded_in_part(tmp_path, vit):
    state = portable_state(vit)
    missing = {name: tensor for name, tensor in state.items() if name != "visual.transformer.resblocks.1.mlp.c_fc.bias"}
    for contents, said in (
        (missing, "missing: 1 (visual.transformer.resblocks.1.mlp.c_fc.bias)"),
        ({**state, "classifier.weight": torch.ones(2, 2)}, "unexpected: 1 (classifier.weight)"),
        ({**state, "visual.proj": torch.ones(64, 40)}, "visual.proj [64, 40] for [64, 48]"),
    ):
        torch.save(contents, tmp_path / "x.pt")
        assert said in refused_args(tmp_path / "x.pt", **STATED).why


def test_another_vocabulary_needs_its_tokenizer(tmp_path):
    tokenizer = train_bpe(["a photo of a cook", "a photo of a cook"], vocab_size=520, context=12)
    model = random_clip(replace(VIT, text=replace(TEXT, vocab_size=520, context=12)))
    path, _ = write("flat", tmp_path, model)
    error = refused_args(path)
    assert "the vocabulary has 520 entries" in error.why
    assert "activation=gelu tokenizer=merges.txt" in error.fix  # both are asked for at once
    save(tmp_path / "ckpt.pt", Checkpoint(model, Preprocess(32), tokenizer))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(tokenizer.merges) + "\n", encoding="utf-8")
    with gzip.open(tmp_path / "merges.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(tokenizer.merges))
    for name in ("ckpt.pt", "merges.txt", "merges.txt.gz"):
        encoder = load(str(path), model_args={**STATED, "tokenizer": str(tmp_path / name)})
        np.testing.assert_array_equal(encoder.encode_texts(["a cook"]), load(str(tmp_path / "ckpt.pt")).encode_texts(["a cook"]))
        assert f"the tokenizer (sha256 {tokenizer.sha256[:12]})" in " ".join(sentences(encoder.record.notes))
        assert str(tmp_path) not in repr(encoder.record)
    (tmp_path / "merges.txt").write_text("a b\n")
    assert "it has 515 entries, the model 520" in refused_args(path, **STATED, tokenizer=str(tmp_path / "merges.txt")).why
    assert "cannot be read" in refused_args(path, **STATED, tokenizer=str(tmp_path / "absent.txt")).what


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("visual.trunk.patch_embed.proj.weight", "timm"),
        ("text.transformer.embeddings.word_embeddings.weight", "transformers"),
        ("text_decoder.ln_final.weight", "CoCa"),
        ("visual.attn_pool.query", "pools by attention"),
    ],
)
def test_architectures_of_open_clip_alone_are_sent_there(tmp_path, name, said):
    torch.save({name: torch.ones(2, 2), "logit_scale": torch.ones(())}, tmp_path / "x.pt")
    error = refused_args(tmp_path / "x.pt")
    assert said in error.why
    assert "open_clip:ARCH,FILE" in error.fix


def test_a_siglip_in_one_file_and_arrays_of_big_vision_are_sent_to_their_folder(tmp_path):
    torch.save({"vision_model.head.probe": torch.ones(1, 1, 4)}, tmp_path / "siglip.pt")
    save_file({"vision_model.head.probe": torch.ones(1, 1, 4)}, tmp_path / "siglip.safetensors")
    np.savez(tmp_path / "siglip.npz", **{"params/img/MAPHead_0/probe": np.ones((1, 1, 4), np.float32)})
    way = "name the model's folder in Hugging Face layout; the hub has it, such as google/siglip-base-patch16-224"
    for name, said in (
        ("siglip.pt", "the weights of a SigLIP are read with their folder only"),
        ("siglip.safetensors", "the weights of a SigLIP are read with their folder only"),
        ("siglip.npz", "the file holds NumPy arrays (.npz)"),
    ):
        error = refused(tmp_path / name, DataError)
        assert (error.what, error.fix, error.where) == (said, way, str(tmp_path / name))


def test_flattened_weights_are_explained(tmp_path):
    torch.save({"model": {"_fsdp_wrapped_module._flat_param": torch.ones(9)}}, tmp_path / "x.pt")
    error = refused_args(tmp_path / "x.pt")
    assert (error.exit_code, "flattened by FSDP" in error.what) == (3, True)
    assert "full_state_dict" in error.fix


# Through the command line


@pytest.mark.slow
def test_an_openai_archive_goes_from_file_to_report_without_a_flag(tmp_path, vit):
    path, _ = write("torchscript", tmp_path, vit)
    (tmp_path / "faces").mkdir()
    write_faces(tmp_path / "faces")
    command = [sys.executable, "-m", "audit.run", "--model", path.name, "--probe", "fairface", "--data", "faces", "--out", "out"]
    done = forked.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    model = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["model"]
    assert model["kind"] == "TorchScript archive of a CLIP"
    report = text_of((tmp_path / "out" / "report.html").read_text())
    facts = ("patch 16, width 64, layers 2", "size buffers", "attn_mask (1)", ".Skeleton, which was not")
    for words in (model["kind"], model["sha256"], *facts):
        assert words in report, words
    assert "size buffers" in done.stderr
