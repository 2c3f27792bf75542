"""Tiny generative models, made and loaded when a test first asks for them."""

from pathlib import Path

import pytest
import torch

from audit.models import load
from audit.types import Answerer
from tests.support.generative_models import CAUSAL, ENCODER_DECODER
from tests.support.made_once import made_once
from tests.support.model_folders import saved

CLASSES = {**CAUSAL, **ENCODER_DECODER}


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny models, each made when first asked for. Only read."""

    def folder(name: str) -> Path:
        def make(folder: Path) -> None:
            torch.manual_seed(0)
            model, processor = CLASSES[name]()
            for weight in model.parameters():
                weight.data.mul_(4 if name in CAUSAL else 2)  # as drawn, a tiny model's answers hardly differ
            saved(folder / name, model, processor)

        return made_once(tmp_path_factory, f"generative-{name}", make) / name

    return folder


@pytest.fixture(scope="session")
def models(folders):
    loaded: dict[str, Answerer] = {}

    def model(name: str):
        return loaded.setdefault(name, loaded.get(name) or load(str(folders(name))))

    return model
