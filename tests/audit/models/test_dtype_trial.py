"""One line says how fast a 16-bit dtype is on this processor, compared with float32; embeddings do not change."""

import logging

import pytest
import torch

from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_images
from audit.models import dtype_trial, load
from audit.models.dtype_trial import relative_speed
from audit.testing import four_faces
from tests.support.model_families import random_folder
from tests.support.tiny import write_checkpoint

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_checkpoint(tmp_path_factory.mktemp("trial") / "ckpt.pt"))


@pytest.fixture
def embedded(monkeypatch, caplog):
    """Embed four images of which at least `least` are worth a trial; return the embeddings and the lines about speed."""

    def embed(model, least=4, **options):
        monkeypatch.setattr(dtype_trial, "FROM_IMAGES", least)
        caplog.clear()
        with caplog.at_level(logging.INFO, "audit"):
            rows = embed_images(load(model, **options), four_faces(1), MemoryRoot(), batch_size=4).vectors
        return rows, [(record.levelname, record.getMessage()) for record in caplog.records if "times as fast" in record.getMessage()]

    return embed


def test_a_slower_dtype_is_a_warning_and_changes_nothing(model, embedded, monkeypatch):
    rows, lines = embedded(model, least=5, dtype="bfloat16")
    assert lines == []
    monkeypatch.setattr(dtype_trial, "relative_speed", lambda first, second: 0.66)
    same, lines = embedded(model, dtype="bfloat16")
    assert same.tobytes() == rows.tobytes()
    slower = "bfloat16 is 0.66 times as fast as float32 on this processor: without --dtype, the run is faster and exact"
    assert lines == [("WARNING", slower)]


@pytest.mark.slow
def test_a_faster_dtype_is_no_warning_and_float32_is_not_timed(model, embedded, monkeypatch):
    monkeypatch.setattr(dtype_trial, "relative_speed", lambda first, second: 1.9)
    assert embedded(model, dtype="bfloat16")[1] == [("INFO", "bfloat16 is 1.90 times as fast as float32 on this processor")]
    assert embedded(model)[1] == []


def test_a_model_is_timed_once(model, monkeypatch):
    """Not again for the next probe, or the next part of the images."""
    timed = []
    monkeypatch.setattr(dtype_trial, "FROM_IMAGES", 4)
    monkeypatch.setattr(dtype_trial, "relative_speed", lambda first, second: timed.append(1) or 1.9)
    encoder = load(model, dtype="bfloat16")
    for _ in range(2):
        embed_images(encoder, four_faces(1), MemoryRoot(), batch_size=4)
    assert timed == [1]


def test_a_model_too_large_for_a_copy_is_not_timed(model, embedded, monkeypatch):
    monkeypatch.setattr(dtype_trial, "MOST_PARAMETERS", load(model).record.parameters - 1)
    assert embedded(model, dtype="bfloat16")[1] == []


@pytest.mark.slow_except("clip")
@pytest.mark.parametrize("family", ["clip", "metaclip_2"])
def test_models_of_transformers_are_timed(tmp_path, embedded, family):
    """The first is computed by our own code."""
    (line,) = embedded(str(random_folder(family, tmp_path)), dtype="bfloat16")[1]
    assert line[1].startswith("bfloat16 is ")


def test_too_little_memory_for_both_is_no_error(model, embedded, monkeypatch):
    def failing(self, encoder):
        raise MemoryError

    monkeypatch.setattr("audit.models.tower.ImageTower.in_float32", failing)
    assert embedded(model, dtype="bfloat16")[1] == []


def test_the_shortest_times_are_compared_and_the_first_calls_do_not_count(monkeypatch):
    """Seconds of the first: 9 (not counted), 4, 3; of the second: 1 (not counted), 2, 5. So 2 s / 3 s."""
    clock, left = [0.0], {"first": [9, 4, 3], "second": [1, 2, 5]}

    def spend(name):
        clock[0] += left[name].pop(0)

    monkeypatch.setattr(dtype_trial.time, "perf_counter", lambda: clock[0])
    assert relative_speed(lambda: spend("first"), lambda: spend("second")) == pytest.approx(2 / 3)
