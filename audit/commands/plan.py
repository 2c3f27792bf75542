"""``vlm-audit plan --probe P --data D``: writes down what an audit will ask, before anything is embedded."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
from collections.abc import Sequence

from audit.cli.exit_codes import COMPLETE, ended
from audit.cli.parser import Parser, words_of
from audit.options.command_line import given_options, options_parser
from audit.options.plans import LEFT_OUT, PlanRequest
from strictio.console import prepare_streams, visible

PROGRAM = "vlm-audit plan"
_USAGE = (f"{PROGRAM} --probe NAME [options]", f"{PROGRAM} --predictions FILE [options]")
_DESCRIPTION = """Writes a plan lock: questions, limits, data, model and program, before anything is embedded.

vlm-audit run --lock FILE reports every deviation from it. Without --model the lock allows any model."""


def parser() -> Parser:
    """Return the parser of the command."""
    return options_parser(_USAGE, _DESCRIPTION, PlanRequest, leave_out=LEFT_OUT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return ended(lambda: _run(arguments), debug=arguments.debug)


def _run(arguments: argparse.Namespace) -> int:
    from audit.api.pipeline import notes_in_words
    from audit.api.plan import plan_audit
    from audit.api.plan_lock import Statement, plan_lock
    from audit.cli import terminal
    from audit.errors import UsageError
    from audit.models.model_args import by_model
    from audit.output.directory import write_text
    from audit.records.plan_lock import FILE
    from reports.text.plan_lock import written_lines

    options = given_options(arguments, PlanRequest)
    if "model_args" in options:
        options["model_args"] = by_model(options["model_args"], len(options.get("model", ())))
    request = PlanRequest(**options)
    if os.path.lexists(request.out):
        fix = "name another file, or remove it"
        raise UsageError(f"{str(request.out)!r} exists already", where="--out", why="a lock is never overwritten", fix=fix)
    logging.getLogger("audit").addFilter(notes_in_words)
    with terminal.working((), quiet=arguments.quiet):
        plan = plan_audit(request.model_copy(update={"out": None}))
        statement = Statement(request.who, request.why, request.stopping_rule)
        lock = plan_lock(plan, statement, any_model=request.any_model)
    text = FILE.to_json(lock)
    write_text(request.out, text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    said = [sha256] if arguments.quiet else written_lines(lock, sha256, str(request.out))
    terminal.show("\n".join(map(visible, said)), request.out)
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
