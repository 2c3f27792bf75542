"""The hostile files of the generator beside the repository, made once."""

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


def hostile_files(tmp_path_factory) -> Path:
    """Return the folder of the generator's files: ``ckpt/``, ``img/``, ``csv/`` and ``yaml/``, and ``CANARY`` if one of them ran.

    One folder for all tests: to write half a gigabyte of zeros and to compress them takes most of ten seconds.
    """
    generator = hostile_generator()

    def make(folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated
            assert generator.main([str(folder)]) == 0

    return made_once(tmp_path_factory, "hostile", make)


class Evil:
    """Unpickling this would create a file."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return Path.touch, (Path(self.canary),)
