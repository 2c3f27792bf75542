"""Synthetic images of coloured shapes with captions, without dependencies, for first experiments and tests."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from contrastive.data.order import stream
from contrastive.data.source import require_columns

COLOURS = {"red": "#d02020", "green": "#20a030", "blue": "#2040d0", "yellow": "#e0c010", "purple": "#9030b0", "white": "#f0f0f0"}
SHAPES = ("circle", "square", "triangle", "cross")
COUNTS = ("one", "two", "three")
SIZES = {"small": 3, "large": 4}
"""size -> half the side of a shape, in pixels."""
KINDS = tuple(itertools.product(COLOURS, SHAPES, COUNTS, SIZES))
"""The 144 combinations."""
_COLUMNS = ("colour", "shape", "count", "size")

_SIDE = 32
_CENTRES = tuple(itertools.product((5, 16, 26), repeat=2))


@dataclass(frozen=True)
class ShapeImages:
    """Captioned images: image `index` shows kind ``index % 144``, at positions and on a grey drawn from seed and index."""

    count: int = 1440
    seed: int = 0

    @property
    def card(self) -> str:
        return f"Trained on {self.count} synthetic images of coloured shapes. Nothing was planted: every caption names what is drawn."

    @property
    def identity(self) -> str:
        return f"shapes {self.count} {self.seed}"

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"image {index}"

    def image(self, index: int) -> Image.Image:
        colour, shape, count, size = KINDS[index % len(KINDS)]
        rng = stream(self.seed, "image", index=index)
        image = Image.new("RGB", (_SIDE, _SIDE), (int(rng.integers(20, 120)),) * 3)
        draw = ImageDraw.Draw(image)
        for centre in rng.permutation(len(_CENTRES))[: COUNTS.index(count) + 1]:
            x, y = _CENTRES[centre]
            _draw(draw, shape, x, y, SIZES[size], COLOURS[colour])
        return image

    def content(self, index: int) -> bytes:
        return self.name(index).encode()

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        require_columns("shapes", names, _COLUMNS)
        return {name: [KINDS[index % len(KINDS)][_COLUMNS.index(name)] for index in range(len(self))] for name in names}

    def captions(self, index: int) -> tuple[str, ...]:
        colour, shape, count, size = KINDS[index % len(KINDS)]
        return (f"{count} {size} {colour} {shape}{'' if count == 'one' else 'es' if shape == 'cross' else 's'}",)


def _draw(draw: ImageDraw.ImageDraw, shape: str, x: int, y: int, half: int, colour: str) -> None:
    box = (x - half, y - half, x + half, y + half)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    elif shape == "triangle":
        draw.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=colour)
    else:
        draw.line((x - half, y, x + half, y), fill=colour, width=2)
        draw.line((x, y - half, x, y + half), fill=colour, width=2)
