"""Generative models in Hugging Face layout: a folder with configuration, weights, tokenizer, image processor and chat template.

The class must be built into transformers as `AutoModelForImageTextToText`: causal, or with an encoder that reads image and question.
No text is generated for a question: its options are scored by their likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from audit.errors import DataError
from audit.extensions.generative.chat_template import Frame, frames
from audit.extensions.generative.encoder_decoder import PLAIN, TASK_MODELS, answered_apart, is_encoder_decoder, require_family
from audit.extensions.generative.model import GenerativeModel
from audit.extensions.generative.placement import placement, require_placed
from audit.extensions.generative.processor import load_processor
from audit.extensions.generative.self_check import choose_batches, choose_reuse
from audit.models.huggingface.opened import OpenedFolder, image_settings, open_folder, without_origin
from audit.models.huggingface.pixels import resize_library
from audit.models.huggingface.pretrained import build_model, built_in_class, call_transformers, configuration
from audit.models.huggingface.sealed import sealed
from audit.types import ModelRecord, Note


def load(folder: Path, *, others: Sequence[str] = (), **options: Any) -> GenerativeModel:
    """Load a model folder (`options`: those of `open_folder`); `others` are additional GPUs over which its layers are spread.

    Only the chat template in it is run, by `template_sandbox`; no socket is opened.
    """
    placing = placement((options["device"], *others), options["dtype"])
    opened = open_folder(folder, **options)
    with sealed():
        config = configuration(folder)
        architecture = _architecture(config, folder)
        processor = load_processor(folder, config)
        model = build_model(folder, config, opened.weights, opened.dtype, architecture, **placing).eval()
        if placing:
            require_placed(getattr(model, "hf_device_map", {}), opened.stated["name"] or "the model")
        else:
            call_transformers(folder, lambda _: model.to(opened.device))
        failures: list[DataError] = []
        for frame in frames(processor, str(folder), PLAIN.get(config.model_type, ()) if is_encoder_decoder(config) else ()):
            answerer = GenerativeModel(model, processor, frame, _record(opened, model, processor, frame), str(folder))
            answerer.spans = (options["device"], *others)
            try:
                note = call_transformers(folder, partial(_settled, answerer))
            except DataError as error:
                failures.append(error)
                continue
            answerer.record = replace(answerer.record, notes=(*answerer.record.notes, note))
            return answerer
    raise failures[0]


def _settled(answerer: GenerativeModel, _: Any) -> Note:
    note = choose_reuse(answerer)
    choose_batches(answerer)
    return note


def _architecture(config: Any, folder: Path) -> Any:
    """The built-in class of a configuration, if it answers questions about an image."""
    import transformers

    architecture = call_transformers(folder, lambda auto: built_in_class(auto.AutoModelForImageTextToText, config))
    if is_encoder_decoder(config):
        require_family(config, architecture.__name__, folder)
    if not issubclass(architecture, transformers.GenerationMixin):
        raise DataError(f"{architecture.__name__} does not continue a text", where=str(folder), why="its options would have no likelihood")
    return architecture


def _record(opened: OpenedFolder, model: Any, processor: Any, frame: Frame) -> ModelRecord:
    pixels = image_settings(processor.image_processor)
    prepared = {
        "image": pixels,
        "library": resize_library(processor.image_processor),
        "frame": {"before": frame.before, "after": frame.after},
        "processor": {key: value for key, value in without_origin(processor.to_dict()).items() if not isinstance(value, dict)},
        "transformers": ".".join(version("transformers").split(".")[:2]),
    }
    shown = frame.around("{question}").replace("\n", "⏎")
    return opened.record(
        model,
        processor.tokenizer,
        pixels,
        prepared,
        kind=f"Hugging Face {type(model).__name__} (generative)",
        score_rule="softmax",
        logit_scale=1.0,
        logit_bias=None,
        notes=(*opened.weights.notes, *frame.notes, *([Note("task_model")] if model.config.model_type in TASK_MODELS else [])),
        asked=(Note("asked_plainly" if frame.own else "asked_by_template", {"frame": shown}), *answered_apart(model, processor.tokenizer)),
    )
