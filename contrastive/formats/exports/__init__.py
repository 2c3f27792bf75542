"""Export formats, one module each, with ``check``, ``write`` (checkpoint -> folder) and ``reader`` (folder -> features).

This file has the code that they share.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from strictio.errors import UsageError
from strictio.files import write_text

Features = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # ``features(pixels, ids)``: image and text features, not normalised


def refuse(what: str, why: str) -> NoReturn:
    """Raise an error: the target program does not support the model."""
    raise UsageError(what, why=why, fix="--to safetensors keeps every model; the audit reads ckpt.pt itself")


def write_json(path: Path, content: object) -> None:
    """Write indented JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
