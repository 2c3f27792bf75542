"""Croissant: the table, licence and known biases that a data set's ``croissant.json`` states (MLCommons, versions 1.0 and 1.1).

Only metadata are read: record sets are not followed, and the table and its images must lie beside the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.errors import DataError
from audit.types import Dataset, Note
from strictio.files import sha256_of_file
from strictio.images.files import name_fault
from strictio.tables import is_table
from strictio.weights.contents import read_json

NAME = "croissant.json"
STATED = {
    "dataBiases": "stated_bias", "dataLimitations": "stated_limitation", "personalSensitiveInformation": "stated_personal_information",
}  # fmt: skip
"""Property of the vocabulary for responsible AI -> the note that repeats it."""
_NAMED = ("name", "url", "@id", "@value")
LONGEST_TEXT, MOST_TEXTS = 600, 20


@dataclass(frozen=True)
class Croissant:
    """What a file states."""

    table: Path
    """The only table among its files."""
    licence: str
    notes: tuple[Note, ...]

    def said_of(self, dataset: Dataset) -> Dataset:
        """Return the data set of the table with the licence and the notes."""
        return replace(dataset, licence=self.licence, notes=(*dataset.notes, *self.notes))


def is_croissant(path: Path) -> bool:
    """Return whether a file is called as Croissant's are: ``croissant.json`` or ``NAME.croissant.json``."""
    return path.name == NAME or path.name.endswith(f".{NAME}")


def read_croissant(path: Path) -> Croissant:
    """Read a file; raises DataError if it does not name one table beside it, or one with another sha256 than that of the table."""
    content = read_json(path)
    if "distribution" not in content:
        raise DataError(f"{path.name} has no distribution", why="it names no files", fix="name the table itself: --data FILE")
    notes = [
        Note(code, {"text": text[:LONGEST_TEXT], "file": path.name})
        for name, code in STATED.items()
        for text in list(_texts(_property(content, name)))[:MOST_TEXTS]
    ]
    licences = list(_texts(_property(content, "license")))
    return Croissant(_table(path, content), ", ".join(licences)[:LONGEST_TEXT] or f"not stated in {path.name}", tuple(notes))


def _table(path: Path, content: Mapping[str, Any]) -> Path:
    files = [entry for entry in _entries(content["distribution"]) if str(entry.get("@type", "")).endswith("FileObject")]
    tables = [entry for entry in files if is_table(Path(str(entry.get("contentUrl"))))]
    if len(tables) != 1:
        named = ", ".join(repr(str(entry.get("contentUrl"))[:80]) for entry in (tables or files)[:5]) or "no file"
        what = f"{path.name} names {len(tables)} tables, not one"
        raise DataError(what, why=f"it names {named}", fix="name the table itself: --data FILE")
    name = str(tables[0]["contentUrl"])
    fault, table = name_fault(name), path.parent / name
    if not fault and not table.resolve().is_relative_to(path.parent.resolve()):
        fault = "link that leaves the folder"
    if fault:
        why = f"{name[:80]!r} is not a file beside it ({fault})"
        raise DataError(f"the table of {path.name} cannot be read", why=why, fix="download the files into one folder, and name them there")
    if not table.is_file():
        raise DataError(f"the table of {path.name} does not exist", why=f"there is no {name!r}", fix="download it beside the file")
    _check_hash(table, tables[0].get("sha256"), path.name)
    return table


def _check_hash(table: Path, stated: object, source: str) -> None:
    if isinstance(stated, str) and stated.lower() != (sha256 := sha256_of_file(table)):
        what, why = f"{table.name} is not the file that {source} describes", f"stated {stated[:64]}, and the file has {sha256}"
        raise DataError(what, why=why, fix="download both again, or name the table itself: --data FILE")


def _property(content: Mapping[str, Any], name: str) -> Any:
    """Return a property by its name, however it is prefixed (``rai:dataBiases``)."""
    return next((value for key, value in content.items() if key.rpartition(":")[2] == name), None)


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, Mapping)]


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a value: a text, an object with a name or an address, or a list of these."""
    for entry in value if isinstance(value, list) else [value]:
        text = next((entry[key] for key in _NAMED if entry.get(key)), None) if isinstance(entry, Mapping) else entry
        if isinstance(text, str) and text.strip():
            yield " ".join(text.split())
