"""Texts and a model in, nothing out: a text that is longer than the model reads is refused before the first image is embedded."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Container, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from audit.embedding.batch import TokenCounter
from audit.embedding.cache import CacheRoot, EmbeddingCache, default_root, text_key
from audit.embedding.known import DeferredEncoder
from audit.models.runtime import require_length
from audit.types import Encoder, ModelRecord

PRIVATE = "a text of the data, which is private"


@runtime_checkable
class CountingEncoder(TokenCounter, Protocol):
    """A `TokenCounter` that says how long a text may be."""

    @property
    def context(self) -> int:
        """Tokens that the model reads, with those that begin and end a text."""
        ...


def require_context(encoder: Encoder, texts: Sequence[str], cache_root: CacheRoot = None, private: Collection[str] = ()) -> None:
    """Raise `DataError` if a text has more tokens than the model reads, as embedding it would; it names no `private` text.

    A model of your own that does not count tokens says so itself, when it is given the text.
    """
    composed = {unicodedata.normalize("NFC", text): text for text in texts}  # what the model is given
    if isinstance(encoder, DeferredEncoder):
        kept = _kept(encoder.record, default_root() if cache_root is None else cache_root)
        composed = {
            text: original for text, original in composed.items() if text_key(text) not in kept
        }  # what was embedded was short enough
        if not composed:
            return
        encoder = encoder.itself()
    if isinstance(encoder, CountingEncoder) and composed:
        shown = [PRIVATE if original in private else repr(original) for original in composed.values()]
        require_length(encoder.record, shown, encoder.count_tokens(list(composed)), encoder.context)


def _kept(record: ModelRecord, root: CacheRoot) -> Container[str]:
    """Return the keys of the texts that the cache has; looking makes no folder."""
    if isinstance(root, Path) and not (root / record.fingerprint[:32] / "text").is_dir():
        return ()
    return EmbeddingCache(root, record.fingerprint, "text", record.dimensions, record.name)
