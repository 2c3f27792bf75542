"""Model + prompts + data set -> what is written about every image, once ever.

The texts of an image are one row of numbers, kept by the content of the image under a name that is made of the model and of every prompt
word for word: what `audit.embedding.embed` does for embeddings (reading, caching, smaller batches, going on after a crash) holds for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_images
from audit.encoder import USUAL_TOKENS, LimitedWriter
from audit.types import Dataset, Embeddings, Settings, Writer

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image

LONGEST = 1536
"""Bytes of a text (UTF-8) that are kept, enough for `USUAL_TOKENS`; what is written beyond them is cut off at a whole letter."""
_TOGETHER = 3
"""Bytes in one number: single precision holds whole numbers below 2²⁴ exactly."""


@dataclass(frozen=True)
class Written:
    """What a model wrote about the images of a data set."""

    images: Embeddings
    """Which images were read; their rows hold the texts (`text_of_numbers`)."""
    texts: Mapping[str, tuple[str, ...]]
    """prompt -> a text for each image that was read."""


def write_texts(
    model: Writer,
    prompts: Sequence[str],
    dataset: Dataset,
    settings: Settings,
    *,
    cache_root: CacheRoot = None,
    batch_size: int = 32,
    progress: Callable[[int, int], object] | None = None,
) -> Written:
    """Let a model write about every image of a data set; errors as in `embed_images`."""
    how: dict[str, Any] = {"batch_size": batch_size, "max_skip": settings.max_skip, "progress": progress}
    images = embed_images(_Prompted(model, prompts), dataset, cache_root, **how)
    parts = np.split(images.vectors, len(prompts), axis=1)
    return Written(images, {prompt: tuple(map(text_of_numbers, part)) for prompt, part in zip(prompts, parts, strict=True)})


def kept_bytes(model: Writer) -> int:
    """Return how many bytes of a text are kept: `LONGEST`, and as many more as the model may write more tokens than usual."""
    return LONGEST * max(model.max_new_tokens, USUAL_TOKENS) // USUAL_TOKENS if isinstance(model, LimitedWriter) else LONGEST


def numbers_of_text(text: str, longest: int = LONGEST) -> Float[np.ndarray, "w"]:
    """Return a text as numbers that single precision holds exactly: its first `longest` bytes, three a number, and zeros.

    Examples
    --------
    >>> numbers_of_text("ab")[:2].tolist(), text_of_numbers(numbers_of_text("naïve 走"))
    ([6382080.0, 0.0], 'naïve 走')
    """
    content = text.replace("\0", "").encode("utf-8", "replace")[:longest].decode("utf-8", "ignore").encode()
    columns = np.frombuffer(content.ljust(longest, b"\0"), np.uint8).reshape(-1, _TOGETHER)
    return np.asarray(columns @ (1 << np.array([16, 8, 0])), np.float32)


def text_of_numbers(numbers: Float[np.ndarray, "w"]) -> str:
    """Return the text that `numbers_of_text` turned into numbers."""
    whole = numbers.astype(np.int64)[:, None] >> np.array([16, 8, 0])
    content: bytes = (whole & 255).astype(np.uint8).tobytes()
    return content.rstrip(b"\0").decode("utf-8", "replace")


class _Prompted:
    """A model and its prompts, as what turns images into rows."""

    def __init__(self, model: Writer, prompts: Sequence[str]):
        self._model, self._prompts, self._kept = model, tuple(prompts), kept_bytes(model)
        tokens = model.max_new_tokens if isinstance(model, LimitedWriter) else USUAL_TOKENS
        digest = hashlib.sha256(f"texts/1/{model.record.fingerprint}".encode())
        if tokens != USUAL_TOKENS:
            digest.update(f"{tokens} tokens".encode())
        for prompt in prompts:
            digest.update(hashlib.sha256(prompt.encode()).digest())
        self.record = replace(model.record, fingerprint=digest.hexdigest(), dimensions=self._kept // _TOGETHER * len(self._prompts))

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        texts = self._model.write(images, self._prompts)
        return np.stack([np.concatenate([numbers_of_text(text, self._kept) for text in row]) for row in texts])
