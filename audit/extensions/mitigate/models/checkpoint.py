"""Our own `ckpt.pt`, written again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audit.extensions.mitigate.models.output_layers import Layers, openai_layers
from audit.extensions.mitigate.record import Form
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.model.clip import load_portable, portable_state
from strictio.folders import Folder

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = "ckpt.pt"


@dataclass(frozen=True)
class EditableCheckpoint:
    """A checkpoint that can be written again, without the state of its training: that belongs to the original weights."""

    checkpoint: Checkpoint

    @property
    def form(self) -> Form:
        return "vlm-audit folder"

    @property
    def layers(self) -> Layers:
        return openai_layers(self.tensors)

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        return portable_state(self.checkpoint.model)

    def write(self, folder: Folder, changed: Mapping[str, Tensor]) -> None:
        """Write the checkpoint; a running average of its weights is left out, too."""
        model = load_portable(self.checkpoint.config, {**self.tensors, **changed})
        without_training = replace(self.checkpoint, model=model, ema=None, training=None, account=None, sha256="")
        save(folder.path / CHECKPOINT, without_training, folder)
