"""Writes the JSON Schemas of the files of results, one per kind of command: ``python -m docs.tools.schema``."""

from __future__ import annotations

import json

from audit.commands.schema import schemas
from docs.tools.generated import ROOT
from strictio.folders import Folder

FOLDER = ROOT / "docs" / "schema"


def main() -> None:
    """Write the schemas."""
    with_content = {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in schemas().items()}
    for name, content in with_content.items():
        Folder.of(FOLDER, make=True).write(name, content.encode())


if __name__ == "__main__":
    main()
