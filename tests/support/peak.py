"""The most memory that a process takes beside files: of libraries the system drops pages and reads them back as it likes.

An idle parent shrinks so by hundreds of megabytes, and its child grows by as many without having asked for a byte.
"""

from __future__ import annotations

import re
from pathlib import Path

_FIELD = re.compile(r"^(VmHWM|RssAnon|RssFile|RssShmem):\s+(\d+) kB$", re.MULTILINE)


class Peak:
    """The most that a process, or one that it started, took since the first look at it.

    Takes are counted from the least that the process held so far: a forked process begins with the pages of its parent and drops them
    when it starts another program. Looks as often as `look` is called. What comes and goes in between shows in the high-water mark, which
    counts pages of files too: the most of these that was seen is taken off. So a peak may be too small by what the files grew after it.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._least_kb: dict[int, int] = {}
        self._files_kb: dict[int, int] = {}
        self._high_water_kb: dict[int, int] = {}
        self._taken_kb: dict[int, int] = {}
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # its high-water mark begins again
        self.look()

    def look(self) -> None:
        now_kb: dict[int, int] = {}
        for pid, parent in _family(self.pid).items():
            if not (fields := _status(pid)):
                continue
            anonymous = now_kb[pid] = fields.get("RssAnon", 0)
            self._files_kb[pid] = max(self._files_kb.get(pid, 0), fields.get("RssFile", 0) + fields.get("RssShmem", 0))
            # At a late first look, what a process has beyond the pages of its parent, it took itself.
            self._least_kb.setdefault(pid, min(anonymous, now_kb.get(parent, anonymous)))
            self._count(pid, anonymous, fields.get("VmHWM", 0))
            self._least_kb[pid] = min(self._least_kb[pid], anonymous)

    def kb(self, high_water_kb: int = 0) -> int:
        """Return the most that one process took, in KiB; `high_water_kb` is that of `pid`, where it has ended meanwhile."""
        self._count(self.pid, 0, high_water_kb)
        return max(self._taken_kb.values())

    def _count(self, pid: int, anonymous: int, high_water: int) -> None:
        """Count what is held now, and what was held in between, where the high-water mark rose since the last look."""
        rose = high_water > self._high_water_kb.setdefault(pid, high_water)
        self._high_water_kb[pid] = high_water
        highest = max(anonymous, high_water - self._files_kb[pid] if rose else 0)
        self._taken_kb[pid] = max(self._taken_kb.get(pid, 0), highest - self._least_kb[pid])


def _status(pid: int) -> dict[str, int]:
    """Return the figures of a process in KiB; none of one that has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: int(number) for name, number in _FIELD.findall(text)}


def _family(pid: int) -> dict[int, int]:
    """Return a process and all that it started and that still run, each with its parent (0 for the first); parents come first."""
    parents = {pid: 0}
    last = [pid]
    while last:
        parent = last.pop(0)
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
            children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents |= dict.fromkeys(children, parent)
        last += children
    return parents
