"""The table of `zeroshot`."""

from tests.probes.made.zeroshot import make

__all__ = ["make"]
