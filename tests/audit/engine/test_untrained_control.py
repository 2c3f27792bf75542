"""The untrained twin: the same architecture and words, other weights, the same for the same seed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from audit.engine import audit
from audit.engine.untrained_control import with_untrained_control
from audit.models import native
from audit.types import Claim, LabelSet, Measurement, Note, Probe, Settings
from contrastive.checkpoint.file import Checkpoint
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.presets import preset
from contrastive.model.tokenizer import train_bpe

COUNTING, CONTEXT = Claim("accuracy", ("race",)), Claim("accuracy", ("gender",), primary=False)
LABELS = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
PROBE = Probe(
    "test", "?", lambda _: None, (Measurement("gender", "Who?", LABELS, "v1", (COUNTING, CONTEXT), "gender"),), "made up", "none", (), ()
)
SETTINGS = Settings(min_group_size=2, draws=99)


@pytest.fixture(scope="module")
def encoder():
    torch.set_num_threads(1)
    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=77)
    config = preset("tiny-conv", vocab_size=tokenizer.vocab_size, context=77)
    model = CLIP(config, torch.Generator().manual_seed(3)).eval()
    checkpoint = Checkpoint(model, Preprocess(config.vision.image_size), tokenizer, data_card="planted", sha256="a" * 64)
    return native.encoder(checkpoint, name="ours", device="cpu", dtype="float32")


@pytest.fixture
def images():
    return [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime")]


def test_a_twin_has_the_same_shape_and_other_weights(encoder, images):
    twin = encoder.untrained(0)

    assert (twin.record.parameters, twin.record.dimensions) == (encoder.record.parameters, encoder.record.dimensions)
    assert not np.allclose(twin.encode_images(images), encoder.encode_images(images))
    assert not np.allclose(twin.encode_texts(["a man"]), encoder.encode_texts(["a man"]))
    assert twin.record.fingerprint != encoder.record.fingerprint
    assert twin.record.data_card is None


def test_the_seed_decides_the_weights_and_nothing_else(encoder, images):
    before = torch.random.get_rng_state()
    first, second, other = (encoder.untrained(seed) for seed in (0, 0, 1))

    assert (first.encode_images(images) == second.encode_images(images)).all()
    assert first.record == second.record
    assert not np.allclose(first.encode_images(images), other.encode_images(images))
    assert (torch.random.get_rng_state() == before).all()


def test_a_twin_of_a_hugging_face_model_is_drawn_by_transformers(encoder):
    from transformers import CLIPConfig, CLIPModel

    from audit.models.huggingface.encoder import HuggingFaceEncoder

    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 20}, vision_config={**tower, "image_size": 16, "patch_size": 8}, projection_dim=8
    )
    trained = HuggingFaceEncoder(CLIPModel(config), SimpleNamespace(model_max_length=77), None, encoder.record, torch.device("cpu"))
    first, second, other = (trained.untrained(seed) for seed in (0, 0, 1))
    weights = [torch.cat([weight.flatten() for weight in each._model.parameters()]) for each in (trained, first, second, other)]

    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[3])
    assert first.record.logit_scale == pytest.approx(14.2857, rel=1e-3)  # 1 / .07, where CLIP's training starts


def test_the_twin_answers_what_counts_and_changes_no_finding(encoder, four_faces, tmp_path):
    done = audit(encoder, PROBE, four_faces, SETTINGS, cache_root=tmp_path)
    result = with_untrained_control(done, encoder, PROBE, four_faces, SETTINGS, cache_root=tmp_path).result

    assert [each.finding for each in result.untrained_control.findings] == ["gender/accuracy/race"]
    assert result.untrained_control.findings[0].overall is not None
    assert result.untrained_control.seed == 0
    assert replace(result, untrained_control=None) == done.result


def test_a_model_that_cannot_be_built_anew_has_a_warning(fake_encoder, four_faces, tmp_path):
    done = audit(fake_encoder, PROBE, four_faces, SETTINGS, cache_root=tmp_path)
    result = with_untrained_control(done, fake_encoder, PROBE, four_faces, SETTINGS, cache_root=tmp_path).result

    assert result.untrained_control is None
    assert result.warnings[-1] == Note("no_untrained_control")
