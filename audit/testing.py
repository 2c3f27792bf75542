"""For tests of plug-ins and probes, including ours: a small deterministic encoder, single-colour images, and data sets of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from audit.types import Claim, Dataset, LabelSet, Measurement, ModelRecord, Probe

if TYPE_CHECKING:
    from jaxtyping import Float

LEVELS = {"race": ("Black", "White"), "gender": ("Female", "Male")}
AXES = {"woman": [1.0, 0.0, 0.0], "": [0.0, 1.0, 0.0]}


class FakeEncoder:
    """An image's embedding is its mean colour, a text's embedding is the axis in `axes` of the first word that the text contains.

    Examples
    --------
    >>> encoder = FakeEncoder()
    >>> encoder.encode_texts(["a photo of a woman", "a photo of a man"]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, axes: Mapping[str, Sequence[float]] | None = None, logit_scale: float = 100.0):
        self.axes = axes or AXES
        self.calls: list[int] = []
        """How many images were embedded at once, per call."""
        self.record = ModelRecord(
            name="fake", kind="fake", fingerprint="f" * 64, sha256="0" * 64, parameters=0, dimensions=3, dtype="float32",
            score_rule="softmax", logit_scale=logit_scale, logit_bias=None, architecture="mean colour",
            preprocessing="none", tokenizer="none",
        )  # fmt: skip

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """The mean colour of each image, 0 to 1."""
        self.calls.append(len(images))
        return np.stack([np.asarray(image, np.float32).reshape(-1, 3).mean(0) / 255 for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """The axis of each text."""
        return np.array([next(axis for word, axis in self.axes.items() if word in text) for text in texts], np.float32)


def png(colour: str | tuple[int, int, int], size: tuple[int, int] = (16, 16)) -> bytes:
    """A single-colour image as a PNG file."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def four_faces(repeat: int = 1) -> Dataset:
    """Four single-colour images, repeated `repeat` times: for the fake encoder red is "woman", green "man".

    Black: Female red, Male red; White: Female red, Male green.
    """
    kinds = [("Black", "Female"), ("Black", "Male"), ("White", "Female"), ("White", "Male")] * repeat
    index = list("abcd") if repeat == 1 else [f"{row:03d}.png" for row in range(len(kinds))]
    attributes = pd.DataFrame(kinds, columns=list(LEVELS), index=index, dtype="str")
    images = [png("red"), png("red"), png("red"), png("lime")] * repeat
    return Dataset("four faces", images, attributes, LEVELS, "4" * 64, "made by the test", "none")


def gender_probe(dataset: Dataset) -> Probe:
    """A probe of one measurement on a data set: is the gender recognised, and who is called a woman, by race?"""
    labels = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
    measurement = Measurement(
        "gender", "Is the gender recognised?", labels, "test v1",
        claims=(Claim("accuracy", ("race",)), Claim("selection_rate", ("race",), "woman", primary=False)),
        truth="gender", outcomes={"woman": ("Female",)},
    )  # fmt: skip
    return Probe(
        "faces", "Who is recognised?", lambda options: dataset, (measurement,), "made by the test", "none", (), ("everything else",)
    )
