"""The command ``vlm-audit run --model ckpt.pt --probe fairface``: turns arguments into a request, an audit into output and exit code.

Results go to stdout, progress and logs to stderr. Heavy libraries are imported only when there is work to do.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence

from audit.api.junit import junit_of_errors, junit_of_usage
from audit.cli.exit_codes import ended
from audit.cli.parser import Parser, short_name, words_of
from audit.extension import find
from audit.options.audits import AuditRequest
from audit.options.command_line import given_options, options_parser
from strictio.console import prepare_streams, put, visible

PROGRAM = "vlm-audit run"
_USAGE = (f"{PROGRAM} --model SPEC --probe NAME [options]", f"{PROGRAM} --predictions FILE [options]")
DESCRIPTION = "Audits vision-language models: whom does a model treat differently, by how much, and how sure are we?"


def parser() -> Parser:
    """Return the parser of the command."""
    parse = options_parser(_USAGE, DESCRIPTION, AuditRequest)
    parse.add_argument(
        "--check", action="store_true", help="check everything, print what would be done and how long it takes; write nothing"
    )
    parse.add_argument("--list-probes", action="store_true", help="name the probes and their questions")
    parse.basic += ("check", "list_probes")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    words = words_of(argv)
    with junit_of_usage(words):
        parse = parser()
        arguments = parse.parse_args(words)
        if arguments.json and (arguments.check or arguments.list_probes):
            parse.error(f"--json cannot be used with {'--check' if arguments.check else '--list-probes'}")
    if arguments.list_probes:
        return ended(list_probes, debug=arguments.debug)
    junit = None if arguments.check else junit_of_errors(arguments.junit, arguments.fail_on)
    return ended(lambda: run(arguments, words), debug=arguments.debug, within=junit, log_format=arguments.log_format)


def list_probes() -> int:
    """Print the name and the question of every installed probe; those of extensions are not imported."""
    import probes

    for title, group in probes.by_tier().items():
        print(title)
        for name in group:
            print(f"  {name:<12} {probes.question_of(name)}")
    for line in find().left_out:
        put(line, sys.stderr)
    return 0


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Run the audit in the arguments, and print its results."""
    import probes
    from audit.api.forecast import forecast_audit
    from audit.api.pipeline import run_audit
    from audit.cli import terminal
    from audit.cli.screen import Screen
    from audit.output.directory import default_directory
    from audit.stages import EXTERNAL, MODELS
    from reports.exports.terminal.audits import audit_lines
    from reports.exports.terminal.forecast import forecast_lines
    from reports.exports.terminal.json_lines import audit_json

    request = _request(arguments, words)
    out = request.out
    if out is None:
        # For a pattern such as answers/*.parquet the folder says more than the stars.
        files = [file.parent.name if "*" in file.stem else file.stem for file in request.predictions]
        models = request.name or files or map(short_name, request.model)
        chosen = [probes.get(probe) if isinstance(probe, str) else probe for probe in request.probe]
        names = [request.suite] if request.suite else [probe.name for probe in chosen] or ["predictions"]
        out = default_directory(models, names, dt.datetime.now(dt.UTC))
    if arguments.check:
        print(forecast_lines(forecast_audit(request.model_copy(update={"out": out})), Screen.of(sys.stdout)), flush=True)
        return 0
    stages_of = EXTERNAL if request.predictions else MODELS
    names = [name for name in stages_of if request.what_if or name != "what-ifs"]
    with terminal.working(names, quiet=arguments.quiet, verbose=arguments.verbose, log_format=request.log_format) as stages:
        done = run_audit(request.model_copy(update={"out": out, "stages": stages}))
    if arguments.json:
        text = audit_json(done.results, terminal.shown_path(out), done.exit_code)
    else:
        text = "" if arguments.quiet else f"{audit_lines(done.results, Screen.of(sys.stdout), verbose=arguments.verbose)}\n"
        text += visible(terminal.shown_path(out / "report.html"))
    terminal.show(text, out, request.log_format)
    return done.exit_code


def _request(arguments: argparse.Namespace, words: Sequence[str]) -> AuditRequest:
    from audit.models.model_args import by_model
    from audit.output.directory import scrub

    options = given_options(arguments, AuditRequest)
    if "model_args" in options:
        options["model_args"] = by_model(options["model_args"], len(options.get("model", ())))
    return AuditRequest(**options, command=(PROGRAM, *map(scrub, words)))


if __name__ == "__main__":
    sys.exit(main())
