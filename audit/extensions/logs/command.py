"""``vlm-audit logs DIR``: what is auditable in a folder of logs of evaluation tools, and with which command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import DataError
from strictio.console import prepare_streams


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser(
        "vlm-audit logs",
        description="Lists the logs of Inspect, lm-eval, lmms-eval, VLMEvalKit, Every Eval Ever and datasets in a folder: the command that "
        "audits each, and why others cannot be audited. Reads every log, as an audit would.",
    )
    parse.add_argument("directory", metavar="DIR", help="a folder with logs, at any depth")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Print the commands."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: log_lines(Path(arguments.directory)))


def log_lines(folder: Path) -> str:
    """A line per log with its facts, and the command below it; then the logs that cannot be audited, with the reason and the way out."""
    from audit.extensions.logs.folder import Readable, Unreadable, logs_in

    every = list(logs_in(folder))
    if not every:
        fix = "name a folder with .eval files, samples_*.jsonl or other logs with one row per sample"
        raise DataError(f"no logs of evaluation tools in {str(folder)!r}", fix=fix)
    lines = [f"{_one_line(log.path)}: {_one_line(log.facts)}\n  {log.command}" for log in every if isinstance(log, Readable)]
    others = [log for log in every if isinstance(log, Unreadable)]
    if others:
        lines.append(f"cannot be audited as {'it is' if len(others) == 1 else 'they are'}:")
    for log in others:
        reasons = [log.error.what, *(f"{name}: {text}" for name, text in (("why", log.error.why), ("fix", log.error.fix)) if text)]
        lines.append("\n  ".join(map(_one_line, (log.path, *reasons))))
    return "\n\n".join(lines)


def _one_line(text: object) -> str:
    """Text of a file on one line: a line break in a name must not look like a command."""
    return " ".join(str(text).split())


if __name__ == "__main__":
    sys.exit(main())
