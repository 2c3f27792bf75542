"""Requirements: which section answers what a framework asks for; `requirements.toml` is a data file that anybody may correct."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from audit.records.results import Results
from reports.section import ShownSection


@dataclass(frozen=True)
class Requirement:
    """What a framework asks for, and the sections that answer."""

    framework: str
    asks: str
    where: tuple[str, ...]
    """Names of sections."""
    source: str

    def places(self, shown: Mapping[str, ShownSection]) -> tuple[ShownSection, ...]:
        """Return the sections that the page has."""
        return tuple(shown[name] for name in self.where if name in shown)


@cache
def requirements() -> tuple[Requirement, ...]:
    """Return the requirements of the data file, in its order."""
    listed = tomllib.loads(files("reports.sections.provenance").joinpath("requirements.toml").read_text("utf-8"))["requirement"]
    return tuple(Requirement(each["framework"], each["asks"], tuple(each["where"]), each["source"]) for each in listed)


def view(results: Results) -> tuple[Requirement, ...] | None:
    """Return the requirements, for a page that has an audit."""
    return requirements() if results.audits else None
