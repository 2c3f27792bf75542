"""Which requirement of a framework is answered where on the page: `requirements.toml`, a data file that anybody may correct."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SECTIONS: Mapping[str, str] = {
    "findings": "All findings",
    "details": "In detail",
    "scope": "Scope and limits",
    "wording": "Other wordings",
    "data": "Data",
    "prompts": "Exact prompts",
    "method": "Method",
    "reproduce": "Reproduce",
    "sign-off": "Sign-off",
}
"""Ends of anchors that a requirement may point to, and what the page calls them."""
_SHARED = ("method", "reproduce", "sign-off")
"""Sections that stand once on a page, whatever the number of audits."""


@dataclass(frozen=True)
class Requirement:
    """What a framework asks for, and the sections that answer."""

    framework: str
    asks: str
    where: tuple[str, ...]
    source: str

    def links(self, key: str, *, wordings: bool = True) -> tuple[tuple[str, str], ...]:
        """Return anchor and name of each section, those of an audit by the audit's key; not every audit asked in other wordings."""
        shown = [name for name in self.where if wordings or name != "wording"]
        return tuple((name if name in _SHARED else f"{key}-{name}", SECTIONS[name]) for name in shown)


@cache
def requirements() -> tuple[Requirement, ...]:
    """Return the requirements of the data file, in its order.

    Raises
    ------
    KeyError
        If one points to a section that no page has: a defect of the file.
    """
    listed = tomllib.loads(files("reports.sections").joinpath("requirements.toml").read_text("utf-8"))["requirement"]
    found = tuple(Requirement(each["framework"], each["asks"], tuple(each["where"]), each["source"]) for each in listed)
    for requirement in found:
        requirement.links("a1")
    return found
