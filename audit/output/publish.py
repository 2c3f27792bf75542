"""Replaces the files of an old run by those of a new one, atomically for every reader.

A run writes into `DRAFT`, a sub-folder of its folder. Renaming that folder to `NEW` makes the files valid for this program.
Then a stand-in with the new files (and everything else in the folder) is created beside the folder, and the two exchange their names in
one step: from then on every reader sees the new files. Behind the stand-in the folder itself gets its new files, and takes its name back.
So processes that are in the folder stay in it. If names cannot be exchanged, the files are replaced one by one.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from audit.errors import DataError, MachineError
from audit.output.directory import OutputFolder
from audit.output.manifest import (
    CHECKED,
    ELSEWHERE,
    MANIFEST,
    MOST_BYTES,
    NEW,
    is_unsettled,
    parse_manifest,
    swap_name,
    unreadable,
    write_manifest,
)
from strictio.folders import Folder

DRAFT = ".draft"


@contextmanager
def replacing_files(out: OutputFolder) -> Iterator[Folder]:
    """Yield a folder to write into, whose files replace those of the last run when the block ends without an error.

    Raises `MachineError` if that fails: then either nothing has changed, or the new files are valid and `settle` moves the rest.
    """
    try:
        settle(out)
        folder = out.open()
        folder.remove(DRAFT)
        draft = folder.folder(DRAFT, make=True)
        try:
            yield draft
            _complete(draft)
            folder.rename(DRAFT, NEW)
            if not folder.is_file(f"{NEW}/{MANIFEST}"):
                raise OSError(errno.ESTALE, f"another process has replaced {DRAFT}")
        finally:
            with suppress(OSError):
                folder.remove(DRAFT)
        folder.sync()
        settle(out)
    except OSError as error:
        counted = "the new files are complete" if is_unsettled(out.path) else "the old files are intact"
        fix = f"make room, or choose a folder that you may write to; {counted}"
        if is_unsettled(out.path):
            fix = f"vlm-audit render {out.path} puts them in their place once that is possible; {counted}"
        raise MachineError(f"cannot replace the files in {str(out.path)!r}", why=error.strerror, fix=fix) from error


def settle(out: OutputFolder) -> None:
    """Finish replacing files for a run that was completed but could not do it itself. Raises `OSError`."""
    folder, aside, exchanged = out.open(), swap_name(out.name), False
    if out.above.is_folder(aside):
        other = out.above.folder(aside)
        if other.is_file(f"{NEW}/{MANIFEST}"):  # the exchange was not undone: this is the folder, and the stand-in has its name
            folder, exchanged = other, True
        else:
            _drop_stand_in(out, folder)
    if folder.is_file(f"{NEW}/{MANIFEST}"):
        hashes = _hashes(folder.folder(NEW))
        _check_files(folder.folder(NEW), (*hashes, MANIFEST))
        exchanged = exchanged or _exchanged(out, folder, hashes)
        _put_files(folder, hashes)
        if exchanged:
            out.above.exchange(out.name, aside)
            out.above.sync()
            _drop_stand_in(out, folder)
    with suppress(OSError):  # without a manifest it is invalid; leftovers are removed next time
        if folder.is_folder(NEW):
            folder.remove(f"{NEW}/{MANIFEST}")
        folder.remove(NEW)


def _complete(draft: Folder) -> None:
    names = list(_files(draft))
    write_manifest(draft, {name: draft.sha256(name) for name in names})
    for folder in {str(PurePosixPath(name).parent) for name in (*names, MANIFEST)}:
        draft.folder(folder).sync()


def _files(folder: Folder, above: str = "") -> Iterator[str]:
    for name in folder.names():
        if folder.is_folder(name):
            yield from _files(folder.folder(name), f"{above}{name}/")
        else:
            yield f"{above}{name}"


def _hashes(folder: Folder) -> dict[str, str]:
    if not folder.is_file(MANIFEST):
        return {}
    try:
        return parse_manifest(folder.read(MANIFEST, MOST_BYTES), folder.path)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise unreadable(folder.path, error) from error


def _check_files(new: Folder, names: Iterable[str]) -> None:
    """Raise DataError for links: the author of an untrusted folder could choose files whose permissions change, and what is copied."""
    for name in names:
        if not new.is_file(name):
            what = f"{PurePosixPath(name).name} in {NEW} is not a file of a run"
            raise DataError(what, where=str(new.path.parent), fix=ELSEWHERE)


def _put_files(folder: Folder, hashes: Iterable[str]) -> None:
    """Move every new file to its place. Files in the manifest go first: until the new manifest is there, readers detect a mixture."""
    new, before = folder.folder(NEW), _hashes(folder).keys()
    names = sorted(hashes, key=lambda name: (name not in CHECKED, name))
    if not folder.is_folder("tables"):
        folder.remove("tables")
    for name in names:
        _put(new, name, folder)
    for name in before - set(names):
        folder.remove(name)
    _put(new, MANIFEST, folder)
    for above in {str(PurePosixPath(name).parent) for name in (*names, MANIFEST)}:
        folder.folder(above).sync()


def _put(new: Folder, name: str, folder: Folder) -> None:
    """Link or copy a file to its place, completely or not at all. The original stays until all files are in place."""
    if _is_same(new, folder, name):
        return
    last, above = PurePosixPath(name).name, str(PurePosixPath(name).parent)
    source, target = new.folder(above), folder.folder(above, make=True)
    _keep_mode(source, target, last)
    draft = f".{last}.new"
    target.remove(draft)
    try:
        source.link(last, draft, target)
    except OSError:  # a file system without hard links
        with target.replacing(last) as copy, os.fdopen(source.open_file(last), "rb") as file:
            shutil.copyfileobj(file, copy)
    else:
        target.rename(draft, last)


def _keep_mode(source: Folder, target: Folder, name: str) -> None:
    status = target.status(name)
    if status is not None and stat.S_ISREG(status.st_mode):
        source.chmod(status.st_mode & 0o777, name)


def _is_same(one: Folder, other: Folder, name: str) -> bool:
    status, known = one.status(name), other.status(name)
    return status is not None and known is not None and os.path.samestat(status, known)


# ---- the stand-in ----------------------------------------------------------------------------------------------------------------------


def _exchanged(out: OutputFolder, folder: Folder, hashes: Iterable[str]) -> bool:
    """Let a stand-in with the new files take the folder's name; False, with nothing changed, if that is impossible."""
    aside = swap_name(out.name)
    if out.above.exists(aside):  # a link or a file, not ours
        return False
    try:
        stand_in = _stand_in(out, folder, hashes)
        out.above.exchange(out.name, aside)
    except OSError:
        with suppress(OSError):
            out.above.remove(aside)
        return False
    stand_in.sync()
    out.above.sync()
    return True


def _stand_in(out: OutputFolder, folder: Folder, hashes: Iterable[str]) -> Folder:
    """Create a folder with the new files, and with hard links to everything else in the folder."""
    stand_in = out.above.folder(swap_name(out.name), make=True, mode=0o700)
    new = folder.folder(NEW)
    for name in (*hashes, MANIFEST):
        above, last = str(PurePosixPath(name).parent), PurePosixPath(name).name
        if folder.is_folder(above):
            _keep_mode(new.folder(above), folder.folder(above), last)
        new.folder(above).link(last, last, stand_in.folder(above, make=True))
    _mirror(folder, stand_in, {DRAFT, NEW, *_hashes(folder), *hashes, MANIFEST})
    stand_in.become_like(folder.own_status)
    return stand_in


def _mirror(folder: Folder, copy: Folder, without: set[str], above: str = "") -> None:
    for name in folder.names():
        if f"{above}{name}" in without:
            continue
        if folder.is_folder(name):
            _mirror(folder.folder(name), copy.folder(name, make=True), without, f"{above}{name}/")
        else:
            folder.link(name, name, copy)


def _drop_stand_in(out: OutputFolder, folder: Folder) -> None:
    """Remove the stand-in; files that were written into it while it had the folder's name are moved to the folder."""
    aside = swap_name(out.name)
    _bring_back(out.above.folder(aside), folder, folder.folder(NEW) if folder.is_folder(NEW) else None)
    out.above.remove(aside)


def _bring_back(copy: Folder, folder: Folder, new: Folder | None) -> None:
    for name in copy.names():
        if copy.is_folder(name) and folder.is_folder(name):
            _bring_back(copy.folder(name), folder.folder(name), new.folder(name) if new and new.is_folder(name) else None)
            continue
        status, known = copy.status(name), folder.status(name)
        if _is_same(copy, folder, name) or (new and _is_same(copy, new, name)) or status is None:
            continue
        if known is None or (stat.S_ISREG(known.st_mode) and known.st_mtime_ns < status.st_mtime_ns):
            copy.rename(name, name, folder)
