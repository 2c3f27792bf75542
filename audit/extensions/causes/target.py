"""Hands the planned outcome to the trainer, as images with weights and texts, for gradients of groups of captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.errors import UsageError
from audit.extensions.causes.outcome import counted_images
from audit.extensions.causes.record import CausesPlan, PlannedInfluence
from audit.measure.zero_shot import scored_images
from audit.output.directory import replacing, write_text
from audit.types import Dataset, Measurement
from strictio.folders import Folder
from strictio.images.decode import UnreadableImage, decode

if TYPE_CHECKING:
    from jaxtyping import Bool

TARGET = "target.json"


def check_measurement(measurement: Measurement) -> None:
    """Raise `UsageError` if the answers of a measurement have no gradient."""
    if measurement.kind != "zero_shot" or len(measurement.label_set.labels) < 2:
        why = "gradients need the probabilities of fixed labels"
        raise UsageError(f"[influence] cannot be used with the measurement {measurement.name!r}", why=why, fix="leave [influence] out")


def write_target(plan: CausesPlan, influence: PlannedInfluence, asked: tuple[Measurement, Dataset], folder: Folder) -> None:
    """Write the groups and what their gradients are compared with: a JSON file and the images that the outcome counts."""
    measurement, dataset = asked
    labels, scored = measurement.label_set.labels, scored_images(measurement, dataset.attributes)
    rows, _, _ = _counted(plan, asked, scored)
    scored[[row for row in rows if not _is_readable(dataset, row)]] = False
    rows, weight_n, target_n = _counted(plan, asked, scored)
    texts = {answer: _texts_of(measurement, answer) for answer in set(target_n)}
    files = [f"{row:08d}" for row in rows]
    own = folder.folder("images", make=True)
    for row, name in zip(rows, files, strict=True):
        if not own.is_file(name):
            with replacing(name, own) as file:
                file.write(dataset.images[row])
    content = {
        "batches": influence.batches,
        "groups": {group.name: {"where": group.where, "words": group.words} for group in influence.groups},
        "prompts": [measurement.label_set.prompts[label] for label in labels],
        "images": _entries(files, weight_n, [texts[answer] for answer in target_n]),
    }
    write_text(TARGET, json.dumps(content, ensure_ascii=False) + "\n", folder)


def _counted(
    plan: CausesPlan, asked: tuple[Measurement, Dataset], scored: Bool[np.ndarray, "n"]
) -> tuple[list[int], list[float], list[str]]:
    """Return the rows of the counted images, their weights in the outcome, and their counted answers."""
    measurement, dataset = asked
    attributes = dataset.attributes[scored]
    counted = counted_images(attributes.assign(y_true=attributes[measurement.truth or ""]), plan.outcome)
    chosen = counted.weights != 0
    return np.flatnonzero(scored)[chosen].tolist(), counted.weights[chosen].tolist(), counted.target[chosen].tolist()


def _is_readable(dataset: Dataset, row: int) -> bool:
    """Whether an audit can decode an image; it leaves others out."""
    try:
        decode(dataset.images[row])
    except UnreadableImage:
        return False
    return True


def _texts_of(measurement: Measurement, answer: str) -> list[int]:
    """Positions of the labels that mean an answer."""
    label_set = measurement.label_set
    return [k for k, label in enumerate(label_set.labels) if label_set.answers.get(label, label) == answer]


def _entries(files: Sequence[str], weights: Sequence[float], texts: Sequence[list[int]]) -> list[dict[str, Any]]:
    return [{"file": name, "weight": weight, "texts": own} for name, weight, own in zip(files, weights, texts, strict=True)]
