"""Generative models of the Hugging Face kind: a folder with configuration, weights, tokenizer, image processor and chat template.

The class is one that transformers has built in as `AutoModelForImageTextToText`. It is asked, not listened to: nothing is generated, the
options of a question are scored by their likelihood.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import DataError
from audit.models.folder import Weights, check_folder, read_weights
from audit.models.generative.chat_template import Frame, frames
from audit.models.generative.model import GenerativeModel
from audit.models.generative.self_check import choose_reuse
from audit.models.huggingface.encoder import decisive_configuration, describe_preprocessing, describe_tower, without_origin
from audit.models.huggingface.pixels import resize_library
from audit.models.huggingface.pretrained import (
    build_model,
    call_transformers,
    configuration,
    offline,
    pretrained,
    quiet,
    require_files,
    tokenizer_sha256,
)
from audit.models.runtime import model_fingerprint, torch_setting
from audit.types import ModelRecord, Note

__all__ = ["GenerativeModel", "is_generative", "load"]
DUAL_ENCODERS = ("clip", "siglip", "siglip2", "metaclip_2", "align", "altclip", "chinese_clip")
"""Types that are known without importing transformers' tables, which takes longer than to load a small one of them."""


class _Parts(NamedTuple):
    folder: Path
    model: Any
    processor: Any
    frame: Frame
    weights: Weights


def is_generative(folder: Path) -> bool:
    """Tell by its ``config.json`` whether a folder holds a model that reads an image and writes text. Whether it is sound, `load` says."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(content, dict) or not isinstance(kind := content.get("model_type"), str) or kind in DUAL_ENCODERS:
        return False
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as GENERATIVE

    # BLIP is both: its retrieval model and its captioner share a model type, and the class says which it is.
    return kind in GENERATIVE and (kind != "blip" or content.get("architectures") == [GENERATIVE[kind]])


def load(folder: Path, *, name: str, device: str, dtype: str, revision: str | None = None, inside: Path | None = None) -> GenerativeModel:
    """Load a model folder; `inside` is where links may lead (None: the folder itself), `revision` the hub's commit that it is a copy of.

    Of its files only the chat template is run, in transformers' sandbox; no socket is opened.
    """
    check_folder(folder, inside or folder)
    weights = read_weights(folder)
    require_files(folder)
    place, kind = torch_setting(device, dtype)
    with offline(), quiet():
        config = configuration(folder)
        architecture = _architecture(config, folder)
        processor = _processor(folder)
        model = build_model(folder, config, weights, kind, architecture)
        model = call_transformers(folder, lambda _: model.to(place).eval())
        failures: list[DataError] = []
        for each in frames(processor, str(folder)):
            parts = _Parts(folder, model, processor, each, weights)
            asked = GenerativeModel(model, processor, each, _record(parts, name, dtype, revision), str(folder))
            try:
                note = call_transformers(folder, partial(_settled, asked))
            except DataError as error:
                failures.append(error)
                continue
            asked.record = replace(asked.record, notes=(*asked.record.notes, note))
            return asked
    raise failures[0]


def _settled(asked: GenerativeModel, _: Any) -> Note:
    return choose_reuse(asked)


def _architecture(config: Any, folder: Path) -> Any:
    """Return the built-in class of a configuration, if it continues a text after an image."""
    import transformers

    found = call_transformers(folder, lambda auto: auto.AutoModelForImageTextToText._model_mapping[type(config)])
    if isinstance(found, tuple):
        found = next((cls for cls in found if cls.__name__ in (config.architectures or ())), found[0])
    if config.get_text_config().is_encoder_decoder or config.is_encoder_decoder:
        raise DataError(
            f"{found.__name__} reads a question with one network and answers with another; such a class is not asked yet",
            where=str(folder),
            why="the likelihood of an answer is taken from a causal model, which reads image, question and answer in one line",
            fix="give a causal model: LLaVA, Qwen-VL, SmolVLM, Idefics, InternVL, Gemma 3, ...",
        )
    if not issubclass(found, transformers.GenerationMixin):
        raise DataError(f"{found.__name__} does not continue a text", where=str(folder), why="its options would have no likelihood")
    return found


def _processor(folder: Path) -> Any:
    processor = pretrained("AutoProcessor", folder)
    if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
        raise DataError(
            "the folder's processor does not read images and text together",
            where=str(folder),
            why=f"transformers makes a {type(processor).__name__} of it",
            fix="save the model's own processor there: processor.save_pretrained(DIR)",
        )
    return processor


def _record(parts: _Parts, name: str, dtype: str, revision: str | None) -> ModelRecord:
    model, processor, tokenizer = parts.model, parts.processor, parts.processor.tokenizer
    words = tokenizer_sha256(tokenizer, parts.folder)
    pixels = {"class": type(processor.image_processor).__name__, **without_origin(processor.image_processor.to_dict())}
    around = {"before": parts.frame.before, "after": parts.frame.after}
    whole = {key: value for key, value in without_origin(processor.to_dict()).items() if not isinstance(value, dict)}
    shown = parts.frame.around("{question}").replace("\n", "⏎")
    return ModelRecord(
        name=name,
        kind=f"Hugging Face {type(model).__name__} (generative)",
        fingerprint=model_fingerprint(
            weights=parts.weights.sha256,
            architecture=decisive_configuration(model),
            preprocessing={"image": pixels, "library": resize_library(processor.image_processor), "frame": around, "processor": whole}
            | {"transformers": ".".join(version("transformers").split(".")[:2])},
            tokenizer=words,
            dtype=dtype,
            device=model.device,
        ),
        sha256=parts.weights.sha256,
        parameters=sum(weight.numel() for weight in model.parameters()),
        dimensions=0,
        dtype=dtype,
        score_rule="softmax",
        logit_scale=1.0,
        logit_bias=None,
        architecture=f"image: {describe_tower(model.config, 'vision_config')}; text: {describe_tower(model.config, 'text_config')}",
        preprocessing=describe_preprocessing(pixels),
        tokenizer=f"{type(tokenizer).__name__}, {len(tokenizer)} entries, sha256 {words[:12]}",
        revision=revision,
        notes=(*parts.weights.notes, *parts.frame.notes),
        asked=(Note("asked_plainly" if parts.frame.own else "asked_by_template", {"frame": shown}),),
    )
