"""Exports: read back by the programs they are meant for, equal to 1e-5; what cannot be expressed is refused in words."""

import json
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from contrastive import export as module
from contrastive.checkpoint.file import Checkpoint, load, save
from contrastive.export import export, main
from contrastive.formats.exports import hugging_face
from contrastive.model.architecture import ConvConfig, ModelConfig, ResNetConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from strictio.errors import DataError, MachineError, UsageError, VlmAuditError

torch.set_num_threads(1)

TOKENIZER = train_bpe(["a photo of a woman", "a drawing of two dogs", "the doctor's hat"] * 3, 560, 20)
TEXT = TextConfig(20, TOKENIZER.vocab_size, 64, 2, head_width=16)
VIT = ModelConfig(48, ViTConfig(32, 8, 64, 3, head_width=16), TEXT, activation="quick_gelu")
RESNET = ModelConfig(48, ResNetConfig(64, 16, (1, 2, 1, 1)), replace(TEXT, head_width=64))
CONV = ModelConfig(48, ConvConfig(32, (8, 16)), TEXT)


@pytest.fixture(scope="module")
def open_clip():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        return pytest.importorskip("open_clip", reason="open_clip_torch is not installed (pip install open_clip_torch)")


def checkpoint(config, **changes):
    """A model whose every weight is drawn anew and large, so that no path through it is nearly silent."""
    model, generator = CLIP(config, torch.Generator().manual_seed(0)).eval(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and "logit" not in name:
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(1 + 0.3 * noise.abs() if "running_var" in name or "ln_" in name or ".bn" in name else 0.2 * noise)
    return Checkpoint(model, Preprocess(config.vision.image_size), TOKENIZER, step=7, data_card="Random weights.", **changes)


def images():
    # Wider and taller than they are high and wide, and of the model's own size: those need neither resizing nor cutting.
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in ((32, 32), (32, 32), (40, 60))]


WIDER = replace(VIT, vision=replace(VIT.vision, mlp_width=279), text=replace(VIT.text, mlp_width=100))
"""279 is what open_clip makes of 64 x 4.3637."""


@pytest.mark.slow_except("safetensors-quick", "safetensors-gelu", "safetensors-wider")
@pytest.mark.parametrize("config", [VIT, replace(VIT, activation="gelu"), WIDER], ids=["quick", "gelu", "wider"])
@pytest.mark.parametrize("kind", ["huggingface", "open_clip", "safetensors"])
def test_a_vision_transformer_goes_everywhere(open_clip, tmp_path, kind, config):
    assert export(checkpoint(config), tmp_path / "out", kind) < 1e-5
    assert "Trained on: Random weights." in (tmp_path / "out" / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_resnet_and_a_logit_bias_go_to_open_clip_and_not_to_hugging_face(open_clip, tmp_path):
    assert export(checkpoint(replace(VIT, score_rule="sigmoid")), tmp_path / "bias", "open_clip") < 1e-5
    source = checkpoint(RESNET)
    assert export(source, tmp_path / "out", "open_clip") < 1e-5
    with pytest.raises(UsageError, match=r"CLIPModel has no image tower of this kind\nwhy: this one is of kind resnet"):
        export(source, tmp_path / "hf", "huggingface")
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize("kind", ["huggingface", "open_clip"])
def test_convolutions_are_refused_in_words(tmp_path, kind):
    with pytest.raises(UsageError, match=r"has no image tower of this kind(.|\n)*--to safetensors keeps every model"):
        export(checkpoint(CONV), tmp_path / "out", kind)
    assert export(checkpoint(CONV), tmp_path / "out", "safetensors") == 0


@pytest.mark.parametrize(
    ("changed", "kind", "why"),
    [
        (replace(VIT, text=replace(TEXT, causal=False, pooling="mean")), "huggingface", "no text tower of this kind"),
        (replace(VIT, text=replace(TEXT, causal=False, pooling="mean")), "open_clip", "no text tower of this kind"),
        (replace(VIT, score_rule="sigmoid"), "huggingface", "no logit bias"),
        (replace(VIT, activation="relu"), "open_clip", "no such blocks"),
    ],
)
def test_what_the_other_program_lacks_is_refused(tmp_path, changed, kind, why):
    with pytest.raises(UsageError, match=why):
        export(checkpoint(changed), tmp_path / "out", kind)


def test_open_clips_own_factory_reads_the_folder(open_clip, tmp_path):
    source = checkpoint(VIT)
    export(source, tmp_path / "out", "open_clip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'out'}")
    pixels = torch.stack([transform(image) for image in images()])
    torch.testing.assert_close(pixels, source.preprocess(images()), rtol=0, atol=1e-5)
    ids = TOKENIZER(["a photo of a woman"])
    with torch.inference_mode():
        theirs, ours = model.eval()(pixels, ids), source.model(pixels, ids)
    for a, b in zip(theirs, ours, strict=True):
        torch.testing.assert_close(a.reshape(b.shape), b, rtol=0, atol=1e-5)


def test_the_audit_reads_the_folder_and_embeds_as_the_checkpoint(tmp_path):
    from audit.models import load as load_encoder

    source = checkpoint(VIT)
    save(tmp_path / "ckpt.pt", source)
    export(load(tmp_path / "ckpt.pt"), tmp_path / "out", "huggingface")
    ours, theirs = load_encoder(str(tmp_path / "ckpt.pt")), load_encoder(str(tmp_path / "out"))
    assert theirs.record.logit_scale == pytest.approx(ours.record.logit_scale)
    assert (theirs.record.parameters, theirs.record.dimensions) == (ours.record.parameters, 48)
    texts, seen = ["a photo of a woman", "the doctor's hat", "two dogs"], images()[:2]
    for a, b in ((ours.encode_images(seen), theirs.encode_images(seen)), (ours.encode_texts(texts), theirs.encode_texts(texts))):
        np.testing.assert_allclose(a / np.linalg.norm(a, axis=1)[:, None], b / np.linalg.norm(b, axis=1)[:, None], rtol=0, atol=1e-5)


@pytest.mark.slow_except("squash")
@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_a_cut_or_squashed_image_gives_the_same_pixels(tmp_path, mode):
    source = replace(checkpoint(VIT), preprocess=Preprocess(32, resize_mode=mode, interpolation="bilinear"))
    assert export(source, tmp_path / "out", "huggingface") < 1e-5  # compares pixels of images of four shapes


@pytest.mark.slow
def test_clips_own_vocabulary_is_exported(open_clip, tmp_path):
    from contrastive.model.tokenizer import clip_tokenizer

    own = clip_tokenizer(12)
    config = replace(VIT, text=replace(TEXT, context=12, vocab_size=own.vocab_size))
    source = Checkpoint(CLIP(config, torch.Generator().manual_seed(0)).eval(), Preprocess(32), own)
    assert export(source, tmp_path / "out", "huggingface") < 1e-5
    vocabulary = json.loads((tmp_path / "out" / "vocab.json").read_text())
    assert (vocabulary["hello</w>"], vocabulary["<|endoftext|>"]) == (3306, 49407)  # OpenAI's


@pytest.mark.slow
def test_texts_with_entities_and_odd_quotes_are_compared_and_named(open_clip, tmp_path, capsys):
    from contrastive.model.tokenizer import clip_tokenizer

    own = clip_tokenizer(12)
    config = replace(VIT, text=replace(TEXT, context=12, vocab_size=own.vocab_size))
    save(tmp_path / "own.pt", Checkpoint(CLIP(config, torch.Generator().manual_seed(0)).eval(), Preprocess(32), own))
    odd = {
        "huggingface": "HTML entities, accents in characters of their own, control characters, <|endoftext|> in them",
        "open_clip": "curly quotes, accents in characters of their own, ligatures or full-width letters, control characters",
    }
    for kind, kinds in odd.items():
        assert main([str(tmp_path / "own.pt"), str(tmp_path / kind), "--to", kind]) == 0
        said = f"ids of texts, with quotes and punctuation, are the checkpoint's; not those of texts with {kinds}"
        assert f"verified: {said}\n" in capsys.readouterr().out
        assert f"Verified: {said}." in (tmp_path / kind / "README.md").read_text()
    theirs = hugging_face.ids_of(load(tmp_path / "own.pt"), tmp_path / "huggingface")
    assert theirs('a "sign" & it\'s') == own.encode("a &quot;sign&quot; &amp;amp; it&#39;s")  # once unescaped, they agree
    assert theirs("&quot;") != own.encode("&quot;")


def test_a_vocabulary_that_open_clip_does_not_read_is_named_on_the_terminal(open_clip, tmp_path, capsys):
    from contrastive.model.tokenizer import clip_tokenizer

    own = clip_tokenizer(12)
    config = replace(VIT, text=replace(TEXT, context=12, vocab_size=own.vocab_size))
    save(tmp_path / "own.pt", Checkpoint(CLIP(config, torch.Generator().manual_seed(0)).eval(), Preprocess(32), own))
    save(tmp_path / "other.pt", checkpoint(VIT))
    said = {}
    for name, kind in (("own", "open_clip"), ("other", "open_clip"), ("other", "safetensors")):
        assert main([f"{tmp_path / name}.pt", str(tmp_path / f"{name}-{kind}"), "--to", kind]) == 0
        said[name, kind] = capsys.readouterr().err
    assert (said["own", "open_clip"], said["other", "safetensors"]) == ("", "")
    assert (
        f"warning: open_clip gives texts the ids of CLIP's own vocabulary, and this model has another one, of {TOKENIZER.vocab_size}"
        in (said["other", "open_clip"])
    )
    assert "fix: train with data.tokenizer=clip, export --to huggingface, which brings the tokenizer" in said["other", "open_clip"]
    assert (tmp_path / "other-open_clip" / "tokenizer_of_this_model.json").is_file()


def mixed_up(state, names=hugging_face.to_hugging_face):
    renamed = names(state)
    q, k = (f"text_model.encoder.layers.0.self_attn.{part}_proj.weight" for part in "qv")
    return renamed | {q: renamed[k], k: renamed[q]}


def with_gelu(source, settings=hugging_face.model_settings):
    return settings(Checkpoint(CLIP(replace(source.config, activation="gelu")), source.preprocess, source.tokenizer))


@pytest.mark.slow_except("to_hugging_face-mixed_up")
@pytest.mark.parametrize(("place", "wrong"), [("to_hugging_face", mixed_up), ("model_settings", with_gelu)])
def test_a_wrong_export_or_activation_is_seen_and_removed(tmp_path, monkeypatch, place, wrong):
    monkeypatch.setattr(hugging_face, place, wrong)
    with pytest.raises(VlmAuditError, match="does not give the same features"):
        export(checkpoint(VIT), tmp_path / "out", "huggingface")
    assert list(tmp_path.iterdir()) == []


def test_another_tokenizer_or_processor_is_seen(tmp_path, monkeypatch):
    source = checkpoint(VIT)
    export(source, tmp_path / "out", "huggingface")
    with pytest.raises(VlmAuditError, match="gives other pixels"):
        hugging_face.compare_inputs(replace(source, preprocess=Preprocess(32, interpolation="bilinear")), tmp_path / "out")
    other = train_bpe(["another photo of another woman"] * 3, 560, 20)
    monkeypatch.setattr(Checkpoint, "__post_init__", lambda self: None)
    with pytest.raises(VlmAuditError, match="gives other ids"):
        hugging_face.compare_inputs(replace(source, tokenizer=other), tmp_path / "out")


def test_features_that_are_no_number_are_no_agreement():
    source = checkpoint(VIT)

    def nan(pixels, ids):
        return source.model.encode_image(pixels) * float("nan"), source.model.encode_text(ids)

    with pytest.raises(VlmAuditError, match="differ by nan"):
        module.compare_features(source, nan)


def test_the_command_says_what_it_did(tmp_path, capsys):
    save(tmp_path / "ckpt.pt", checkpoint(VIT))
    arguments = [str(tmp_path / "ckpt.pt"), str(tmp_path / "out"), "--to", "safetensors"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "verified: features of random inputs differ by 0.0e+00 at most (allowed: 1e-05)",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == MachineError.exit_code
    assert "exists already" in capsys.readouterr().err
    assert main([str(tmp_path / "none.pt"), str(tmp_path / "x"), "--to", "safetensors"]) == DataError.exit_code


def test_the_average_of_the_weights_is_exported_on_demand(tmp_path, capsys):
    source = checkpoint(VIT)
    average = {name: tensor / 2 for name, tensor in portable_state(source.model).items()}
    save(tmp_path / "ckpt.pt", replace(source, ema=average))
    assert main([str(tmp_path / "ckpt.pt"), str(tmp_path / "out"), "--to", "safetensors", "--ema"]) == 0
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / "out" / "model.safetensors")["visual.proj"], average["visual.proj"])


def test_help_needs_no_torch():
    import subprocess

    code = "import sys, contrastive.export as e\ntry: e.main(['--help'])\nexcept SystemExit: assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
