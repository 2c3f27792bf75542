"""``vlm-audit pack DIR``: one archive of a finished audit, for others to check with ``vlm-audit verify``."""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import DataError
from audit.extension import exports, import_declared
from strictio.console import prepare_streams

if TYPE_CHECKING:
    from audit.extensions.formats.archive import Packed
    from audit.results import Results

ENDING = ".pack.zip"


def parser() -> Parser:
    """Return the parser of the command."""
    what = (
        "Packs a finished audit for others to check: page, results, predictions, tables, manifest, log, plan lock if there is one, "
        "verification, bias profile, bill of materials and environment. Equal audits give equal bytes."
    )
    parse = Parser("vlm-audit pack", description=what)
    parse.add_argument("directory", metavar="DIR", help="the output folder of an audit")
    parse.add_argument("--out", metavar="FILE", help=f"default: DIR{ENDING}")
    parse.add_argument("--statements", metavar="FILE", help="what people state for the bias profile, in TOML")
    parse.add_argument(
        "--without-predictions", action="store_true",
        help="leave out what is about single images (predictions.parquet, texts.csv, near duplicates): then no number can be recomputed",
    )  # fmt: skip
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Pack an audit, and print what is in the archive and its sha256."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _packed(arguments))


def _packed(arguments: Namespace) -> str:
    from audit.extensions.formats.archive import gather, write_pack
    from reports.read import read_results

    folder = Path(arguments.directory)
    results = read_results(folder)
    made = _made(folder, results, arguments.statements)
    packed = gather(folder, made, of_images=not arguments.without_predictions)
    out = Path(arguments.out) if arguments.out else folder.resolve().with_name(folder.resolve().name + ENDING)
    return "\n".join(_lines(packed, results, out, write_pack(packed, out)))


def _made(folder: Path, results: Results, statements: str | None) -> dict[str, str]:
    """The files that are made from the audit: name -> text. Raises DataError if the audit does not verify."""
    from audit.commands.verify import verify
    from audit.output.manifest import checked_folder
    from audit.rules.words import as_json
    from reports.read import RESULTS
    from strictio.files import sha256_of_file

    folder = checked_folder(folder)
    found = verify(folder)
    if found.differs:
        why = "an archive holds files that belong together, and numbers that follow from the predictions"
        raise DataError(f"{str(folder)!r} does not verify", why=why, fix=f"vlm-audit verify {folder} says what differs")
    sha256, given = sha256_of_file(folder / RESULTS), {"statements": statements}
    environment = {"tool": results.tool, "command": results.command, "environment": results.environment}
    return {
        "verification.json": as_json(found) + "\n",
        **{export.packed: import_declared(export.text)(results, sha256, given) for export in exports() if export.packed},
        "environment.json": json.dumps(environment, indent=1, sort_keys=True, allow_nan=False) + "\n",
    }


def _lines(packed: Packed, results: Results, out: Path, content: bytes) -> list[str]:
    from audit.extensions.formats.sentences import pictures_sentence, predictions_sentence

    lines = [f"{out}: {len(packed.files):,} files, {len(content):,} bytes", f"sha256 {hashlib.sha256(content).hexdigest()}"]
    lines += [predictions_sentence(results, packed.left_out), pictures_sentence(results)]
    return [*filter(None, lines), f"to check it: vlm-audit verify {out.name} --digest SHA256, with the sha256 from another source"]


if __name__ == "__main__":
    sys.exit(main())
