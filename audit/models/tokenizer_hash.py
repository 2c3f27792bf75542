"""The hash of a tokenizer in Hugging Face layout: of what decides its ids, not of where it came from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from audit.models.folder import file_sha256
from audit.models.huggingface.pretrained import TOKENIZERS
from audit.models.runtime import canonical


def tokenizer_sha256(tokenizer: Any, folder: Path) -> str:
    """Return sha256 (hex). To be taken before the first use: a call stores its padding in the tokenizer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    files = [folder / name for names in TOKENIZERS for name in names if (folder / name).is_file()]
    content = backend.to_str() if backend is not None else file_sha256(files)
    special = {name: str(value) for name, value in tokenizer.special_tokens_map.items()}
    return hashlib.sha256(canonical([type(tokenizer).__name__, content, special, tokenizer.padding_side])).hexdigest()
