"""Loads one file of weights: our own `ckpt.pt`, OpenAI's archives, open_clip's and Lightning's files, safetensors.

Nothing in the file is run. Settings that it does not determine come from ``--model-args``, are guessed with a warning, or are required.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from audit.models.folder_weights import adapter_notes
from audit.models.model_args import read_overrides, refuse_overrides
from audit.models.runtime import located, log_notes

if TYPE_CHECKING:
    from audit.types import Encoder
    from contrastive.checkpoint.file import Checkpoint
    from strictio.weights.contents import Contents
    from strictio.weights.overrides import ModelOverrides

UNSAFE_SWITCH = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
EncoderSettings = dict[str, str]
"""name, device and dtype, common to all kinds of encoders."""
log = logging.getLogger("audit")


def load(path: Path, *, name: str, device: str, dtype: str, model_args: Mapping[str, str] | None = None) -> Encoder:
    """Load one file of weights without running anything in it; `model_args` set what it does not state (`strictio.weights.overrides`).

    Raises UsageError if an argument is unknown or is stated in the file; DataError if the file is damaged, incomplete or not a
    dual encoder; UnsafeError if it contains code or could exhaust the machine.
    """
    from audit.models import native

    words, setting = dict(model_args or {}), {"name": name, "device": device, "dtype": dtype}
    overrides = read_overrides(words)
    if exported_weights(path.parent) == path:  # it is self-describing
        refuse_overrides(words, "an export of this project")
        with located(str(path.parent)):
            checkpoint = _exports().read(path.parent)
        return native.encoder(checkpoint, **setting, release=None)
    contents = read(path)
    if (own := _checkpoint_in(contents, path)) is not None:
        refuse_overrides(words, "a checkpoint of this project")
        return native.encoder(own, **setting, release=contents.archive.release if contents.archive else None)
    encoder = _converted(path, contents, overrides, setting)
    log_notes(encoder.record)
    return encoder


def exported_weights(folder: Path) -> Path | None:
    """The weights in a folder that this project exported as safetensors; None for any other folder."""
    exports = _exports()
    return folder / exports.WEIGHTS if exports.is_export(folder) else None


def _exports() -> ModuleType:
    """The trainer's module for exports as safetensors, imported when a file is read."""
    from contrastive.formats.exports import tensors

    return tensors


def own_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint of this project in a file; None if the file has something else."""
    return _checkpoint_in(read(path), path)


def _checkpoint_in(contents: Contents, path: Path) -> Checkpoint | None:
    from contrastive.checkpoint.file import from_archive, is_own

    if contents.archive is None or not is_own(contents.archive):
        return None
    with located(str(path)):
        return from_archive(contents.archive, path)


def read(path: Path) -> Contents:
    """Read a file of weights with the reader for its suffix; raises errors as `strictio.weights.contents.read` does."""
    from strictio.weights import contents

    if os.environ.get(UNSAFE_SWITCH):
        log.warning("%s is set and changes nothing: torch's own loader, which it makes unsafe, opens no file here", UNSAFE_SWITCH)
    with located(str(path)):
        return contents.read(path)


def _converted(path: Path, contents: Contents, overrides: ModelOverrides, setting: EncoderSettings) -> Encoder:
    """The encoder for another project's weights."""
    from audit.models import native
    from contrastive.formats.convert import convert
    from contrastive.formats.infer import described
    from strictio.weights.adapter import refuse_beside
    from strictio.weights.unwrap import unwrap

    with located(str(path)):
        weights = unwrap(contents.data, overrides.weights, overrides.adapter)
        ignored = adapter_notes(refuse_beside(path.parent, overrides.adapter is not None))
        checkpoint = convert(weights, contents, overrides)
        encoder = native.encoder(checkpoint, **setting, release=contents.archive.release if contents.archive else None)
        notes = (*encoder.record.notes, *ignored)
        encoder.record = replace(encoder.record, architecture=described(checkpoint.config), notes=notes)
        return encoder
