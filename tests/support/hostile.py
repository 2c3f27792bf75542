"""The hostile checkpoints of the generator beside the repository, made once."""

import importlib.util
import warnings
from pathlib import Path

import pytest

from tests.support.made_once import made_once

GENERATOR = Path(__file__).parents[3] / "shared" / "tools" / "gen_hostile.py"


def hostile_generator():
    """Return the module that writes hostile files; skip the test where it is absent."""
    if not GENERATOR.is_file():
        pytest.skip("shared/tools/gen_hostile.py is not beside this repository")
    spec = importlib.util.spec_from_file_location("gen_hostile", GENERATOR)
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    return generator


def hostile_checkpoints(tmp_path_factory) -> Path:
    """Return a folder with ``ckpt/``; ``CANARY`` in it appears if one of them runs. Of the generator's files the checkpoints only."""
    generator = hostile_generator()

    def make(folder: Path) -> None:
        (folder / "ckpt").mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated
            generator.write_checkpoints(folder / "ckpt", folder / "CANARY")

    return made_once(tmp_path_factory, "hostile", make)


class Evil:
    """Unpickling this would create a file."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return Path.touch, (Path(self.canary),)
