"""``vlm-audit convert DIR --to FORMAT``: the results of an audit in a format that another program reads, on standard output."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import UsageError
from strictio.console import prepare_streams

FORMATS = {
    "cyclonedx": "a bill of materials whose model cards hold rates, gaps and verdicts (CycloneDX 1.6)",
    "cyclonedx-1.7": "the same in version 1.7",
    "in-toto": "the gates as a statement of test results, to be signed by a tool of yours",
    "eval-results": "an entry for .eval_results in a model's repository (Hugging Face)",
    "github": "annotations of the gates for a step of GitHub Actions",
}


def parser() -> Parser:
    """Return the parser of the command."""
    lines = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    parse = Parser("vlm-audit convert", description=f"Prints the results of a finished audit in a format of another program. {lines}.")
    parse.add_argument("directory", metavar="DIR", help="the output folder of an audit")
    parse.add_argument("--to", metavar="FORMAT", required=True, choices=tuple(FORMATS), help=", ".join(FORMATS))
    parse.add_argument("--benchmark", metavar="DATASET", help="eval-results: the hub's name of the data, ORG/NAME")
    parse.add_argument("--task", metavar="NAME", help="eval-results: the task that the data set declares on the hub")
    parse.add_argument("--question", metavar="ID", help="eval-results: the question whose rate over all images is the value")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Print the results in the chosen format."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _converted(arguments))


def _converted(arguments: Namespace) -> str:
    import json

    from audit.output.manifest import checked_folder
    from reports.formats.cyclonedx import bill_of_materials
    from reports.formats.github import gate_annotations
    from reports.formats.hub import Benchmark, eval_results
    from reports.formats.in_toto import gate_statement
    from reports.read import RESULTS, read_results
    from strictio.files import sha256_of_file

    form, named = arguments.to, (arguments.benchmark, arguments.task)
    if (form == "eval-results") != (None not in named) or (form != "eval-results" and any((*named, arguments.question))):
        what = "--benchmark and --task belong to --to eval-results, which needs both"
        raise UsageError(what, why="only you know which benchmark of the hub your data are", fix="give both, or neither")
    folder = Path(arguments.directory)
    results = read_results(folder)
    if form == "github":
        return "\n".join(gate_annotations(results)) or "every gate held" * bool(results.gates) or "no gates"
    if form == "eval-results":
        return eval_results(results, Benchmark(*named), arguments.question).rstrip()
    sha256 = sha256_of_file(checked_folder(folder) / RESULTS)
    if form == "in-toto":
        return json.dumps(gate_statement(results, sha256), indent=1, allow_nan=False)
    return json.dumps(bill_of_materials(results, sha256, form.partition("-")[2] or "1.6"), indent=1, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
