"""The command ``vlm-audit compare BEFORE AFTER [AFTER …]``: what changed between models on the same images.

Each argument is the directory of a finished audit, or a model, which is audited first (as by `audit.run`, with the same embedding
cache). Everything is compared with the first argument. Checkpoints of one run form a series, which is compared step by step.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from audit.api.junit import junit_of_errors, junit_of_usage
from audit.cli.exit_codes import ended
from audit.cli.parser import Parser, short_name, words_of
from audit.options.command_line import given_options, options_parser
from audit.options.comparisons import CompareRequest
from strictio.console import prepare_streams, visible

PROGRAM = "vlm-audit compare"
_DESCRIPTION = """What changed between models on the same images: a finished audit or a model first, then those that are compared with it.

A model is audited first, as vlm-audit run would. Checkpoints of one run are a series and are followed step by step."""


def parser() -> Parser:
    """Return the parser of the command."""
    return options_parser((f"{PROGRAM} BEFORE AFTER [AFTER …] [options]",), _DESCRIPTION, CompareRequest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    words = words_of(argv)
    with junit_of_usage(words):
        arguments = parser().parse_intermixed_args(words)
    junit = junit_of_errors(arguments.junit, arguments.fail_on)
    return ended(lambda: run(arguments, words), debug=arguments.debug, within=junit, log_format=arguments.log_format)


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Compare the audits or models in the arguments, and print what changed."""
    from audit.api.compare_models import run_comparison
    from audit.cli import terminal
    from audit.cli.screen import Screen
    from audit.models.model_args import by_model
    from audit.output.directory import default_directory, scrub
    from audit.stages import MODELS
    from reports.exports.terminal.changes import comparison_lines
    from reports.exports.terminal.json_lines import comparison_json

    options = given_options(arguments, CompareRequest)
    if "model_args" in options:
        options["model_args"] = by_model(options["model_args"], 1)[0]
    request = CompareRequest(**options, command=(PROGRAM, *map(scrub, words)))
    out = request.out
    if out is None:
        names = list(request.name or map(short_name, request.sides))
        name = [f"{names[0]}-against-{names[1]}"] if len(names) == 2 else names
        out = default_directory(name, ["comparison"], dt.datetime.now(dt.UTC))
    names = [name for name in MODELS if name != "what-ifs"]
    with terminal.working(names, quiet=arguments.quiet, log_format=request.log_format) as stages:
        changes = run_comparison(request.model_copy(update={"out": out, "stages": stages}))
    if arguments.json:
        text = comparison_json(changes.facts, terminal.shown_path(out), changes.exit_code)
    else:
        text = "" if arguments.quiet else f"{comparison_lines(changes.facts, Screen.of(sys.stdout))}\n"
        text += visible(terminal.shown_path(out / "comparison.html"))
    terminal.show(text, out, request.log_format)
    return changes.exit_code


class _Callable(ModuleType):
    """A callable module: once imported, it hides the function `audit.compare` of the same name."""

    def __call__(self, *sides: Any, **options: Any) -> Any:
        from audit.api.compare_models import compare

        return compare(*sides, **options)


if __name__ == "__main__":
    sys.exit(main())
sys.modules[__name__].__class__ = _Callable
