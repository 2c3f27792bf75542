"""Checks before the first image is embedded that no text is longer than the model's context."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Container, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from audit.embedding.batch import TokenCounter
from audit.embedding.cache import CacheRoot, EmbeddingCache, default_root, text_key
from audit.embedding.known import DeferredEncoder
from audit.models.runtime import require_length
from audit.types import ModelRecord, TextEncoder

PRIVATE = "a text of the data, which is private"


@runtime_checkable
class CountingEncoder(TokenCounter, Protocol):
    """A `TokenCounter` with a maximum text length."""

    @property
    def context(self) -> int:
        """Maximum number of tokens, including those at the start and end of a text."""
        ...


def require_context(encoder: TextEncoder, texts: Sequence[str], cache_root: CacheRoot = None, private: Collection[str] = ()) -> None:
    """Raise `DataError` if a text has more tokens than the model's context, as embedding it would; never quotes a `private` text.

    A custom model that does not count tokens raises its own error when it is given the text.
    """
    composed = {unicodedata.normalize("NFC", text): text for text in texts}  # the form that the model gets
    if isinstance(encoder, DeferredEncoder):
        kept = _kept(encoder.record, default_root() if cache_root is None else cache_root)
        composed = {
            text: original for text, original in composed.items() if text_key(text) not in kept
        }  # texts that were embedded were short enough
        if not composed:
            return
        encoder = encoder.loaded_encoder()
    if isinstance(encoder, CountingEncoder) and composed:
        shown = [PRIVATE if original in private else repr(original) for original in composed.values()]
        require_length(encoder.record, shown, encoder.count_tokens(list(composed)), encoder.context)


def _kept(record: ModelRecord, root: CacheRoot) -> Container[str]:
    """The keys of the cached texts; creates no folder."""
    if isinstance(root, Path) and not (root / record.fingerprint[:32] / "text").is_dir():
        return ()
    return EmbeddingCache(root, record.fingerprint, "text", record.dimensions, record.name)
