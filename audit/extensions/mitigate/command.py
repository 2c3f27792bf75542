"""``vlm-audit mitigate --model M --probe P --out DIR``: a copy of a model with a smaller gap, if there is one, and what it cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from audit.api.junit import junit_of_errors, junit_of_usage
from audit.cli.exit_codes import GATED, MEANING, ended
from audit.cli.parser import Parser, words_of
from audit.extensions.mitigate.options import MitigateRequest
from audit.options.command_line import given_options, options_parser
from strictio.console import prepare_streams, visible

PROGRAM = "vlm-audit mitigate"
_DESCRIPTION = """Writes a changed copy of a model and says whether a gap became smaller: better, no change shown, or worse.

A linear map is fitted on one half of the images, folded into the weights, and judged on the other half. With --method finetune, the model
is trained further instead."""


def parser() -> Parser:
    """Return the parser of the command."""
    parse = options_parser((f"{PROGRAM} --model SPEC --probe NAME --out DIR [options]",), _DESCRIPTION, MitigateRequest)
    parse.epilog = MEANING.replace(GATED, "1 the changed model is worse, or not better (with --require better), or a gate fails, ")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    words = words_of(argv)
    with junit_of_usage(words):
        arguments = parser().parse_args(words)
    junit = junit_of_errors(arguments.junit, arguments.fail_on)
    return ended(lambda: _run(arguments, words), debug=arguments.debug, within=junit)


def _run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from audit.cli import terminal
    from audit.cli.screen import Screen
    from audit.extensions.mitigate.run import PAGE, run_mitigation
    from audit.extensions.mitigate.terminal import mitigation_lines
    from audit.models.model_args import by_model
    from audit.output.directory import scrub
    from audit.stages import MODELS

    options = given_options(arguments, MitigateRequest)
    if "model_args" in options:
        options["model_args"] = by_model([(0, text) for _, text in options["model_args"]], 1)[0]  # there is one model
    request = MitigateRequest(**options, command=(PROGRAM, *map(scrub, words)))
    with terminal.working([name for name in MODELS if name != "what-ifs"], quiet=arguments.quiet) as stages:
        done = run_mitigation(request.model_copy(update={"stages": stages}))
    text = "" if arguments.quiet else f"{mitigation_lines(done.facts, Screen.of(sys.stdout))}\n"
    terminal.show(text + visible(terminal.shown_path(done.directory / PAGE)), done.directory)
    return done.exit_code


if __name__ == "__main__":
    sys.exit(main())
