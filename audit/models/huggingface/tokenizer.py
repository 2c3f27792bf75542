"""Loads the tokenizer of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.models.huggingface.pretrained import call_transformers, pretrained
from strictio.model_folders.tokenizers import bounded_tokenizer, check_tokenizer


def load_tokenizer(folder: Path, kind: str = "AutoTokenizer", part: str = "") -> Any:
    """A folder's tokenizer (`part`: that of a sub-folder), with bounds on its time and memory."""
    call_transformers(folder, lambda _: check_tokenizer(folder / part))
    return bounded_tokenizer(pretrained(kind, folder, **({"subfolder": part} if part else {})))
