"""Captions repaired with ``ftfy``, as OpenAI's code and open_clip do before they tokenize: wrong decodings, curly quotes, ligatures.

Not the default, because captions would depend on the version of an installed package; the version is part of the data's identity.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from contrastive.data.source import CaptionedImages, column_values, hash_of, unplanted_removed
from strictio.errors import UsageError


@dataclass(frozen=True)
class RepairedCaptions:
    """Captioned images whose captions are repaired when they are read."""

    source: CaptionedImages
    fix_text: Callable[[str], str]
    version: str
    """Of ftfy."""

    @property
    def card(self) -> str:
        return f"{unplanted_removed(self.source.card)} Its captions were repaired with ftfy {self.version}. The trainer planted nothing."

    @cached_property
    def identity(self) -> str:
        return hash_of(self.source.identity, "ftfy", self.version)

    @property
    def pictures(self) -> int | None:
        """Number of different pictures, if known."""
        return getattr(self.source, "pictures", None)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """Number of pairs in each tar shard; None for other data."""
        return getattr(self.source, "sizes", None)

    @property
    def caption_unit(self) -> str | None:
        """How text files were read; None: the captions are from elsewhere."""
        return getattr(self.source, "caption_unit", None)

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def image(self, index: int) -> Image.Image:
        return self.source.image(index)

    def content(self, index: int) -> bytes:
        return self.source.content(index)

    def captions(self, index: int) -> tuple[str, ...]:
        return tuple(map(self.fix_text, self.source.captions(index)))

    def columns(self, names: Sequence[str]) -> dict[str, Sequence[str]]:
        return dict(zip(names, column_values(self.source, names), strict=True))


def repair(source: CaptionedImages) -> RepairedCaptions:
    """Repair all captions of a source; `UsageError` if ftfy is not installed."""
    try:
        ftfy = importlib.import_module("ftfy")
    except ImportError as error:
        fix = "python -m pip install open_clip_torch, which comes with it; or leave out data.fix_text"
        raise UsageError("data.fix_text needs the package ftfy", why=str(error)[:200], fix=fix) from error
    return RepairedCaptions(source, ftfy.fix_text, importlib.metadata.version("ftfy"))
