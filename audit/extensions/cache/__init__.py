"""Maintenance of the cache of embeddings. In: a cache, here or behind a URL. Out: its size; files verified, removed or trusted."""

from audit.extension import Command, Extension

EXTENSION = Extension(
    "cache",
    commands=(
        Command("cache", "the size of cached embeddings; remove old ones, or trust another user's", "audit.extensions.cache.command:main"),
    ),
)
