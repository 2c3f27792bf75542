"""Which folders have a generative model, and its loader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.models.spec import Loading

if TYPE_CHECKING:
    from audit.types import Answerer

DUAL_ENCODERS = ("clip", "siglip", "siglip2", "metaclip_2", "align", "altclip", "chinese_clip")
"""Types that are known without importing transformers' tables, which takes longer than loading a small model."""


def is_generative(config: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` is that of a model that reads an image and writes text. `load_generative` checks whether it is valid."""
    if not isinstance(kind := config.get("model_type"), str) or kind in DUAL_ENCODERS:
        return False
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as GENERATIVE

    # BLIP is both: its retrieval model and its captioner share a model type, and the class distinguishes them.
    return kind in GENERATIVE and (kind != "blip" or config.get("architectures") == [GENERATIVE[kind]])


def load_generative(where: str, how: Loading) -> Answerer:
    """Load a folder in Hugging Face layout, its layers spread over all devices."""
    from audit.extensions.generative import folder

    return folder.load(Path(where), others=how.others, **how.folder, **how.setting)
