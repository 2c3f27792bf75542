"""Requirements: which section answers what a framework asks for; `requirements.toml` is a data file that anybody may correct."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from audit.results import Results


@cache
def requirements() -> list[dict[str, Any]]:
    """Return the requirements of the data file, in its order: a framework, what it asks, the names of sections that answer, a source."""
    listed: list[dict[str, Any]] = tomllib.loads(files(__package__).joinpath("requirements.toml").read_text("utf-8"))["requirement"]
    return listed


def view(results: Results) -> list[dict[str, Any]] | None:
    """Return the requirements, for a page that has an audit."""
    return requirements() if results.audits else None
