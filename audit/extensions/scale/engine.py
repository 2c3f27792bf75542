"""The engine that embeds in this process; and the interface of all engines."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from audit.embedding.batch import Progress
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import keep_images
from audit.embedding.known import loaded_encoder
from audit.types import Dataset, Exclusion, ImageEncoder


class KeptCounts(NamedTuple):
    """What an engine did with a data set."""

    embedded: int
    """Images whose embedding is in the cache."""
    computed: int
    """Those of them that a model processed now."""
    exclusions: tuple[Exclusion, ...]
    """Images that cannot be read."""
    whole: bool
    """Whether the cache stored everything."""


class Engine(Protocol):
    """Embeds every readable image of a data set into the cache; raises errors as `audit.embedding.embed.embed_images` does."""

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
    """Embed the images in this process."""
    kept = keep_images(loaded_encoder(encoder), dataset, cache_root, batch_size=batch_size, max_skip=max_skip, progress=progress)
    return KeptCounts(len(kept.keys), kept.computed, kept.exclusions, kept.whole)
