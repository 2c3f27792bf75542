"""One form of export a module, each with ``check``, ``write`` (a checkpoint -> a folder) and ``reader`` (the folder -> its features).

Here is what the forms share.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from strictio.errors import UsageError
from strictio.files import write_text

Features = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # ``features(pixels, ids)``: of images and of texts, not normalised


def refuse(what: str, why: str) -> NoReturn:
    """Raise: the model cannot be expressed there."""
    raise UsageError(what, why=why, fix="--to safetensors keeps every model; the audit reads ckpt.pt itself")


def write_json(path: Path, content: object) -> None:
    """Write readable JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
