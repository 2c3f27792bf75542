"""Checks whether the data of a probe are on this machine, without reading them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Literal

from audit.types import ProbeData

Presence = Literal["own", "here", "missing packages", "hub", "given"]
"""It brings its own; it is here; packages are missing; the hub has it; only ``--data`` says where it is."""


def presence(data: ProbeData | None) -> Presence:
    """Where the data of a probe are.

    Examples
    --------
    >>> presence(None), presence(ProbeData("digits", (), "with scikit-learn", packages=("sklearn",)))
    ('own', 'here')
    >>> presence(ProbeData("FACET", ("annotations.csv",), "from its site", gate="a form"))
    'given'
    """
    if data is None:
        return "own"
    if data.packages:
        return "here" if all(importlib.util.find_spec(name) for name in data.packages) else "missing packages"
    if data.hub:
        return "here" if (_hub_cache() / f"datasets--{data.hub.replace('/', '--')}").is_dir() else "hub"
    return "given"


def _hub_cache() -> Path:
    """The folder in which the hub's client stores downloads (from its own documented variables)."""
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
