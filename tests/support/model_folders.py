"""Folders of tiny models: pictures for them, a tokenizer of letters, and what changes or spoils a folder."""

import json
import os
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.models import load
from strictio.images.decode import decode


def edited(path: Path, changes: Mapping[str, object]) -> Path:
    """Change values of a JSON file: ``{"text_config.vocab_size": 40}``."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *parents, last = name.split(".")
        reduce(getitem, parents, content)[last] = value
    path.write_text(json.dumps(content))
    return path


def saved(folder: Path, *parts) -> Path:
    """Save a model, its tokenizer and its processors into one folder."""
    for part in parts:
        part.save_pretrained(folder)
    return folder


def evil(canary: Path):
    """Return an object that touches a file when it is unpickled."""

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch '{canary}'",)

    return Evil()


def noise(*sizes: tuple[int, int], seed: int = 0) -> list[Image.Image]:
    """Return pictures of noise, by width and height."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in sizes]


def noise_and_colours(last: tuple[int, int]) -> list[Image.Image]:
    """Return twelve pictures of several shapes: smooth colours and noise, so that resizing and cropping matter."""
    rng = np.random.default_rng(0)
    sizes = [(448, 448), (64, 48), (48, 64), (200, 90), (48, 48), last]
    made = [Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)) for width, height in sizes]
    return made + [Image.fromarray(rng.integers(0, 255, (3, 4, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC) for size in sizes]


def all_faces(fairface_dir: Path) -> list[Image.Image]:
    """Return the 180 FairFace test images."""
    faces = [decode(path.read_bytes()).image for path in sorted((fairface_dir / "train").glob("*.jpg"))]
    assert len(faces) == 180
    return faces


def letters_tokenizer():
    """Return a tokenizer of CLIP's class that knows single bytes; the end of text has the largest id, as CLIP's has."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=40)


def refused(spec, kind: type[Exception], says: str | None = None, **options) -> Exception:
    """Load a model that is refused; return the error, whose message `says` matches."""
    with pytest.raises(kind, match=says) as caught:
        load(str(spec), **options)
    return caught.value
