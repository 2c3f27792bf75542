"""Weights that are wanted next: the system is asked to read those files, and nothing else happens."""

import os
from pathlib import Path

import pytest

from audit.api import models
from audit.models.spec import prefetch
from audit.options.audits import AuditRequest
from audit.testing import FakeEncoder


@pytest.fixture
def asked(monkeypatch):
    """Names of the files that the system is asked to read."""
    found = []

    def noted(descriptor, *_):
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "posix_fadvise", noted)
    return found


def test_the_weights_of_a_file_or_a_folder_are_asked_for(tmp_path, asked):
    for name in ("b.safetensors", "a.safetensors", "config.json", "model.py"):
        (tmp_path / name).write_text("")
    os.mkfifo(tmp_path / "pipe.pt")
    prefetch(str(tmp_path / "a.safetensors"))
    prefetch(str(tmp_path))
    prefetch(f"open_clip:ViT-B-32,{tmp_path / 'b.safetensors'}")
    assert asked == ["a.safetensors", "a.safetensors", "b.safetensors", "b.safetensors"]


@pytest.mark.parametrize("model", ["nowhere.pt", "hf:org/name", "my.py:Class", "", "a\0b.pt", FakeEncoder()])
def test_what_names_no_weights_here_asks_for_nothing(model, asked):
    prefetch(model)
    assert asked == []


def test_each_model_has_the_next_one_prefetched(monkeypatch):
    seen = []
    monkeypatch.setattr(models, "prefetch", seen.append)
    turns = models.iter_models(models.models_of(AuditRequest(model=("a.pt", "b.pt", "c.pt"), probe="emoji")))
    assert [(plan.model, list(seen)) for plan in turns] == [("a.pt", ["b.pt"]), ("b.pt", ["b.pt", "c.pt"]), ("c.pt", ["b.pt", "c.pt"])]
