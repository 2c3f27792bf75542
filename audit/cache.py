"""``vlm-audit cache``: what the embeddings take on the disk, remove the old, trust somebody else's."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import DataError, UsageError


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser("vlm-audit cache", description="Says what the embeddings of each model take, removes old ones, or trusts a cache.")
    kinds = ("size", "prune", "trust")
    parse.add_argument("what", nargs="?", metavar="WHAT", choices=kinds, default="size", help=f"{', '.join(kinds)} (default: size)")
    parse.add_argument("folder", nargs="?", metavar="DIR", help="a cache (default: AUDIT_CACHE_DIR, else ~/.cache/vlm-audit)")
    parse.add_argument("--older-than", metavar="30d", help="prune: remove what was not used for so many hours (h), days (d) or weeks (w)")
    parse.add_argument("--keep", metavar="10GB", help="prune: remove the longest unused until so much is left")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words ask for; what was done goes to stdout."""
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _done(arguments))


def _done(arguments: Namespace) -> str:
    from audit.embedding import housekeeping
    from audit.embedding.cache import default_root

    given = arguments.older_than is not None or arguments.keep is not None
    if given != (arguments.what == "prune"):
        raise UsageError("--older-than and --keep belong to prune, which needs one of them", fix="vlm-audit cache prune --older-than 30d")
    root = Path(arguments.folder) if arguments.folder else default_root()
    if arguments.folder and not root.is_dir():
        fix = "name the folder that holds the cache" + ("" if arguments.what == "trust" else ", or none: that of the audits")
        raise DataError(f"no folder {arguments.folder!r}", fix=fix)
    if arguments.what == "prune":
        age = None if arguments.older_than is None else housekeeping.seconds_of(arguments.older_than)
        removed, freed = housekeeping.prune(root, age, None if arguments.keep is None else housekeeping.bytes_of(arguments.keep))
        return f"removed {removed:,} files, {_size(freed)}"
    if arguments.what == "trust":
        sealed, refused = housekeeping.trust(root)
        return f"sealed {sealed:,} files with your key" + (f"; {refused:,} are damaged or not private, and stay ignored" if refused else "")
    used = housekeeping.usage(root)
    lines = [f"{_size(each.size):>10}  {each.files:>6,} files  used {_day(each.used)}  {each.name}" for each in used]
    total = sum(each.size for each in used)
    return "\n".join([*lines, f"{_size(total):>10}  in {root}"])


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if seconds else "never"


if __name__ == "__main__":
    sys.exit(main())
