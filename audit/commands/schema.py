"""``vlm-audit schema FILE``: the JSON Schema of a file of facts, the core's or an extension's."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.extension import facts_files, import_declared
from strictio.console import prepare_streams

FILES = ("results.json", "comparison.json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> Mapping[str, dict[str, Any]]:
    """Return the name of each file -> its JSON Schema."""
    from audit.records import comparison
    from audit.results import json_schema

    made = (json_schema(), comparison.json_schema())
    every = dict(zip(FILES, made, strict=True)) | {file.name: import_declared(file.record).json_schema() for file in facts_files()}
    return {name: {"$schema": DIALECT, **schema} for name, schema in every.items()}


def file_names() -> tuple[str, ...]:
    """Names of all files that have a schema."""
    return (*FILES, *(file.name for file in facts_files()))


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser("vlm-audit schema", description="Prints the JSON Schema of a file that this version writes (draft 2020-12).")
    parse.add_argument("file", metavar="FILE", choices=file_names(), help=", ".join(file_names()))
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Print the schema of a file."""
    prepare_streams()
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: json.dumps(schemas()[arguments.file], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
