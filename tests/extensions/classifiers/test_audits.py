"""Audits of image classifiers from start to end: those of a folder and of its ONNX file are equal."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
from audit.testing import four_faces, gender_probe
from tests.support.classifiers import PEOPLE, exported, folder


@pytest.mark.slow
def test_a_folder_and_an_onnx_file_of_the_same_weights_give_equal_audits(tmp_path):
    pytest.importorskip("onnxruntime")
    path = folder(tmp_path / "vit")
    rng = np.random.default_rng(0)
    data = four_faces(100)
    probe = gender_probe(replace(data, images=[_noise(rng) for _ in data.images]))
    by_folder, by_file = (
        audit.audit(model=spec, probe=probe, no_cache=True) for spec in (str(path), f"onnx:{exported(path, path / 'm.onnx')}")
    )
    pd.testing.assert_frame_equal(by_folder.metrics.drop(columns="model"), by_file.metrics.drop(columns="model"))
    pd.testing.assert_frame_equal(by_folder.by_group().drop(columns="model"), by_file.by_group().drop(columns="model"))
    own, other = by_folder.predictions(), by_file.predictions()
    assert own["y_pred"].tolist() == other["y_pred"].tolist()
    assert set(own["y_pred"]) == {*PEOPLE}, "one answer to all would be equal for the wrong reason"
    np.testing.assert_allclose(own["score:Female"], other["score:Female"], atol=1e-5)


def _noise(rng):
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8)).resize((40, 40), 0).save(buffer, "PNG")
    return buffer.getvalue()
