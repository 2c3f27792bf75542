"""Dual encoders that are in memory: a model of transformers and its processor, as ``(model, processor)``."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import UsageError
from audit.models.folder_weights import Weights
from audit.models.huggingface.encoder import HuggingFaceEncoder, check_scores, encoder_of, record_of
from audit.models.huggingface.opened import OpenedFolder
from audit.models.runtime import DTYPES, log_notes
from audit.models.user_code import call_user_code

if TYPE_CHECKING:
    from torch import Tensor

SAVE = "save both in a folder and name that: model.save_pretrained(DIR); processor.save_pretrained(DIR)"


def encoder_of_pair(model: Any, processor: Any) -> HuggingFaceEncoder:
    """The encoder of a model and its processor; both stay the caller's, and neither is changed.

    Its fingerprint depends on the weights, so embeddings are cached. Raises UsageError if the processor lacks a part, or the model is in
    training mode; DataError if the embeddings do not reproduce the model's own scores.
    """
    shown = f"the object of class {type(model).__name__}"
    pixels, tokenizer = (getattr(processor, name, None) for name in ("image_processor", "tokenizer"))
    if pixels is None or tokenizer is None:
        why = f"a {type(processor).__name__} has no {'image_processor' if pixels is None else 'tokenizer'}"
        fix = "give the processor that belongs to the model: AutoProcessor.from_pretrained(NAME)"
        raise UsageError(f"{shown} came without a processor of images and text", why=why, fix=fix)
    if getattr(model, "training", False):
        raise UsageError(f"{shown} is in training mode", why="dropout would change its embeddings every time", fix="model.eval()")
    dtype = str(model.dtype).removeprefix("torch.")
    if getattr(tokenizer, "backend_tokenizer", None) is None or dtype not in DTYPES:
        why = f"its tokenizer is a {type(tokenizer).__name__}, its dtype is {dtype}"
        raise UsageError(f"{shown} cannot be audited from memory", why=why, fix=SAVE)
    own = copy.deepcopy(tokenizer)
    own.backend_tokenizer.no_padding()  # the last call's settings, which do not belong to the model
    own.backend_tokenizer.no_truncation()
    return call_user_code(lambda: _encoder(model, pixels, own, dtype), shown, "computing features")


def _encoder(model: Any, pixels: Any, tokenizer: Any, dtype: str) -> HuggingFaceEncoder:
    name = Path(str(getattr(model.config, "_name_or_path", "") or type(model).__name__)).name
    weights = Weights({}, _sha256(model.state_dict()))
    opened = OpenedFolder(Path(), weights, model.device, model.dtype, {"name": name, "dtype": dtype, "revision": None})
    encoder = encoder_of(model, tokenizer, pixels, record_of(opened, model, tokenizer, pixels), model.device)
    dimensions = check_scores(encoder, model.config.model_type)
    encoder.record = replace(encoder.record, dimensions=dimensions, kind=f"{encoder.record.kind}, from memory")
    log_notes(encoder.record)
    return encoder


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 (hex) of tensors by name, with types and shapes; independent of the device."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {content.dtype} {tuple(content.shape)}\n".encode())
        digest.update(content.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
