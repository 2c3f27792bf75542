"""Shared fixtures: a small honest encoder, four faces that are numbers, and the FairFace test images where they are present."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from audit.types import Dataset, ModelRecord

settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unhurried")

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def fairface_dir() -> Path:
    """Folder of 180 FairFace images (CC BY 4.0) beside the repository; real people, so never inside it."""
    folder = Path(os.environ.get("FAIRFACE_TEST_DIR", Path(__file__).parents[2] / "shared" / "fairface"))
    if not (folder / "labels.csv").is_file():
        pytest.skip("the FairFace test images are not beside this repository (set FAIRFACE_TEST_DIR to their folder)")
    return folder


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's embedding cache, and none asks a hub."""
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def one_thread():
    """Torch computes with one thread: sums keep their order, and small models are no slower."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(request, tmp_path) -> str:
    """Path of a training run's file: the module's `RUN`, which ends in a folder of the test's own."""
    path = tmp_path / "run.toml"
    path.write_text(request.module.RUN.replace("OUT", str(tmp_path / "out")))
    return str(path)


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium. Of a module, not of the session: its event loop would be in the way of other tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install 'vlm-audit[dev]')")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, headless=True, args=BROWSER_FLAGS)
        yield opened
        opened.close()


class FakeEncoder:
    """A small honest encoder: an image's embedding is the mean colour of its four quarters, a text's is asked of `axes`."""

    def __init__(self, axes: dict[str, list[float]] | None = None, logit_scale: float = 100.0):
        self.axes = axes or {"woman": [1.0, 0.0, 0.0], "": [0.0, 1.0, 0.0]}
        self.calls: list[int] = []
        self.record = ModelRecord(
            name="fake", kind="fake", fingerprint="f" * 64, sha256="0" * 64, parameters=0, dimensions=3, dtype="float32",
            score_rule="softmax", logit_scale=logit_scale, logit_bias=None, architecture="mean colour",
            preprocessing="none", tokenizer="none",
        )  # fmt: skip

    def encode_images(self, images):
        self.calls.append(len(images))
        return np.stack([np.asarray(image, np.float32).reshape(-1, 3).mean(0) / 255 for image in images])

    def encode_texts(self, texts):
        return np.array([next(axis for word, axis in self.axes.items() if word in text) for text in texts], np.float32)


@pytest.fixture
def fake_encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def four_faces() -> Dataset:
    """Four plain-coloured pictures: red means "woman" to the fake encoder, green "man".

    Black: Female red, Male red; White: Female red, Male green.
    """
    import io

    from PIL import Image

    def png(colour):
        buffer = io.BytesIO()
        Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
        return buffer.getvalue()

    attributes = pd.DataFrame(
        {"race": ["Black", "Black", "White", "White"], "gender": ["Female", "Male", "Female", "Male"]},
        index=list("abcd"),
        dtype="str",
    )
    return Dataset(
        name="four faces", images=[png("red"), png("red"), png("red"), png("lime")], attributes=attributes,
        levels={"race": ("Black", "White"), "gender": ("Female", "Male")}, fingerprint="4" * 64, source="made by the test", licence="none",
    )  # fmt: skip
