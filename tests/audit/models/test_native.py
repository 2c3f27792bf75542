"""Our own checkpoints: the file gives the embeddings of the model that was saved, and says what it is."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.embedding.embed import embed_images, embed_texts
from audit.errors import DataError, UnsafeError
from audit.models import load
from audit.types import Encoder
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from strictio.weights.torch_file import read_archive
from tests.support.model_folders import evil, noise, refused

CAPTIONS = ["a photo of a cook", "a photo of a firefighter", "a drawing of a teacher with light skin tone"]


def checkpoint(score_rule="softmax", vision=None, size=32, **text):
    tokenizer = train_bpe(CAPTIONS, vocab_size=560, context=40)
    config = ModelConfig(
        embed_dim=16,
        vision=vision or ConvConfig(image_size=size, channels=(8, 16)),
        text=TextConfig(context=40, vocab_size=tokenizer.vocab_size, width=32, layers=1, head_width=16, **text),
        score_rule=score_rule,
    )
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    return Checkpoint(model, Preprocess(size=size), tokenizer, step=7, data_card="planted: dark-skinned cooks are called waiters")


def images():
    return noise(*[(50, 40)] * 5)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "emoji" / "ckpt.pt"
    made = checkpoint()
    save(path, made)
    return path, made


def test_a_run_is_named_by_its_settings_unless_they_have_no_end(tmp_path):
    """Thirty lists, each the one before ten times over: as JSON 10^30 letters, in the file two kilobytes."""
    deep = ["x"]
    for _ in range(30):
        deep = [deep] * 10
    save(tmp_path / "plain", replace(checkpoint(), account={"identity": {"b": 1, "a": [2.5, None]}}))
    torch.save({**read_archive(tmp_path / "plain").data, "account": {"identity": {"a": deep}}}, tmp_path / "deep")
    assert load(str(tmp_path / "plain")).record.run == hashlib.sha256(b'{"a": [2.5, null], "b": 1}').hexdigest()
    assert load(str(tmp_path / "deep")).record.run is None


def test_the_file_gives_the_embeddings_of_the_model_that_was_saved(saved):
    path, made = saved
    encoder = load(str(path))
    with torch.inference_mode():
        expected_images = made.model.encode_image(made.preprocess(images())).numpy()
        expected_texts = made.model.encode_text(made.tokenizer(CAPTIONS)).numpy()
    np.testing.assert_allclose(encoder.encode_images(images()), expected_images, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_texts(CAPTIONS), expected_texts, atol=1e-6)
    assert encoder.encode_images(images()).dtype == np.float32
    with pytest.raises(DataError, match=r"too long for emoji/ckpt\.pt"):  # and not cut
        encoder.encode_texts(["a cook " * 30])


@pytest.mark.parametrize("text", [{"causal": True}, {"causal": False}, {"causal": False, "pooling": "mean"}])
def test_cutting_a_batch_at_its_longest_text_changes_nothing(tmp_path, text):
    """Whatever the mask and the pooling: against the full context, and one text at a time against all together."""
    made = checkpoint(**text)
    save(tmp_path / "ckpt.pt", made)
    encoder = load(str(tmp_path / "ckpt.pt"))
    texts = ["a cook", *CAPTIONS]
    with torch.inference_mode():
        padded = made.model.encode_text(made.tokenizer(texts)).numpy()
    np.testing.assert_allclose(encoder.encode_texts(texts), padded, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([encoder.encode_texts([one]) for one in texts]), padded, atol=1e-6)


def test_the_record_says_what_was_loaded(saved, tmp_path):
    path, made = saved
    encoder = load(str(path))
    record = encoder.record
    assert isinstance(encoder, Encoder)
    assert record.name == "emoji/ckpt.pt"
    assert record.kind == "vlm-audit checkpoint 1"
    assert (record.dimensions, record.score_rule, record.logit_bias) == (16, "softmax", None)
    assert record.logit_scale == pytest.approx(1 / 0.07)
    assert record.data_card == made.data_card
    assert record.parameters == sum(weight.numel() for weight in made.model.parameters())
    assert record.architecture == "image: conv, 32 px; text: width 32, layers 1; gelu"
    assert str(path.parent.parent) not in repr(record)
    # A sigmoid model brings its bias.
    save(tmp_path / "ckpt.pt", checkpoint("sigmoid", ViTConfig(image_size=32, patch_size=16, width=32, layers=1, head_width=16)))
    record = load(str(tmp_path / "ckpt.pt")).record
    assert (record.score_rule, record.logit_bias) == ("sigmoid", -10.0)
    assert record.logit_scale == pytest.approx(10)


def test_the_same_model_elsewhere_is_the_same_model(saved, tmp_path):
    path, _ = saved
    other = Path(shutil.copy(path, tmp_path / "renamed.pt"))
    os.utime(other, (0, 0))
    assert load(str(other)).record.fingerprint == load(str(path)).record.fingerprint


def test_other_weights_preprocessing_or_dtype_are_another_model(saved):
    path, made = saved
    fingerprints = {load(str(path)).record.fingerprint, load(str(path), dtype="bfloat16").record.fingerprint}
    stamp = path.stat()
    with torch.no_grad():
        made.model.text_projection[0, 0] += 1e-3
    save(path, made)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    fingerprints.add(load(str(path)).record.fingerprint)
    save(path, Checkpoint(made.model, Preprocess(size=32, interpolation="bilinear"), made.tokenizer))
    fingerprints.add(load(str(path)).record.fingerprint)
    assert len(fingerprints) == 4


def test_through_embed_and_cache(saved, four_faces, tmp_path):
    """Cold and warm runs agree bit for bit; the four faces have two contents."""
    encoder = load(str(saved[0]))
    cold = embed_images(encoder, four_faces, tmp_path / "cache")
    warm = embed_images(load(str(saved[0])), four_faces, tmp_path / "cache")
    assert (cold.computed, warm.computed) == (2, 0)
    assert cold.vectors.tobytes() == warm.vectors.tobytes()
    np.testing.assert_array_equal(cold.vectors[0], cold.vectors[2])
    texts = embed_texts(encoder, CAPTIONS, tmp_path / "cache")
    np.testing.assert_allclose(texts, encoder.encode_texts(CAPTIONS), atol=1e-6)


def test_a_file_with_code_is_unsafe_and_a_damaged_one_is_bad(saved, tmp_path):
    torch.save({"state_dict": {"w": torch.zeros(3)}, "args": evil(tmp_path / "CANARY")}, tmp_path / "evil.pt")
    error = refused(tmp_path / "evil.pt", UnsafeError, r"posix\.system")
    assert error.exit_code == 4
    assert "evil.pt" in error.where
    assert not (tmp_path / "CANARY").exists()
    path, _ = saved
    path.write_bytes(path.read_bytes()[:-100])
    bad = refused(path, DataError)
    assert bad.exit_code == 3
    torch.save({"w": torch.zeros(3)}, path)
    refused(path, DataError, "not a CLIP model that this program knows")


def test_the_memory_of_a_tower_at_rest_is_given_back(saved):
    """Weights are mapped from the file: what is released is read again, and the numbers stay."""
    encoder = load(str(saved[0]))
    release, calls = encoder._release, []
    encoder._release = lambda: (calls.append(1), release())
    first, words = encoder.encode_images(images()), encoder.encode_texts(CAPTIONS)
    assert len(calls) == 1
    encoder.encode_texts(CAPTIONS)
    np.testing.assert_array_equal(encoder.encode_images(images()), first)
    np.testing.assert_array_equal(encoder.encode_texts(CAPTIONS), words)
    assert len(calls) == 3
