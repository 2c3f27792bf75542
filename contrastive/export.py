"""``python -m contrastive.export ckpt.pt OUT --to huggingface|open_clip|safetensors``: a checkpoint for other programs.

The export is read back by the target program, and its features for random inputs are compared with the checkpoint's
before the command reports success. Models that the target program cannot express are refused, not approximated.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrastive.cli.command import command_parser, require_place, run_command
from strictio.console import put
from strictio.errors import MachineError, VlmAuditError, as_machine_error
from strictio.folders import Folder

if TYPE_CHECKING:
    from contrastive.checkpoint.file import Checkpoint
    from contrastive.formats.exports import Features

KINDS = {
    "huggingface": "a folder of transformers' CLIPModel with tokenizer and image processor",
    "open_clip": "a folder with open_clip's configuration and weights (open_clip's local-dir:)",
    "safetensors": "a folder with model.safetensors, its names and values as in the checkpoint, and config.json",
}
_ALIASES = {"transformers": "huggingface"}
TOLERANCE = 1e-5
"""Largest allowed difference between features, relative to the longest one."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    forms = "; ".join(f"{name}: {text}" for name, text in KINDS.items())
    parse = command_parser("export", "Write a checkpoint in another program's form, and verify it there.", forms)
    parse.add_argument("checkpoint", metavar="CKPT", help="a ckpt.pt of this program")
    parse.add_argument("out", metavar="OUT", help="a folder that does not exist yet")
    parse.add_argument("--to", choices=KINDS, type=lambda word: _ALIASES.get(word, word), required=True, help="the program that it is for")
    parse.add_argument("--ema", action="store_true", help="export the running average of the weights")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 written and verified; 2 unsupported by the target; 3, 4 bad checkpoint; 5 disk."""
    options = parser().parse_args(argv)
    return run_command(lambda: _export(options.checkpoint, Path(options.out), options.to, options.ema), debug=options.debug)


def _export(path: str, out: Path, kind: str, ema: bool) -> str:
    from contrastive.checkpoint.file import averaged, load

    require_place(out)
    checkpoint = averaged(load(path)) if ema else load(path)
    difference = export(checkpoint, out, kind)
    if sentence := _ids_sentence(checkpoint, kind, out):
        put(f"verified: {sentence}", sys.stdout)
    if warning := _lost_vocabulary(checkpoint, kind):
        put(f"warning: {warning}", sys.stderr)
    return f"verified: features of random inputs differ by {difference:.1e} at most (allowed: {TOLERANCE:g})\n{out}"


def export(checkpoint: Checkpoint, out: Path, kind: str) -> float:
    """Write the model into the new folder `out`, verify it, and return the largest difference of features (relative to the longest).

    `out` appears only once everything is written and verified; `kind`: a name in `KINDS`. Raises `DataError` if the text tower was never
    trained (then only the weights can be exported); `UsageError` if the target lacks a component, or is not installed;
    `VlmAuditError` if the export does not give the same features; `MachineError` if `out` exists or cannot be written.
    """
    from contrastive.checkpoint.file import require_both_towers

    form = _form(kind)
    if kind != "safetensors":  # the image tower is useful on its own there
        require_both_towers(checkpoint)
    form.check(checkpoint)
    if os.path.lexists(out):
        raise MachineError(f"{out} exists already", fix="name a folder that does not exist, or remove it")
    try:
        with Folder.of(out.parent, make=True).new_folder(out.name) as folder:
            form.write(checkpoint, folder.reachable)
            folder.write("README.md", _card(checkpoint, kind, f"{form.NOTE}{_ids_note(checkpoint, kind, folder.reachable)}").encode())
            difference = compare_features(checkpoint, form.reader(folder.reachable))
    except BlockingIOError as error:
        raise MachineError("another export is writing there", where=str(out), fix="wait for it, or name another folder") from error
    except OSError as error:
        raise MachineError("the export cannot be written", where=str(out), why=error.strerror) from error
    except Exception as error:  # safetensors and tokenizers raise their own errors for a full disk
        machine = None if isinstance(error, VlmAuditError) else as_machine_error(error)
        if machine is None:
            raise
        machine.where = str(out)
        raise machine from error
    return difference


def _form(kind: str) -> Any:
    from contrastive.formats.exports import hugging_face, open_clip, tensors

    return {"huggingface": hugging_face, "open_clip": open_clip, "safetensors": tensors}[kind]


def _ids_sentence(checkpoint: Checkpoint, kind: str, folder: Path) -> str:
    """Say which texts get the checkpoint's ids in the target; "" if it has no tokenizer for them. Raises `VlmAuditError` as `export`."""
    from contrastive.formats.exports import compare_ids

    ids_of = _form(kind).ids_of(checkpoint, folder)
    if ids_of is None:
        return ""
    others = compare_ids(checkpoint.tokenizer, ids_of)
    rest = f"; not those of texts with {', '.join(others)}" if others else ""
    return f"ids of texts, with quotes and punctuation, are the checkpoint's{rest}"


def _ids_note(checkpoint: Checkpoint, kind: str, folder: Path) -> str:
    sentence = _ids_sentence(checkpoint, kind, folder)
    return f" Verified: {sentence}." if sentence else ""


def _lost_vocabulary(checkpoint: Checkpoint, kind: str) -> str | None:
    """Return a warning if open_clip would tokenize texts differently from the model, else None."""
    from contrastive.model.tokenizer import Tokenizer, clip_tokenizer

    own = checkpoint.tokenizer
    if kind != "open_clip" or not isinstance(own, Tokenizer) or own.merges == clip_tokenizer(own.context).merges:
        return None
    return (
        f"open_clip gives texts the ids of CLIP's own vocabulary, and this model has another one, of {own.vocab_size:,} entries: what "
        "open_clip.get_tokenizer makes of a text means nothing to it\nfix: train with data.tokenizer=clip, export --to huggingface, "
        "which brings the tokenizer, or make ids by tokenizer_of_this_model.json"
    )


def compare_features(checkpoint: Checkpoint, read: Features) -> float:
    """Compare features of random pixels and ids with those of `read`; `VlmAuditError` if they differ by more than `TOLERANCE`."""
    import torch

    config, generator = checkpoint.config, torch.Generator().manual_seed(0)
    text, side = config.text, config.vision.image_size
    images = torch.randn(4, 3, side, side, generator=generator)
    ids = torch.randint(0, text.eot - 1, (4, text.context), generator=generator)
    for row in range(4) if text.pooling != "last" else ():
        end = 1 + row * (text.context - 2) // 3
        ids[row, 0], ids[row, end], ids[row, end + 1 :] = text.eot - 1, text.eot, 0
    with torch.inference_mode():
        ours, theirs = (checkpoint.model.encode_image(images), checkpoint.model.encode_text(ids)), read(images, ids)
        differences = [float((a - b).abs().max() / a.norm(dim=1).max()) for a, b in zip(ours, theirs, strict=True)]
    difference = max(differences)
    if not difference <= TOLERANCE:  # NaN does not count as agreement
        why = f"they differ by {difference:.1e} of their length"
        raise VlmAuditError("what was written does not give the same features, so it was removed", why=why)
    return difference


def _card(checkpoint: Checkpoint, kind: str, note: str) -> str:
    trained = checkpoint.data_card or "Of its training data nothing is known."
    return (
        f"# Exported model\n\nWritten as {KINDS[kind]}.\n\n* Trained on: {trained}\n* Steps: {checkpoint.step}\n"
        f"* sha256 of the checkpoint: {checkpoint.sha256 or 'not known'}\n* {note}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
