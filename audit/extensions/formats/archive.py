"""One archive of an audit for others to check: sorted, uncompressed, without dates, so that equal files give equal bytes.

`verify/source.py` reads it with code of its own, and refuses every other form.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import DataError, UsageError
from audit.output.directory import AUDIT, COMPARISON, STATUS, check_regular, replacing
from audit.output.manifest import MANIFEST, checked_folder, manifest_hashes
from strictio.files import read_bytes

LEFT_OUT = "left-out.json"
OF_IMAGES = ("predictions.parquet", "tables/near_duplicates.csv", "texts.csv")
"""Files about single images: answers, texts and attributes, which may be of people."""
BESIDE = (STATUS, "run.log", "plan.lock.json")
"""Files that a manifest need not list; they are packed if they exist."""
MOST_BYTES = 2**32
_FIRST_YEAR = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Packed:
    """The files of an archive, before it is written."""

    files: Mapping[str, bytes]
    left_out: Sequence[str]

    def content(self) -> bytes:
        """The archive."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
            for name in sorted(self.files):
                member = zipfile.ZipInfo(name, _FIRST_YEAR)
                member.create_system, member.external_attr = 3, (stat.S_IFREG | 0o644) << 16
                opened.writestr(member, self.files[name])
        return archive.getvalue()


def gather(directory: Path, made: Mapping[str, str], *, of_images: bool = True) -> Packed:
    """The files of a finished audit, and those that were `made` for the archive; without `of_images`, none about single images.

    Raises UsageError for a folder without an audit, DataError for a file that is missing, a link, or not the one that the run wrote.
    """
    folder = checked_folder(directory)
    if not (folder / AUDIT).is_file():
        what = "a comparison" if (folder / COMPARISON).is_file() else "no finished audit"
        raise UsageError(f"{str(directory)!r} holds {what}", fix="name the output folder of an audit; pack both sides of a comparison")
    names = manifest_hashes(folder)
    if not names:
        raise DataError(f"{str(directory)!r} has no {MANIFEST}", why="it is from an older version", fix="run the audit again")
    left_out = [] if of_images else [name for name in OF_IMAGES if name in names]
    wanted = [*(name for name in names if name not in left_out), MANIFEST, *(name for name in BESIDE if (folder / name).exists())]
    files = {name: _content(folder / name) for name in dict.fromkeys(wanted)}
    files |= {name: text.encode() for name, text in made.items()}
    if left_out:
        files[LEFT_OUT] = json.dumps(left_out).encode() + b"\n"
    if (size := sum(map(len, files.values()))) > MOST_BYTES:
        raise DataError(f"the files have {size:,} bytes", why=f"an archive holds at most {MOST_BYTES:,}", fix="--without-predictions")
    return Packed(files, left_out)


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, MOST_BYTES, follow=False)
    except OSError as error:
        fix = "restore the file, or run the audit again"
        raise DataError(f"{path.name} cannot be packed", where=str(path.parent), why=error.strerror, fix=fix) from error


def write_pack(packed: Packed, path: Path) -> bytes:
    """Write the archive, completely or not at all; returns its bytes."""
    check_regular(path, "--out")
    if path.is_dir() or path.suffix != ".zip":
        raise UsageError(f"--out {str(path)!r} is not the name of an archive", fix="end it with .zip")
    content = packed.content()
    with replacing(path) as file:
        file.write(content)
    return content
