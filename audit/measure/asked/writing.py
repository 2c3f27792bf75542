"""Lets a model write about every image with each prompt, only once ever.

The texts of an image form one row of numbers, which is cached by the content of the image under a name that depends on the model and the
exact text of every prompt: reading, caching, smaller batches and resuming after a crash work as for embeddings (`audit.embedding.embed`).
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
"""Number of bytes of a text (UTF-8) to keep, enough for `USUAL_TOKENS`; longer texts are truncated at a character boundary."""
_TOGETHER = 3
"""Bytes per number: single precision represents integers below 2²⁴ exactly."""


@dataclass(frozen=True)
class Written:
    """The texts that a model wrote about the images of a data set."""

    images: Embeddings
    """Which images were read; their rows encode the texts (`text_of_numbers`)."""
    texts: Mapping[str, tuple[str, ...]]
    """prompt -> one text per image that was read."""


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
    """Let a model write about every image of a data set; raises errors as `embed_images` does."""
    how: dict[str, Any] = {"batch_size": batch_size, "max_skip": settings.max_skip, "progress": progress}
    images = embed_images(_Prompted(model, prompts), dataset, cache_root, **how)
    parts = np.split(images.vectors, len(prompts), axis=1)
    return Written(images, {prompt: tuple(map(text_of_numbers, part)) for prompt, part in zip(prompts, parts, strict=True)})


def kept_bytes(model: Writer) -> int:
    """Number of bytes of a text to keep: `LONGEST`, or proportionally more if the model may write more tokens than usual."""
    return LONGEST * max(model.max_new_tokens, USUAL_TOKENS) // USUAL_TOKENS if isinstance(model, LimitedWriter) else LONGEST


def numbers_of_text(text: str, longest: int = LONGEST) -> Float[np.ndarray, "w"]:
    """Encode a text in numbers that single precision represents exactly: its first `longest` bytes, three per number, padded with zeros.

    Examples
    --------
    >>> numbers_of_text("ab")[:2].tolist(), text_of_numbers(numbers_of_text("naïve 走"))
    ([6382080.0, 0.0], 'naïve 走')
    """
    content = text.replace("\0", "").encode("utf-8", "replace")[:longest].decode("utf-8", "ignore").encode()
    columns = np.frombuffer(content.ljust(longest, b"\0"), np.uint8).reshape(-1, _TOGETHER)
    return np.asarray(columns @ (1 << np.array([16, 8, 0])), np.float32)


def text_of_numbers(numbers: Float[np.ndarray, "w"]) -> str:
    """Decode a text that `numbers_of_text` encoded."""
    whole = numbers.astype(np.int64)[:, None] >> np.array([16, 8, 0])
    content: bytes = (whole & 255).astype(np.uint8).tobytes()
    return content.rstrip(b"\0").decode("utf-8", "replace")


class _Prompted:
    """A model and its prompts, as an encoder that turns images into rows."""

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
