"""The untrained twin: the same architecture and words, other weights, the same for the same seed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from audit.engine.answers import audit
from audit.engine.plan import ProbePlan
from audit.engine.untrained_control import with_untrained_control
from audit.models import load
from audit.testing import gender_probe
from audit.types import Note, Settings
from tests.support.tiny import write_checkpoint

PROBE = gender_probe(None)  # one claim of it is primary, the other exploratory
SETTINGS = Settings(min_group_size=2, draws=99)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load(str(write_checkpoint(tmp_path_factory.mktemp("model") / "ckpt.pt", seed=3, data_card="planted")))


@pytest.fixture
def images():
    return [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime")]


def test_a_twin_has_the_same_shape_and_other_weights_which_the_seed_alone_decides(encoder, images):
    before = torch.random.get_rng_state()
    twin, second, other = (encoder.untrained(seed) for seed in (0, 0, 1))
    assert (twin.record.parameters, twin.record.dimensions) == (encoder.record.parameters, encoder.record.dimensions)
    assert not np.allclose(twin.encode_images(images), encoder.encode_images(images))
    assert not np.allclose(twin.encode_texts(["a man"]), encoder.encode_texts(["a man"]))
    assert twin.record.fingerprint != encoder.record.fingerprint
    assert (encoder.record.data_card, twin.record.data_card) == ("planted", None)
    assert (twin.encode_images(images) == second.encode_images(images)).all()
    assert twin.record == second.record
    assert not np.allclose(twin.encode_images(images), other.encode_images(images))
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
    result = with_untrained_control(done, encoder, ProbePlan(PROBE, four_faces, SETTINGS), cache_root=tmp_path).result
    [asked] = result.untrained_control.findings
    assert (asked.finding, asked.overall is None, result.untrained_control.seed) == ("gender/accuracy/race", False, 0)
    assert replace(result, untrained_control=None) == done.result


def test_a_model_that_cannot_be_built_anew_has_a_warning(fake_encoder, four_faces, tmp_path):
    done = audit(fake_encoder, PROBE, four_faces, SETTINGS, cache_root=tmp_path)
    result = with_untrained_control(done, fake_encoder, ProbePlan(PROBE, four_faces, SETTINGS), cache_root=tmp_path).result
    assert (result.untrained_control, result.warnings[-1]) == (None, Note("no_untrained_control"))
