"""The manifest of a finished run: the hashes of its files, by which readers distinguish the files of one run from a mixture of two."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from audit.errors import DataError
from audit.output.directory import AUDIT, COMPARISON, write_text
from strictio.files import read_bytes, sha256_of_file
from strictio.folders import Folder
from strictio.limits import MOST_TEXT, parse_json

MANIFEST = "manifest.json"
NEW = ".new"
"""In the folder of a run: the complete files of a newer run, until they have replaced the old ones."""
PAGES = ("report.html", "comparison.html")
CHECKED = {AUDIT: MOST_TEXT, COMPARISON: MOST_TEXT, "predictions.parquet": 2**33, **dict.fromkeys(PAGES, 2**28)}
"""Files that readers check, and the most bytes of each. Summaries, model cards and tables are for people, who may edit them."""
_NAME = re.compile(r"(tables/)?[\w-][\w.-]*", re.ASCII)
MOST_BYTES = 2**20
_AGAIN, ELSEWHERE = "run it again", "remove the folder, or name another; then run it again"


def swap_name(name: str) -> str:
    """Temporary name of a folder while another one has its name."""
    return f".{name}.new"


def is_unsettled(directory: Path) -> bool:
    """Whether a run was interrupted after its files became valid and before all had replaced the old ones."""
    return _counts(directory) or _counts(directory.resolve().with_name(swap_name(directory.resolve().name)))


def _counts(directory: Path) -> bool:
    return (directory / NEW / MANIFEST).is_file() and not (directory / NEW).is_symlink()


def checked_folder(directory: Path, *, pages: bool = True) -> Path:
    """The folder with the files of the last complete run; a folder without a manifest is from an older version.

    Raises `DataError` if a file differs from the one that the run wrote. `pages`: whether to check the page, too; re-rendering does not.
    """
    folder = directory / NEW if _counts(directory) else directory
    for name, sha256 in manifest_hashes(folder).items():
        path = folder / name
        if name not in CHECKED or not path.exists() or (name in PAGES and not pages):
            continue
        try:
            actual = sha256_of_file(path, CHECKED[name])
        except OSError as error:
            raise DataError(f"{name} cannot be read", where=str(directory), why=error.strerror, fix=_AGAIN) from error
        if actual != sha256:
            what = f"{name} does not belong to these results" if name in PAGES else f"{name} is not the one that this run wrote"
            fix = f"{_AGAIN}, or vlm-audit render {directory}" if name in PAGES else _AGAIN
            raise DataError(what, where=str(directory), why=f"its sha256 is not that in {MANIFEST}", fix=fix)
    return folder


def is_complete(directory: Path) -> bool:
    """Whether a run was completed here, according to its manifest; a later failed run does not matter."""
    return is_unsettled(directory) or (directory / MANIFEST).is_file()


def note_page(path: Path) -> None:
    """Update the hash of a re-rendered page in the manifest of its folder, if it is listed."""
    names = manifest_hashes(path.parent)
    if path.name in names:
        write_manifest(Folder.of(path.parent), {**names, path.name: sha256_of_file(path)})


def write_manifest(folder: Folder, hashes: Mapping[str, str]) -> None:
    """Write file -> sha256."""
    text = json.dumps({"schema_version": "1", "files": dict(hashes)}, indent=1, sort_keys=True)
    write_text(MANIFEST, text + "\n", folder)


def manifest_hashes(directory: Path) -> dict[str, str]:
    """File -> sha256; empty without a manifest. Raises `DataError` if it is damaged."""
    path = directory / MANIFEST
    if not path.exists():
        return {}
    try:
        return parse_manifest(read_bytes(path, MOST_BYTES), directory)
    except OSError as error:
        raise unreadable(directory, error) from error


def unreadable(directory: Path, error: OSError) -> DataError:
    """Return the error about a manifest that cannot be read."""
    return DataError(f"{MANIFEST} cannot be read", where=str(directory), why=error.strerror, fix=ELSEWHERE)


def parse_manifest(content: bytes, where: Path) -> dict[str, str]:
    """Parse file -> sha256; raises `DataError` if it is damaged. Names cannot lead outside the folder, even in an untrusted manifest."""
    try:
        names = parse_json(content)["files"]
        if not all(_NAME.fullmatch(name) and isinstance(value, str) for name, value in names.items()):
            raise ValueError("a name in it is not that of a file of a run")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{MANIFEST} is damaged", where=str(where), why=f"{type(error).__name__}: {error}", fix=ELSEWHERE) from error
    return dict(names)
