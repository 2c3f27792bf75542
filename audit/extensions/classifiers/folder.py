"""Image classifiers in Hugging Face layout: a folder with configuration, weights and image processor.

The class must be built into transformers as `AutoModelForImageClassification`; probabilities are those of its pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from audit.errors import DataError
from audit.models.huggingface.opened import (
    OpenedFolder,
    describe_preprocessing,
    describe_tower,
    image_settings,
    open_folder,
    without_origin,
)
from audit.models.huggingface.pixels import image_processor, resize_library
from audit.models.huggingface.pretrained import build_model, built_in_class, call_transformers, configuration
from audit.models.huggingface.sealed import sealed
from audit.models.labels import Scores, logits_from, named_labels, score_rule
from audit.models.runtime import log_notes, model_record, to_rows, untrained_record
from audit.types import Group, ModelRecord

if TYPE_CHECKING:
    from jaxtyping import Float


class HuggingFaceClassifier:
    """An image classifier that is built into transformers."""

    def __init__(self, model: Any, processor: Any, record: ModelRecord, device: torch.device):
        self.record = record
        self._model, self._processor, self._device = model, processor, device

    @property
    def labels(self) -> Group:
        return self.record.labels

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n k"]:
        """The logits of all labels."""
        inputs = self._processor(images=list(images), return_tensors="pt")
        dtype = next(iter(self._model.parameters())).dtype
        placed = {name: value.to(self._device, dtype if value.is_floating_point() else None) for name, value in inputs.items()}
        with torch.inference_mode():
            return logits_from(to_rows(self._model(**placed).logits), config_scores(self._model.config))

    def untrained(self, seed: int) -> HuggingFaceClassifier:
        """The same architecture with weights initialised by transformers."""
        with sealed(), torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            model = type(self._model)(self._model.config)
        model = model.to(self._device, next(iter(self._model.parameters())).dtype).eval()
        return HuggingFaceClassifier(model, self._processor, untrained_record(self.record, seed, {}), self._device)


def config_scores(config: Any) -> Scores:
    """What the logits of a configuration are for, as in the pipeline of transformers."""
    return "sigmoid" if config.problem_type == "multi_label_classification" or config.num_labels == 1 else "softmax"


def load(folder: Path, **options: Any) -> HuggingFaceClassifier:
    """Load a model folder (`options`: those of `open_folder`). Nothing in it is run, no socket is opened.

    Raises DataError if it predicts numbers, its labels are incomplete, or it has no image processor.
    """
    opened = open_folder(folder, reads_texts=False, **options)
    with sealed():
        config = configuration(folder)
        names = _names(config, folder)
        architecture = call_transformers(folder, lambda auto: built_in_class(auto.AutoModelForImageClassification, config))
        processor = image_processor(folder)
        built = build_model(folder, config, opened.weights, opened.dtype, architecture)
        model = call_transformers(folder, lambda _: built.to(opened.device).eval())
        classifier = HuggingFaceClassifier(model, processor, _record(opened, model, processor, names), opened.device)
        call_transformers(folder, lambda _: _try(classifier, folder))
    log_notes(classifier.record)
    return classifier


def _names(config: Any, folder: Path) -> list[object]:
    """The names of the labels by their position."""
    if config.problem_type == "regression":
        what = "this model predicts numbers, not labels"
        raise DataError(what, where=str(folder), why="problem_type is regression", fix="bin its numbers, and give them with --predictions")
    named: Mapping[object, object] = config.id2label or {}
    if sorted(map(str, named)) != sorted(map(str, range(len(named)))):
        why = f"id2label names the positions {', '.join(map(str, named))[:80]}"
        raise DataError("the labels of config.json are incomplete", where=str(folder), why=why, fix="name every label, from 0 up")
    by_position = {str(position): name for position, name in named.items()}
    return [by_position[str(position)] for position in range(len(named))]


def _record(opened: OpenedFolder, model: Any, processor: Any, names: Sequence[object]) -> ModelRecord:
    labels, notes = named_labels(names, str(opened.path))
    pixels = image_settings(processor)
    config = {"class": type(model).__name__, "attention": model.config._attn_implementation, **without_origin(model.config.to_dict())}
    decisive: dict[str, Any] = {
        "architecture": config, "preprocessing": {**pixels, "library": resize_library(processor)},
        "transformers": ".".join(version("transformers").split(".")[:2]),
    }  # fmt: skip
    described: dict[str, Any] = dict(opened.stated)
    rule = score_rule(config_scores(model.config), len(names))
    return model_record(
        model, decisive, sha256=opened.weights.sha256, device=model.device, kind=f"Hugging Face {type(model).__name__}",
        dimensions=len(labels), labels=labels, score_rule=rule, logit_scale=1.0, logit_bias=None,
        architecture=f"image: {describe_tower(model.config, 'vision_config') or model.config.model_type}",
        preprocessing=describe_preprocessing(pixels), tokenizer="none", notes=(*opened.weights.notes, *notes), **described,
    )  # fmt: skip


def _try(classifier: HuggingFaceClassifier, folder: Path) -> None:
    """Classify a plain image, so that parts that do not fit together fail before the first real one."""
    rows = classifier.encode_images([Image.new("RGB", (64, 48), (90, 120, 150))])
    if rows.shape != (1, len(classifier.labels)):
        why = f"config.json names {len(classifier.labels)} labels, and the model returns {rows.shape[-1]} numbers"
        raise DataError("the labels do not fit the model", where=str(folder), why=why)
