"""Tar headers of bounded length: Python reads the long ones whole, and searches them in time that grows with their square."""

from __future__ import annotations

import tarfile
from typing import Any

MOST_HEADER = 65_536
"""Bytes of a header of long names, or of what pax adds."""
_LONG = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class BoundedTarInfo(tarfile.TarInfo):
    """A member whose headers are read if they are not longer than `MOST_HEADER`: for ``tarfile.open(..., tarinfo=BoundedTarInfo)``."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _LONG and not 0 <= self.size <= MOST_HEADER:
            raise tarfile.ReadError(f"a header has {self.size:,} bytes; at most {MOST_HEADER:,} are read")
        return super()._proc_member(archive)  # type: ignore[misc]  # what `tarfile` itself calls for each header
