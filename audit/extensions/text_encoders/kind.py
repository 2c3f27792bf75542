"""Loads what a model spec names as an encoder of text alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit.models.spec import Loading, fetch_folder, is_hub_name, missing_path, scheme_of, shown_name, unknown_scheme

if TYPE_CHECKING:
    from audit.types import TextEncoder

FILES = (
    "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    *(f"*_{step}/{name}" for step in ("Pooling", "Dense", "Normalize") for name in ("config.json", "model.safetensors")),
)  # fmt: skip
"""Files that may be downloaded from the hub besides those of every model."""


def load(where: str, how: Loading) -> TextEncoder:
    """Load a folder, or a name on the hub (``hf:`` may precede it)."""
    from audit.extensions.text_encoders import folder

    path, name = Path(where), where.removeprefix("hf:")
    if path.is_dir():
        return folder.load(path, how.model_args, name=shown_name(path), **how.setting)
    if not is_hub_name(name):
        raise unknown_scheme(f"text:{where}", f"text:{scheme}") if (scheme := scheme_of(name)) else missing_path(path)
    fetched, stated = fetch_folder(name, FILES)
    return folder.load(fetched, how.model_args, **stated, **how.setting)
