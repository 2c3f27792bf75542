"""Tar files, header by header: no member is unpacked.

Long headers are refused: Python reads them whole, and searches them in time that grows with their square.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Any

MOST_HEADER = 65_536
"""Bytes of a header of long names, or of what pax adds."""
_LONG = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class BoundedTarInfo(tarfile.TarInfo):
    """A member whose headers are read if they are not longer than `MOST_HEADER`: for ``tarfile.open(..., tarinfo=BoundedTarInfo)``."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _LONG and not 0 <= self.size <= MOST_HEADER:
            raise tarfile.ReadError(f"a header has {self.size:,} bytes; at most {MOST_HEADER:,} are read")
        return super()._proc_member(archive)  # type: ignore[misc]  # what `tarfile` itself calls for each header


class NegativeSizeError(tarfile.ReadError):
    """The next header would be one that was read before."""


def tar_members(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Give the members of an uncompressed tar file, one at a time.

    `tarfile.TarError` if it is damaged; also ValueError, OverflowError and RecursionError, which `tarfile` lets out of a header.
    """
    with tarfile.open(fileobj=file, mode="r:", tarinfo=BoundedTarInfo) as archive:
        while member := archive.next():
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every header otherwise: gigabytes for a large shard
            if member.size < 0:
                raise NegativeSizeError(f"the member {member.name[:80]!r} has a negative size")
            yield member
