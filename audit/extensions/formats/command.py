"""``vlm-audit convert DIR --to FORMAT``: the results of an audit in a format that another program reads, on standard output."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import UsageError
from strictio.console import prepare_streams

if TYPE_CHECKING:
    from audit.results import Results

FORMATS = {
    "cyclonedx": "a bill of materials whose model cards hold rates, gaps and verdicts (CycloneDX 1.6)",
    "cyclonedx-1.7": "the same in version 1.7",
    "in-toto": "the gates as a statement of test results, to be signed by a tool of yours",
    "eval-results": "an entry for .eval_results in a model's repository (Hugging Face)",
    "every-eval": "a record of one model for Every Eval Ever, groups in the parameters of its metrics (schema 0.3.0)",
    "github": "annotations of the gates for a step of GitHub Actions",
    "profile.csv": "a bias profile: a row for each question and group, with what people state about it (--statements)",
    "profile.html": "the same as a page",
}

NEEDED = {"eval-results": ("benchmark", "task"), "every-eval": ("organization", "relationship", "model_id")}
"""Format -> the options that it needs: what only the user knows."""
OWN = {"eval-results": ("question",), "every-eval": ("model",)}
"""Format -> other options that belong to it alone."""
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")


def parser() -> Parser:
    """Return the parser of the command."""
    lines = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    parse = Parser("vlm-audit convert", description=f"Prints the results of a finished audit in a format of another program. {lines}.")
    parse.add_argument("directory", metavar="DIR", help="the output folder of an audit")
    parse.add_argument("--to", metavar="FORMAT", required=True, choices=tuple(FORMATS), help=", ".join(FORMATS))
    parse.add_argument("--benchmark", metavar="DATASET", help="eval-results: the hub's name of the data, ORG/NAME")
    parse.add_argument("--task", metavar="NAME", help="eval-results: the task that the data set declares on the hub")
    parse.add_argument("--organization", metavar="TEXT", help="every-eval: who evaluated")
    parse.add_argument("--relationship", metavar="KIND", choices=RELATIONSHIPS, help=f"every-eval: {', '.join(RELATIONSHIPS)}")
    parse.add_argument("--model-id", metavar="ID", help="every-eval: DEVELOPER/MODEL, as on the hub")
    parse.add_argument("--model", metavar="NAME", help="every-eval: which model, if the results are of several")
    parse.add_argument("--question", metavar="ID", help="eval-results: the question whose rate over all images is the value")
    parse.add_argument("--statements", metavar="FILE", help="profile: hazards, reasons, mitigations, owners and review dates, in TOML")
    parse.add_argument("--comparison", metavar="DIR", help="profile: the folder of a comparison, for the change of each gap")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Print the results in the chosen format."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _converted(arguments))


def _converted(arguments: Namespace) -> str:
    import json

    from audit.extensions.formats.every_eval import Evaluator, evaluation_record
    from audit.extensions.formats.github import gate_annotations
    from audit.extensions.formats.hub import Benchmark, eval_results
    from audit.extensions.formats.in_toto import gate_statement
    from audit.output.manifest import checked_folder
    from reports.exports.cyclonedx import bill_of_materials
    from reports.read import RESULTS, read_results
    from strictio.files import sha256_of_file

    _check_options(arguments)
    form = arguments.to
    folder = Path(arguments.directory)
    results = read_results(folder)
    if form == "github":
        return "\n".join(gate_annotations(results)) or "every gate held" * bool(results.gates) or "no gates"
    if form == "eval-results":
        return eval_results(results, Benchmark(arguments.benchmark, arguments.task), arguments.question).rstrip()
    sha256 = sha256_of_file(checked_folder(folder) / RESULTS)
    if form.startswith("profile"):
        return _profile(results, sha256, arguments)
    if form == "in-toto":
        return json.dumps(gate_statement(results, sha256), indent=1, allow_nan=False)
    if form == "every-eval":
        evaluator = Evaluator(arguments.organization, arguments.relationship, arguments.model_id)
        return json.dumps(evaluation_record(results, sha256, evaluator, arguments.model), indent=1, allow_nan=False)
    return json.dumps(bill_of_materials(results, sha256, form.partition("-")[2] or "1.6"), indent=1, allow_nan=False)


def _check_options(arguments: Namespace) -> None:
    """Raise UsageError for an option of another format, or if one that the format needs is missing."""
    for form, names in NEEDED.items():
        given = [name for name in (*names, *OWN[form]) if getattr(arguments, name)]
        missing = [name for name in names if not getattr(arguments, name)]
        if (form == arguments.to and missing) or (form != arguments.to and given):
            flags = [f"--{name.replace('_', '-')}" for name in (*names, *(name for name in OWN[form] if name in given))]
            what = f"{', '.join(flags[:-1])} and {flags[-1]} belong to --to {form}, which needs {', '.join(flags[: len(names)])}"
            raise UsageError(what, why="only you know what they say", fix=f"give them with --to {form}, or leave them out")
    if not arguments.to.startswith("profile") and (arguments.statements or arguments.comparison):
        raise UsageError("--statements and --comparison belong to a profile", fix="--to profile.csv, or leave them out")


def _profile(results: Results, sha256: str, arguments: Namespace) -> str:
    from reports.profile.page import profile_page
    from reports.profile.rows import check_compared, profile_csv
    from reports.profile.statements import Statements, read_statements
    from reports.read import read_comparisons

    statements = read_statements(Path(arguments.statements), results) if arguments.statements else Statements()
    compared = read_comparisons(Path(arguments.comparison)) if arguments.comparison else None
    if compared is not None:
        check_compared(results, compared)
    if arguments.to == "profile.csv":
        return profile_csv(results, statements, compared).replace("\r\n", "\n").rstrip()
    return profile_page(results, sha256, statements, compared).rstrip("\n")


if __name__ == "__main__":
    sys.exit(main())
