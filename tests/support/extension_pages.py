"""Samples of extensions, in ``tests/extensions/NAME/samples.py``.

`PAGES`: name -> function that draws a page; `WITHOUT_APPENDIX`: those that have none, as all other pages have.
`OPTIONS`: an option -> other options that it goes with, and a value.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from audit.extension import find


def extension_pages() -> dict[str, dict[str, Callable[[], str]]]:
    """Return the pages of each extension in audit/extensions that has pages of its own, or a section of an audit that is no analysis."""
    ours = [extension for extension in find().extensions if extension.templates.startswith("audit.extensions.") and not extension.analyses]
    found = {extension.name: _samples(extension.name) for extension in ours}
    return {name: {**samples.PAGES, **getattr(samples, "WITHOUT_APPENDIX", {})} for name, samples in found.items()}


def pages_with_appendix() -> dict[str, Callable[[], str]]:
    """Return the first page of each extension whose page has an appendix, as an audit's."""
    return dict(next(iter(pages.items())) for name in extension_pages() if (pages := _samples(name).PAGES))


def appendix_records() -> dict[str, tuple[Any, ...]]:
    """Return records of each analysis of ours whose section is in the appendix: its field -> ``records()`` of its samples."""
    ours = [extension for extension in find().extensions if extension.templates.startswith("audit.extensions.")]
    return {
        analysis.field: _samples(extension.name).records() for extension in ours for analysis in extension.analyses if analysis.appendix
    }


def extension_options() -> dict[str, tuple[dict[str, Any], Any]]:
    """Return how each option of ours can be given."""
    options = {}
    for extension in find().extensions:
        places = [one.read for one in extension.readers] + [one.plan for one in extension.models]
        places += [one.make for one in extension.outputs]
        if extension.options and any(place.startswith("audit.extensions.") for place in places):
            options |= _samples(extension.name).OPTIONS
    return options


def _samples(name: str) -> Any:
    return import_module(f"tests.extensions.{name}.samples")
