"""Images that differ in one attribute and in nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PairedClaim:
    """Counterfactual images: same set, one attribute changed."""

    measurement: str
    attribute: str
    first: str
    second: str
    within: tuple[str, ...]
    """Attributes that identify a set together: images that agree on all of them differ only in `attribute`."""
    cluster: str
    """The attribute whose levels are independent units (several sets of one role are one drawing in variations)."""
    outcome: str | None = None
    """A name in `Measurement.outcomes`: is it given to one of the two alone? None: is one of the two alone answered right?"""
