"""Sections as plug-ins: a list of them and the facts in, those that are shown out, each with what its template prints."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar

from reports.text.analyses import analysis_modules

T = TypeVar("T")


@dataclass(frozen=True)
class Section(Generic[T]):
    """A section of a page: its name in the contents, its template, and what it takes from the facts."""

    title: str
    template: str
    """Path within this package, without its ending; the last part is the end of the anchor too."""
    view: Callable[[T], object | None] = lambda facts: facts
    """The facts, where its template needs nothing else. None: the section is not shown."""

    @property
    def name(self) -> str:
        """The end of the anchor: ``what-if``."""
        return self.template.rpartition("/")[2].replace("_", "-")


def sections_in(package: ModuleType) -> tuple[Section[Any], ...]:
    """Return the section of each module of a package, by their `PLACE`: each has a `TITLE`, a `view`, and a template of its name."""
    modules = [import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
    modules.sort(key=lambda module: (module.PLACE, module.__name__))
    return tuple(Section(module.TITLE, module.__name__.removeprefix("reports.").replace(".", "/"), module.view) for module in modules)


def analysis_sections() -> tuple[Section[Any], ...]:
    """Return the section of each analysis, by its `PLACE`: its view has a `TITLE` and a `view`, its folder a template of its name."""
    views = sorted(analysis_modules("view").items(), key=lambda item: (item[1].PLACE, item[0]))
    return tuple(Section(view.TITLE, f"analyses/{name}/{name}", view.view) for name, view in views)


def shown_sections(sections: Iterable[Section[T]], facts: T, key: str = "") -> tuple[SimpleNamespace, ...]:
    """Return the sections that have something to show, in their order; `key` begins their anchors."""
    views = ((section, section.view(facts)) for section in sections)
    prefix = f"{key}-" if key else ""
    return tuple(
        SimpleNamespace(
            name=section.name, anchor=f"{prefix}{section.name}", title=section.title, template=f"{section.template}.html", view=view
        )
        for section, view in views
        if view is not None
    )


def appendix_parts(*groups: tuple[str, object, Iterable[SimpleNamespace]]) -> tuple[SimpleNamespace, ...]:
    """Return the parts of an appendix: of each group what tells its titles apart on a page of several, its context, and its sections."""
    return tuple(
        SimpleNamespace(**vars(section) | {"title": f"{section.title} · {of}" if of else section.title, "context": context})
        for of, context, sections in groups
        for section in sections
    )


def contents(*parts: tuple[str, str, Iterable[SimpleNamespace]]) -> list[tuple[str, str, str]]:
    """Return the lines of the contents of a page in parts: title and anchor of each part, if any, and its sections; then the appendix.

    A line is a title, an anchor (empty for a heading) and a class of the style sheet.
    """
    lines = []
    for title, key, sections in parts:
        lines += [(title, key, "contents-audit")] if title else []
        lines += [(section.title, section.anchor, "slice-link" if section.name == "slicer" else "") for section in sections]
    return [*lines, ("Appendix", "appendix", "")]
