"""``python -m contrastive.foreign IN OUT.safetensors``: save the tensors of a torch file that is refused because of the names in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contrastive.console import prepare_streams
from contrastive.errors import run_command


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = argparse.ArgumentParser(prog="python -m contrastive.foreign", description="Save a torch file's tensors; run nothing from it.")
    parse.add_argument("source", type=Path, metavar="IN", help="a file that is refused because of the names in it")
    parse.add_argument("target", type=Path, metavar="OUT.safetensors", help="the file to write")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Save the tensors of a file that `read_archive` refuses; nothing in it is run."""
    prepare_streams()
    options = parser().parse_args(argv)
    return run_command(lambda: _save(options.source, options.target))


def _save(source: Path, target: Path) -> str:
    import torch
    from safetensors.torch import save_file

    from contrastive.checkpoint.safe_pickle import HARMLESS
    from contrastive.checkpoint.torch_file import salvage

    archive = salvage(source)
    save_file({name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in archive.tensors.items()}, target)
    for name in archive.unknown:
        sys.stderr.write(f"{'note' if HARMLESS.fullmatch(name) else 'security'}: the file asked for {name[:200]}\n")
    return f"{len(archive.tensors)} tensors in {target}"


if __name__ == "__main__":
    sys.exit(main())
