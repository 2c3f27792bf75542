"""The table of `zeroshot`."""

from tests.extensions.capability.made.zeroshot import make

__all__ = ["make"]
