"""``vlm-audit index DIR``: one page over the audits in a folder, sortable, offline."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import DataError, UsageError
from strictio.console import prepare_streams
from strictio.files import read_bytes
from strictio.limits import MOST_TEXT

NAME = "index.html"


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser("vlm-audit index", description="Writes one page about the audits in a folder and below it: one row per audit, sortable.")
    parse.add_argument("directory", metavar="DIR", help="a folder with the output directories of audits")
    parse.add_argument("--out", metavar="FILE", help=f"default: {NAME} in DIR")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Write the index and print its path."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _drawn(arguments))


def _drawn(arguments: Namespace) -> str:
    from audit.extensions.index.page import MARK, found_audits, index_page
    from reports.render import write

    folder = Path(arguments.directory)
    if not folder.is_dir():
        raise DataError(f"no folder {arguments.directory!r}", fix="name the folder that holds the directories of audits")
    out = Path(arguments.out) if arguments.out else folder / NAME
    if out.is_file() and f'id="{MARK}"'.encode() not in read_bytes(out, MOST_TEXT):
        raise UsageError(f"{str(out)!r} is not an index", why="existing files are never overwritten", fix="name another file with --out")
    audits = found_audits(folder)
    if not audits:
        raise DataError(f"no audit in {arguments.directory!r}", why="no results.json was found", fix="name the folder that holds audits")
    write(index_page(audits, out.parent), out)
    return str(out)


if __name__ == "__main__":
    sys.exit(main())
