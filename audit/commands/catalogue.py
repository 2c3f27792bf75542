"""``vlm-audit probes`` and ``vlm-audit new-probe``: lists the probes, and writes a template for your own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.cli.screen import Screen
from audit.errors import UsageError
from audit.extension import find
from audit.types import Probe
from strictio.console import prepare_streams, put
from strictio.folders import Folder

_EXAMPLE = "example"


def parser() -> Parser:
    """Return the parser of ``vlm-audit probes``."""
    parse = Parser("vlm-audit probes", description="Lists the probes with their questions and data, or shows one in detail.")
    parse.add_argument("what", nargs="?", metavar="WHAT", choices=("list", "show"), default="list", help="list, show (default: list)")
    parse.add_argument("name", nargs="?", metavar="NAME", help="show: the probe, or your own file.py, which is run")
    return parse


def new_parser() -> Parser:
    """Return the parser of ``vlm-audit new-probe``."""
    parse = Parser("vlm-audit new-probe", description="Writes NAME.py, a commented template of a probe that is ready to run.")
    parse.add_argument("name", metavar="NAME", help="name of the probe: lower-case letters, digits and underscores")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Print the probes, or one of them."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _shown(arguments.what, arguments.name))


def new_main(argv: Sequence[str] | None = None) -> int:
    """Write a new probe."""
    prepare_streams()
    arguments = new_parser().parse_args(words_of(argv))
    return print_result(lambda: new_probe(arguments.name))


def _shown(what: str, name: str | None) -> str:
    import probes
    from reports.exports.terminal.catalogue import catalogue_lines, probe_lines

    screen = Screen.of(sys.stdout)
    if (what == "show") != (name is not None):
        raise UsageError("show and the name of a probe belong together", fix="vlm-audit probes show fairface")
    if name:
        return probe_lines(probes.get(name), screen)
    for line in find().left_out:
        put(line, sys.stderr)
    return catalogue_lines({title: list(_usable(group)) for title, group in probes.by_tier().items()}, screen)


def _usable(names: Sequence[str]) -> Iterator[Probe]:
    """Yield the probes that can be used, and print why others cannot: one of another package must not hide the rest."""
    import probes

    for name in names:
        try:
            yield probes.get(name)
        except UsageError as error:
            put(str(error), sys.stderr)


def new_probe(name: str, folder: Path = Path()) -> str:
    """Write ``NAME.py`` and return instructions for it; raises UsageError if the name is invalid, or the file exists."""
    import probes

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in probes.names():
        why = "a built-in probe has this name" if name in probes.names() else "a name has lower-case letters, digits and underscores"
        raise UsageError(f"a new probe cannot be called {name!r}", why=why, fix="vlm-audit new-probe my_question")
    path = folder / f"{name}.py"
    text = (files("audit.probe") / f"{_EXAMPLE}.py").read_text("utf-8")
    try:
        with os.fdopen(Folder.of(folder).create(path.name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text.replace(f"{_EXAMPLE}.py", path.name).replace(f'name="{_EXAMPLE}"', f'name="{name}"'))
    except FileExistsError as error:
        raise UsageError(f"{str(path)!r} exists", why="existing files are never overwritten", fix="choose another name") from error
    return f"wrote {path}: ready to run on images that it draws itself\nvlm-audit run --model ckpt.pt --probe {path}"


if __name__ == "__main__":
    sys.exit(main())
