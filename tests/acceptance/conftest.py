"""What the rows of the acceptance table are tried on: hostile files, a small model, plain pictures, and a folder for each test."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bench import Bench
from tests.support.command import command
from tests.support.hostile import hostile_files
from tests.support.made_once import made_once
from tests.support.model_folders import letters_tokenizer, saved
from tests.support.tiny import write_checkpoint, write_faces, write_open_probe, write_probe


@pytest.fixture(scope="session")
def hostile(tmp_path_factory) -> Path:
    """The generator's files. Only read."""
    return hostile_files(tmp_path_factory)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Path:
    """``ckpt.pt`` (random weights), ``faces/`` (forty plain pictures), and two probes: ``short.py`` of gender, ``any.py`` of any table."""

    def make(folder):
        write_checkpoint(folder / "ckpt.pt")
        (folder / "faces").mkdir()
        write_faces(folder / "faces")
        write_probe(folder / "short.py")
        write_open_probe(folder / "any.py")

    return made_once(tmp_path_factory, "acceptance", make)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    """A folder of a tiny `CLIPModel` in Hugging Face layout. Only read."""

    def make(folder):
        import torch
        from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

        words = letters_tokenizer()
        end, tower = len(words) - 1, {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
        torch.manual_seed(0)
        ends = {"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
        config = CLIPConfig(
            vision_config={**tower, "image_size": 32, "patch_size": 8},
            text_config={**tower, **ends, "vocab_size": len(words), "max_position_embeddings": 40}, projection_dim=24,
        )  # fmt: skip
        pixels = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        saved(folder, CLIPModel(config).eval(), words, pixels)

    return made_once(tmp_path_factory, "clip-folder", make)


@pytest.fixture(scope="session")
def llava_folder(tmp_path_factory):
    """A folder of a tiny LLaVA. Only read."""

    def make(folder):
        import torch

        from tests.support.generative_models import llava

        torch.manual_seed(0)
        saved(folder, *llava())

    return made_once(tmp_path_factory, "llava-folder", make)


@pytest.fixture(scope="session")
def earlier(tmp_path_factory) -> Path:
    """A finished audit, which a failed one must leave alone."""

    def make(folder):
        rows = [f"{i}.png,{'ab'[i % 2]},cat,{'dog' if i % 8 == 1 else 'cat'}" for i in range(80)]
        (folder / "answers.csv").write_text("id,group,y_true,y_pred\n" + "\n".join(rows) + "\n")
        done = command("--predictions", folder / "answers.csv", "--out", folder / "audit")
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "earlier", make) / "audit"


@pytest.fixture
def bench(tmp_path, earlier, monkeypatch, request) -> Iterator[Bench]:
    """A folder of the test's own, in which nothing runs any more when the test is over."""
    names = [request.getfixturevalue("hostile") / "CANARY"] if "hostile" in request.fixturenames else []
    place = Bench(tmp_path, earlier, monkeypatch, names)
    yield place
    place.end()


@pytest.fixture
def model(inputs):
    """The words of an audit of the small model."""
    return ("--model", inputs / "ckpt.pt", "--probe", inputs / "short.py", "--data", inputs / "faces")


@pytest.fixture
def of_any(inputs):
    """The words of an audit of the small model on any table of pictures."""
    return ("--model", inputs / "ckpt.pt", "--probe", inputs / "any.py")


@pytest.fixture
def results(bench):
    """Return a function that reads ``results.json`` strictly: NaN is no JSON."""

    def read(out=None):
        def refuse(name):
            raise AssertionError(f"{name} is no JSON")

        return json.loads(((out or bench.out) / "results.json").read_text(), parse_constant=refuse)

    return read


@pytest.fixture
def table(bench):
    """Return a function that writes rows as ``NAME.csv``; a row is what follows its number."""

    def write(name, header, rows):
        path = bench.folder / f"{name}.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write
