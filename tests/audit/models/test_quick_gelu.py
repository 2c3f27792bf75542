"""QuickGELU folded into SiLU: the same embeddings, and a model whose weights, record and gradients do not know of it."""

import logging

import numpy as np
import pytest
import torch

from audit.api.pipeline import run_audit
from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_images
from audit.embedding.known import DeferredEncoder
from audit.models import load, quick_gelu
from audit.models.quick_gelu import CHECKED_ROWS, folded_mlp, quick_mlps
from audit.options.audits import AuditRequest
from audit.testing import four_faces
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.model.architecture import ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from tests.support.folded import folded_towers
from tests.support.model_folders import noise
from tests.support.notes import sentences
from tests.support.tiny import write_faces, write_probe

torch.set_num_threads(1)
TEXTS = ["a photo of a cook", "a nurse", "a drawing of a teacher", "x", "a photo of two people at work"]


def saved(path, activation="quick_gelu"):
    torch.manual_seed(0)
    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=77)
    text = TextConfig(77, tokenizer.vocab_size, 32, 2, head_width=16)
    config = ModelConfig(16, ViTConfig(32, 8, 48, 3, head_width=16), text, activation=activation)
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "logit" not in name:
                weight.add_(0.1 * torch.randn(weight.shape))
    save(path, Checkpoint(model, Preprocess(32), tokenizer))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(saved(tmp_path_factory.mktemp("fold") / "ckpt.pt"))


def test_an_mlp_by_hand():
    """x = 2, W1 = 3, b1 = -5, so h = 1 and QuickGELU(h) = 1 / (1 + exp(-1.702)) = .84580; W2 = 10 and b2 = 1: 9.4580."""
    first, second = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with torch.no_grad():
        for layer, weight, bias in ((first, 3, -5), (second, 10, 1)):
            layer.weight.fill_(weight), layer.bias.fill_(bias)
        assert folded_mlp(first, second, torch.tensor([[2.0]])).item() == pytest.approx(9.4580, abs=1e-4)
        assert folded_mlp(first, second, torch.full((2, 3, 1), 2.0)).shape == (2, 3, 1)


def test_both_towers_of_our_own_model_are_folded(model):
    assert folded_towers(load(model), TEXTS) == {"image", "text"}


def test_another_activation_is_left_alone(tmp_path):
    assert folded_towers(load(str(saved(tmp_path / "gelu.pt", "gelu"))), TEXTS, 8) == set()


def test_sixteen_bits_are_left_alone(model):
    assert folded_towers(load(model, dtype="bfloat16"), TEXTS, 8) == set()


def test_outside_of_a_batch_the_model_is_that_of_the_file(model):
    encoder, untouched = load(model), load(model)
    weights = {name: weight.clone() for name, weight in encoder._model.state_dict().items()}
    encoder.encode_images(noise(*[(40, 50)] * 8))
    encoder.encode_texts(TEXTS)
    assert encoder._fold._exact == {"image": True, "text": True}
    assert encoder.record == untouched.record
    assert all(torch.equal(weight, weights[name]) for name, weight in encoder._model.state_dict().items())
    pixels = torch.randn(4, 3, 32, 32)
    assert torch.equal(encoder._model.encode_image(pixels), untouched._model.encode_image(pixels))
    assert len(quick_mlps(encoder._model)) == 5
    assert not any("forward" in vars(mlp.owner) for mlp in quick_mlps(encoder._model))


def test_an_error_in_a_batch_leaves_the_model_as_it_was(model):
    encoder = load(model)
    encoder.encode_texts(TEXTS)
    with pytest.raises(ZeroDivisionError):
        encoder._fold.run("text", lambda rows: 1 / 0, 8)
    assert not any("forward" in vars(mlp.owner) for mlp in quick_mlps(encoder._model))


def test_a_small_batch_is_computed_plainly(model):
    encoder, images = load(model), noise(*[(40, 50)] * (CHECKED_ROWS - 1))
    encoder.encode_images(images)
    assert encoder._fold._exact == {}


def test_a_fold_that_changes_embeddings_is_not_used_and_said(model, monkeypatch, caplog):
    """With another factor it is another function."""
    images = noise(*[(40, 50)] * 8)
    fine = load(model)
    fine._fold._exact = {"image": False}
    monkeypatch.setattr(quick_gelu, "SCALE", 1.7)
    encoder = load(model)
    with caplog.at_level(logging.WARNING, "audit"):
        rows = encoder.encode_images(images)
        encoder.encode_images(images)
    assert rows.tobytes() == fine.encode_images(images).tobytes()
    (told,) = sentences(encoder.record.notes)
    assert told.startswith("QuickGELU of the image tower was computed as written, not by the faster equivalent formula")
    assert len(caplog.records) == 1
    assert (encoder.record.fingerprint, fine.record.notes) == (load(model).record.fingerprint, ())


@pytest.mark.slow
def test_the_results_name_a_fold_that_was_not_used(model, tmp_path, monkeypatch):
    """The probe has two prompts, too few to try the fold on the text tower."""
    request = {"model": (model,), "probe": (str(write_probe(tmp_path / "short.py")),), "data": write_faces(tmp_path), "draws": 99}

    def towers():
        (audit,) = run_audit(AuditRequest(**request, min_group_size=5, no_cache=True)).results.audits
        return [note.values["tower"] for note in audit.model.notes if note.code == "quick_gelu_not_folded"]

    assert towers() == []
    monkeypatch.setattr(quick_gelu, "SCALE", 1.7)
    assert towers() == ["image"]


def test_a_recognised_model_has_the_note_too(model, monkeypatch):
    """Its weights are loaded only when the first embedding is missing."""
    encoder = DeferredEncoder(load(model).record, lambda: load(model))
    monkeypatch.setattr(quick_gelu, "SCALE", 1.7)
    encoder.encode_texts(TEXTS)
    assert [note.code for note in encoder.record.notes] == ["quick_gelu_not_folded"]


def test_batches_of_a_data_set_go_through_the_fold(model, monkeypatch):
    """Its last batch is filled up, so that even one image left over is computed like the others."""
    calls = []
    monkeypatch.setattr(quick_gelu, "folded_mlp", lambda *args: calls.append(len(args[2])) or folded_mlp(*args))
    encoder = load(model)
    rows = embed_images(encoder, four_faces(1), MemoryRoot(), batch_size=8).vectors
    assert set(calls) == {CHECKED_ROWS, 8}
    assert np.isfinite(rows).all()
