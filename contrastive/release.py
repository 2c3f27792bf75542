"""``python -m contrastive.release CKPT OUT``: a checkpoint without the state for resuming; with ``--ema``, with the averaged weights."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contrastive.cli.command import command_parser, require_place, run_command
from strictio.errors import UsageError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = command_parser("release", "Write a checkpoint to pass on, without the state of the optimiser.")
    parse.add_argument("checkpoint", metavar="CKPT", help="a ckpt.pt of contrastive.train")
    parse.add_argument("out", metavar="OUT", help="the file to write; it must not exist")
    parse.add_argument("--ema", action="store_true", help="take the average of the weights (optim.ema) instead of the last step's")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or that of the error (`strictio.errors`)."""
    options = parser().parse_args(argv)
    return run_command(
        lambda: f"{release(Path(options.checkpoint), Path(options.out), ema=options.ema)}  {options.out}", debug=options.debug
    )


def release(path: Path, out: Path, *, ema: bool = False) -> str:
    """Write the checkpoint at `path` to `out` without optimiser state and average; return the sha256 (hex) of the new file."""
    from dataclasses import replace

    from contrastive.checkpoint.file import averaged, load, save

    if out.exists():
        raise UsageError(f"{out} exists", fix="choose another name")
    require_place(out)
    checkpoint = load(path)
    return save(out, replace(averaged(checkpoint) if ema else checkpoint, training=None, ema=None))


if __name__ == "__main__":
    sys.exit(main())
