"""Writes the JSON Schemas of ``results.json``, ``comparison.json`` and ``mitigation.json``: ``python -m docs.tools.schema``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audit.records import comparison, mitigation
from audit.results import json_schema
from docs.tools.generated import ROOT
from strictio.folders import Folder

FOLDER = ROOT / "docs" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> Mapping[str, dict[str, Any]]:
    """Return the name of each file -> the schema that the code makes."""
    made = {"results.json": json_schema(), "comparison.json": comparison.json_schema(), "mitigation.json": mitigation.FILE.json_schema()}
    return {name: {"$schema": DIALECT, **schema} for name, schema in made.items()}


def main() -> None:
    """Write the schemas."""
    with_content = {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in schemas().items()}
    for name, content in with_content.items():
        Folder.of(FOLDER, make=True).write(name, content.encode())


if __name__ == "__main__":
    main()
