"""``vlm-audit cache``: the size of cached embeddings, here or behind a URL; checks them, removes old ones, or trusts another cache."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.exit_codes import print_result
from audit.cli.parser import Parser, words_of
from audit.errors import DataError, UsageError

if TYPE_CHECKING:
    from audit.embedding.folders import SharedRoot
    from audit.extensions.cache.housekeeping import Verified


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser("vlm-audit cache", description="Shows the size of each model's embeddings, verifies or removes them, or trusts a cache.")
    kinds = ("size", "verify", "prune", "trust")
    parse.add_argument("what", nargs="?", metavar="WHAT", choices=kinds, default="size", help=f"{', '.join(kinds)} (default: size)")
    parse.add_argument(
        "folder", nargs="?", metavar="WHERE", help="a cache: a folder or a URL (default: AUDIT_CACHE_DIR, else ~/.cache/vlm-audit)"
    )
    parse.add_argument("--older-than", metavar="30d", help="prune: remove files not used for this many hours (h), days (d) or weeks (w)")
    parse.add_argument("--keep", metavar="10GB", help="prune: remove the longest unused files until this much is left")
    parse.add_argument("--damaged", action="store_true", help="prune: remove the files that verify reports as damaged")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the requested action; its result goes to stdout."""
    arguments = parser().parse_args(words_of(argv))
    return print_result(lambda: _done(arguments))


def _done(arguments: Namespace) -> str:
    from audit.extensions.cache import housekeeping

    for_prune = arguments.older_than is not None or arguments.keep is not None or arguments.damaged
    if for_prune != (arguments.what == "prune"):
        what = "--older-than, --keep and --damaged belong to prune, which needs one of them"
        raise UsageError(what, fix="vlm-audit cache prune --older-than 30d")
    root = _root(arguments)
    if arguments.what == "prune":
        age = None if arguments.older_than is None else housekeeping.seconds_of(arguments.older_than)
        keep = None if arguments.keep is None else housekeeping.bytes_of(arguments.keep)
        removed, freed = housekeeping.prune(root, age, keep, damaged=arguments.damaged)
        return f"removed {removed:,} files, {_size(freed)}"
    if arguments.what == "trust":
        sealed, refused = housekeeping.trust(root)
        return f"sealed {sealed:,} files with your key" + (f"; {refused:,} are damaged or not private, and stay ignored" if refused else "")
    if arguments.what == "verify":
        return _verified(housekeeping.verify_cache(root), root)
    used = housekeeping.usage(root)
    lines = [f"{_size(use.size):>10}  {use.files:>6,} files  used {_day(use.used)}  {use.name}" for use in used]
    total = sum(use.size for use in used)
    return "\n".join([*lines, f"{_size(total):>10}  in {root}"])


def _root(arguments: Namespace) -> Path | SharedRoot:
    from audit.embedding.cache import default_root
    from audit.embedding.folders import SharedRoot, root_of

    root = root_of(arguments.folder) if arguments.folder else default_root()
    if isinstance(root, SharedRoot):
        root.check()
    elif arguments.folder and not root.is_dir():
        fix = "name the folder that holds the cache" + ("" if arguments.what == "trust" else ", or none: that of the audits")
        raise DataError(f"no folder {arguments.folder!r}", fix=fix)
    return root


def _verified(verified: Verified, root: Path | SharedRoot) -> str:
    """The result in words; raises DataError if a file is damaged."""
    if verified.damaged:
        shown = ", ".join(verified.damaged[:5]) + (f" and {len(verified.damaged) - 5:,} more" if len(verified.damaged) > 5 else "")
        what = f"{len(verified.damaged):,} files of the cache are damaged"
        raise DataError(
            what, where=str(root), why=shown, fix="vlm-audit cache prune --damaged, with the same WHERE: they are embedded again"
        )
    ignored = f"; {len(verified.refused):,} are not sealed with your key or not private, and stay ignored" if verified.refused else ""
    return f"{verified.sound:,} files are whole and sealed with your key{ignored}"


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if seconds else "never"


if __name__ == "__main__":
    sys.exit(main())
