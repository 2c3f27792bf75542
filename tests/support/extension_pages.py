"""Sample pages of extensions: `PAGES` in ``tests/extensions/NAME/samples.py``, name -> function that draws it."""

from collections.abc import Callable
from importlib import import_module

from audit.extension import find


def extension_pages() -> dict[str, dict[str, Callable[[], str]]]:
    """Return the pages of each extension in audit/extensions that has pages of its own, not sections of an audit."""
    ours = [extension for extension in find().extensions if extension.templates.startswith("audit.extensions.") and not extension.analyses]
    return {extension.name: import_module(f"tests.extensions.{extension.name}.samples").PAGES for extension in ours}
