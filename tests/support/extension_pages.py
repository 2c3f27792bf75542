"""Sample pages of extensions: `PAGES` in ``tests/extensions/NAME/samples.py``, name -> function that draws it."""

from collections.abc import Callable
from importlib import import_module

from audit.extension import find


def extension_pages() -> dict[str, dict[str, Callable[[], str]]]:
    """Return the pages of each installed extension that has a folder in audit/extensions and samples."""
    pages = {}
    for extension in find().extensions:
        module = f"tests.extensions.{extension.name}.samples"
        if extension.templates.startswith("audit.extensions."):
            pages[extension.name] = import_module(module).PAGES
    return pages
