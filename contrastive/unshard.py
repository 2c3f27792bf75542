"""``python -m contrastive.unshard FOLDER OUT``: merge a sharded checkpoint (``run.sharded``) into one ``ckpt.pt``, to audit or resume.

The result is what the run would have written without ``run.sharded``. Nothing is unpickled: see `contrastive.checkpoint.shards`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contrastive.cli.command import command_parser, require_place, run_command
from strictio.errors import UsageError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = command_parser("unshard", "Write a sharded checkpoint as one file.")
    parse.add_argument("folder", metavar="FOLDER", help="a folder step-..., or one that holds such: the newest is taken")
    parse.add_argument("out", metavar="OUT", help="the file to write; it must not exist")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or that of the error (`strictio.errors`)."""
    options = parser().parse_args(argv)
    return run_command(lambda: f"{unshard(Path(options.folder), Path(options.out))}  {options.out}", debug=options.debug)


def unshard(folder: Path, out: Path) -> str:
    """Write the checkpoint in `folder` to the new file `out`, and return its sha256 (hex)."""
    from contrastive.checkpoint.file import save
    from contrastive.checkpoint.shards import assemble, newest

    if out.exists():
        raise UsageError(f"{out} exists", fix="choose another name")
    require_place(out)
    return save(out, assemble(newest(folder)))


if __name__ == "__main__":
    sys.exit(main())
