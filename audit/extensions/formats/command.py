"""``vlm-audit convert DIR --to FORMAT``: the results of an audit in a format that another program reads, on standard output."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import UsageError
from audit.extension import exports, import_declared
from strictio.console import prepare_streams

NEEDED = {"eval-results": ("benchmark", "task"), "every-eval": ("organization", "relationship", "model_id")}
"""Format -> the options that it needs: what only the user knows."""
OWN = {"eval-results": ("question",), "every-eval": ("model",)}
"""Format -> other options that belong to it alone."""
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")


def parser() -> Parser:
    """Return the parser of the command."""
    formats = {export.name: export.summary for export in exports()}
    lines = "; ".join(f"{name}: {what}" for name, what in formats.items())
    parse = Parser("vlm-audit convert", description=f"Prints the results of a finished audit in a format of another program. {lines}.")
    parse.add_argument("directory", metavar="DIR", help="the output folder of an audit")
    parse.add_argument("--to", metavar="FORMAT", required=True, choices=tuple(formats), help=", ".join(formats))
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
    from audit.output.manifest import checked_folder
    from reports.read import RESULTS, read_results
    from strictio.files import sha256_of_file

    _check_options(arguments)
    folder = Path(arguments.directory)
    results = read_results(folder)
    sha256 = sha256_of_file(checked_folder(folder) / RESULTS)
    export = next(export for export in exports() if export.name == arguments.to)
    text: str = import_declared(export.text)(results, sha256, vars(arguments))
    return text.replace("\r\n", "\n").rstrip("\n")


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


if __name__ == "__main__":
    sys.exit(main())
