"""``python -m contrastive.foreign IN OUT.safetensors``: save the tensors of a torch file that is refused because of the names in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive.cli.command import command_parser, require_place, run_command
from strictio.console import put
from strictio.errors import MachineError

if TYPE_CHECKING:
    from torch import Tensor


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = command_parser("foreign", "Save a torch file's tensors; run nothing from it.")
    parse.add_argument("source", type=Path, metavar="IN", help="a file that is refused because of the names in it")
    parse.add_argument("target", type=Path, metavar="OUT.safetensors", help="the file to write")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Save the tensors of a file that `read_archive` refuses, without running code from it."""
    options = parser().parse_args(argv)
    return run_command(lambda: _save(options.source, options.target), debug=options.debug)


def _save(source: Path, target: Path) -> str:
    from strictio.weights.safe_pickle import HARMLESS
    from strictio.weights.torch_file import salvage

    require_place(target)
    archive = salvage(source)
    _write(archive.tensors, target)
    for name in archive.unknown:
        put(f"{'note' if HARMLESS.fullmatch(name) else 'security'}: the file asked for {name[:200]}", sys.stderr)
    return f"{len(archive.tensors)} tensors in {target}"


def _write(tensors: Mapping[str, Tensor], target: Path) -> None:
    """Write a safetensors file that replaces `target` once it is complete; tensors that share memory are written separately."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from strictio.files import drafted

    seen: set[int] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone(memory_format=torch.contiguous_format) if storage in seen else tensor.contiguous()
        seen.add(storage)
    try:
        with drafted(target) as draft:
            save_file(apart, draft)
    except (OSError, SafetensorError) as error:
        why = str(error)[:200]
        raise MachineError("the tensors cannot be written", where=str(target), why=why, fix="make room, or name another place") from error


if __name__ == "__main__":
    sys.exit(main())
