"""Names of shards: ``{000000..000127}.tar`` and ``{a,b}.tar`` stand for several."""

from __future__ import annotations

import re

from audit.errors import UsageError

MOST = 100_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LIST = re.compile(r"\{([^{}]*,[^{}]*)\}")


def expanded_names(text: str) -> list[str]:
    """Return the names that a text stands for, in order; itself where it has no braces. UsageError for braces that mean nothing.

    Examples
    --------
    >>> expanded_names("shard-{08..10}.tar"), expanded_names("{test,val}/{0..1}.tar")
    (['shard-08.tar', 'shard-09.tar', 'shard-10.tar'], ['test/0.tar', 'test/1.tar', 'val/0.tar', 'val/1.tar'])
    """
    names = [text]
    while any("{" in name or "}" in name for name in names):
        names = [each for name in names for each in _first_expanded(name, text)]
        if len(names) > MOST:
            raise UsageError(f"{text!r} stands for more than {MOST:,} files", fix="name fewer")
    return names


def _first_expanded(name: str, text: str) -> list[str]:
    both = [match for match in (_RANGE.search(name), _LIST.search(name)) if match]
    found = min(both, key=lambda match: match.start(), default=None)  # the leftmost, as a shell does
    if found is not None and found.re is _RANGE:
        first, last = int(found[1]), int(found[2])
        if last < first or last - first >= MOST:
            raise UsageError(f"malformed range {found[0]!r} in {text!r}", fix="write the first and the last shard: {000000..000127}.tar")
        width = len(found[1]) if found[1].startswith("0") else 0
        values = [f"{number:0{width}d}" for number in range(first, last + 1)]
    elif found is not None:
        values = found[1].split(",")
    else:
        raise UsageError(f"malformed braces in {text!r}", fix="write {000000..000127}.tar, or {a,b}.tar")
    return [f"{name[: found.start()]}{value}{name[found.end() :]}" for value in values]
