"""FairFace, as the probe of that name has it."""

from tests.probes.made.fairface import make

__all__ = ["make"]
