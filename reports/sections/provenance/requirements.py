"""Requirements: which section documents what a framework asks for. The entries are in the data file `requirements.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from audit.results import Results


@cache
def requirements() -> list[dict[str, Any]]:
    """Return the requirements in file order: framework, what it asks for, names of the sections that document it, source."""
    listed: list[dict[str, Any]] = tomllib.loads(files(__package__).joinpath("requirements.toml").read_text("utf-8"))["requirement"]
    return listed


def view(results: Results) -> list[dict[str, Any]] | None:
    """Return the requirements if the page has an audit."""
    return requirements() if results.audits else None
