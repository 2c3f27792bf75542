"""The Jinja environment of all pages, strict and escaping."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

import jinja2
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined, TemplateNotFound
from jinja2.bccache import Bucket

from audit.extension import find, templates
from reports.text import changes, comparison, evidence, gates, notes, numbers, phrases, reasons, responsiveness, sentences
from reports.text import comparison_headline as verdict_text
from reports.text.detail import answering, citation, found
from reports.text.numbers import clean, isolated


def draw(template: str, **values: object) -> str:
    """Render a template, given by its path within this package, or NAME/file of an extension; equal values give equal bytes."""
    return _breakable(environment().get_template(template).render(**values))


_HUGE = 5_000
"""Characters of a name that is shown in one line: to break 100,000 characters into lines takes a browser ten seconds each time."""
MOST_CHARACTERS = 2**17
"""The longest text on a page; the rest is cut. A name has a few dozen, an explanation some thousand; pages repeat names dozens of times."""
_PIECE = re.compile(r"<(script|style|svg|title)\b.*?</\1>|<[^>]*>|[^<]+", re.DOTALL)
_RUN = re.compile(r"(?:&#?\w+;|[^\s&]){41,}")
"""Characters without a space; an escaped one counts once."""


def _breakable(page: str) -> str:
    """Allow long runs of characters to break anywhere, so that a name with thousands of characters does not widen the page.

    CSS alone cannot do this: in a table it would also break short names before the table scrolls.
    """
    return _PIECE.sub(lambda match: match[0] if match[0][0] == "<" else _RUN.sub(_long, match[0]), page)


def _long(run: re.Match[str]) -> str:
    return f'<span class="long{" huge" if len(run[0]) >= _HUGE else ""}">{run[0]}</span>'


class _Compiled(FileSystemBytecodeCache):
    """Caches compiled templates next to Python's compiled modules: compiling them takes a third of a second per process."""

    def __init__(self) -> None:
        super().__init__(str(Path(cache_from_source(__file__)).parent), f"template-{jinja2.__version__}-%s.jinja")
        self._made_by = Path(__file__).read_text("utf-8")

    def get_source_checksum(self, source: str) -> str:
        return super().get_source_checksum(f"{source}{self._made_by}")

    def dump_bytecode(self, bucket: Bucket) -> None:
        if not sys.dont_write_bytecode:
            with suppress(OSError):  # not writable: they are compiled again next time
                super().dump_bytecode(bucket)


class _OfExtensions(BaseLoader):
    """Loads NAME/file.html from the folder of the extension NAME."""

    def __init__(self) -> None:
        self._loaders: dict[str, PackageLoader] = {}

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        name, _, file = template.partition("/")
        if name not in self._loaders and (package := templates(name)):
            self._loaders[name] = PackageLoader(package, "")
        if name not in self._loaders:
            raise TemplateNotFound(template)
        return self._loaders[name].get_source(environment, file)

    def list_templates(self) -> list[str]:
        packages = {one.name: one.templates for one in find().extensions if one.templates}
        return [f"{name}/{file}" for name, package in packages.items() for file in PackageLoader(package, "").list_templates()]


@cache
def environment() -> Environment:
    """Return the environment; a template is next to the module that renders it."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader("reports", ""), _OfExtensions()]),
        bytecode_cache=_Compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(answering=answering, changes=changes, comparison_text=comparison, evidence=evidence, citation=citation, found=found)
    made.globals.update(gates=gates, notes=notes)
    made.globals.update(numbers=numbers, phrases=phrases, reasons=reasons, responsiveness=responsiveness, sentences=sentences)
    made.globals["verdicts"] = verdict_text
    made.globals["m"] = made.get_template("base/macros.html").module
    return made


def _printable(value: object) -> object:
    """Return a printable value: output of our own macros, cleaned text, or an integer. A bare fraction or None is a bug."""
    if isinstance(value, StrictUndefined):
        return str(value)  # raises UndefinedError, which names the missing value
    if hasattr(value, "__html__"):
        return value
    if isinstance(value, str):
        return isolated(clean(_cut(value)))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"a template prints {value!r}, which is not formatted")


def _cut(text: str) -> str:
    """Cut a text that is too long for a page, and say so; results.json has the whole."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… ({len(text):,} characters)"
