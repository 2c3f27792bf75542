"""The engine that embeds in this process; and what every engine takes and gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from audit.embedding.batch import Progress
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import keep_images
from audit.embedding.known import itself
from audit.types import Dataset, Exclusion, ImageEncoder


class KeptCounts(NamedTuple):
    """What an engine has done with a data set."""

    embedded: int
    """Images whose embedding is in the cache."""
    computed: int
    """Of these, those that a model saw now."""
    exclusions: tuple[Exclusion, ...]
    """Those that cannot be read."""
    whole: bool
    """Whether the cache took everything."""


class Engine(Protocol):
    """Puts every readable image of a data set into the cache; errors as of `audit.embedding.embed.embed_images`."""

    def __call__(
        self,
        encoder: ImageEncoder,
        dataset: Dataset,
        cache_root: CacheRoot,
        *,
        batch_size: int,
        max_skip: float | None,
        progress: Progress | None,
    ) -> KeptCounts: ...


def embed_here(
    encoder: ImageEncoder, dataset: Dataset, cache_root: CacheRoot, *, batch_size: int, max_skip: float | None, progress: Progress | None
) -> KeptCounts:
    """Embed the images one after another in this process."""
    kept = keep_images(itself(encoder), dataset, cache_root, batch_size=batch_size, max_skip=max_skip, progress=progress)
    return KeptCounts(len(kept.keys), kept.computed, kept.exclusions, kept.whole)
