"""Sections as plug-ins: which sections of a page are shown, and the view that each template prints."""

from __future__ import annotations

import base64
import hashlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from audit.extension import Account, Analysis, accounts
from reports.charts.tracks import TrackTable
from reports.text.analyses import all_analyses, has_records

T = TypeVar("T")


def script_hash(path: str, package: str = "reports") -> str:
    """Return the hash of a script of a package, by which a page's content security policy allows it and no other."""
    script = files(package).joinpath(path).read_bytes()
    return "sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode()


PRINTING = script_hash("base/print.js")
"""The script of every page with an appendix: it opens the appendix to print it."""


@dataclass(frozen=True)
class Section(Generic[T]):
    """A section of a page: its title in the contents, its template, and its view of the results."""

    title: str
    template: str
    """Path within this package, without suffix; its last part is also the end of the anchor."""
    view: Callable[[T], object | None] = lambda facts: facts
    """Returns what the template prints, by default the results themselves; None if the section is not shown."""

    @property
    def name(self) -> str:
        """The end of the anchor: ``what-if``."""
        return self.template.rpartition("/")[2].replace("_", "-")


@dataclass(frozen=True)
class ShownSection:
    """A section that has something to show."""

    name: str
    anchor: str
    title: str
    template: str
    view: object
    context: object = None
    """The audit or comparison that a part of an appendix belongs to, if any."""


@dataclass(frozen=True, kw_only=True)
class AnalysisChart:
    """A chart of an analysis."""

    title: str
    folded: bool
    chart: TrackTable
    beyond_chance: str = "none"
    """How many of its differences are beyond chance."""


@dataclass(frozen=True, kw_only=True)
class AnalysisView(Generic[T]):
    """Question and results of an analysis."""

    asked: str
    result: str
    reading: str = ""
    """How to read the charts."""
    charts: tuple[T, ...]
    without: tuple[str, ...]
    """Why the others have no chart."""
    rules: tuple[str, ...] = ()
    """What the probabilities behind the answers are."""
    method: str


@dataclass(frozen=True)
class Article(Generic[T]):
    """The sections of one audit or comparison."""

    context: T
    sections: tuple[ShownSection, ...]
    appendix: tuple[ShownSection, ...] = ()
    """The parts of its own appendix, if the page collapses it with its appendix."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What `base/page.html` prints on every page; each kind of page adds its own fields."""

    what: str
    scripts: tuple[str, ...] = (PRINTING,)
    """Hashes of the scripts that the page's content security policy allows."""
    contents: Sequence[tuple[str, str, str]]
    closing: tuple[ShownSection, ...] = ()
    appendix: tuple[ShownSection, ...] = ()
    appendix_note: str = ""
    signed: bool = False
    """Whether the page has lines for a signature."""


def sections_in(package: ModuleType) -> tuple[Section[Any], ...]:
    """Return the section of each module of a package, in order of `PLACE`: each has a `TITLE`, a `view`, and a template of its name."""
    modules = [import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
    modules.sort(key=lambda module: (module.PLACE, module.__name__))
    return tuple(Section(module.TITLE, module.__name__.removeprefix("reports.").replace(".", "/"), module.view) for module in modules)


def analysis_sections(*, appendix: bool = False) -> tuple[Section[Any], ...]:
    """Return the section of each analysis of the page, or of its appendix, in order of place; a module is imported if there are records."""
    those = (analysis for analysis in all_analyses() if analysis.appendix == appendix)
    ordered = sorted(those, key=lambda analysis: (analysis.place, analysis.name))
    return tuple(Section(analysis.title, analysis.template, partial(_view_of, analysis)) for analysis in ordered)


class AccountModule(Protocol):
    """The section of an account."""

    @staticmethod
    def view(context: Any) -> object | None:
        """Return what the template prints about an `AuditContext` whose audit has a record; None if there is nothing to show."""
        ...


def account_sections() -> tuple[Section[Any], ...]:
    """Return the section of each account; its module is imported if there is a record."""
    return tuple(Section(account.title, account.template, partial(_view_of_account, account)) for account in accounts())


def _view_of_account(account: Account, context: Any) -> object | None:
    return None if context.audit.accounts[account.field] is None else import_module(account.section).view(context)


def _view_of(analysis: Analysis, context: Any) -> object | None:
    return import_module(analysis.section).view(context) if has_records(context.audit, analysis) else None


def shown_sections(sections: Iterable[Section[T]], facts: T, key: str = "") -> tuple[ShownSection, ...]:
    """Return the sections that have something to show, in order; `key` is the prefix of their anchors."""
    views = ((section, section.view(facts)) for section in sections)
    prefix = f"{key}-" if key else ""
    return tuple(
        ShownSection(section.name, f"{prefix}{section.name}", section.title, f"{section.template}.html", view)
        for section, view in views
        if view is not None
    )


def appendix_parts(*groups: tuple[str, object, Iterable[ShownSection]]) -> tuple[ShownSection, ...]:
    """Return the parts of an appendix; a group is a suffix that distinguishes titles of several audits, a context, and sections."""
    return tuple(
        replace(section, title=f"{section.title} · {of}" if of else section.title, context=context)
        for of, context, sections in groups
        for section in sections
    )


def contents(*parts: tuple[str, str, Iterable[ShownSection]]) -> list[tuple[str, str, str]]:
    """Return the table of contents: title and anchor of each part, if any, and its sections; then the appendix.

    An entry is a title, an anchor (empty for a heading) and a CSS class.
    """
    lines = []
    for title, key, sections in parts:
        lines += [(title, key, "contents-audit")] if title else []
        lines += [(section.title, section.anchor, "slice-link" if section.name == "slicer" else "") for section in sections]
    return [*lines, ("Appendix", "appendix", "")]
