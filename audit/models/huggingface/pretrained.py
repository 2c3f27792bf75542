"""Creates transformers' objects from the files of a model folder: strictly, offline, and without running anything in the folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from audit.errors import AuditError, DataError, MachineError
from audit.models.folder_weights import Weights, file_sha256
from audit.models.huggingface.outline import DOWNLOAD, build_outline
from audit.models.runtime import canonical, out_of_memory
from strictio.files import read_text
from strictio.model_folders.configurations import entries
from strictio.model_folders.families import known_settings, unknown_settings

TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",), ("sentencepiece.bpe.model",), ("vocab.txt",))
"""Any one of these sets of files contains a vocabulary."""
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
QUANTISED = ("quantization_config", "compression_config")
READS_BOTH = "give the folder of a model that reads both images and text"


def require_files(folder: Path, *, processor: bool = True, tokenizer: bool = True) -> None:
    """Raise DataError for a folder without image `processor` or vocabulary (`tokenizer`), if the model needs it."""
    if processor and not any((folder / name).is_file() for name in PROCESSORS):
        _refuse_text_model(folder)
        what, fix = f"the folder has no {PROCESSORS[0]}", "save the image processor there as well: processor.save_pretrained(DIR)"
    elif tokenizer and not has_tokenizer(folder):
        what = "the folder has no tokenizer: no tokenizer.json, nor vocab.json with merges.txt, nor spiece.model"
        fix = "save the tokenizer there as well: tokenizer.save_pretrained(DIR)"
    else:
        return
    raise DataError(what, where=str(folder), why="how a model sees pixels and reads words is part of the model, never guessed", fix=fix)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder contains a vocabulary."""
    return any(all((folder / name).is_file() for name in names) for names in TOKENIZERS)


def _refuse_text_model(folder: Path) -> None:
    """Raise DataError for the type of a model of text alone: an image processor would not help it."""
    from transformers.models.auto import modeling_auto as auto

    content: dict[str, Any] = json.loads(read_text(folder / "config.json"))
    kind = content.get("model_type")
    if "vision_config" not in content and (
        kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or kind in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    ):
        fix = f"{READS_BOTH}; or, for probes of texts alone, --model text:FOLDER --model-args pooling=mean"
        raise DataError(f"a model of type {kind!r} reads texts alone", where=str(folder), why="it sees no image", fix=fix)


def configuration(folder: Path) -> Any:
    """The configuration that transformers reads from ``config.json``, without settings that its family does not know."""
    config = pretrained("AutoConfig", folder)
    content, _ = call_transformers(folder, lambda auto: auto.PreTrainedConfig.get_config_dict(folder, local_files_only=True))
    if any(unknown_settings(content)):
        config = call_transformers(folder, lambda _: type(config).from_dict(known_settings(content), name_or_path=str(folder)))
    named = (prefix + key for prefix, key, value in entries(config.to_dict()) if key in QUANTISED and value)
    if key := next(named, None):
        fix = "name the model's folder with its weights in full or half precision"
        raise DataError("quantised weights are not read", where=str(folder), why=f"the configuration has a {key}", fix=fix)
    return config


def build_model(folder: Path, config: Any, weights: Weights, dtype: torch.dtype, architecture: Any = None, **placing: Any) -> Any:
    """Build the architecture (None: a dual encoder) and load its weights, strictly: names must match one to one.

    `placing` are arguments of `from_pretrained` that place its layers; without them they are on the CPU.
    """
    architecture = architecture or _architecture(config, folder)
    call_transformers(folder, lambda _: build_outline(lambda: architecture(config), weights.tensors, str(folder)))
    options = {"config": config, "dtype": dtype, "output_loading_info": True, "ignore_mismatched_sizes": True, **placing}
    model, report = call_transformers(folder, lambda _: architecture.from_pretrained(None, state_dict=dict(weights.tensors), **options))
    kinds = ("missing", "unexpected", "mismatched")
    faults = {kind: [str(key[0] if isinstance(key, tuple) else key) for key in report[f"{kind}_keys"]] for kind in kinds}
    require_complete(folder, faults, report["error_msgs"])
    return model


def require_complete(folder: Path, faults: Mapping[str, Sequence[str]], errors: Sequence[object] = ()) -> None:
    """Raise DataError for a partial load (`faults`: kind of fault -> names of weights): transformers would use random weights instead."""
    if any(faults.values()) or errors:
        why = "; ".join(f"{len(names)} {kind} ({', '.join(sorted(names)[:5])})" for kind, names in faults.items() if names)
        raise DataError("the weights do not fit the configuration", where=str(folder), why=why or str(errors[0])[:300], fix=DOWNLOAD)


def _architecture(config: Any, folder: Path) -> Any:
    """The built-in class of a configuration, if it is a dual encoder."""
    from transformers import AutoModel

    try:
        cls = built_in_class(AutoModel, config)
    except KeyError:
        cls = None
    if not (hasattr(cls, "get_image_features") and hasattr(cls, "get_text_features")):
        why = "an audit needs image and text features in one space, as CLIP and SigLIP have, or a model that answers about images"
        raise DataError(f"a model of type {config.model_type!r} is not a dual encoder", where=str(folder), why=why, fix=READS_BOTH)
    return cls


def built_in_class(auto: Any, config: Any) -> Any:
    """The class that an Auto class of transformers would build for a configuration; raises KeyError if it knows none."""
    architecture = auto._model_mapping[type(config)]
    if isinstance(architecture, tuple):
        architecture = next((cls for cls in architecture if cls.__name__ in (config.architectures or ())), architecture[0])
    return architecture


def pretrained(kind: str, folder: Path, **options: Any) -> Any:
    """Call `from_pretrained` of an Auto class of transformers on the folder."""
    options |= {"local_files_only": True, "trust_remote_code": False}
    return call_transformers(folder, lambda auto: getattr(auto, kind).from_pretrained(folder, **options))


def call_transformers(folder: Path, make: Callable[[Any], Any]) -> Any:
    """Call `make` with transformers; turns any failure that untrusted files may cause into an error about the data."""
    import transformers

    try:
        return make(transformers)
    except (AuditError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the tokenizers, which are written in Rust, is not an Exception
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if isinstance(error, ImportError):
            what = "a package that this model needs is not installed"
            raise MachineError(what, where=str(folder), why=why, fix="pip install it") from error
        if out_of_memory(error):
            raise MachineError("memory does not suffice for this model", where=str(folder), why=why, fix="try --dtype bfloat16") from error
        raise DataError("this folder does not make a working model", where=str(folder), why=why, fix=DOWNLOAD) from error


def tokenizer_sha256(tokenizer: Any, folder: Path) -> str:
    """sha256 (hex); call it before the first use, which stores padding settings in the tokenizer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    files = [folder / name for names in TOKENIZERS for name in names if (folder / name).is_file()]
    content = backend.to_str() if backend is not None else file_sha256(files)
    special = {name: str(value) for name, value in tokenizer.special_tokens_map.items()}
    return hashlib.sha256(canonical([type(tokenizer).__name__, content, special, tokenizer.padding_side])).hexdigest()
