"""Kinds of questions: a file in audit/measure is one, and an unknown kind is refused by name."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from audit import measure
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.types import Claim, LabelSet, Measurement, Probe, Settings

FIRST_LABEL = """
from audit.measure.zero_shot import predict_from_scores
import numpy as np

QUESTION = "What if everything were the first label?"

def predict(measurement, record, image_embeddings, text_embeddings, attributes):
    scores = np.tile([0.75, 0.25], (len(attributes), 1))
    return predict_from_scores(measurement, scores, scores, attributes)
"""
PROMPTS = {"Female": ("a woman",), "Male": ("a man",)}
GENDER = Measurement(
    "gender", "Which gender?", LabelSet("gender", tuple(PROMPTS), PROMPTS), "ours v1", (Claim("accuracy", ("race",)),), "gender"
)


@pytest.fixture
def first_label(tmp_path, monkeypatch):
    """A kind of question of somebody's own, as one file of the folder."""
    (tmp_path / "first_label.py").write_text(FIRST_LABEL)
    monkeypatch.setattr(measure, "__path__", [*measure.__path__, str(tmp_path)])
    yield "first_label"
    sys.modules.pop("audit.measure.first_label", None)


@pytest.mark.slow
def test_one_file_is_a_kind(first_label, fake_encoder, four_faces):
    """Every answer is "Female": right for one of two in each race; zero-shot sees red faces as women: 1 of 2 and 2 of 2."""
    probe = Probe("p", "?", lambda _: four_faces, (replace(GENDER, kind=first_label),), "ours", "none", ("none",), ("all",))
    result = audit(fake_encoder, probe, four_faces, Settings(min_group_size=2)).result
    assert [rate.value for rate in result.findings[0].by_group] == [0.5, 0.5]
    assert result.measurements[0].kind == "first_label"
    shot = audit(fake_encoder, replace(probe, measurements=(GENDER,)), four_faces, Settings(min_group_size=2)).result
    assert [rate.value for rate in shot.findings[0].by_group] == [0.5, 1.0]


def test_an_unknown_kind_names_the_nearest(fake_encoder, four_faces):
    with pytest.raises(UsageError, match="unknown kind 'zero_shoot'") as caught:
        measure.predict(replace(GENDER, kind="zero_shoot"), fake_encoder.record, np.ones((4, 3)), {}, four_faces.attributes)
    assert "zero_shot" in caught.value.fix
    assert set(measure.kinds()) == {"any_right", "retrieved", "row_options", "top_five", "zero_shot"}
