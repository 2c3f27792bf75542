"""Zero-shot classification during training: the accuracy on labelled images with texts for the labels.

``data.zero_shot`` names a TOML file::

    images = "test.csv"  # as data.train: a table, a folder, tar shards, Parquet
    label_column = "species"  # the label of each image, in place of a caption
    templates = ["a photo of a {label}."]  # a label's embedding is the mean over templates
    [labels]  # label in the data -> its text; by default, the label itself
    fcat = "female cat"

To measure which groups of people a model treats differently, audit the checkpoints that a run keeps (`run.keep_every`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import StrictStr

from contrastive.config import DataConfig
from contrastive.data import open_source
from contrastive.data.pairs import PairSet, load_whole
from contrastive.model.clip import CLIP, unit_length
from contrastive.model.pieces import AnyTokenizer
from contrastive.model.preprocess import Preprocess
from strictio.errors import UsageError
from strictio.files import read_text
from strictio.schema import from_dict, record

CHUNK = 512
ZERO_SHOT = ("zero_shot_accuracy", "zero_shot_mean_per_label")


@record
class _File:
    """The content of the TOML file."""

    images: StrictStr
    image_column: StrictStr = "image"
    label_column: StrictStr = "label"
    templates: tuple[StrictStr, ...] = ("a photo of a {label}.",)
    labels: Mapping[StrictStr, StrictStr] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelSet:
    """n images with one of k labels each."""

    pairs: PairSet
    rows: NDArray[np.int64]
    """Rows of `pairs` with a label and a readable image."""
    label_n: NDArray[np.int64]
    texts_kt: tuple[tuple[str, ...], ...]
    """Each label's text in each template."""
    preprocess: Preprocess
    tokenizer: AnyTokenizer
    left_out: tuple[str, ...]
    """A sentence about unreadable labelled images, if any."""


def read_label_set(name: str, preprocess: Preprocess, tokenizer: AnyTokenizer, data: DataConfig) -> LabelSet:
    """Load the label set of a TOML file, prepared for a model.

    Raises `UsageError` if the file has another form, or a label in the data has no text; otherwise like `open_source` and `load_whole`.
    """
    try:
        file = from_dict(_File, tomllib.loads(read_text(Path(name))), "data.zero_shot")
    except (OSError, ValueError) as error:
        raise UsageError(
            "data.zero_shot is not a readable TOML file", where=name, why=(getattr(error, "strerror", None) or str(error))[:200]
        ) from error
    except UsageError as error:
        raise UsageError(error.what, where=name, why=error.why, fix=error.fix) from error
    if not file.templates or any(template.count("{label}") != 1 for template in file.templates):
        raise UsageError("data.zero_shot.templates must each have {label} once", where=name)
    plain = DataConfig(file.images, image_column=file.image_column, caption_column=file.label_column)
    source = open_source(plain)
    labels = [source.captions(index)[0] for index in range(len(source)) if source.captions(index)]
    words = dict(file.labels) or {label: label for label in sorted(set(labels))}
    if len(words) < 2 or (unknown := sorted(set(labels) - words.keys())):
        why = f"the data have the label {unknown[0][:80]!r}" if len(words) > 1 else f"it has {len(words)}"
        raise UsageError("data.zero_shot needs words for every label, and two labels or more", where=name, why=why)
    places = {label: position for position, label in enumerate(words)}
    label_n = np.array([places[(source.captions(index) or ("",))[0]] if source.captions(index) else -1 for index in range(len(source))])
    texts = tuple(tuple(template.replace("{label}", text) for template in file.templates) for text in words.values())
    reading = replace(data, train=file.images, templates=("{caption}",), crop=None, validation=None)
    pairs, rows, left_out = load_whole("zero-shot", source, (preprocess, tokenizer), reading, np.flatnonzero(label_n >= 0))
    return LabelSet(pairs, rows, label_n, texts, preprocess, tokenizer, left_out)


@torch.no_grad()
def zero_shot(model: CLIP, label_set: LabelSet) -> dict[str, float]:
    """Return the share of images whose true label has the largest cosine, overall and as a mean over labels. Leaves eval mode on.

    Unlabelled and unreadable images are left out.
    """
    model.eval()
    device = model.logit_scale.device
    rows = label_set.rows
    label_kd = torch.stack([_embedding(model, texts, label_set.tokenizer, device) for texts in label_set.texts_kt])
    predicted = []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        pixels, _ = label_set.pairs.plain(chunk)
        image_nd = unit_length(model.encode_image(label_set.preprocess.normalise(pixels.to(device))))
        predicted.append((image_nd @ label_kd.T).argmax(dim=1).cpu().numpy())
    true = label_set.label_n[rows]
    right = np.concatenate(predicted) == true
    by_label = [right[true == label].mean() for label in np.unique(true)]
    return dict(zip(ZERO_SHOT, (float(right.mean()), float(np.mean(by_label))), strict=True))


def _embedding(model: CLIP, texts: tuple[str, ...], tokenizer: AnyTokenizer, device: torch.device) -> torch.Tensor:
    text_td = unit_length(model.encode_text(tokenizer(texts, truncate=True).to(device)))
    return unit_length(text_td.mean(dim=0, keepdim=True))[0]
