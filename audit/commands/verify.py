"""``vlm-audit verify DIR|PACK``: recomputes the numbers with `verify`; then applies the audit's own rules to what was recomputed.

The first step shares no code with this program. The second one is this program's own code, and its outcome is named apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from strictio.console import prepare_streams
from verify import command
from verify.command import UNREADABLE, Verification
from verify.source import Source, UnreadableError, open_source


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = command.parser("vlm-audit verify")
    parse.add_argument("--json", action="store_true", help="print the result as JSON")
    what = "do not render the page, the summary, the model cards and the tables again from the results, to compare their bytes"
    parse.add_argument("--no-rendered", action="store_true", help=what)
    parse.add_argument("--statement", action="store_true", help="print an in-toto statement, to be signed; nothing if something differs")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a folder or an archive, print the result and return the exit code."""
    from audit.rules.words import as_json, as_statement, text

    prepare_streams()
    parse = parser()
    arguments = parse.parse_args(argv)
    if arguments.json and arguments.statement:
        parse.error("argument --statement: not allowed with argument --json")
    found = command.verified(arguments)
    if isinstance(found, int):
        return found
    try:
        found = with_second_step(found, [open_source(Path(name)) for name in arguments.audits], rendered=not arguments.no_rendered)
    except (UnreadableError, OSError) as error:
        sys.stderr.write(f"error[E3] {ascii(str(error))[1:-1]}\n")
        return UNREADABLE
    if arguments.statement and found.differs:
        sys.stderr.write("error[E1] something differs, so nothing is stated; run without --statement to see what\n")
        return found.exit_code
    stated = as_statement(found, datetime.now(UTC)) if arguments.statement else as_json(found) if arguments.json else None
    sys.stdout.write(f"{text(found, everything=arguments.all) if stated is None else stated}\n")
    return found.exit_code


def with_second_step(found: Verification, audits: Sequence[Source] = (), *, rendered: bool = True) -> Verification:
    """Apply the audit's own rules to what was verified."""
    from audit.rules.step import second_step

    return replace(found, second=second_step(found.source, audits, rendered=rendered))


def verify(path: Path, digest: str | None = None, audits: Sequence[Path] = (), lock_digest: str | None = None) -> Verification:
    """Both steps; raises `UnreadableError` for files that cannot be read."""
    return with_second_step(command.verify(path, digest, audits, lock_digest), [open_source(name) for name in audits])


if __name__ == "__main__":
    sys.exit(main())
