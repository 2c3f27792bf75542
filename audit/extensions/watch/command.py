"""``vlm-audit watch SOURCE --out DIR``: is a gap in growing predictions larger than the tolerance? Valid no matter how often one looks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from audit.cli.exit_codes import GATED, MEANING, ended
from audit.cli.parser import Parser, words_of
from audit.extensions.watch.options import WatchRequest
from audit.options.command_line import given_options, options_parser
from strictio.console import prepare_streams, visible

PROGRAM = "vlm-audit watch"
_DESCRIPTION = """Watches predictions as they arrive, and raises the alarm when a gap between groups exceeds the tolerance.

Run it again whenever you like: however often you look, the probability of a false alarm stays below --alpha."""


def parser() -> Parser:
    """Return the parser of the command."""
    parse = options_parser((f"{PROGRAM} SOURCE --out DIR [options]",), _DESCRIPTION, WatchRequest)
    parse.epilog = MEANING.replace(GATED, "1 alarm: a gap exceeds the tolerance, ")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Look once, and return the exit code."""
    prepare_streams()
    words = words_of(argv)
    arguments = parser().parse_args(words)
    return ended(lambda: _run(arguments, words), debug=arguments.debug)


def _run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from audit.cli import terminal
    from audit.cli.screen import Screen
    from audit.extensions.watch.look import PAGE, run_watch
    from audit.extensions.watch.terminal import watch_lines
    from audit.output.directory import scrub

    request = WatchRequest(**given_options(arguments, WatchRequest), command=(PROGRAM, *map(scrub, words)))
    done = run_watch(request)
    text = "" if arguments.quiet else f"{watch_lines(done.facts, done.new_rows, Screen.of(sys.stdout), done.cut)}\n"
    terminal.show(text + visible(terminal.shown_path(done.directory / PAGE)), done.directory)
    return done.exit_code


if __name__ == "__main__":
    sys.exit(main())
