"""Loads the preprocessing for images and text: every part separately, and then assembles the processor.

A folder determines the settings of these parts, and which of transformers' own classes they are. `AutoProcessor` would load anything else
that a folder names, for example an audio model from any path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.errors import DataError, UnsafeError
from audit.models.huggingface.pretrained import call_transformers, pretrained
from audit.models.huggingface.tokenizer import load_tokenizer
from strictio.files import read_text
from strictio.model_folders.configurations import read_configuration

PARTS = {
    "image_processor": "AutoImageProcessor",
    "video_processor": "AutoVideoProcessor",
    "feature_extractor": "AutoFeatureExtractor",
    "tokenizer": "AutoTokenizer",
    "qformer_tokenizer": "AutoTokenizer",
}
"""Parts that a processor may have (`qformer_tokenizer` in a sub-folder of that name), and what loads them."""
NAMED_IN = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json", "tokenizer_config.json", "config.json")
"""Files that may name the class of a processor; the first that does is used."""
SAVE = "save the model's own processor there: processor.save_pretrained(DIR)"


def load_processor(folder: Path, config: Any) -> Any:
    """The processor for a generative model: one of transformers' own classes, with the parts of a folder.

    Raises DataError if it does not read images and text; UnsafeError if it has a part that may not be loaded.
    """
    cls = call_transformers(folder, lambda _: _processor_class(folder, config))
    names = [] if cls is None else call_transformers(folder, lambda _: cls.get_attributes())
    if foreign := [name for name in names if name not in PARTS]:
        what = f"{cls.__name__} has a part that is not loaded: {foreign[0]}"
        raise UnsafeError(what, where=str(folder), why=f"the parts that are loaded are {', '.join(PARTS)}", fix="leave this model out")
    if not {"image_processor", "tokenizer"} <= {*names}:
        why = f"its class is {'unknown' if cls is None else cls.__name__}"
        raise DataError("the folder's processor does not read images and text together", where=str(folder), why=why, fix=SAVE)
    parts = [_part(name, folder, cls) for name in names]
    return call_transformers(folder, lambda _: cls.from_args_and_dict(parts, _settings(folder)))


def _part(name: str, folder: Path, cls: Any) -> Any:
    if name == "qformer_tokenizer":
        if not (folder / name).is_dir():
            why = "it reads a question with two tokenizers, and with the first twice it would read other words"
            raise DataError("the folder has no second tokenizer: qformer_tokenizer/", where=str(folder), why=why, fix=SAVE)
        return load_tokenizer(folder, part=name)
    if not name.endswith("tokenizer"):
        return pretrained(PARTS[name], folder)
    if "PixtralProcessor" in cls.__name__:  # their files name a class that does not fit them; transformers handles it in the same way
        return load_tokenizer(folder, "TokenizersBackend")
    return load_tokenizer(folder)


def _processor_class(folder: Path, config: Any) -> Any:
    """The class that a folder names, or that belongs to its model; None without either."""
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
    from transformers.processing_utils import ProcessorMixin

    named = ((name, read_configuration(folder / name).get("processor_class")) for name in NAMED_IN if (folder / name).is_file())
    where, name = next(((where, name) for where, name in named if name), ("", None))
    if name is None:
        return PROCESSOR_MAPPING.get(type(config), None)
    cls = getattr(transformers, name, None)
    if not (isinstance(cls, type) and issubclass(cls, ProcessorMixin)):
        why = f"processor_class is {name[:80]!r}"
        raise UnsafeError("the configuration names no processor of transformers", where=str(folder / where), why=why, fix=SAVE)
    return cls


def _settings(folder: Path) -> Mapping[str, Any]:
    """The settings of the processor itself, including its chat template: from its configuration, else from separate files."""
    path = folder / "processor_config.json"
    settings = read_configuration(path) if path.is_file() else {}
    if settings.get("chat_template") is None and (templates := _chat_templates(folder)):
        settings["chat_template"] = templates["default"] if [*templates] == ["default"] else templates
    return settings


def _chat_templates(folder: Path) -> dict[str, str]:
    """The chat templates of a folder by name, also from its older JSON file if it has one."""
    if (old := folder / "chat_template.json").is_file():
        return {"default": str(json.loads(read_text(old))["chat_template"])}
    files = {path.stem: path for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))}
    if (own := folder / "chat_template.jinja").is_file():
        files["default"] = own
    return {name: read_text(path) for name, path in files.items()}
