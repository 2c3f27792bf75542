"""Which folders have an image classifier, and the loaders of folders and ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.models.spec import Loading, shown_name

if TYPE_CHECKING:
    from audit.types import Classifier


def is_classifier(config: Mapping[str, Any]) -> bool:
    """Whether a ``config.json`` is an image classifier's. `load_classifier` checks whether its folder is valid."""
    named = config.get("architectures")
    names = [name for name in named if isinstance(name, str) and "ImageClassification" in name] if isinstance(named, list) else []
    if not names:
        return False
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

    kind = CLASSIFIERS.get(str(config.get("model_type")), ())
    return names[0] in ((kind,) if isinstance(kind, str) else kind)


def load_classifier(where: str, how: Loading) -> Classifier:
    """Load a folder in Hugging Face layout."""
    from audit.extensions.classifiers import folder

    return folder.load(Path(where), **how.folder, **how.setting)


def load_onnx(where: str, how: Loading) -> Classifier:
    """Load an ONNX file."""
    from audit.extensions.classifiers import onnx_file

    return onnx_file.load(Path(where), name=shown_name(Path(where)), model_args=how.model_args, **how.setting)
