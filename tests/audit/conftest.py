"""What tests of the commands audit: a small model with random weights, plain pictures and a short probe, made once."""

from pathlib import Path

import pytest

from tests.support.tiny import write_checkpoint, write_faces, write_probe


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("model") / "ckpt.pt")


@pytest.fixture(scope="session")
def faces(tmp_path_factory) -> Path:
    return write_faces(tmp_path_factory.mktemp("fairface"))


@pytest.fixture(scope="session")
def short(tmp_path_factory) -> Path:
    return write_probe(tmp_path_factory.mktemp("probe") / "short.py")
