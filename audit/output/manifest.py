"""The files of a finished run as one: all old or all new, and a list of their hashes that every reader checks.

A run writes into a folder of its own beside the files of the last one. The move of that folder to `NEW` makes them the ones that
count; from there each takes its place. Whoever reads in between finds them in `NEW`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from audit.errors import DataError, MachineError
from audit.output.directory import AUDIT, COMPARISON, write_text
from contrastive import files

MANIFEST = "manifest.json"
DRAFT, NEW = ".draft", ".new"
PAGES = ("report.html", "comparison.html")
CHECKED = (AUDIT, COMPARISON, "predictions.parquet", *PAGES)
"""What readers rest on. Summaries, model cards and tables are for people, who may write into them."""
_NAME = re.compile(r"(tables/)?[\w-][\w.-]*", re.ASCII)
_MOST_BYTES = 2**20
_AGAIN, _ELSEWHERE = "run it again", "remove the folder, or name another; then run it again"


@contextmanager
def replacing_files(directory: Path) -> Iterator[Path]:
    """Give a folder to write into, whose files take the place of those of the last run when the block ends without an error.

    `MachineError` if that fails: either nothing has changed, or the new files count and `settle` puts the rest in their place.
    """
    draft = directory / DRAFT
    try:
        settle(directory)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        yield draft
        _write(draft, {name: files.sha256_of_file(draft / name) for name in _names(draft)})
        for folder, _, _ in os.walk(draft):
            files.sync_folder(Path(folder))
        draft.rename(directory / NEW)
        files.sync_folder(directory)
        settle(directory)
    except OSError as error:
        counted = "the new files are complete" if is_unsettled(directory) else "the old files are intact"
        fix = f"make room, or choose a folder that you may write to; {counted}"
        if is_unsettled(directory):
            fix = f"vlm-audit render {directory} puts them in their place once that is possible; {counted}"
        raise MachineError(f"cannot replace the files in {str(directory)!r}", why=error.strerror, fix=fix) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def is_unsettled(directory: Path) -> bool:
    """Whether a run was ended after its files counted and before all had taken their place."""
    return (directory / NEW / MANIFEST).is_file() and not (directory / NEW).is_symlink()


def settle(directory: Path) -> None:
    """Put files in their place that a run completed and could not put there any more. Raises `OSError`."""
    new = directory / NEW
    if is_unsettled(directory):
        listed, before = _listed(new), _listed(directory)
        _refuse_links(new, listed)
        if (directory / "tables").is_symlink():
            (directory / "tables").unlink()
        for name in listed:
            _put(new / name, directory / name)
        for name in before.keys() - listed.keys():
            (directory / name).unlink(missing_ok=True)
        _put(new / MANIFEST, directory / MANIFEST)
        for folder in {directory, *(directory.joinpath(name).parent for name in listed)}:
            files.sync_folder(folder)
    if new.is_dir() and not new.is_symlink():
        (new / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(new, ignore_errors=True)  # without its list it counts for nothing; what is left goes next time


def _refuse_links(new: Path, listed: Mapping[str, str]) -> None:
    """Refuse files that stand elsewhere: who sent the folder would choose whose permissions change, and what is copied."""
    for path in (new / name for name in (*listed, MANIFEST)):
        if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
            raise DataError(f"{path.name} in {NEW} is not a file of a run", where=str(new.parent), fix=_ELSEWHERE)


def checked_folder(directory: Path, *, pages: bool = True) -> Path:
    """Return the folder in which the files of the last complete run are; a folder without a manifest is one of an older version.

    `DataError` if a file is not the one that the run wrote. `pages`: whether the page is looked at too; who draws it again does not ask.
    """
    folder = directory / NEW if is_unsettled(directory) else directory
    for name, sha256 in _listed(folder).items():
        path = folder / name
        if name not in CHECKED or not path.is_file() or (name in PAGES and not pages):
            continue
        if files.sha256_of_file(path) != sha256:
            what = f"{name} does not belong to these results" if name in PAGES else f"{name} is not the one that this run wrote"
            fix = f"{_AGAIN}, or vlm-audit render {directory}" if name in PAGES else _AGAIN
            raise DataError(what, where=str(directory), why=f"its sha256 is not that in {MANIFEST}", fix=fix)
    return folder


def is_complete(directory: Path) -> bool:
    """Whether a run was completed here, by the list that it leaves; what a later one did that failed does not count."""
    return is_unsettled(directory) or (directory / MANIFEST).is_file()


def note_page(path: Path) -> None:
    """Take a page that was drawn again into the list of its folder, if it stands there."""
    listed = _listed(path.parent)
    if path.name in listed:
        _write(path.parent, {**listed, path.name: files.sha256_of_file(path)})


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _write(folder: Path, listed: Mapping[str, str]) -> None:
    text = json.dumps({"schema_version": "1", "files": dict(listed)}, indent=1, sort_keys=True)
    write_text(folder / MANIFEST, text + "\n")


def _listed(folder: Path) -> dict[str, str]:
    """Return file -> sha256; empty without a manifest. Names lead nowhere else, whoever wrote them."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        listed = json.loads(path.read_text("utf-8"))["files"]
        if not all(_NAME.fullmatch(name) and isinstance(value, str) for name, value in listed.items()):
            raise ValueError("a name in it is not that of a file of a run")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{MANIFEST} is damaged", where=str(folder), why=f"{type(error).__name__}: {error}", fix=_ELSEWHERE) from error
    return dict(listed)


def _put(file: Path, place: Path) -> None:
    """Make a file stand in its place too: whole, or as it was. It stays where it is until all have theirs."""
    if place.is_file() and not place.is_symlink() and place.samefile(file):
        return
    place.parent.mkdir(exist_ok=True)
    if place.is_file() and not place.is_symlink():
        file.chmod(place.stat().st_mode & 0o777)
    beside = place.with_name(f".{place.name}.new")
    beside.unlink(missing_ok=True)
    try:
        os.link(file, beside)
    except OSError:  # a file system without hard links
        with files.replacing(place) as copy, file.open("rb") as source:
            shutil.copyfileobj(source, copy)
    else:
        beside.replace(place)
