"""Sections as plug-ins: a list of them and the facts in, those that are shown out, each with what its template prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


def facts_alone(facts: T) -> T:
    """Return the facts: the view of a section whose template needs nothing else."""
    return facts


@dataclass(frozen=True)
class Section(Generic[T]):
    """A section of a page: its name in the contents, its template, and what it takes from the facts."""

    title: str
    template: str
    """Path within this package, without its ending; the last part is the end of the anchor too."""
    view: Callable[[T], object | None] = facts_alone
    """None: the section is not shown."""

    @property
    def name(self) -> str:
        """The end of the anchor: ``what-if``."""
        return self.template.rpartition("/")[2].replace("_", "-")


@dataclass(frozen=True)
class ShownSection:
    """A section that is on the page."""

    name: str
    anchor: str
    title: str
    template: str
    view: object


@dataclass(frozen=True)
class Link:
    """A line of the contents."""

    title: str
    anchor: str = ""
    """Empty: a heading."""
    kind: str = ""


def shown_sections(sections: Iterable[Section[T]], facts: T, key: str = "") -> tuple[ShownSection, ...]:
    """Return the sections that have something to show, in their order; `key` begins their anchors."""
    views = ((section, section.view(facts)) for section in sections)
    prefix = f"{key}-" if key else ""
    return tuple(
        ShownSection(section.name, f"{prefix}{section.name}", section.title, f"{section.template}.html", view)
        for section, view in views
        if view is not None
    )


def links(sections: Iterable[ShownSection]) -> list[Link]:
    """Return the lines of the contents."""
    return [Link(section.title, section.anchor, "slice-link" if section.name == "slicer" else "") for section in sections]
