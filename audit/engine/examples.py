"""Adds a few thumbnails to the report, only on request: the images whose answers were least certain."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from audit.engine.probe_audit import AuditedProbe
from audit.results import Example
from audit.types import Dataset
from strictio.images.decoders import Decoders

SIDE = 64
"""Longest side of a thumbnail in pixels: enough to see what kind of image it is, too little to be worth stealing."""


def with_examples(audited: AuditedProbe, dataset: Dataset, most: int) -> AuditedProbe:
    """Add at most `most` thumbnails for the first measurement, those with the smallest margin between two answers first.

    A thumbnail is re-encoded from the pixels, with at most 64 on a side: no metadata of the file survives. It has no name and no
    answer, since a label under a recognisable face is a claim about a person.
    """
    name, predictions = next(iter(audited.predictions.items()))
    rows = dataset.attributes.index.get_indexer(predictions.attributes.index)
    uncertain = np.argsort(predictions.margin, kind="stable")[:most]
    with Decoders(1) as decoders:
        examples = tuple(Example(name, thumbnail(decoders.decode(dataset.images[int(rows[i])]).image)) for i in uncertain)
    return replace(audited, result=replace(audited.result, examples=examples))


def thumbnail(image: Image.Image) -> str:
    """Encode an image as a small JPEG in base64, without its metadata."""
    image = image.copy()
    image.thumbnail((SIDE, SIDE))
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
